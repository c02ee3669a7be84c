// Topics at the start: makes those that are missing, and refuses those that are not as they must be, with the command that mends each. It never
// changes a topic that is there: somebody may rely on how it is.
import kafkajs, { type Admin } from 'kafkajs'
import { brokerRetention } from './broker-retention.ts'
import { type KafkaConnection, kafkaClient, RETRY } from './kafka-client.ts'
import { KafkaError, kafkaError } from './kafka-error.ts'
import { makeTopic } from './make-topic.ts'
import { type KafkaNames, Names } from './names.ts'

const { ConfigResourceTypes } = kafkajs

export interface EnsureTopicsOptions extends KafkaNames {
  connection: KafkaConnection
  /** Topics of data, as the topology names them, with their partitions. */
  topics: readonly { topic: string; partitions: number }[]
  /** Stages whose tasks claim names: `task.<lineage>.<stage>.<topic>`, without the partition. Or what they are by the topics that are there. */
  stages?: readonly StageTopics[] | ((there: ReadonlySet<string>) => readonly StageTopics[])
  /** What recovery may need of a topic of data: records of the last so many ms … */
  retentionMs: number
  /** … and bytes of a partition, such as a few times checkpointBytes. */
  retentionBytes: number
  /** Replicas of topics that are made; default: the broker's. */
  replication?: number
  /** What is to be done for another number of partitions of a topic that holds records. */
  otherPartitions?: string
}

export interface StageTopics {
  name: string
  partitions: number
}

/** Of every topic: a batch of ours, and a foreign one of the default size. */
const MESSAGE_BYTES_MIN = 1 << 20
const RECEIPT_BYTES = 16 << 20
/** A checkpoint's tombstones must outlast a full restore, and twice the age at which a local cache is not used any more. */
export const TOMBSTONE_MS = 86_400_000

export const RECEIPTS_CONFIG = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'max.message.bytes': String(RECEIPT_BYTES),
}
export const STATE_CONFIG = {
  'cleanup.policy': 'compact',
  'delete.retention.ms': String(TOMBSTONE_MS),
  'max.message.bytes': String(RECEIPT_BYTES),
}

interface Rule {
  setting: string
  /** In words, after `it must be`. */
  must: string
  /** What the command sets. */
  value: string
  holds(value: string): boolean
}

interface Plan {
  topic: string
  partitions: number
  /** Which partition a record is in decides whose it is: a count cannot change under them. Own topics may have more. */
  isData: boolean
  config: Readonly<Record<string, string>>
  rules: readonly Rule[]
}

interface Finding {
  is: string
  mend: string
}

/** Gives the cluster's id. Errors: KAFKA_TOPIC_WRONG naming all that is wrong, KAFKA_UNAUTHORIZED, KAFKA_UNAVAILABLE, KAFKA_UNAUTHENTICATED. */
export async function ensureTopics(options: EnsureTopicsOptions): Promise<string> {
  const { connection, replication, otherPartitions = '' } = options
  const admin = kafkaClient(connection).admin({ retry: RETRY })
  try {
    await admin.connect()
    let plans: Plan[] = []
    // Who has made any looks again: it may have slept before, and a reset has put other stages in the place of those.
    for (let isWhole = false; !isWhole; ) {
      const there = new Set(await admin.listTopics())
      plans = plan(options, there)
      const missing = plans.filter(({ topic }) => !there.has(topic))
      const defaults = missing.some(({ isData }) => isData) ? await brokerRetention(admin) : undefined
      for (const one of missing) {
        const { topic, partitions } = one
        await makeTopic(admin, { topic, partitions, replication, config: { ...one.config, ...longer(one, defaults) } })
      }
      isWhole = missing.length === 0
    }
    const findings: Finding[] = []
    // Those that were just made, too: brokers that do not say what their default is may keep too little.
    const [counts, settings] = await Promise.all([countsOf(admin, plans), settingsOf(admin, plans)])
    for (const one of plans)
      findings.push(
        ...(await check(admin, one, counts.get(one.topic)!, settings.get(one.topic)!, { broker: connection.brokers[0], otherPartitions })),
      )
    if (findings.length > 0)
      throw new KafkaError('KAFKA_TOPIC_WRONG', findings.map(({ is }) => is).join('\n'), findings.map(({ mend }) => mend).join('\n'))
    return (await admin.describeCluster()).clusterId
  } catch (error) {
    throw kafkaError(error, 'looking at the topics')
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

function plan(options: EnsureTopicsOptions, there: ReadonlySet<string>): Plan[] {
  const names = new Names(options)
  const { topics, stages = [], retentionMs, retentionBytes } = options
  const data = topics.map(({ topic, partitions }): Plan => {
    const rules = [
      exactly('cleanup.policy', 'delete'),
      atLeast('retention.ms', retentionMs, 'ms, or -1'),
      atLeast('retention.bytes', retentionBytes, 'bytes, or -1'),
      atLeast('max.message.bytes', MESSAGE_BYTES_MIN, 'bytes'),
    ]
    const config = { 'cleanup.policy': 'delete', 'max.message.bytes': String(MESSAGE_BYTES_MIN) }
    return { topic: names.data({ topic, partition: 0 }).topic, partitions, isData: true, config, rules }
  })
  const own = (typeof stages === 'function' ? stages(there) : stages).flatMap(({ name, partitions }): Plan[] => [
    {
      topic: names.receipts(`${name}.0`).topic,
      partitions,
      isData: false,
      config: RECEIPTS_CONFIG,
      rules: [
        exactly('cleanup.policy', 'delete'),
        exactly('retention.ms', '-1'),
        exactly('retention.bytes', '-1'),
        atLeast('max.message.bytes', MESSAGE_BYTES_MIN, 'bytes'),
      ],
    },
    {
      topic: names.state(`${name}.0`).topic,
      partitions,
      isData: false,
      config: STATE_CONFIG,
      rules: [
        exactly('cleanup.policy', 'compact'),
        atLeast('delete.retention.ms', TOMBSTONE_MS, 'ms'),
        atLeast('max.message.bytes', MESSAGE_BYTES_MIN, 'bytes'),
      ],
    },
  ])
  return [...data, ...own]
}

/** Of a topic that is made: what the broker's default would keep for less long than it is needed. More than that stays the broker's to decide. */
function longer({ isData, rules }: Plan, defaults: ReadonlyMap<string, string> | undefined): Record<string, string> {
  const lacking = rules.filter(({ setting, holds }) => {
    const value = defaults?.get(setting)
    return isData && value !== undefined && !holds(value)
  })
  return Object.fromEntries(lacking.map(({ setting, value }) => [setting, value]))
}

const exactly = (setting: string, value: string): Rule => ({ setting, must: value, value, holds: (is) => is === value })
const atLeast = (setting: string, least: number, unit: string): Rule => ({
  setting,
  must: `at least ${least} ${unit}`,
  value: String(least),
  holds: (is) => Number(is) >= least || (unit.endsWith('-1') && is === '-1'),
})

/** Partitions of each topic; of all in one request, as each costs a start its time. */
async function countsOf(admin: Admin, plans: readonly Plan[]): Promise<ReadonlyMap<string, number>> {
  const { topics } = await admin.fetchTopicMetadata({ topics: plans.map(({ topic }) => topic) })
  return new Map(topics.map(({ name, partitions }) => [name, partitions.length]))
}

type Settings = ReadonlyMap<string, string>

/** Of each topic those that a rule is about. */
async function settingsOf(admin: Admin, plans: readonly Plan[]): Promise<ReadonlyMap<string, Settings>> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: plans.map(({ topic, rules }) => ({
      type: ConfigResourceTypes.TOPIC,
      name: topic,
      configNames: rules.map(({ setting }) => setting),
    })),
  })
  return new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    ]),
  )
}

async function check(
  admin: Admin,
  { topic, partitions, isData, rules }: Plan,
  count: number,
  settings: Settings,
  { broker, otherPartitions }: Advised,
): Promise<Finding[]> {
  const findings: Finding[] = []
  if (isData ? count !== partitions : count < partitions)
    findings.push(await wrongCount(admin, { topic, count, partitions, isData, broker, otherPartitions }))
  for (const { setting, must, value, holds } of rules) {
    const is = settings.get(setting) ?? ''
    if (holds(is)) continue
    findings.push({
      is: `the topic ${topic} has ${setting}=${is}; it must be ${must}`,
      mend: `kafka-configs --bootstrap-server ${broker} --alter --entity-type topics --entity-name ${topic} --add-config ${setting}=${value}`,
    })
  }
  return findings
}

/** What its commands and words are made of. */
interface Advised {
  broker: string
  otherPartitions: string
}

interface WrongCount extends Advised {
  topic: string
  count: number
  partitions: number
  isData: boolean
}

async function wrongCount(admin: Admin, { topic, count, partitions, isData, broker, otherPartitions }: WrongCount): Promise<Finding> {
  const is = `the topic ${topic} has ${count} partitions; it must have ${partitions}`
  const kafkaTopics = `kafka-topics --bootstrap-server ${broker}`
  const grow = `${kafkaTopics} --alter --topic ${topic} --partitions ${partitions}`
  if (!isData) return { is, mend: grow }
  const isEmpty = (await admin.fetchTopicOffsets(topic)).every(({ high }) => high === '0')
  if (isEmpty && count < partitions) return { is, mend: grow }
  if (isEmpty)
    return { is, mend: `Set log.partitions to ${count}, or: ${kafkaTopics} --delete --topic ${topic}, and start again: it is made anew` }
  // Its records lie where the old count has put them: a user's would be in two partitions.
  return {
    is: `${is} (log.partitions), and it holds records`,
    mend: `Set log.partitions to ${count}. ${otherPartitions}`,
  }
}
