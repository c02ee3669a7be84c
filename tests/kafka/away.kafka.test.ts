// `packmill up` whose brokers cannot be reached for longer than it asks them for anything: it says so, waits, and goes on.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startPackmill } from '../../cli/packmill-process.fake.ts'
import { openProxy } from '../../dev/kafka/proxy.ts'
import { TOPICS } from '../../model/rows.ts'
import { kafkaWorld } from '../../stores/kafka/kafka-world.fake.ts'
import { makeTopic } from '../../stores/kafka/make-topic.ts'
import { kafkaServer } from '../kafka-server.ts'

const server = await kafkaServer()

describe.runIf(server?.proxied)('packmill up', () => {
  test('goes on when brokers that were away are back, and stops cleanly', async () => {
    const world = await kafkaWorld(server!.broker)
    const prefix = `${world.options.namespace}-away.`
    await world.withAdmin((admin) => makeTopic(admin, { topic: `${prefix}${TOPICS.raw}`, partitions: 2, replication: 1 }))
    const { port, target, broker } = server!.proxied!
    let isAway = false
    const proxy = await openProxy({ port, target, fateOf: () => (isAway ? 'cut' : 'pass'), stallMs: 0 })
    const folder = mkdtempSync(join(tmpdir(), 'packmill-away-'))
    const settings = [`kafka.brokers=${broker}`, `kafka.topicPrefix=${prefix}`, 'log.partitions=2', 'engine.lanes=1', 'logLevel=info']
    const args = ['up', '--no-http', '--every', '1', '--data', join(folder, 'data'), ...settings.flatMap((set) => ['--set', set])]
    const running = startPackmill(folder, args)
    const status = () =>
      new Promise<void>((resolve) => {
        const look = (text: Buffer) => {
          if (!/events\/s/.test(text.toString())) return
          running.child.stdout!.off('data', look)
          resolve()
        }
        running.child.stdout!.on('data', look)
      })
    try {
      await running.says(/events\/s/)
      isAway = true
      await running.says(/"code":"KAFKA_UNAVAILABLE".*"msg":"status-waiting/)
      isAway = false
      await status()
      running.child.kill('SIGTERM')
      const { code, err } = await running.ended
      expect(code, err).toBe(0)
    } finally {
      isAway = false
      running.child.kill('SIGKILL')
      await running.ended
      await proxy.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }, 180_000)
})
