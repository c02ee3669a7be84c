// The data folder: who owns it, and what was fixed when it was made.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { EngineError } from '../../engine/errors.ts'
import type { Definitions } from './definitions.ts'

/** Of everything in the folder that is ours. Raised with a change after which this code does not read what the code before it wrote; what is read
 *  stays in tests/formats, as folders that earlier code has written. */
export const FOLDER_FORMAT = 3

/** What comes into a folder that is no replay. */
export const LIVE = 'main'

export interface FolderMeta {
  format: number
  partitions: number
  /** Of what came in. */
  lineage: string
  /** Of what is computed from it; another one after a reset. Where the file has none: the same. */
  computed?: string
  /** A reset has begun, and nothing may run here before it has ended. */
  isResetting?: true
  /** After a reset: what is computed anew has not come to its end yet, with open sessions as snapshots. */
  isComputedAnew?: true
  /** A lineage that replays what another folder received since then, ms since epoch. */
  replayedFromMs?: number
  /** The definitions that such a lineage, or a rebuild, was begun with, by path: clickstream.gapMs … */
  settings?: Definitions
  /** A rebuild of this folder is under way here, or was broken off. */
  rebuilding?: string
  /** The log is on these brokers; where the file has none it is in the folder. */
  kafka?: KafkaMeta
  /** Of one's own, that runs in it; none: the product's. */
  topology?: string
  /** Of all the rest: another lineage would be another run, which publishes everything once more. */
  crc?: number
}

export interface KafkaMeta {
  /** As the brokers call their cluster: another one has other records at the same offsets. */
  cluster: string
  topicPrefix: string
  /** Ids of the topics that its tables are filled from: one that is made again under its name has other records at the same offsets. None before the first start. */
  topics?: Record<string, string>
  /** Of this folder, where several processes work on one log: what only it may claim is called by it. */
  member: string
}

/** What a folder is opened for. */
export interface FolderUse {
  /** One of one's own; none: the product's. */
  topology?: string
  /** The log is on brokers. */
  kafka?: Pick<KafkaMeta, 'cluster' | 'topicPrefix'>
  /** Where it is made for a rebuild: of this folder. */
  rebuilding?: { from: string; settings: Definitions }
}

/** Reads what was fixed when the folder was made, or fixes it now. Errors: DATA_FORMAT, DATA_TOPOLOGY, DATA_LOG, PARTITIONS_FIXED, RESET_UNFINISHED. */
export function dataFolder(folder: string, partitions: number, { topology, kafka, rebuilding }: FolderUse = {}): FolderMeta {
  const path = join(folder, 'packmill.json')
  mkdirSync(folder, { recursive: true })
  if (!existsSync(path)) {
    // Made again with another number of partitions, users would be in two of them.
    if (existsSync(join(folder, 'log')))
      throw new EngineError(
        'DATA_FORMAT',
        `${path} is missing, and ${folder} holds a log`,
        'Restore the file from a copy of the folder, or choose another folder with --data.',
      )
    const meta: FolderMeta = {
      ...{ format: FOLDER_FORMAT, partitions, lineage: LIVE },
      ...(topology === undefined ? {} : { topology }),
      ...(rebuilding && { rebuilding: rebuilding.from, settings: rebuilding.settings }),
      ...(kafka && { kafka: newMember(kafka) }),
    }
    writeMeta(folder, meta)
    return meta
  }
  const meta = readMeta(path)
  if (topology === undefined && meta.topology !== undefined)
    throw new EngineError(
      'DATA_TOPOLOGY',
      `${folder} is the folder of topology ${meta.topology}, which somebody wrote, and not of the product`,
      `Go on in it with \`packmill run FILE --data\`, ask its tables with \`packmill sql --data\`, or choose another folder with --data. What it could not process is in its topic ${meta.topology}.dlq.`,
    )
  // Before partitions: the advice for another number would lead into a folder that is not its own.
  if (topology !== undefined && meta.topology !== topology)
    throw new EngineError(
      'DATA_TOPOLOGY',
      `${folder} is the folder of ${meta.topology === undefined ? 'the product' : `topology ${meta.topology}`}, and not of topology ${topology}`,
      `Choose another folder with --data, or leave it out: topology ${topology} then has its own, .packmill/run/${topology}.`,
    )
  refuseOtherLog(folder, meta.kafka, kafka)
  if (meta.isResetting)
    throw new EngineError(
      'RESET_UNFINISHED',
      `a reset of ${folder} was broken off`,
      meta.kafka
        ? `Run \`packmill topology reset clickstream --lineage ${meta.lineage} --yes\` again, in the data folder that it replays: it goes on.`
        : 'Run `packmill topology reset clickstream --yes` again: it goes on. What came in is whole.',
    )
  if (meta.partitions !== partitions)
    throw new EngineError(
      'PARTITIONS_FIXED',
      `${folder} was made with ${meta.partitions} partitions, log.partitions is ${partitions}`,
      topology !== undefined && kafka
        ? `Set log.partitions to ${meta.partitions}: a key's records must stay in one partition. In another number they are computed in topics of another kafka.topicPrefix, and in another folder (--data).`
        : kafka
          ? `Leave log.partitions at ${meta.partitions} for this folder: a user's events must stay in one partition. In another number, also where somebody has grown events.raw, all is computed anew, in new topics: packmill topology replay clickstream --from earliest --lineage NAME --set log.partitions=${partitions}`
          : topology !== undefined
            ? `Set log.partitions to ${meta.partitions}, or choose a new folder with --data and give it the input again: a key's records must stay in one partition.`
            : `Set log.partitions to ${meta.partitions}: a user's events must stay in one partition. In another number they are computed anew, in a folder of their own: packmill topology replay clickstream --from earliest --lineage NAME --set log.partitions=${partitions}`,
    )
  return meta
}

/** What a folder that is made now says of its brokers. */
export const newMember = ({ cluster, topicPrefix }: FolderUse['kafka'] & object): KafkaMeta => ({
  ...{ cluster, topicPrefix },
  member: `m${randomBytes(6).toString('hex')}`,
})

export const LOG_INSIDE_ADVICE = 'Unset kafka.brokers (KAFKA_BROKERS), or choose another folder with --data.'

/** State and tables are of one log: with another, offsets would mean other records. */
export function refuseOtherLog(folder: string, was: FolderMeta['kafka'], now: FolderUse['kafka']): void {
  if (was === undefined && now === undefined) return
  const advice = 'Set kafka.brokers and kafka.topicPrefix as they were, or choose another folder with --data.'
  if (was === undefined) throw new EngineError('DATA_LOG', `${folder} has its log in it, and kafka.brokers is set`, LOG_INSIDE_ADVICE)
  if (now === undefined)
    throw new EngineError(
      'DATA_LOG',
      `${folder} was made with the log on Kafka (cluster ${was.cluster}), and kafka.brokers is not set`,
      advice,
    )
  if (was.cluster !== now.cluster || was.topicPrefix !== now.topicPrefix)
    throw new EngineError(
      'DATA_LOG',
      `${folder} was made with the Kafka cluster ${was.cluster} and kafka.topicPrefix '${was.topicPrefix}'; now it is ${now.cluster} and '${now.topicPrefix}'`,
      advice,
    )
}

/** The topology of one's own that the folder was made for, by name; undefined for a folder of the product's. Errors: DATA_FORMAT. */
export const topologyOf = (folder: string): string | undefined => folderMeta(folder).topology

/** What was fixed when the folder was made. Errors: DATA_FORMAT. */
export const folderMeta = (folder: string): FolderMeta => readMeta(join(folder, 'packmill.json'))

/** Made whole or not at all. */
export function writeMeta(folder: string, meta: FolderMeta): void {
  const path = join(folder, 'packmill.json')
  writeFileSync(`${path}.new`, `${JSON.stringify({ ...meta, crc: crcOf(meta) })}\n`, { flush: true })
  renameSync(`${path}.new`, path)
}

/** The lineage of what is computed in the folder. */
export const computedIn = ({ lineage, computed = lineage }: FolderMeta): string => computed

const crcOf = (meta: FolderMeta) => crc32(JSON.stringify(meta))

function readMeta(path: string): FolderMeta {
  try {
    const { crc, ...meta } = JSON.parse(readFileSync(path, 'utf8')) as FolderMeta
    if (meta.format !== FOLDER_FORMAT) throw new RangeError(`format ${meta.format}, this version has format ${FOLDER_FORMAT}`)
    if (crc !== crcOf(meta)) throw new RangeError('its checksum is wrong')
    return meta
  } catch (cause) {
    throw new EngineError(
      'DATA_FORMAT',
      `${path} is not what this version writes: ${(cause as Error).message}`,
      'Restore the file from a copy of the folder, choose another folder with --data, or use the version that made this one.',
      { cause },
    )
  }
}
