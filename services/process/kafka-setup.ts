// A data folder whose log is on Kafka: from the settings to names, checked topics and a folder that remembers which cluster it is of. Owns the names of all that
// Packmill keeps on brokers; starts nothing.
//
//   topics with data   <kafka.topicPrefix><topic>, of a lineage beside the live one <kafka.topicPrefix><lineage>.<topic>
//   Packmill's own     <kafka.topicPrefix>packmill.…: ids of transactions, receipts, states and groups (stores/kafka/names.ts)
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, kafkaSettings } from '../../config/index.ts'
import type { TopicPartition } from '../../engine/log/contract.ts'
import { TOPICS } from '../../model/rows.ts'
import { clusterId } from '../../stores/kafka/cluster-id.ts'
import { ensureTopics } from '../../stores/kafka/ensure-topics.ts'
import { KafkaError } from '../../stores/kafka/kafka-error.ts'
import { type KafkaLog, type KafkaLogOptions, openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { Names } from '../../stores/kafka/names.ts'
import { topicIds } from '../../stores/kafka/topic-ids.ts'
import type { JournalLog } from '../../stores/log/journal-log.ts'
import { newestComputed, productStage, receiptsOf, type StageName, stageOf } from './computed-lineage.ts'
import { computedIn, dataFolder, type FolderMeta, folderMeta, LIVE, writeMeta } from './data-folder.ts'
import { goOnWith } from './forget-computed.ts'
import type { LagLog } from './lag.ts'
import { partitionsOf } from './partitions-of.ts'

/** Of a partition's input, so many times what is read between two checkpoints must stay. */
const CHECKPOINTS_KEPT = 4

/** Undefined where no broker is named. `lineage`: of what comes in. Throws ConfigError. */
export function kafkaLogOptions(config: Config, lineage: string): KafkaLogOptions | undefined {
  const connection = kafkaSettings({ config })
  if (!connection) return undefined
  const { topicPrefix, replication, transactionMs } = config.kafka
  return {
    connection,
    topicPrefix: lineage === LIVE ? topicPrefix : `${topicPrefix}${lineage}.`,
    namespace: `${topicPrefix}packmill`,
    replication: replication || undefined,
    transactionTimeoutMs: transactionMs,
  }
}

export interface OnKafka {
  meta: FolderMeta
  log: KafkaLogOptions
  /** The folder held what was computed as this, which was reset meanwhile: it begins anew, from the topics. */
  forgot?: string
}

/** What the folder is to be at work on. */
export interface KafkaUse {
  /** One of one's own, which the folder is for; none: the product's. */
  topology?: string
  /** Of the log. */
  partitions: number
  /** With data, that it reads and writes. */
  topics: readonly { topic: string; partitions: number }[]
  /** What its tasks are called by. */
  stages: readonly [StageName, ...StageName[]]
  /** What is to be done where a topic has another number of partitions and holds records; stands behind `Set log.partitions to …`. */
  otherPartitions: string
}

/** The product's. */
export const productUse = (topology: string, partitions: number): KafkaUse => ({
  partitions,
  topics: Object.values(TOPICS).map((topic) => ({ topic, partitions: partitionsOf(topic, partitions) })),
  stages: [productStage(topology)],
  otherPartitions: `That is for a data folder that is made now. Where topics and folders were made with ${partitions}, and somebody has grown this topic since, leave log.partitions at ${partitions}: no topic gets smaller again, so all is computed anew, in new topics with N partitions, from all that is in this one: packmill topology replay ${topology} --from earliest --lineage NAME --set log.partitions=N`,
})

/**
 * Topics made and checked, the folder made or found to be of this log, and of what is computed on it now. Errors: KAFKA_TOPIC_WRONG, KAFKA_UNAVAILABLE and the like;
 * DATA_LOG, PARTITIONS_FIXED and the like.
 */
export async function openOnKafka(config: Config, { topology, partitions, topics, stages, otherPartitions }: KafkaUse): Promise<OnKafka> {
  const { data: folder, kafka } = config
  const [first] = stages
  const isKnown = existsSync(join(folder, 'packmill.json'))
  const { lineage, computed: known } = isKnown ? lineagesOf(folderMeta(folder)) : { lineage: LIVE, computed: LIVE }
  const log = kafkaLogOptions(config, lineage)!
  const use = { topology, kafka: { cluster: await clusterId(log.connection), topicPrefix: kafka.topicPrefix } }
  // What does not fit is said before anything is made; a first start that the topics refuse leaves no folder.
  if (isKnown) dataFolder(folder, partitions, use)
  let computed = lineage
  await ensureTopics({
    ...log,
    topics,
    stages(there) {
      const names = new Names(log)
      const newest = stages.map((stage) => newestComputed(lineage, stage, there, names)).find((one) => one !== undefined)
      // What it holds would be taken for what is computed from an empty beginning.
      if (newest === undefined && existsSync(join(folder, 'log'))) throw topicsGone(folder, receiptsOf(known, first, names))
      computed = newest ?? lineage
      return stages.map((stage) => ({ name: stageOf(computed, stage), partitions }))
    },
    retentionMs: config.log.retentionMs,
    retentionBytes: CHECKPOINTS_KEPT * config.engine.checkpointBytes,
    otherPartitions,
  })
  const names = new Names(log)
  const ids = await topicIds(
    log.connection,
    topics.map(({ topic }) => names.data({ topic, partition: 0 }).topic),
  )
  const meta = dataFolder(folder, partitions, use)
  if (computedIn(meta) === computed) return { meta: ofTopics(folder, meta, ids), log }
  return { meta: ofTopics(folder, goOnWith(folder, meta, computed), ids), log, ...(isKnown && { forgot: known }) }
}

/** The folder, whose tables are filled from these topics and no others. */
function ofTopics(folder: string, meta: FolderMeta, ids: Record<string, string>): FolderMeta {
  const known = meta.kafka!.topics ?? {}
  const [replaced] = Object.keys(ids).filter((topic) => (known[topic] ?? ids[topic]) !== ids[topic])
  if (replaced !== undefined) throw topicReplaced(folder, replaced, known[replaced], ids[replaced])
  if (Object.keys(ids).every((topic) => topic in known)) return meta
  const now = { ...meta, kafka: { ...meta.kafka!, topics: { ...known, ...ids } } }
  writeMeta(folder, now)
  return now
}

const topicReplaced = (folder: string, topic: string, was: string, is: string) =>
  new KafkaError(
    'KAFKA_TOPIC_REPLACED',
    `the tables in ${folder} were filled from a topic ${topic} of id ${was}; the one that is called so now has id ${is}: that was deleted, and this one made again`,
    'Where it is what is read (events.raw), packmill topology reset clickstream gives up what was computed of the topic of before, and computes anew what is in this one. Where it is what is computed, delete this folder, or choose another with --data: its tables are filled anew from the topics.',
  )

const topicsGone = (folder: string, topic: string) =>
  new KafkaError(
    'KAFKA_TOPIC_MISSING',
    `${folder} holds what was computed with the topic ${topic}, and that is gone`,
    'Where it was deleted on purpose (packmill topology reset --lineage from another data folder, or by hand to begin anew), delete this folder too. Else choose another one with --data: it is filled from the topics.',
  )

const lineagesOf = (meta: FolderMeta) => ({ lineage: meta.lineage, computed: computedIn(meta) })

/** The same where no process is at work in the folder. */
export async function withKafkaLag<T>(
  config: Config,
  { lineage }: FolderMeta,
  own: JournalLog,
  work: (log: LagLog) => Promise<T>,
): Promise<T> {
  const records = await openKafkaLog(kafkaLogOptions(config, lineage)!)
  try {
    return await work(kafkaLagLog(records, own))
  } finally {
    await records.close()
  }
}

/** Tasks and records by the brokers, sinks by the folder's own log. */
export const kafkaLagLog = (records: KafkaLog, own: JournalLog): LagLog => ({
  reader: (at) => records.reader(at),
  lastReceipt: (name) => (name.startsWith('sink.') ? own.lastReceipt(name) : records.lastReceipt(name)),
  async bounds(at: TopicPartition) {
    const [{ start }, end] = await Promise.all([records.bounds(at), records.endOfRecords(at)])
    return { start, end }
  },
})
