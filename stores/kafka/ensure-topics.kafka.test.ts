// What a topic must be, asked of a real broker: each wrong setting is named with the command that mends it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import kafkajs from 'kafkajs'
import { beforeEach, describe, expect, it } from 'vitest'
import { kafkaServer } from '../../tests/kafka-server.ts'
import { type EnsureTopicsOptions, ensureTopics } from './ensure-topics.ts'
import { openKafkaLog } from './kafka-log.ts'
import { openKafkaState } from './kafka-state.ts'
import { block, type KafkaWorld, kafkaWorld, raw } from './kafka-world.fake.ts'
import { makeTopic } from './make-topic.ts'

const server = await kafkaServer()
const { ConfigResourceTypes } = kafkajs
/** Where a setting comes from: it was given to the topic itself. */
const OF_TOPIC = 1
const HOUR_MS = 3_600_000
const GB = 1 << 30

describe.runIf(server)('Topics at the start', () => {
  let world: KafkaWorld
  let options: EnsureTopicsOptions
  beforeEach(async () => {
    world = await kafkaWorld(server!.broker)
    const topics = [{ topic: 'events.sessionized', partitions: 3 }]
    options = {
      ...world.options,
      topics,
      stages: [{ name: 'task.main.clickstream.events.raw', partitions: 3 }],
      retentionMs: HOUR_MS,
      retentionBytes: GB,
      replication: 1,
    }
  })

  const make = (topic: string, partitions: number, config: Record<string, string> = {}) =>
    world.withAdmin((admin) => makeTopic(admin, { topic, partitions, config }))
  const receipts = () => `${world.options.namespace}.receipts.task.main.clickstream.events.raw`
  const state = () => `${world.options.namespace}.state.task.main.clickstream.events.raw`

  it('those that are missing are made, with their partitions; a second start finds nothing to do', async () => {
    await ensureTopics(options)
    await ensureTopics(options)
    const { topics } = await world.withAdmin((admin) =>
      admin.fetchTopicMetadata({ topics: [world.named('events.sessionized'), receipts(), state()] }),
    )
    expect(topics.map(({ partitions }) => partitions.length)).toEqual([3, 3, 3])
  })

  it.each([
    ['cleanup.policy', 'compact', 'delete', 'delete'],
    ['retention.ms', '3599999', 'at least 3600000 ms, or -1', '3600000'],
    ['retention.bytes', '1073741823', 'at least 1073741824 bytes, or -1', '1073741824'],
    ['max.message.bytes', '1048575', 'at least 1048576 bytes', '1048576'],
  ])('a topic of data with %s=%s is refused: it must be %s', async (setting, value, must, mended) => {
    const topic = world.named('events.sessionized')
    await make(topic, 3, { [setting]: value })
    await expect(ensureTopics(options)).rejects.toMatchObject({
      code: 'KAFKA_TOPIC_WRONG',
      message: `the topic ${topic} has ${setting}=${value}; it must be ${must}`,
      advice: `kafka-configs --bootstrap-server ${server!.broker} --alter --entity-type topics --entity-name ${topic} --add-config ${setting}=${mended}`,
    })
  })

  it.each<Record<string, string>>([{ 'retention.ms': '-1' }, { 'retention.ms': '3600000', 'retention.bytes': '1073741824' }])(
    'at its bound, or without one, it is taken: %o',
    async (config) => {
      await make(world.named('events.sessionized'), 3, config)
      await ensureTopics(options)
    },
  )

  it.each([
    ['receipts', 'cleanup.policy', 'compact', 'delete'],
    ['receipts', 'retention.ms', '604800000', '-1'],
    ['receipts', 'retention.bytes', '1000000', '-1'],
    ['receipts', 'max.message.bytes', '1048575', 'at least 1048576 bytes'],
    ['state', 'cleanup.policy', 'delete', 'compact'],
    ['state', 'delete.retention.ms', '1000', 'at least 86400000 ms'],
    ['state', 'max.message.bytes', '1048575', 'at least 1048576 bytes'],
  ])('a topic of %s with %s=%s is refused: it must be %s', async (of, setting, value, must) => {
    const topic = of === 'state' ? state() : receipts()
    const right: Record<string, string> =
      of === 'state' ? { 'cleanup.policy': 'compact' } : { 'retention.ms': '-1', 'retention.bytes': '-1' }
    await make(topic, 3, { ...right, [setting]: value })
    await expect(ensureTopics(options)).rejects.toMatchObject({
      code: 'KAFKA_TOPIC_WRONG',
      message: `the topic ${topic} has ${setting}=${value}; it must be ${must}`,
    })
  })

  it.each<[string, Partial<EnsureTopicsOptions>, string]>([
    ['more replicas than there are brokers', { replication: 3 }, 'Set kafka.replication to no more than there are brokers'],
    ['a prefix that no topic may have', { topicPrefix: 'our topics.' }, 'Set kafka.topicPrefix'],
    ['a prefix that makes names too long', { topicPrefix: 'x'.repeat(240) }, 'Set kafka.topicPrefix'],
  ])('%s: the topic and the setting are named, and nothing is tried again', async (_, wrong, advice) => {
    const { topicPrefix } = { ...options, ...wrong }
    await expect(ensureTopics({ ...options, ...wrong })).rejects.toMatchObject({
      code: 'KAFKA_SETTING_REFUSED',
      retryable: false,
      message: expect.stringContaining(`: ${topicPrefix}events.sessionized: `),
      advice: expect.stringContaining(advice),
    })
  })

  it('transactions that may last longer than the broker allows: the setting is named, and nothing is tried again', async () => {
    const log = await openKafkaLog({ ...world.options, transactionTimeoutMs: 900_001 })
    try {
      await expect(log.claim('writer', raw)).rejects.toMatchObject({
        code: 'KAFKA_SETTING_REFUSED',
        retryable: false,
        advice: expect.stringContaining('Set kafka.transactionMs to no more than transaction.max.timeout.ms'),
      })
    } finally {
      await log.close()
    }
  })

  it('transactions of the state that may last longer than the broker allows: only the broker’s setting is named, as there is none of ours', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'packmill-kafka-state-'))
    const opening = openKafkaState({ ...world.options, name: 'task', folder, transactionTimeoutMs: 900_001 })
    const error = await opening.catch((thrown: unknown) => thrown)
    rmSync(folder, { recursive: true })
    expect(error).toMatchObject({
      code: 'KAFKA_SETTING_REFUSED',
      retryable: false,
      advice: expect.stringContaining('Raise transaction.max.timeout.ms of the brokers to at least 900001'),
    })
    expect((error as { advice: string }).advice).not.toContain('transactionMs')
  })

  it('an empty topic with too few partitions can grow, with too many it is made anew', async () => {
    const topic = world.named('events.sessionized')
    await make(topic, 2)
    await expect(ensureTopics(options)).rejects.toMatchObject({
      code: 'KAFKA_TOPIC_WRONG',
      message: `the topic ${topic} has 2 partitions; it must have 3`,
      advice: `kafka-topics --bootstrap-server ${server!.broker} --alter --topic ${topic} --partitions 3`,
    })
    await expect(ensureTopics({ ...options, topics: [{ topic: 'events.sessionized', partitions: 1 }] })).rejects.toMatchObject({
      advice: expect.stringContaining(`--delete --topic ${topic}`),
    })
  })

  it('one that holds records keeps its partitions: the count is set to it, or it is replayed', async () => {
    const topic = world.named('events.sessionized')
    await make(topic, 2)
    const log = await openKafkaLog(world.options)
    const claim = await log.claim('writer')
    await claim.commit({ outputs: [block({ topic: 'events.sessionized', partition: 1 }, '{}')] })
    await log.close()
    const otherPartitions = 'Or replay it.'
    await expect(ensureTopics({ ...options, otherPartitions })).rejects.toMatchObject({
      message: `the topic ${topic} has 2 partitions; it must have 3 (log.partitions), and it holds records`,
      advice: 'Set log.partitions to 2. Or replay it.',
    })
  })

  it('one that is missing is made so that it keeps what is needed where the broker would keep less, else with the broker’s default; one that is there is not changed', async () => {
    const YEAR_MS = 365 * 24 * HOUR_MS
    const topics = ['events.short', 'events.sessionized'].map((topic) => ({ topic, partitions: 3 }))
    const [short, long] = topics.map(({ topic }) => world.named(topic))
    const retentionOf = async (topic: string) => {
      const configNames = ['retention.ms', 'retention.bytes']
      const { resources } = await world.withAdmin((admin) =>
        admin.describeConfigs({ includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames }] }),
      )
      return Object.fromEntries(resources[0].configEntries.map((entry) => [entry.configName, [entry.configValue, entry.configSource]]))
    }
    await ensureTopics({ ...options, topics: [topics[0]] })
    const byDefault = await retentionOf(short)
    expect(byDefault['retention.ms'][1]).not.toBe(OF_TOPIC)
    const needed = { ...options, topics, retentionMs: YEAR_MS }
    // Both are looked at: the second was made as it must be.
    await expect(ensureTopics(needed)).rejects.toMatchObject({
      code: 'KAFKA_TOPIC_WRONG',
      message: `the topic ${short} has retention.ms=${byDefault['retention.ms'][0]}; it must be at least ${YEAR_MS} ms, or -1`,
    })
    expect(await retentionOf(short)).toEqual(byDefault)
    expect((await retentionOf(long))['retention.ms']).toEqual([String(YEAR_MS), OF_TOPIC])
    // What the broker's default is enough for is left to it.
    expect((await retentionOf(long))['retention.bytes'][1]).not.toBe(OF_TOPIC)
    await ensureTopics({ ...needed, topics: [topics[1]] })
  })

  it('all that is wrong is told at once', async () => {
    const topic = world.named('events.sessionized')
    await make(topic, 3, { 'cleanup.policy': 'compact', 'retention.ms': '1' })
    const error = (await ensureTopics(options).catch((thrown: unknown) => thrown)) as Error & { advice: string }
    expect(error.message.split('\n')).toHaveLength(2)
    expect(error.advice.split('\n')).toHaveLength(2)
  })
})
