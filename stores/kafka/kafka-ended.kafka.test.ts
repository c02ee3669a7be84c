// A log that is closed while something of it is on its way to a broker that answers: it ends there and then, wherever it was.
import { describe, expect, it } from 'vitest'
import { openProxy } from '../../dev/kafka/proxy.ts'
import { kafkaServer } from '../../tests/kafka-server.ts'
import { openKafkaLog } from './kafka-log.ts'
import { block, kafkaWorld, out, raw } from './kafka-world.fake.ts'

const server = await kafkaServer()
/** Pieces of bytes that pass before it is closed: connections, their greetings, the requests themselves. */
const PIECES = [1, 2, 3, 5, 8, 12, 16, 20, 25, 30]

describe.runIf(server?.proxied)('A log on Kafka that is closed', () => {
  it.each(['a claim', 'a commit'])(
    'in the middle of %s waits for nothing, and leaves nobody waiting',
    async (what) => {
      const world = await kafkaWorld(server!.broker)
      const { port, target, broker } = server!.proxied!
      let onPiece: () => void = () => undefined
      const fateOf = () => {
        onPiece()
        return 'pass' as const
      }
      const proxy = await openProxy({ port, target, fateOf, stallMs: 0 })
      const ends: unknown[] = []
      try {
        for (const [i, last] of PIECES.entries()) {
          const name = `task-${i}`
          const log = await openKafkaLog({ ...world.options, connection: { brokers: [broker] }, durableOnly: true })
          const claim = what === 'a commit' ? await log.claim(name, raw) : undefined
          let pieces = 0
          let closed: Promise<void> | undefined
          onPiece = () => {
            if (++pieces === last) closed = log.close()
          }
          const commit = { outputs: [block(out, 'a')], receipt: { epoch: 1, to: 1 } }
          const work = claim ? claim.commit(commit) : log.claim(name, raw)
          ends.push(
            await work.then(
              () => 'done',
              (error: { code: string }) => error.code,
            ),
          )
          onPiece = () => undefined
          await (closed ?? log.close())
        }
      } finally {
        await proxy.close()
      }
      expect(ends.filter((end) => end !== 'done' && end !== 'KAFKA_UNAVAILABLE')).toEqual([])
      expect(ends).toContain('KAFKA_UNAVAILABLE')
    },
    120_000,
  )
})
