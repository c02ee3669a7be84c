// Connections that are cut, stall and bring half of an answer, at seeded places, while an owner commits: every epoch is there once, whoever claims next
// knows which. Whether a commit that failed was made is what nobody can know at that moment.
import { describe, expect, it } from 'vitest'
import { type Direction, type Fate, openProxy } from '../../dev/kafka/proxy.ts'
import { kafkaServer } from '../../tests/kafka-server.ts'
import { seeded } from '../../tests/sim/seeded.ts'
import { openKafkaLog } from './kafka-log.ts'
import { block, kafkaWorld, out, raw, textsOf } from './kafka-world.fake.ts'

const server = await kafkaServer()
const EPOCHS = 60

describe.runIf(server?.proxied)('Behind connections that break', () => {
  it.each([1, 2, 3])(
    'every epoch is committed once (seed %i)',
    async (seed) => {
      const world = await kafkaWorld(server!.broker)
      const random = seeded(seed)
      let isCalm = true
      const fateOf = (direction: Direction): Fate => {
        const dice = random()
        if (isCalm || dice > 0.03) return 'pass'
        if (dice > 0.02) return 'stall'
        return dice > 0.01 && direction === 'answer' ? 'half' : 'cut'
      }
      const { port, target, broker } = server!.proxied!
      const proxy = await openProxy({ port, target, fateOf, stallMs: 20 })
      const log = await openKafkaLog({ ...world.options, connection: { brokers: [broker] } })
      let failures = 0
      try {
        isCalm = false
        for (let epoch = 0, claim: Awaited<ReturnType<typeof log.claim>> | undefined; epoch < EPOCHS; )
          try {
            claim ??= await log.claim('task', raw, true)
            // A commit that failed may have been made: the claim knows. The last one, too.
            epoch = claim.last?.epoch ?? 0
            while (epoch < EPOCHS) {
              const next = epoch + 1
              await claim.commit({ outputs: [block(out, String(next))], receipt: { epoch: next, to: next } })
              epoch = next
            }
          } catch (error) {
            expect(error).toMatchObject({ retryable: true })
            failures++
            claim = undefined
          }
        isCalm = true
        const straight = await openKafkaLog(world.options)
        // Whoever claims next finds each transaction before it decided and to be read, however long the broker takes.
        expect((await straight.claim('task', raw)).last).toEqual({ epoch: EPOCHS, to: EPOCHS })
        expect(await textsOf(straight, out)).toEqual(Array.from({ length: EPOCHS }, (_, i) => String(i + 1)))
        await straight.close()
      } finally {
        isCalm = true
        await log.close()
        await proxy.close()
      }
      const { cut, half, stall } = proxy.counts
      expect(Math.min(cut, half, stall)).toBeGreaterThan(0)
      expect(failures).toBeGreaterThan(0)
    },
    120_000,
  )

  it('a topic that is not there, looked for over a connection that breaks, leaves all others to be read', async () => {
    const world = await kafkaWorld(server!.broker)
    const { port, target, broker } = server!.proxied!
    let isCut = false
    const proxy = await openProxy({ port, target, fateOf: () => (isCut ? 'cut' : 'pass'), stallMs: 0 })
    const log = await openKafkaLog({ ...world.options, connection: { brokers: [broker] } })
    try {
      expect(await log.bounds(raw)).toEqual({ start: 0, end: 0 })
      isCut = true
      await expect(log.lastReceipt('task')).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE', retryable: true })
      isCut = false
      expect(await log.bounds(out)).toEqual({ start: 0, end: 0 })
      expect((await log.claim('task', raw)).last).toBeUndefined()
    } finally {
      isCut = false
      await log.close()
      await proxy.close()
    }
  })
})
