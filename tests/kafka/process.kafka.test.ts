// Packmill on Kafka as its users run it: foreign producers of JSON, `packmill up` with two lanes, killed in the middle of its work, started again without its
// cache. What a reader of committed records sees, and what the tables hold, is the evaluator's answer for what lies on events.raw.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packmill, type Run, type Running, startPackmill } from '../../cli/packmill-process.fake.ts'
import { defaults } from '../../config/index.ts'
import type { WireEvent } from '../../model/event.ts'
import { kafkaPartition } from '../../model/hash.ts'
import { TOPICS } from '../../model/rows.ts'
import { connect, type Local } from '../../services/process/local.ts'
import { trafficEvents } from '../../services/traffic/traffic.ts'
import { kafkaClient } from '../../stores/kafka/kafka-client.ts'
import { type KafkaLog, openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { kafkaWorld, linesOf, textsOf } from '../../stores/kafka/kafka-world.fake.ts'
import { makeTopic } from '../../stores/kafka/make-topic.ts'
import { kafkaServer } from '../kafka-server.ts'
import { compareIncidents, compareSessions } from '../oracle/compare.ts'
import { evaluate } from '../oracle/evaluate.ts'
import { compareTiles, sessionsSql, tileRows } from '../oracle/tiles.ts'

const { CompressionTypes, Partitioners } = kafkajs
const server = await kafkaServer()
const PARTITIONS = 4
const EVENTS = 30_000
const STRAYS = 5
const all = Array.from({ length: PARTITIONS }, (_, partition) => partition)

describe.runIf(server)('packmill on Kafka', { timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-kafka-'))
  const data = join(folder, 'data')
  const left = new Set<Running>()
  let prefix: string
  let log: KafkaLog
  let settings: string[]
  const events = [...trafficEvents({ events: EVENTS, orgs: 12, users: 400, seed: 7 })]
  const half = events.length / 2

  beforeAll(async () => {
    const world = await kafkaWorld(server!.broker)
    prefix = `${world.options.namespace}-up.`
    const at = { kafka: { brokers: server!.broker, topicPrefix: prefix }, log: { partitions: PARTITIONS } }
    settings = [
      ...Object.entries(at).flatMap(([group, own]) => Object.entries(own).map(([name, value]) => `${group}.${name}=${value}`)),
      ...['engine.lanes=2', 'engine.epochBytes=128KB', 'engine.checkpointBytes=1MB', 'logLevel=info'],
    ].flatMap((set) => ['--set', set])
    // As an organisation that has had its topic for long.
    await world.withAdmin((admin) => makeTopic(admin, { topic: `${prefix}${TOPICS.raw}`, partitions: PARTITIONS, replication: 1 }))
    log = await openKafkaLog({ ...world.options, topicPrefix: prefix })
  })
  afterAll(async () => {
    for (const { child } of left) child.kill('SIGKILL')
    await Promise.all([...left].map(({ ended }) => ended))
    await log?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function up(): Promise<Running> {
    const running = startPackmill(folder, ['up', '--port', '0', '--every', '86400', '--data', data, ...settings])
    left.add(running)
    await running.says(/^\S+ {2}up: /m)
    return running
  }
  async function kill(running: Running): Promise<Run> {
    running.child.kill('SIGKILL')
    left.delete(running)
    return running.ended
  }
  /** A client that knows nothing of Packmill: key and value, the partition by the default partitioner; or where it was told to, by mistake. */
  async function produce(chosen: readonly WireEvent[], partitionOf?: (key: string) => number): Promise<void> {
    const producer = kafkaClient({ brokers: [server!.broker] }).producer({ createPartitioner: Partitioners.DefaultPartitioner })
    await producer.connect()
    const kinds = [CompressionTypes.None, CompressionTypes.GZIP, CompressionTypes.ZSTD]
    for (let from = 0; from < chosen.length; from += 1000) {
      const messages = chosen.slice(from, from + 1000).map((event) => {
        const key = `${event.orgId}:${event.productId}`
        return { key, value: JSON.stringify(event), ...(partitionOf && { partition: partitionOf(key) }) }
      })
      await producer.send({ topic: `${prefix}${TOPICS.raw}`, compression: kinds[(from / 1000) % 3], messages })
    }
    await producer.disconnect()
  }
  const countOf = async (topic: string) => {
    const bounds = await Promise.all(all.map((partition) => log.bounds({ topic, partition })))
    return bounds.reduce((sum, { end }) => sum + end, 0)
  }
  const rowsOf = async (topic: string) =>
    (await Promise.all(all.map((partition) => textsOf(log, { topic, partition })))).flat().map((line) => JSON.parse(line) as object)

  test('what others produce becomes sessions, through two kills and without its cache, as the evaluator has it', async () => {
    await produce(events.slice(0, half))
    const first = await up()
    // In the middle: it has published, and has much to do.
    while ((await countOf(TOPICS.incidents)) === 0) await sleep(20)
    await kill(first)

    await produce(events.slice(0, STRAYS), (key) => (kafkaPartition(Buffer.from(key), PARTITIONS) + 1) % PARTITIONS)
    const second = await up()
    const rest = join(folder, 'rest.jsonl')
    writeFileSync(
      rest,
      events
        .slice(half)
        .map((event) => `${JSON.stringify(event)}\n`)
        .join(''),
    )
    const imported = startPackmill(folder, ['import', rest, '--data', data, ...settings])
    expect(await imported.ended).toMatchObject({ code: 0 })
    await kill(second)
    // State comes back from its changelog alone.
    rmSync(join(data, 'state'), { recursive: true })
    const third = await up()
    const again = packmill(folder, ['import', rest, '--close', '--json', '--data', data, ...settings])
    expect(again.code, again.err).toBe(0)
    expect(JSON.parse(again.out)).toMatchObject({ accepted: 0 })

    const lines = await Promise.all(all.map((partition) => linesOf(log, { topic: TOPICS.raw, partition })))
    const records = lines.flatMap((own, partition) =>
      own.map(([offset, line]) => ({ partition, offset, event: JSON.parse(line) as WireEvent })),
    )
    expect(records).toHaveLength(EVENTS + STRAYS)
    const isStray = ({ partition, event }: (typeof records)[number]) =>
      kafkaPartition(Buffer.from(`${event.orgId}:${event.productId}`), PARTITIONS) !== partition
    const expected = evaluate(
      records.filter((record) => !isStray(record)),
      { ...defaults.clickstream, closeAll: true },
    )
    expect(expected.sessions.size).toBeGreaterThan(400)
    expect(compareSessions(await rowsOf(TOPICS.sessions), expected.sessions, { allVersions: true })).toEqual([])
    expect(compareIncidents(await rowsOf(TOPICS.incidents), expected.incidents, { allVersions: true })).toEqual([])
    expect(compareTiles((await rowsOf(TOPICS.tiles)) as never, expected)).toEqual([])
    const dead = (await rowsOf(TOPICS.deadLetters)) as { code: string; partition: number; offset: number }[]
    expect(dead.map(({ partition, offset }) => `${partition}:${offset}`).sort()).toEqual(
      records
        .filter(isStray)
        .map(({ partition, offset }) => `${partition}:${offset}`)
        .sort(),
    )
    expect(new Set(dead.map(({ code }) => code))).toEqual(new Set(['WRONG_PARTITION']))

    const guest = (await connect(data)) as Local
    expect(compareSessions(await guest.query(sessionsSql), expected.sessions)).toEqual([])
    expect(compareTiles(await tileRows((sql) => guest.query(sql)), expected)).toEqual([])
    for (const table of ['events_raw', 'fact_sessions', 'fact_incidents', 'events_dlq']) {
      const sql = `SELECT count() AS rows, uniqExact(lineage, partition, offset) AS places FROM ${table}`
      const [{ rows, places }] = await guest.query<{ rows: number; places: number }>(sql)
      expect({ table, rows }).toEqual({ table, rows: places })
    }
    expect(await guest.query('SELECT count() AS rows FROM events_raw')).toEqual([{ rows: EVENTS + STRAYS }])
    expect((await guest.lag()).filter(({ records }) => records > 0)).toEqual([])

    third.child.kill('SIGTERM')
    const { code, err } = await third.ended
    left.delete(third)
    expect(code, err).toBe(0)
    expect(err).toMatch(/"msg":"restoring"/)
  })
})
