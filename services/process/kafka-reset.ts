// packmill topology reset where the log is on Kafka: what was computed is given up, live or of a lineage, and the next start computes it anew from the same input, as
// another lineage (protocol 28, 33), or there is none any more. Several data folders compute it, so what decides is on the brokers alone.
//
//   nobody at work → may it delete? → ledgers retired → results emptied → topics of the next one made → those of before deleted → this folder's tables
//
// 1. Retired: each task of what is live is claimed, so its owner is fenced, wherever it sleeps, and its ledger says from then on which lineage follows. Who claims
//    it later reads that (RESET_UNFINISHED), as a claim reads its ledger behind its own fence: nobody publishes while results go, nor after that in the old name.
// 2. Made: the newest lineage with a topic of receipts is what every start computes (computed-lineage.ts). So before, all of it is refused, and the reset is done anew;
//    from there on all of it is done, and what is left over is only in the way. There is no state between the two, and none in which receipts and results differ.
// 3. Results are emptied, their topics stay, with their settings: offsets go on, so whoever reads them, and had come to the end, reads what comes then, and nobody's
//    position means another record than before. The door's own late events (partition `log.partitions` of events.late) stay: nothing computes them again. They are
//    emptied up to where they ended when all owners were fenced and nothing else was computed yet: a reset that sleeps through another one takes nothing of what follows.
// 4. The topics of before go last. Whoever slept through all of it finds no ledger to claim, and does not make one (stores/kafka/own-topic.ts).
// 5. Another data folder sees at its next start that it holds what is not computed any more, and begins anew (kafka-setup.ts).
import type { Admin } from 'kafkajs'
import type { Config } from '../../config/index.ts'
import { EngineError } from '../../engine/errors.ts'
import { TOPICS } from '../../model/rows.ts'
import { lockFolder } from '../../stores/files/folder-lock.ts'
import { clusterId } from '../../stores/kafka/cluster-id.ts'
import { deleteTopics, emptyTopic, refuseUndeletable } from '../../stores/kafka/delete-topics.ts'
import { ensureTopics } from '../../stores/kafka/ensure-topics.ts'
import { kafkaClient, RETRY } from '../../stores/kafka/kafka-client.ts'
import { KafkaError, kafkaError } from '../../stores/kafka/kafka-error.ts'
import { type KafkaLogOptions, openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { Names, type OwnedBy } from '../../stores/kafka/names.ts'
import { isOf, newestComputed, nextComputed, productStage, stageOf, topicsOf } from './computed-lineage.ts'
import { computedIn, type FolderMeta, folderMeta, refuseOtherLog, writeMeta } from './data-folder.ts'
import { bytesBelow, computedParts, goOnWith } from './forget-computed.ts'
import { kafkaLogOptions } from './kafka-setup.ts'
import { replayable } from './lineages.ts'
import { type ResetPlan, resetLineage } from './reset.ts'

export interface KafkaResetPlan extends ResetPlan {
  /** On the brokers: records go and the topic stays, or the topic goes. `records`: offsets, some of which may be none. */
  topics: { topic: string; how: 'emptied' | 'deleted'; partitions: number; records: number }[]
  /** Consumer groups that show positions of it. */
  groups: string[]
  /** What is computed now, and what the next start computes; of a lineage that goes only the first. */
  computed: string
  next?: string
  /** Of events.raw, where retention has deleted some: all are there from then on. Ms since epoch. */
  completeFromMs?: number
}

/** Of what is live, each done for all partitions. */
export type ResetStep = 'retired' | 'emptied' | 'made'

/** What is reset, found on the brokers. */
interface Found {
  meta: FolderMeta
  log: KafkaLogOptions
  names: Names
  admin: Admin
  computed: string
  emptied: { topic: string; partitions: number[] }[]
  deleted: string[]
  groups: string[]
}

/** Of the live output, by a data folder of it. Errors: RESET_AT_WORK, RESET_NOTHING, DATA_LOCKED, DATA_LOG; those of the brokers. */
export async function planKafkaReset(config: Config, topology: string): Promise<KafkaResetPlan> {
  const { data } = config
  const plan = await found(config, data, topology, 'live', async (of) => ({
    ...{ computed: of.computed, next: nextComputed(of.meta.lineage, of.computed), groups: of.groups, topics: await sized(of) },
    missing: (await offsets(of.admin, of.names.data({ topic: TOPICS.raw, partition: 0 }).topic)).reduce((sum, { low }) => sum + low, 0),
  }))
  const { records, completeFromMs } = await replayable(data, config)
  return { ...plan, deletes: computedParts(data, true), events: records, ...(completeFromMs !== undefined && { completeFromMs }) }
}

/** Done, or not begun, where it rejects with RESET_AT_WORK, KAFKA_UNAUTHORIZED and the like; broken off in the middle it is done again. `left`: in words, what could not
 *  be deleted and is in nobody's way. `onStep`: for tests, which break it off there. */
export async function resetOnKafka(
  config: Config,
  topology: string,
  onStep: (step: ResetStep) => void = () => undefined,
): Promise<{ left: string[] }> {
  const { data } = config
  return found(config, data, topology, 'live', async (of) => {
    const { admin, log, meta, computed, emptied, deleted } = of
    await refuseUndeletable(admin, { emptied: emptied.map(({ topic }) => topic), deleted })
    const next = nextComputed(meta.lineage, computed)
    const retiring = await openKafkaLog({ ...log, mustExist: true })
    try {
      for (let partition = 0; partition < meta.partitions; partition++)
        await retiring.retire(`${stageOf(computed, productStage(topology))}.${partition}`, next)
    } finally {
      await retiring.close()
    }
    onStep('retired')
    const ends: Bounds[][] = []
    for (const { topic } of emptied) ends.push(await offsets(admin, topic))
    if (newestComputed(meta.lineage, productStage(topology), await admin.listTopics(), of.names) !== computed) throw anotherReset(computed)
    for (const [i, { topic, partitions }] of emptied.entries()) {
      const before = ends[i].filter(({ partition }) => partitions.includes(partition))
      await emptyTopic(
        admin,
        topic,
        before.map(({ partition, high }) => ({ partition, offset: String(high) })),
      )
    }
    onStep('emptied')
    const stages = [{ name: stageOf(next, productStage(topology)), partitions: meta.partitions }]
    await ensureTopics({ ...log, topics: [], stages, retentionMs: 0, retentionBytes: 0 })
    onStep('made')
    const left = await cleared(of)
    goOnWith(data, meta, next)
    return { left }
  })
}

/** Of a lineage beside the live one; `folder` is its data folder. Errors as of planKafkaReset. */
export function planKafkaLineageReset(config: Config, topology: string, folder: string): Promise<KafkaResetPlan> {
  return found(config, folder, topology, 'lineage', async (of) => ({
    ...{ computed: of.computed, groups: of.groups, topics: await sized(of), events: 0, missing: 0 },
    deletes: [{ path: folder, what: 'the folder of the lineage: its tables, cache of the state', bytes: bytesBelow(folder) }],
  }))
}

/** Its topics, its own copy of the events among them, and then its folder. Broken off, it does not start before this is done to its end. */
export async function resetLineageOnKafka(config: Config, topology: string, folder: string): Promise<{ left: string[] }> {
  const left = await found(config, folder, topology, 'lineage', async (of) => {
    const { admin, meta, deleted, groups } = of
    await refuseUndeletable(admin, { deleted })
    writeMeta(folder, { ...meta, isResetting: true })
    try {
      await deleteTopics(admin, deleted)
    } catch (error) {
      // All of them are there, as the first of them was not deleted either.
      if ((error as KafkaError).code === 'KAFKA_DELETION_REFUSED' && (await has(admin, deleted))) writeMeta(folder, meta)
      throw error
    }
    return groupsCleared(admin, groups)
  })
  resetLineage(folder)
  return { left }
}

const has = async (admin: Admin, topics: readonly string[]) => {
  const there = new Set(await admin.listTopics())
  return topics.every((topic) => there.has(topic))
}

/** What of a folder's lineage is on the brokers, while the folder is locked and nobody is at work on it. */
async function found<T>(
  config: Config,
  folder: string,
  topology: string,
  what: 'live' | 'lineage',
  work: (of: Found) => Promise<T>,
): Promise<T> {
  const lock = lockFolder(folder)
  try {
    const { isResetting: _, ...meta } = folderMeta(folder)
    const log = kafkaLogOptions(config, meta.lineage)!
    refuseOtherLog(folder, meta.kafka, { cluster: await clusterId(log.connection), topicPrefix: config.kafka.topicPrefix })
    const ending = new AbortController()
    const admin = kafkaClient(log.connection, { signal: ending.signal }).admin({ retry: RETRY })
    try {
      await admin.connect()
      const names = new Names(log)
      const topics = await admin.listTopics()
      const { groups } = await admin.listGroups()
      const computed = newestComputed(meta.lineage, productStage(topology), topics, names)
      if (computed === undefined && what === 'live') throw nothingThere(meta.lineage)
      await refuseMembers(admin, names.members(stageOf(computed ?? computedIn(meta), productStage(topology))))
      return await work({
        ...{ meta, log, names, admin, computed: computed ?? computedIn(meta) },
        ...(what === 'live' ? liveTopics(topics, topology, meta, names) : { emptied: [], deleted: topicsOf(meta.lineage, topics, names) }),
        groups: groups
          .map(({ groupId }) => groupId)
          .filter((group) => isOwned(names.groupOf(group), topology, meta))
          .sort(),
      })
    } catch (error) {
      throw error instanceof EngineError ? error : kafkaError(error, 'a reset')
    } finally {
      await admin.disconnect().catch(() => undefined)
      ending.abort()
    }
  } finally {
    lock.release()
  }
}

/** Results, and what tasks and replays of dead letters have written down: what came in, and what is known of imports, stays. */
function liveTopics(topics: readonly string[], topology: string, meta: FolderMeta, names: Names): Pick<Found, 'emptied' | 'deleted'> {
  const there = new Set(topics)
  const all = Array.from({ length: meta.partitions }, (_, partition) => partition)
  const results = Object.values(TOPICS).filter((topic) => topic !== TOPICS.raw)
  return {
    emptied: results
      .map((topic) => ({ topic: names.data({ topic, partition: 0 }).topic, partitions: all }))
      .filter(({ topic }) => there.has(topic)),
    deleted: topics.filter((topic) => {
      const own = names.ownOf(topic)
      return (own?.kind === 'task' || own?.kind === 'dlq') && isOwned(own, topology, meta)
    }),
  }
}

/** Other topologies on these brokers, somebody's own, have the same lineage. */
const isOwned = (own: OwnedBy | undefined, topology: string, { lineage }: FolderMeta) =>
  own !== undefined && isOf(lineage, own.lineage) && (own.kind !== 'task' || own.of === topology)

async function sized({ admin, emptied, deleted }: Found): Promise<KafkaResetPlan['topics']> {
  const sizes: KafkaResetPlan['topics'] = []
  for (const { topic, partitions } of emptied) {
    const own = (await offsets(admin, topic)).filter(({ partition }) => partitions.includes(partition))
    sizes.push({ topic, how: 'emptied', partitions: own.length, records: recordsIn(own) })
  }
  for (const topic of deleted) {
    const own = await offsets(admin, topic)
    sizes.push({ topic, how: 'deleted', partitions: own.length, records: recordsIn(own) })
  }
  return sizes
}

interface Bounds {
  partition: number
  low: number
  high: number
}

const recordsIn = (bounds: readonly Bounds[]) => bounds.reduce((sum, { low, high }) => sum + high - low, 0)

async function offsets(admin: Admin, topic: string): Promise<Bounds[]> {
  const found = await admin.fetchTopicOffsets(topic)
  return found.map(({ partition, low, high }) => ({ partition, low: Number(low), high: Number(high) }))
}

/** What is in nobody's way is no reason to fail. */
async function cleared({ admin, deleted, groups }: Found): Promise<string[]> {
  const left: string[] = []
  await deleteTopics(admin, deleted).catch((error: unknown) => left.push((error as Error).message))
  return [...left, ...(await groupsCleared(admin, groups))]
}

async function groupsCleared(admin: Admin, groups: readonly string[]): Promise<string[]> {
  try {
    await admin.deleteGroups([...groups])
    return []
  } catch (error) {
    return [`consumer groups (${reasonOf(error)}): ${groups.join(', ')}`]
  }
}

/** kafkajs hides what the broker said of each group. */
function reasonOf(error: unknown): string {
  const { groups, cause, message } = error as Error & { groups?: { error?: Error }[] }
  return groups?.[0]?.error?.message ?? (cause ? reasonOf(cause) : message)
}

async function refuseMembers(admin: Admin, group: string): Promise<void> {
  const { groups } = await admin.describeGroups([group])
  const members = groups.flatMap(({ members }) => members)
  if (members.length === 0) return
  // A broker adds an id of its own to the name of a member.
  const named = members.map(
    ({ memberId, clientHost }) => `${memberId.replace(/-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, '')} at ${clientHost}`,
  )
  throw new KafkaError(
    'RESET_AT_WORK',
    `${members.length} ${members.length === 1 ? 'process is' : 'processes are'} at work (members of ${group}): ${named.join(', ')}`,
    'Stop them first (Ctrl-C, or SIGTERM), and start them again afterwards. One that was killed, or has a kafka.groupInstanceId, counts until kafka.sessionTimeoutMs after its end.',
  )
}

const anotherReset = (computed: string) =>
  new EngineError(
    'RESET_AT_WORK',
    `another reset of ${computed} has ended meanwhile`,
    'There is nothing left to do: this one has deleted nothing.',
  )

const nothingThere = (lineage: string) =>
  new EngineError(
    'RESET_NOTHING',
    `nothing that was computed of ${lineage} is on these brokers`,
    'There is nothing to reset: the next start computes it.',
  )
