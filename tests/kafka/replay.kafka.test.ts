// packmill topology replay on Kafka: it has all that producers have put into the topic, in whichever partitions that has by now, and what was asked for of it; and
// it goes into no topic that is somebody else's.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import kafkajs from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packmill } from '../../cli/packmill-process.fake.ts'
import { defaults, loadConfig } from '../../config/index.ts'
import type { WireEvent } from '../../model/event.ts'
import { kafkaPartition } from '../../model/hash.ts'
import { TOPICS } from '../../model/rows.ts'
import { dataFolder, folderMeta } from '../../services/process/data-folder.ts'
import { openEmbedded } from '../../services/process/embedded.ts'
import { beginLineage, replayable } from '../../services/process/lineages.ts'
import { trafficEvents } from '../../services/traffic/traffic.ts'
import { kafkaClient } from '../../stores/kafka/kafka-client.ts'
import { openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { type KafkaWorld, kafkaWorld, textsOf } from '../../stores/kafka/kafka-world.fake.ts'
import { makeTopic } from '../../stores/kafka/make-topic.ts'
import { kafkaServer } from '../kafka-server.ts'
import { compareSessions } from '../oracle/compare.ts'
import { evaluate } from '../oracle/evaluate.ts'
import { sessionsSql } from '../oracle/tiles.ts'

const server = await kafkaServer()
const PARTITIONS = 2
/** No multiple of it: what was in partition 1 may go on in partition 0, which is read first. */
const GROWN = 3
const partitionOf = ({ orgId, productId }: WireEvent, partitions: number) =>
  kafkaPartition(Buffer.from(`${orgId}:${productId}`), partitions)

describe.runIf(server)('packmill topology replay on Kafka', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-kafka-replay-'))
  // More than a day of a few: what comes behind much later ones is late.
  const events = [...trafficEvents({ events: 4_000, orgs: 12, users: 60, seed: 5 })].map((event) => ({
    ...event,
    receivedAt: event.ts as number,
  }))
  const HALF = events.length / 2
  let world: KafkaWorld
  beforeAll(async () => {
    world = await kafkaWorld(server!.broker)
    writeFileSync(join(folder, 'nothing.jsonl'), '')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** Topics and a data folder of its own, with these events in the topic. */
  async function deployment(name: string, first: readonly WireEvent[]) {
    const prefix = `${world.options.namespace}-${name}.`
    const data = join(folder, name)
    const sets = [`kafka.brokers=${server!.broker}`, `kafka.topicPrefix=${prefix}`, 'engine.lanes=1', `log.partitions=${PARTITIONS}`]
    const configOf = (of: string, ...more: string[]) => loadConfig({ set: [...sets, ...more], data: of, environment: {}, folder }).config
    /** `more`: settings. */
    const cli = (args: string[], more: string[] = [], of = data) =>
      packmill(folder, [...args, '--data', of, ...[...sets, ...more].flatMap((set) => ['--set', set])])
    const own = {
      ...{ prefix, data, configOf, cli },
      replay: (lineage: string, from = 'earliest', more: string[] = [], of = data) =>
        cli(['topology', 'replay', 'clickstream', '--from', from, '--lineage', lineage, '--json'], more, of),
      async produce(chosen: readonly WireEvent[]): Promise<void> {
        const producer = kafkaClient(world.options.connection).producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
        await producer.connect()
        const messages = chosen.map((event) => ({ key: `${event.orgId}:${event.productId}`, value: JSON.stringify(event) }))
        await producer.send({ topic: `${prefix}${TOPICS.raw}`, messages })
        await producer.disconnect()
      },
      /** What a reader of committed records finds, by partition. */
      async rawOf(lineage: string, partitions: number): Promise<WireEvent[][]> {
        const log = await openKafkaLog({ ...world.options, topicPrefix: `${prefix}${lineage}.` })
        try {
          const all = Array.from({ length: partitions }, (_, partition) => textsOf(log, { topic: TOPICS.raw, partition }))
          return (await Promise.all(all)).map((lines) => lines.map((line) => JSON.parse(line) as WireEvent))
        } finally {
          await log.close()
        }
      },
      /** Differences of the lineage's sessions, all closed, from what these events make. */
      async differences(lineage: string, of: readonly WireEvent[], ...more: string[]): Promise<string[]> {
        const { sessions } = evaluate(
          of.map((event, offset) => ({ partition: 0, offset, event })),
          { ...defaults.clickstream, closeAll: true },
        )
        expect(sessions.size).toBeGreaterThan(10)
        const config = configOf(join(data, 'lineages', lineage), ...more)
        const embedded = await openEmbedded({ config, version: 'test', live: false, onNotice: () => undefined })
        try {
          await embedded.settle({ snapshots: false, close: true })
          return compareSessions(await embedded.query<never>(sessionsSql), sessions)
        } finally {
          await embedded.stop()
        }
      },
      topics: () => world.withAdmin(async (admin) => (await admin.listTopics()).filter((topic) => topic.startsWith(prefix)).sort()),
      makeRaw: (of: string) =>
        world.withAdmin((admin) => makeTopic(admin, { topic: `${of}${TOPICS.raw}`, partitions: PARTITIONS, replication: 1 })),
    }
    await own.makeRaw(prefix)
    await own.produce(first)
    const begun = cli(['import', 'nothing.jsonl'])
    expect(begun.code, begun.err).toBe(0)
    return own
  }

  test('of a topic that was grown: the start says so, and the replay has what lies in the new partitions, behind what came before it', async () => {
    const { prefix, cli, replay, produce, rawOf, differences } = await deployment('grown', events.slice(0, HALF))
    await world.withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic: `${prefix}${TOPICS.raw}`, count: GROWN }] }))
    await produce(events.slice(HALF))
    const places = events.map((event) => [partitionOf(event, PARTITIONS), partitionOf(event, GROWN)])
    expect(places.some(([was, is]) => is > was)).toBe(true)
    expect(places.some(([was, is]) => is < was)).toBe(true)

    const replayIt = 'packmill topology replay clickstream --from earliest --lineage NAME --set log.partitions='
    const refused = cli(['sql', 'SELECT 1'])
    expect(refused.err).toMatch(/^KAFKA_TOPIC_WRONG: the topic \S+events\.raw has 3 partitions; it must have 2 /)
    expect(refused.err).toContain('leave log.partitions at 2')
    expect(refused.err).toContain(`${replayIt}N`)
    const other = cli(['sql', 'SELECT 1'], [`log.partitions=${GROWN}`])
    expect(other.err).toMatch(/^PARTITIONS_FIXED: .*\n {2}Leave log\.partitions at 2 for this folder: /)
    expect(other.err).toContain(`${replayIt}${GROWN}`)

    const more = [`log.partitions=${GROWN}`]
    const done = replay('wide', 'earliest', more)
    expect(done.code, done.err).toBe(0)
    expect(JSON.parse(done.out)).toMatchObject({ partitions: GROWN, records: events.length, before: 0 })
    const copied = await rawOf('wide', GROWN)
    expect(
      copied
        .flat()
        .map(({ eventId }) => eventId)
        .sort(),
    ).toEqual(events.map(({ eventId }) => eventId).sort())
    for (const [partition, own] of copied.entries())
      expect(own.map((event) => partitionOf(event, GROWN)).filter((is) => is !== partition)).toEqual([])
    expect(JSON.parse(replay('wide', 'earliest', more).out)).toMatchObject({ records: 0, before: events.length })
    expect(await differences('wide', events, ...more)).toEqual([])
  })

  test('under a name that is taken on the brokers it is refused, be that of another deployment or of another folder; in its own folder it goes on', async () => {
    const few = events.slice(0, 200)
    const { data, prefix, configOf, replay, rawOf, topics, makeRaw } = await deployment('named', few)
    // What another deployment, whose kafka.topicPrefix is '<prefix>wide.', takes live.
    await makeRaw(`${prefix}wide.`)
    const before = await topics()
    const live = replay('wide')
    expect(live.code).toBe(1)
    expect(live.err).toContain(
      `has no lineage wide, and the brokers have a topic of that name: ${prefix}wide.${TOPICS.raw}\n  Choose another name. `,
    )
    expect(live.err).toMatch(/^LINEAGE_EXISTS: /)
    expect(await topics()).toEqual(before)
    expect(existsSync(join(data, 'lineages', 'wide'))).toBe(false)

    expect(JSON.parse(replay('again').out)).toMatchObject({ records: few.length, before: 0 })
    // Another process of the same deployment, which has its own folder.
    const other = join(folder, 'named-other')
    dataFolder(other, PARTITIONS, { kafka: { cluster: folderMeta(data).kafka!.cluster, topicPrefix: prefix } })
    const since = new Date(few[100].receivedAt).toISOString()
    for (const from of ['earliest', since])
      expect(replay('again', from, [], other)).toMatchObject({
        code: 1,
        err: expect.stringMatching(
          /^LINEAGE_EXISTS: .* topics of that name: .* …\n {2}.*packmill topology reset clickstream --lineage again\. /,
        ),
      })
    expect(existsSync(join(other, 'lineages', 'again'))).toBe(false)
    expect(JSON.parse(replay('again').out)).toMatchObject({ records: 0, before: few.length })

    // Broken off when some of its topics were made.
    const asked = { name: 'off', sinceMs: Number.NEGATIVE_INFINITY, partitions: PARTITIONS, settings: configOf(data).clickstream }
    beginLineage(data, asked, await replayable(data, configOf(data), 'off'))
    await makeRaw(`${prefix}off.`)
    expect(JSON.parse(replay('off').out)).toMatchObject({ records: few.length, before: 0 })
    expect((await rawOf('off', PARTITIONS)).flat()).toHaveLength(few.length)
  })

  test('from a time: what was received then or later, and what does not say when, which is counted', async () => {
    const UNDATED = 7
    const some = events.slice(0, 1_000).map(({ receivedAt, ...event }, i) => (i % UNDATED === 0 ? event : { ...event, receivedAt }))
    const fromMs = events[600].receivedAt
    const { cli, replay, rawOf, differences } = await deployment('since', some)
    const kept = some.filter((event) => !('receivedAt' in event) || (event.receivedAt as number) >= fromMs)
    const undated = kept.filter((event) => !('receivedAt' in event)).length
    expect(undated).toBeGreaterThan(50)
    expect(kept.length).toBeLessThan(some.length - 400)
    const from = new Date(fromMs).toISOString()
    const done = replay('later', from)
    expect(done.code, done.err).toBe(0)
    expect(JSON.parse(done.out)).toMatchObject({ records: kept.length, before: 0, undated })
    const ids = (of: readonly WireEvent[]) => of.map(({ eventId }) => eventId).sort()
    expect(ids((await rawOf('later', PARTITIONS)).flat())).toEqual(ids(kept))
    expect(await differences('later', kept)).toEqual([])
    const again = cli(['topology', 'replay', 'clickstream', '--from', from, '--lineage', 'later'])
    expect(again.out).toContain(`as lineage later, ${kept.length} by an earlier run.`)
    expect(again.out).toContain(`\n${undated} of them do not say when they were received (receivedAt): such events are in every replay.\n`)
  })
})
