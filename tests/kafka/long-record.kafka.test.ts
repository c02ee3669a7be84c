// Records of almost a megabyte from a producer that knows no bounds: each becomes a dead letter, and its partition goes on.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from '../../config/index.ts'
import { TOPICS } from '../../model/rows.ts'
import { openEmbedded } from '../../services/process/embedded.ts'
import { trafficEvents } from '../../services/traffic/traffic.ts'
import { kafkaClient } from '../../stores/kafka/kafka-client.ts'
import { kafkaWorld } from '../../stores/kafka/kafka-world.fake.ts'
import { kafkaServer } from '../kafka-server.ts'

const server = await kafkaServer()
const BYTES = 1_000_000
/** Twice and six times as long as a JSON string. */
const CHARACTERS = ['"', '\u0001']

test.runIf(server)(
  'what is longer than an event may be is told, shown by its beginning, and not replayed',
  { timeout: 60_000 },
  async () => {
    const world = await kafkaWorld(server!.broker)
    const folder = mkdtempSync(join(tmpdir(), 'packmill-long-record-'))
    const { topicPrefix = '' } = world.options
    const set = [`kafka.brokers=${server!.broker}`, `kafka.topicPrefix=${topicPrefix}`, 'log.partitions=1', 'engine.lanes=1']
    const { config } = loadConfig({ data: join(folder, 'data'), set, environment: {} })
    const producer = kafkaClient(world.options.connection).producer()
    try {
      await producer.connect()
      const [event] = [...trafficEvents({ events: 1, seed: 1 })]
      const values = [...CHARACTERS.map((character) => character.repeat(BYTES)), JSON.stringify(event)]
      for (const value of values) await producer.send({ topic: `${topicPrefix}${TOPICS.raw}`, messages: [{ value, partition: 0 }] })
      const embedded = await openEmbedded({ config, version: 'test', live: false, onNotice: () => undefined })
      await embedded.settle({ snapshots: false, close: false })
      const { groups, newest } = await embedded.deadLetters({ ask: 'list', limit: 10 })
      expect(groups).toMatchObject([{ code: 'EVENT_TOO_LARGE', count: 2, replayed: 0 }])
      expect(newest.map(({ source, wholeBytes }) => [source.offset, wholeBytes]).sort()).toEqual([
        [0, BYTES],
        [1, BYTES],
      ])
      for (const offset of [0, 1]) {
        const { record, wholeBytes } = await embedded.deadLetters({ ask: 'show', place: [0, offset] })
        expect({ record, wholeBytes }).toEqual({ record: CHARACTERS[offset].repeat(16 << 10), wholeBytes: BYTES })
      }
      const message = `only its beginning was kept: the record had ${BYTES} bytes, an event has at most 65536`
      expect(await embedded.deadLetters({ ask: 'replay' })).toEqual({
        ...{ replayed: 0, already: 0, refused: 2 },
        refusals: [0, 1].map((offset) => ({ partition: 0, offset, code: 'EVENT_TOO_LARGE', message })),
      })
      expect(await embedded.query("SELECT event_id AS id FROM events_raw WHERE event_id != ''")).toEqual([{ id: event.eventId }])
      await embedded.stop()
    } finally {
      await producer.disconnect()
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
