// packmill topology reset on Kafka: what was computed goes, of one data folder's doing, and every folder goes on with what is computed anew, whatever it holds. A broken-off
// reset, a process that sleeps through all of it, and one that is at work meanwhile lose and double nothing.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import kafkajs, { type Message } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packmill } from '../../cli/packmill-process.fake.ts'
import { type Config, loadConfig } from '../../config/index.ts'
import type { WireEvent } from '../../model/event.ts'
import { TOPICS } from '../../model/rows.ts'
import { dataFolder, folderMeta } from '../../services/process/data-folder.ts'
import { type Embedded, type Notice, openEmbedded } from '../../services/process/embedded.ts'
import { type KafkaResetPlan, type ResetStep, resetOnKafka } from '../../services/process/kafka-reset.ts'
import { beginLineage, replayable } from '../../services/process/lineages.ts'
import { trafficEvents } from '../../services/traffic/traffic.ts'
import { deleteTopics } from '../../stores/kafka/delete-topics.ts'
import { joinGroup } from '../../stores/kafka/group-membership.ts'
import { kafkaClient } from '../../stores/kafka/kafka-client.ts'
import { type KafkaLog, type KafkaLogOptions, openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { block, type KafkaWorld, kafkaWorld, textsOf } from '../../stores/kafka/kafka-world.fake.ts'
import { makeTopic } from '../../stores/kafka/make-topic.ts'
import { kafkaServer } from '../kafka-server.ts'
import { compareSessions } from '../oracle/compare.ts'
import { sessionsSql } from '../oracle/tiles.ts'
import { topicAnswer } from './topic-answer.ts'

const server = await kafkaServer()
const PARTITIONS = 2
const EVENTS = 4_000
/** Of partition 0, so many are deleted by retention, as it were. */
const TRIMMED = 300
const STAGE = `task.main.clickstream.${TOPICS.raw}`
const raw = (partition: number) => ({ topic: TOPICS.raw, partition })

describe.runIf(server)('packmill topology reset on Kafka', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-kafka-reset-'))
  const [a, b] = ['a', 'b'].map((name) => join(folder, name))
  const events = [...trafficEvents({ events: EVENTS, orgs: 8, users: 60, seed: 5 })]
  let world: KafkaWorld
  let options: KafkaLogOptions
  let log: KafkaLog
  let sets: string[]

  beforeAll(async () => {
    world = await kafkaWorld(server!.broker)
    const prefix = `${world.options.namespace}-reset.`
    options = { ...world.options, topicPrefix: prefix, namespace: `${prefix}packmill` }
    sets = [`kafka.brokers=${server!.broker}`, `kafka.topicPrefix=${prefix}`, `log.partitions=${PARTITIONS}`, 'engine.lanes=1']
    await world.withAdmin((admin) => makeTopic(admin, { topic: `${prefix}${TOPICS.raw}`, partitions: PARTITIONS, replication: 1 }))
    log = await openKafkaLog(options)
  })
  afterAll(async () => {
    await log?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const configOf = (data: string, ...more: string[]): Config =>
    loadConfig({ set: [...sets, ...more], data, environment: {}, folder }).config
  const cli = (...args: string[]) =>
    packmill(folder, ['topology', 'reset', 'clickstream', '--data', a, ...args, ...sets.flatMap((set) => ['--set', set])])
  const topics = () =>
    world.withAdmin(async (admin) => new Set((await admin.listTopics()).filter((topic) => topic.startsWith(options.topicPrefix!))))
  const own = (topic: string) => `packmill.${topic}`
  const named = (...names: string[]) => names.map((name) => `${options.topicPrefix}${name}`)

  async function opened<T>(config: Config, work: (embedded: Embedded) => Promise<T>): Promise<{ result: T; notices: Notice[] }> {
    const notices: Notice[] = []
    const embedded = await openEmbedded({ config, version: 'test', live: false, onNotice: (notice) => notices.push(notice) })
    try {
      return { result: await work(embedded), notices }
    } finally {
      await embedded.stop()
    }
  }
  const computed = (data: string, asked = { snapshots: false, close: false }, ...more: string[]) =>
    opened(configOf(data, ...more), (embedded) => embedded.settle(asked))

  const brokenOff = (at: ResetStep) =>
    resetOnKafka(configOf(a), 'clickstream', (step) => {
      if (step === at) throw new Error('killed')
    })

  /** What the door has set aside, of which no task knows. */
  const tooLate = JSON.stringify({ reason: 'old', partition: PARTITIONS, offset: 0, watermark: 0, record: '{}' })

  /** In a transaction: behind the last record of a partition stands a marker then, which who reads that record fetches ahead. */
  async function produce(topic: string, messages: Message[]): Promise<void> {
    const transactionalId = `${options.namespace}.producer`
    const createPartitioner = kafkajs.Partitioners.DefaultPartitioner
    const producer = kafkaClient(options.connection).producer({
      transactionalId,
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner,
    })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic: named(topic)[0], messages })
    await transaction.commit()
    await producer.disconnect()
  }
  const messagesOf = (chosen: readonly WireEvent[]): Message[] =>
    chosen.map((event) => ({ key: `${event.orgId}:${event.productId}`, value: JSON.stringify({ ...event, receivedAt: event.ts }) }))

  test('what was computed goes, what came in stays; every data folder goes on with what is computed anew, which is right', async () => {
    await produce(TOPICS.raw, messagesOf(events.slice(0, EVENTS / 2)))
    await computed(b, { snapshots: false, close: true })
    // Another one, from which it is done.
    dataFolder(a, PARTITIONS, { kafka: { cluster: folderMeta(b).kafka!.cluster, topicPrefix: options.topicPrefix! } })
    mkdirSync(join(a, 'state', 'main'), { recursive: true })
    await produce(TOPICS.late, [{ partition: PARTITIONS, value: tooLate }])
    await world.withAdmin(async (admin) => {
      const [topic] = named(TOPICS.raw)
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(TRIMMED) }] })
    })
    // Somebody's own topology on the same brokers is nobody's to reset.
    await world.withAdmin((admin) => makeTopic(admin, { topic: named('packmill.receipts.task.main.run-words.text')[0], partitions: 1 }))
    const before = await topics()

    // Listed, and nothing is deleted; nor where a process is at work.
    const listed = cli('--json')
    expect(listed.code, listed.err).toBe(0)
    const plan = JSON.parse(listed.out) as KafkaResetPlan & { deleted: boolean }
    expect(plan).toMatchObject({ deleted: false, computed: 'main', next: 'main-2', events: EVENTS / 2 - TRIMMED, missing: TRIMMED })
    expect(plan.completeFromMs).toBeGreaterThan(0)
    expect(
      plan.topics
        .filter(({ how }) => how === 'deleted')
        .map(({ topic }) => topic)
        .sort(),
    ).toEqual(named(`packmill.receipts.${STAGE}`, `packmill.state.${STAGE}`))
    const sessions = plan.topics.find(({ topic }) => topic === named(TOPICS.sessions)[0])!
    expect(sessions).toMatchObject({ how: 'emptied', partitions: PARTITIONS })
    expect(sessions.records).toBeGreaterThan(50)
    expect(plan.groups).toContain(named(`packmill.${STAGE}`)[0])
    const member = await joinGroup({
      ...{ connection: options.connection, groupId: named(`packmill.members.${STAGE}`)[0], instanceId: 'packmill-7' },
      ...{ topic: named(TOPICS.raw)[0], partitions: PARTITIONS, sessionTimeoutMs: 6_000, drainMs: 1_000 },
      ...{ onAssigned: () => undefined, onRevoked: async () => undefined, onLost: () => undefined, onFailed: () => undefined },
    })
    await expect(resetOnKafka(configOf(a), 'clickstream')).rejects.toMatchObject({
      code: 'RESET_AT_WORK',
      message: expect.stringMatching(/1 process is at work .*: packmill-7 at /),
    })
    await member.close()
    expect(await topics()).toEqual(before)

    // One that sleeps through all that follows, with an epoch to commit.
    const sleeper = await openKafkaLog({ ...options, durableOnly: true, mustExist: true })
    const claim = await sleeper.claim(`${STAGE}.0`, raw(0))
    // Broken off: no folder starts, also none that knows nothing of it, and what sleeps publishes nothing.
    await expect(brokenOff('retired')).rejects.toThrow('killed')
    await expect(computed(b, undefined, 'kafka.sinks=false')).rejects.toMatchObject({ code: 'RESET_UNFINISHED' })
    const strange = { outputs: [block({ topic: TOPICS.sessions, partition: 0 }, '{}')], receipt: { epoch: 99, to: 99 } }
    await expect(claim.commit(strange)).rejects.toMatchObject({ code: 'FENCED' })
    await expect(brokenOff('emptied')).rejects.toThrow('killed')
    expect(await topics()).toEqual(before)

    const done = cli('--yes', '--json')
    expect(done.code, done.err).toBe(0)
    expect(JSON.parse(done.out)).not.toHaveProperty('left')
    expect(folderMeta(a).computed).toBe('main-2')
    expect(existsSync(join(a, 'state'))).toBe(false)
    const after = await topics()
    expect(after).toContain(named(`packmill.receipts.${STAGE.replace('main', 'main-2')}`)[0])
    expect([...before].filter((topic) => !after.has(topic)).sort()).toEqual(named(`packmill.receipts.${STAGE}`, `packmill.state.${STAGE}`))
    await expect(sleeper.claim(`${STAGE}.0`, raw(0))).rejects.toMatchObject({ code: 'KAFKA_TOPIC_MISSING' })
    await sleeper.close()
    expect(await topics()).toEqual(after)

    // The other folder, with its old cache and tables: what is there now, and only that.
    await produce(TOPICS.raw, messagesOf(events.slice(EVENTS / 2)))
    const { result, notices } = await opened(configOf(b), async (embedded) => {
      await embedded.settle({ snapshots: false, close: true })
      return {
        sessions: await embedded.query<never>(sessionsSql),
        raw: await embedded.query(
          'SELECT count() AS rows, uniqExact(lineage, partition, offset) AS places, any(lineage) AS of FROM events_raw',
        ),
        late: await embedded.query('SELECT reason FROM events_late'),
        lag: (await embedded.lag()).filter(({ kind, records }) => kind === 'task' && records > 0),
      }
    })
    expect(notices).toContainEqual({ type: 'reset', lineage: 'main-2', before: 'main' })
    const { differences, evaluation, records } = await topicAnswer(log, PARTITIONS, options.connection)
    expect(differences).toEqual([])
    expect(records).toBe(EVENTS - TRIMMED)
    expect(evaluation.sessions.size).toBeGreaterThan(50)
    expect(compareSessions(result.sessions, evaluation.sessions)).toEqual([])
    expect(result.raw).toEqual([{ rows: records, places: records, of: 'main-2' }])
    expect(result.late).toEqual([{ reason: 'old' }])
    expect(await textsOf(log, { topic: TOPICS.late, partition: PARTITIONS })).toEqual([tooLate])
    expect(result.lag).toEqual([])
    // Once more, broken off behind the step by which it is done: the next start computes what follows, and its results stand behind those of before, which are gone.
    await expect(brokenOff('made')).rejects.toThrow('killed')
    const third = await computed(a, { snapshots: false, close: true }, 'kafka.sinks=false')
    expect(third.notices.filter(({ type }) => type === 'reset' || type === 'partition-stopped')).toEqual([
      { type: 'reset', lineage: 'main-3', before: 'main-2' },
    ])
    expect((await topicAnswer(log, PARTITIONS, options.connection)).differences).toEqual([])
  })

  test('a lineage goes with its topics and its folder, and nothing else that is called alike', async () => {
    const replayed = await replayable(a, configOf(a))
    const settings = configOf(a).clickstream
    const data = beginLineage(a, { name: 'wide', sinceMs: Number.NEGATIVE_INFINITY, partitions: PARTITIONS, settings }, replayed)
    const mine = named(
      ...Object.values(TOPICS).map((topic) => `wide.${topic}`),
      ...[
        'receipts.task.wide.clickstream.events.raw',
        'state.task.wide.clickstream.events.raw',
        'receipts.task.wide-2.clickstream.events.raw',
      ].map(own),
      ...['receipts.rebuild.wide.events.raw', 'receipts.import.wide.some-file', 'receipts.ingest.wide.m1', 'receipts.dlq.wide'].map(own),
    )
    const others = named(
      'wide.mine',
      'wider.events.raw',
      own('receipts.task.wider.clickstream.events.raw'),
      own('receipts.import.wide_2d_.x'),
    )
    await world.withAdmin(async (admin) => {
      for (const topic of [...mine, ...others]) await makeTopic(admin, { topic, partitions: 1, replication: 1 })
    })
    const all = await topics()
    const done = cli('--lineage', 'wide', '--yes')
    expect(done.code, done.err).toBe(0)
    expect(existsSync(data)).toBe(false)
    expect(done.out).toMatch(/wide\.events\.raw +0 records +the topic, of 1 partitions/)
    expect(await topics()).toEqual(new Set([...all].filter((topic) => !mine.includes(topic))))
    expect(() =>
      beginLineage(a, { name: 'wide-2', sinceMs: 0, partitions: 2, settings }, { completeFromMs: undefined, newestMs: 1, records: 1 }),
    ).toThrow(expect.objectContaining({ code: 'LINEAGE_NAME' }))
  })
  test('a folder whose topics are gone is refused: what it holds would be taken for what begins anew', async () => {
    const data = join(folder, 'left')
    const topicPrefix = `${options.topicPrefix}gone.`
    const { cluster } = folderMeta(a).kafka!
    dataFolder(data, PARTITIONS, { kafka: { cluster, topicPrefix } })
    mkdirSync(join(data, 'log'))
    await expect(computed(data, undefined, `kafka.topicPrefix=${topicPrefix}`)).rejects.toMatchObject({ code: 'KAFKA_TOPIC_MISSING' })
    await expect(resetOnKafka(configOf(data, `kafka.topicPrefix=${topicPrefix}`), 'clickstream')).rejects.toMatchObject({
      code: 'RESET_NOTHING',
    })
    expect([...(await topics())].filter((topic) => topic.startsWith(topicPrefix))).toEqual([])
  })

  test('an input that was deleted and made again is refused where it was read before; given up, what was computed is computed anew from it', async () => {
    await computed(b)
    const [topic] = named(TOPICS.raw)
    await world.withAdmin(async (admin) => {
      await deleteTopics(admin, [topic])
      await makeTopic(admin, { topic, partitions: PARTITIONS, replication: 1 })
    })
    await produce(TOPICS.raw, messagesOf(events))
    // By the tables, which are filled from it, and by the tasks, also of a folder that holds nothing yet.
    await expect(computed(b)).rejects.toMatchObject({ code: 'KAFKA_TOPIC_REPLACED', message: expect.stringContaining(b) })
    const { notices } = await opened(configOf(join(folder, 'c'), 'kafka.sinks=false'), (embedded) =>
      embedded.settle({ snapshots: false, close: false }).catch(() => undefined),
    )
    const stopped = notices.filter((notice) => notice.type === 'partition-stopped')
    expect(stopped.map(({ partition }) => partition).sort()).toEqual([0, 1])
    for (const { error } of stopped) expect(error).toMatchObject({ code: 'KAFKA_TOPIC_REPLACED', message: expect.stringContaining(topic) })

    await resetOnKafka(configOf(a), 'clickstream')
    const anew = await computed(b, { snapshots: false, close: true })
    expect(anew.notices.filter(({ type }) => type === 'partition-stopped' || type === 'sink-stopped')).toEqual([])
    const fresh = await openKafkaLog(options)
    const { differences, records } = await topicAnswer(fresh, PARTITIONS, options.connection)
    await fresh.close()
    expect([differences, records]).toEqual([[], EVENTS])
  })
})
