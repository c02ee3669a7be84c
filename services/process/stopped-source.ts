// What came into a data folder, for whoever computes it anew: from the folder's own log, in which no process may be at work meanwhile, or from the brokers, where
// nobody is disturbed by being read. Appends nothing.
import type { Config } from '../../config/index.ts'
import { EngineError } from '../../engine/errors.ts'
import type { Log, TopicPartition } from '../../engine/log/contract.ts'
import { TOPICS } from '../../model/rows.ts'
import { topicsOf } from './computed-lineage.ts'
import { type FolderMeta, folderMeta, LOG_INSIDE_ADVICE } from './data-folder.ts'
import { withStoppedLog } from './stopped-log.ts'

/** A log to copy from. */
export interface Source extends Pick<Log, 'bounds' | 'reader'> {
  /** Of events.raw: the folder's count, or on Kafka the topic's, which somebody may have grown since the folder was made. */
  partitions: number
  /** On Kafka: the topics that there are of a lineage beside the live one. */
  topicsOf?(lineage: string): Promise<string[]>
  /** Where to begin to look for what was appended since a time, where it knows. */
  since?(at: TopicPartition, ms: number): number
}

/** `from`: a data folder. Errors: DATA_LOCKED where the log is in it and a process is at work; DATA_LOG; those of the log; what `work` rejects with. */
export async function withSource<T>(from: string, config: Config, work: (log: Source) => Promise<T>): Promise<T> {
  const meta = folderMeta(from)
  if (!isOnKafka(from, meta, config))
    return withStoppedLog(from, (log) =>
      work({
        partitions: meta.partitions,
        bounds: (at) => log.bounds(at),
        reader: (at) => log.reader(at),
        since: (at, ms) => log.since(at, ms),
      }),
    )
  const [{ kafkaLogOptions }, { openKafkaLog }, { Names }] = await Promise.all([
    import('./kafka-setup.ts'),
    import('../../stores/kafka/kafka-log.ts'),
    import('../../stores/kafka/names.ts'),
  ])
  const log = await openKafkaLog(kafkaLogOptions(config, meta.lineage)!)
  try {
    // Behind the last record there may be markers of transactions.
    const bounds = async (at: TopicPartition) => ({ start: (await log.bounds(at)).start, end: await log.endOfRecords(at) })
    return await work({
      partitions: await log.partitions(TOPICS.raw),
      topicsOf: async (lineage) => topicsOf(lineage, await log.topics(), new Names(kafkaLogOptions(config, lineage)!)),
      ...{ bounds, reader: (at) => log.reader(at) },
    })
  } finally {
    await log.close()
  }
}

/** Whether the folder's log is on Kafka. Throws DATA_LOG where the settings say otherwise. */
export function isOnKafka(folder: string, { kafka }: FolderMeta, config: Config): boolean {
  const isSet = config.kafka.brokers.length > 0
  if (isSet === (kafka !== undefined)) return isSet
  throw new EngineError(
    'DATA_LOG',
    isSet
      ? `${folder} has its log in it, and kafka.brokers is set`
      : `${folder} was made with the log on Kafka, and kafka.brokers is not set`,
    isSet ? LOG_INSIDE_ADVICE : 'Set kafka.brokers as it was, or choose another folder with --data.',
  )
}
