// One process that runs a topology of one's own: the log, its lanes, the door for lines, and the sinks into the tables that it declares.
// What embedded.ts is for the product.
//
// StreamsProcess owns the order of starting and stopping, and the data folder's lock. The file's code runs in the lanes' threads.
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import type { Config } from '../../config/index.ts'
import { EngineError } from '../../engine/errors.ts'
import { systemClock } from '../../engine/time/clock.ts'
import { siblingModule } from '../../model/module-url.ts'
import { type FolderLock, lockFolder } from '../../stores/files/folder-lock.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import type { SourceNode, Topology } from '../../streams/stream.ts'
import { Backlog, backlogBytes, boundedLog } from '../process/backlog.ts'
import { dataFolder } from '../process/data-folder.ts'
import { consumersIn, type Lag, lagOf } from '../process/lag.ts'
import { LaneClient } from '../process/lane-client.ts'
import type { LaneSetup, TaskStats } from '../process/lane-protocol.ts'
import { SinksClient } from '../process/sinks-client.ts'
import type { SocketServer } from '../process/socket-server.ts'
import type { StateAnswer, StateRequest } from '../process/state-view.ts'
import { storeSetup } from '../process/store-setup.ts'
import { type Appended, appendLines } from './append-lines.ts'
import { declaredSinks } from './declared-sinks.ts'
import { FileSink } from './file-sink.ts'
import { topologyCode } from './load-topology.ts'

export interface StreamsOptions {
  /** The file that exports the topology. */
  file: string
  topology: Topology
  config: Config
  /** Asked for by name, and not a default: a topology that cannot have them is refused. */
  asked: { partitions: boolean; lanes: boolean }
  version: string
  /** Idle partitions go on by the clock: a process that stays. */
  live: boolean
  /** A person's decision, where the file or the version is another one. Errors: ACCEPT_ALL_ONLY. */
  upgrade?: Pick<LaneSetup, 'accept' | 'recoverOnly'>
  onNotice(notice: StreamsNotice): void
}

export type StreamsNotice =
  | { type: 'recovering'; partition: number; done: number; of: number }
  | { type: 'partition-stopped'; partition: number; error: Error }
  | { type: 'partition-waiting'; partition: number; error: Error }
  | { type: 'partition-resumed'; partition: number }
  | { type: 'lane-restarted'; lane: string; partition: number | undefined; error: Error }
  | { type: 'sink-stopped'; table: string; error: Error }
  /** A write that is tried again. */
  | { type: 'sink-failed'; table: string; error: Error }
  | { type: 'sink-waiting'; table: string; error: Error }
  | { type: 'sink-resumed'; table: string }
  /** An input waits: lanes and tables are too far behind (log.backlogBytes). */
  | { type: 'import-waiting'; error: Error }
  | { type: 'import-resumed' }

const RETAIN_MS = 60_000

/** Errors: TOPOLOGY_ONE_LANE, ACCEPT_ALL_ONLY; those of the folder, the log and the state stores; those of the topology's file. */
export async function openStreams(options: StreamsOptions): Promise<StreamsProcess> {
  const shape = shapeOf(options)
  refusePlaces(options)
  const lock = lockFolder(options.config.data)
  try {
    return await StreamsProcess.open(options, shape, lock)
  } catch (error) {
    lock.release()
    throw diverged(error, options.file)
  }
}

/** The same error, with the commands for a topology of one's own. */
function diverged(error: unknown, file: string): unknown {
  if (!(error instanceof EngineError) || error.code !== 'UPGRADE_DIVERGED') return error
  const advice = error.advice
    .replaceAll(/packmill upgrade (drain|accept \d+:\d+)/g, `packmill upgrade $1 --topology ${file}`)
    .replace(/or compute all output anew .*$/, 'or give the input to a new folder (--data).')
  return new EngineError(error.code, error.message, advice, { cause: error })
}

/** An epoch is named by a partition: of several tasks of it nobody would know which is meant. */
function refusePlaces({ topology, upgrade }: StreamsOptions): void {
  if (topology.pipelines.length === 1 || !Array.isArray(upgrade?.accept)) return
  throw new EngineError(
    'ACCEPT_ALL_ONLY',
    `topology ${topology.name} reads ${topology.pipelines.length} topics, each with epochs of its own`,
    'Say packmill upgrade accept --all.',
  )
}

/** How many partitions and lanes. What goes through a topic of the topology's own is written by one thread, so it has one of each. */
function shapeOf({ topology, config, asked }: StreamsOptions): { partitions: number; lanes: number } {
  const partitions = asked.partitions ? config.log.partitions : 1
  const wanted = asked.lanes ? config.engine.lanes : 0
  const hop = topology.pipelines.find(({ input }) => input.kind === 'hop')
  if (hop && (partitions > 1 || wanted > 1))
    throw new EngineError(
      'TOPOLOGY_ONE_LANE',
      `topology ${topology.name} has a rekey or a merge (${hop.topic}), and runs in one lane with one partition; ${partitions} partitions and ${wanted || 'all'} lanes are set`,
      'Leave log.partitions and engine.lanes out. A topology whose operators use the key of their source (keyBy) can have more.',
    )
  return { partitions, lanes: Math.min(partitions, wanted || availableParallelism()) }
}

export class StreamsProcess {
  readonly topology: Topology
  readonly partitions: number
  /** Where the topology declares tables. */
  readonly tables: SinksClient | undefined
  private server: SocketServer | undefined
  private readonly lineage: string
  private readonly lock: FolderLock
  private readonly log: JournalLog
  private readonly lanes: { client: LaneClient; partitions: number[] }[]
  private readonly backlog: Backlog
  private readonly onNotice: StreamsOptions['onNotice']
  private readonly timer: NodeJS.Timeout

  private constructor(
    { topology, config, onNotice }: StreamsOptions,
    partitions: number,
    lineage: string,
    lock: FolderLock,
    log: JournalLog,
    lanes: StreamsProcess['lanes'],
    sinks: SinksClient | undefined,
  ) {
    this.topology = topology
    this.onNotice = onNotice
    this.backlog = new Backlog({ boundBytes: config.log.backlogBytes, clock: systemClock, look: () => this.behindBytes() })
    this.partitions = partitions
    this.lineage = lineage
    this.lock = lock
    this.log = log
    this.lanes = lanes
    this.tables = sinks
    this.timer = setInterval(() => void this.log.retain().catch(() => undefined), RETAIN_MS).unref()
  }

  static async open(options: StreamsOptions, shape: { partitions: number; lanes: number }, lock: FolderLock): Promise<StreamsProcess> {
    const { topology, config, live, onNotice } = options
    const { data: folder, log: logConfig } = config
    const { partitions, lineage } = dataFolder(folder, shape.partitions, { topology: topology.name })
    const names = Array.from({ length: shape.lanes }, (_, lane) => `lane-${lane}`)
    const shared = await prepareLog({ files: realFiles, folder: join(folder, 'log'), writers: ['main', 'sinks', ...names] })
    const { journalBytes } = logConfig
    const retention = { topics: {}, others: { ms: logConfig.retentionMs, bytes: logConfig.retentionBytes || Number.POSITIVE_INFINITY } }
    const log = await openJournalLog({ files: realFiles, folder: join(folder, 'log'), writer: 'main', shared, journalBytes, retention })
    // Before a lane declares it, which may fail at first: what a table has done with is not all that is needed.
    const each = Array.from({ length: partitions }, (_, partition) => partition)
    const inputs = topology.pipelines.flatMap(({ topic }) => each.map((partition) => ({ topic, partition })))
    await Promise.all(inputs.map((at) => log.reserve(`task.${lineage}.${topology.name}.${at.topic}.${at.partition}`, at)))
    const tables = declaredSinks(topology)
    const sinks =
      tables.length === 0
        ? undefined
        : new SinksClient(
            {
              ...{ name: 'sinks', folder, shared, journalBytes, retention, lineage, partitions, sinks: tables },
              acceptVersion: options.upgrade?.accept !== undefined,
              ...storeSetup(config),
            },
            {
              onSinkFailed: (table, error) => onNotice({ type: 'sink-failed', table, error }),
              onSinkWaiting: (table, error) => onNotice({ type: 'sink-waiting', table, error }),
              onSinkResumed: (table) => onNotice({ type: 'sink-resumed', table }),
              onSinkStopped: (table, error) => onNotice({ type: 'sink-stopped', table, error }),
            },
          )
    const { epochMs, epochBytes, checkpointBytes, cacheBytes, stallMs, restartsMax } = config.engine
    const code = topologyCode(options.file, options.version)
    const lanes = names.map((name, lane) => {
      const own = each.filter((partition) => partition % shape.lanes === lane)
      const client = new LaneClient(
        {
          ...options.upgrade,
          ...{ name, folder, shared, journalBytes, retention, lineage, code, partitions: own },
          ...{ epochMs, epochBytes, checkpointBytes, cacheBytes: cacheBytes / shape.lanes, live, exactlyOnce: true },
          ...{ stages: topology.pipelines.length, stallMs, restartsMax },
          topology: {
            module: siblingModule(import.meta.url, './lane-stages').href,
            export: 'laneStages',
            settings: { file: resolve(options.file) },
          },
        },
        {
          onRecovering: (partition, done, of) => onNotice({ type: 'recovering', partition, done, of }),
          onPartitionStopped: (partition, error) => onNotice({ type: 'partition-stopped', partition, error }),
          onPartitionWaiting: (partition, error) => onNotice({ type: 'partition-waiting', partition, error }),
          onPartitionResumed: (partition) => onNotice({ type: 'partition-resumed', partition }),
          onRestarted: (partition, error) => onNotice({ type: 'lane-restarted', lane: name, partition, error }),
        },
      )
      return { client, partitions: own }
    })
    const streams = new StreamsProcess(options, partitions, lineage, lock, log, lanes, sinks)
    try {
      await Promise.all([sinks?.ready, ...lanes.map(({ client }) => client.ready)])
      for (const { client } of lanes) client.run()
      // Who stays is asked by others meanwhile.
      if (live) streams.server = await (await import('./answering.ts')).answerOthers(streams, folder)
    } catch (error) {
      await streams.stop().catch(() => undefined)
      throw error
    }
    return streams
  }

  get sources(): SourceNode[] {
    return this.topology.pipelines.flatMap(({ input }) => (input.kind === 'source' ? [input] : []))
  }

  /** Lines into a source's topic; durable when it resolves, not yet processed: see settle. Waits where lanes and tables are further behind than
   *  log.backlogBytes; the signal ends that (STOPPED). */
  append(source: SourceNode, chunks: AsyncIterable<Uint8Array>, name: string | undefined, signal?: AbortSignal): Promise<Appended> {
    const log = boundedLog(this.log, this.backlog, {
      full: 'wait',
      signal,
      onWaiting: (error) => this.onNotice({ type: 'import-waiting', error }),
      onResumed: () => this.onNotice({ type: 'import-resumed' }),
    })
    return appendLines(chunks, { log, lineage: this.lineage, source, partitions: this.partitions, name, signal })
  }

  /** A topic into a file, from its beginning. Errors: OUT_EXISTS, OUT_CHANGED. */
  sink(topic: string, path: string): Promise<FileSink> {
    return FileSink.open({ log: this.log, lineage: this.lineage, topic, partitions: this.partitions, path: resolve(path) })
  }

  /** Resolves when all that is in the log has been processed, and can be queried where it goes into a table. `close`: the input is at its end, and what waits for time to pass happens. */
  async settle({ close }: { close: boolean }): Promise<void> {
    const { topic } = this.topology.pipelines[0]
    await Promise.all(
      this.lanes.map(async ({ client, partitions }) => {
        const ends = partitions.map(async (partition) => [partition, (await this.log.bounds({ topic, partition })).end] as [number, number])
        await client.drain(await Promise.all(ends), { snapshots: false, close })
      }),
    )
    await this.fill()
  }

  /** What the topics have now is in their tables when it resolves. Rejects where a sink has stopped, with why. */
  async fill(): Promise<void> {
    await this.tables?.drain()
  }

  /** Where each partition of a topic ends now. */
  ends(topic: string): Promise<number[]> {
    return Promise.all(Array.from({ length: this.partitions }, async (_, partition) => (await this.log.bounds({ topic, partition })).end))
  }

  /** A topic's records from `from` on, partition by partition, as text. Moves `from`. */
  async *records(topic: string, from: number[]): AsyncGenerator<string> {
    for (let partition = 0; partition < this.partitions; partition++) {
      const reader = this.log.reader({ topic, partition })
      try {
        for (;;) {
          const { bytes, blocks, next } = await reader.read(from[partition], READ_BYTES)
          if (blocks.length === 0) break
          for (const { pos, length, baseOffset } of blocks) {
            const lines = Buffer.from(bytes.buffer, bytes.byteOffset + pos, length)
              .toString()
              .trimEnd()
              .split('\n')
            yield* lines.slice(Math.max(0, from[partition] - baseOffset))
          }
          from[partition] = next
        }
      } finally {
        reader.close()
      }
    }
  }

  /** Resolves after something was committed. */
  changed(): Promise<void> {
    return this.log.changed()
  }

  async stats(): Promise<TaskStats[]> {
    return (await Promise.all(this.lanes.map(({ client }) => client.stats()))).flat()
  }

  /** Of each task and each sink, by the receipts in the log. */
  async lag(): Promise<Lag[]> {
    return lagOf(this.log, await consumersIn(this.log), Date.now())
  }

  /** What is in the state of these partitions (default: all), as of the newest finished checkpoint of each. */
  async state(request: StateRequest, partitions?: readonly number[]): Promise<StateAnswer[]> {
    return (await Promise.all(this.lanes.map(({ client }) => client.state(request, partitions)))).flat()
  }

  /** Bytes of the log that lanes and tables have still to do. */
  private async behindBytes(): Promise<number> {
    const consumed = { tasks: await this.stats(), sinks: (await this.tables?.stats()) ?? [] }
    return backlogBytes(consumed, (at, offset) => this.log.bytesFrom(at, offset))
  }

  /** Commits, checkpoints, gives the folder back. Whatever fails first is thrown when all is closed. */
  async stop(): Promise<void> {
    clearInterval(this.timer)
    await this.server?.cut()
    const lanes = await Promise.allSettled(this.lanes.map(({ client }) => client.stop()))
    const sinks = await Promise.allSettled([this.tables?.stop()])
    const log = await Promise.allSettled([this.log.close()])
    this.lock.release()
    await this.server?.close()
    for (const result of [...lanes, ...sinks, ...log]) if (result.status === 'rejected') throw result.reason
  }
}

const READ_BYTES = 1 << 20
