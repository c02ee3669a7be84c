// A whole process as `packmill up` has it (lanes and sinks on their threads, tasks live), with two threads more: one that appends a load by
// the clock (live-load.ts), one that reads what comes out as a consumer would (live-reader.ts). Owns how they are put together.
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { defaults } from '../../config/index.ts'
import { siblingModule } from '../../model/module-url.ts'
import { TOPICS } from '../../model/rows.ts'
import { LaneClient } from '../../services/process/lane-client.ts'
import type { TaskStats } from '../../services/process/lane-protocol.ts'
import { SinksClient } from '../../services/process/sinks-client.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import type { LoadOrder } from './live-load.ts'
import type { ReaderAnswer } from './live-reader.ts'
import { clickstreamDefaults, LINEAGE, TOPIC } from './workload.ts'

export interface LiveOptions {
  /** With a log in it, or empty. */
  folder: string
  partitions: number
  sinks: boolean
  /** As many as the machine has cores, where not given. */
  lanes?: number
  /** The default, where not given. */
  checkpointBytes?: number
}

export interface Live {
  log: JournalLog
  sinks: SinksClient | undefined
  /** Resolves when all that is in the log now has been processed, and can be queried where there are sinks. */
  settle(): Promise<void>
  /** Of the tasks that have recovered. */
  stats(): Promise<TaskStats[]>
  /** Every task has recovered, and the sinks. */
  ready: Promise<void>
  load(plan: Omit<LoadOrder, 'shared' | 'folder'>): Promise<LoadHandle>
  read(topic: string, kind: string): Promise<{ take(): Promise<ReaderAnswer> }>
}

export interface LoadHandle {
  /** Ends it; resolves with how much was appended, the longest that anything waited to be, and what the streams of a load that goes on have begun. */
  stop(): Promise<{ events: number; patterns: number; latestMs: number; begun: number[] }>
}

/** Opens the folder. Whoever opened it ends the process when all is done: nothing here closes. Failures of a thread end the process. */
export async function openLive({
  folder,
  partitions,
  sinks: withSinks,
  lanes: wanted,
  checkpointBytes: wantedBytes,
}: LiveOptions): Promise<Live> {
  const settings = clickstreamDefaults()
  const { epochMs, epochBytes, cacheBytes } = defaults.engine
  const checkpointBytes = wantedBytes ?? defaults.engine.checkpointBytes
  const laneCount = Math.min(partitions, wanted ?? availableParallelism())
  const names = Array.from({ length: laneCount }, (_, lane) => `lane-${lane}`)
  const writers = ['main', 'load', 'reader', 'sinks', ...names]
  const shared = await prepareLog({ files: realFiles, folder: join(folder, 'log'), writers })
  const { journalBytes } = defaults.log
  const retention = { topics: {}, others: { ms: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY } }
  const log = await openJournalLog({ files: realFiles, folder: join(folder, 'log'), writer: 'main', shared, journalBytes })
  const common = { folder, shared, journalBytes, retention, lineage: LINEAGE }
  const topology = clickstream(settings)
  const failed = (what: string) => (error: unknown) => {
    console.error(`${what}:`, error)
    process.exit(1)
  }
  const sinks = withSinks
    ? new SinksClient(
        {
          ...common,
          name: 'sinks',
          acceptVersion: false,
          partitions,
          sinks: topology.sinks,
          sink: { ...defaults.sink },
          analytics: {
            memoryBytes: defaults.analytics.memoryBytes,
            threads: defaults.analytics.threads || availableParallelism(),
            ttlDays: { ...defaults.analytics.ttlDays },
          },
        },
        { onSinkStopped: (table, error) => failed(`the sink ${table} stopped`)(error) },
      )
    : undefined
  sinks?.ended.catch(failed('the sinks'))
  const lanes = names.map((name, lane) => {
    const own = Array.from({ length: partitions }, (_, partition) => partition).filter((partition) => partition % laneCount === lane)
    const module = siblingModule(import.meta.url, '../../topologies/clickstream').href
    const client = new LaneClient(
      {
        ...common,
        code: 'bench',
        name,
        topology: { module, export: 'clickstream', settings },
        partitions: own,
        stages: 1,
        stallMs: defaults.engine.stallMs,
        restartsMax: defaults.engine.restartsMax,
        epochMs,
        epochBytes,
        checkpointBytes,
        cacheBytes: cacheBytes / laneCount,
        live: true,
        exactlyOnce: true,
      },
      { onPartitionStopped: (partition, error) => failed(`partition ${partition} stopped`)(error) },
    )
    client.ended.catch(failed(name))
    return { client, own }
  })
  const end = async (topic: string, partition: number) => (await log.bounds({ topic, partition })).end
  return {
    log,
    sinks,
    ready: Promise.all([sinks?.ready, ...lanes.map(({ client }) => client.ready)]).then(() => {
      for (const { client } of lanes) client.run()
    }),
    async stats() {
      return (await Promise.all(lanes.map(({ client }) => client.stats()))).flat()
    },
    async settle() {
      const drained = lanes.map(async ({ client, own }) => {
        const to = await Promise.all(own.map(async (partition): Promise<[number, number]> => [partition, await end(TOPIC, partition)]))
        await client.drain(to, { snapshots: false, close: false })
      })
      await Promise.all(drained)
      // Tiles, sessions, incidents, raw events; without positions all that is in the log now.
      await sinks?.drain()
    },
    async load(plan) {
      const worker = thread('live-load', { ...plan, shared, folder })
      await worker.next('ready')
      return {
        stop: async () => {
          worker.say('stop')
          return (await worker.next('stopped')) as Awaited<ReturnType<LoadHandle['stop']>>
        },
      }
    },
    async read(topic, kind) {
      const worker = thread('live-reader', { shared, folder, topic, kind, partitions })
      await worker.next('ready')
      return {
        take: async () => {
          worker.say('take')
          return (await worker.next('taken')) as ReaderAnswer
        },
      }
    },
  }
}

export const INCIDENTS = TOPICS.incidents

/** A thread that says { type, … }. One that fails ends the process. */
function thread(module: string, order: unknown) {
  const worker = new Worker(siblingModule(import.meta.url, `./${module}`), { workerData: order })
  worker.on('error', (error) => {
    console.error(`${module}:`, error)
    process.exit(1)
  })
  return {
    say: (message: string) => worker.postMessage(message),
    next: (type: string) =>
      new Promise<unknown>((resolve) => {
        const heard = (message: { type: string }) => {
          if (message.type !== type) return
          worker.off('message', heard)
          resolve(message)
        }
        worker.on('message', heard)
      }),
  }
}

/** ms since epoch, with fractions; the same for all threads of a process. */
export const preciseNow = (): number => performance.timeOrigin + performance.now()
