// The broker's retention takes what nobody needs any more, to the last byte: markers of transactions go with the records before them. Who starts then finds a log that begins
// behind everything, and nothing is missing.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packmill } from '../../cli/packmill-process.fake.ts'
import { trafficEvents } from '../../services/traffic/traffic.ts'
import { kafkaWorld } from '../../stores/kafka/kafka-world.fake.ts'
import { kafkaServer } from '../kafka-server.ts'

const server = await kafkaServer()

describe.runIf(server)('what retention leaves', { timeout: 120_000 }, () => {
  test('nothing of any topic, twice: the next start goes on, and all is counted once', async () => {
    const { options, withAdmin } = await kafkaWorld(server!.broker)
    const prefix = `${options.namespace}-gone.`
    const folder = mkdtempSync(join(tmpdir(), 'packmill-retention-'))
    const settings = [`kafka.brokers=${server!.broker}`, `kafka.topicPrefix=${prefix}`, 'log.partitions=2', 'engine.lanes=1']
    const cli = (...args: string[]) => packmill(folder, [...args, '--data', 'data', ...settings.flatMap((set) => ['--set', set])])
    const forget = () =>
      withAdmin(async (admin) => {
        const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix) && !topic.startsWith(`${prefix}packmill.`))
        expect(topics).toContain(`${prefix}events.raw`)
        for (const topic of topics) {
          const partitions = (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({ partition, offset: high }))
          await admin.deleteTopicRecords({ topic, partitions })
        }
      })
    try {
      const events = [...trafficEvents({ events: 3_000, orgs: 4, users: 40, seed: 8 })]
      const parts = [0, 1, 2].map((part) => events.slice(part * 1_000, (part + 1) * 1_000))
      for (const [i, part] of parts.entries()) {
        writeFileSync(join(folder, `${i}.jsonl`), part.map((event) => `${JSON.stringify(event)}\n`).join(''))
        const imported = cli('import', `${i}.jsonl`)
        expect(imported.code, imported.err).toBe(0)
        await forget()
      }
      const [counts] = JSON.parse(
        cli('sql', '--json', 'SELECT count() AS rows, uniqExact(partition, offset) AS places FROM events_raw').out,
      )
      expect(counts).toEqual({ rows: events.length, places: events.length })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
