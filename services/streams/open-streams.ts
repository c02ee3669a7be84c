// One process that runs a topology of one's own: the log (in the data folder, or on Kafka), its lanes, the door for lines, and the sinks into the tables that it declares.
// What embedded.ts is for the product.
//
// StreamsProcess owns the order of starting and stopping, and the data folder's lock. The file's code runs in the lanes' threads.
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import type { Config } from '../../config/index.ts'
import { EngineError } from '../../engine/errors.ts'
import type { Log } from '../../engine/log/contract.ts'
import { systemClock } from '../../engine/time/clock.ts'
import { siblingModule } from '../../model/module-url.ts'
import { type FolderLock, lockFolder } from '../../stores/files/folder-lock.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import type { KafkaLog } from '../../stores/kafka/kafka-log.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { foreignSource } from '../../streams/foreign-source.ts'
import type { SourceNode, Topology } from '../../streams/stream.ts'
import { Backlog, backlogBytes, boundedLog } from '../process/backlog.ts'
import { ownStageName, type StageName } from '../process/computed-lineage.ts'
import { computedIn, dataFolder, type FolderMeta } from '../process/data-folder.ts'
import type { Notice } from '../process/embedded.ts'
import { consumersIn, consumersOfOwn, type Lag, lagOf } from '../process/lag.ts'
import type { LaneSetup, TaskStats } from '../process/lane-protocol.ts'
import { Lanes, laneNames } from '../process/lanes.ts'
import { openSinks, type Sinks } from '../process/open-sinks.ts'
import type { SocketServer } from '../process/socket-server.ts'
import type { StateAnswer, StateRequest } from '../process/state-view.ts'
import { storeSetup } from '../process/store-setup.ts'
import { type Appended, appendLines } from './append-lines.ts'
import { declaredSinks } from './declared-sinks.ts'
import { FileSink } from './file-sink.ts'
import type { LaneStagesSettings } from './lane-stages.ts'
import { topologyCode } from './load-topology.ts'
import { ownAdvice } from './own-advice.ts'
import { TopicTexts } from './topic-texts.ts'

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

/** Migrations and guests are nothing to whoever writes a topology. */
export type StreamsNotice = Exclude<Notice, { type: 'migrating' | 'request' }>

const RETAIN_MS = 60_000
/** How long an input bears with brokers that are away. */
const PATIENCE_MS = 30_000

/** Recovered, and standing still: `run` lets it go on. Errors: TOPOLOGY_ONE_LANE, ACCEPT_ALL_ONLY; those of the folder, the log and the state stores; those of the topology's file. */
export async function openStreams(options: StreamsOptions): Promise<StreamsProcess> {
  const shape = shapeOf(options)
  refusePlaces(options)
  const lock = lockFolder(options.config.data)
  try {
    return await StreamsProcess.open(options, shape, lock)
  } catch (error) {
    lock.release()
    throw ownAdvice(error, options)
  }
}

const isOnKafka = ({ kafka }: Config) => kafka.brokers.length > 0

/** An epoch is named by a partition: of several tasks of it nobody would know which is meant. */
function refusePlaces({ file, topology, upgrade }: StreamsOptions): void {
  if (topology.pipelines.length === 1 || !Array.isArray(upgrade?.accept)) return
  throw new EngineError(
    'ACCEPT_ALL_ONLY',
    `topology ${topology.name} reads ${topology.pipelines.length} topics, each with epochs of its own`,
    `Say packmill upgrade accept --all --topology ${file}.`,
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
      `Leave log.partitions and engine.lanes out${isOnKafka(config) ? ' (on Kafka, too, its topics have one partition; several processes stand by for each other)' : ''}. A topology whose operators use the key of their source (keyBy) can have more.`,
    )
  return { partitions, lanes: Math.min(partitions, wanted || availableParallelism()) }
}

/** Loaded where brokers are named. `partitions`: of every topic. */
async function openOnKafka(config: Config, topology: Topology, partitions: number) {
  const { name, pipelines, branches } = topology
  const setup = await import('../process/kafka-setup.ts')
  const [{ late, deadLetters }] = pipelines
  const topics = new Set([...pipelines, ...branches].map(({ topic }) => topic)).add(late).add(deadLetters)
  const stages = pipelines.map(({ topic }) => ({ name: ownStageName(name), topic }))
  return setup.openOnKafka(config, {
    ...{ topology: name, partitions, topics: Array.from(topics, (topic) => ({ topic, partitions })) },
    stages: stages as [StageName, ...StageName[]],
    otherPartitions: 'Another count is another kafka.topicPrefix, and another folder (--data).',
  })
}

export class StreamsProcess {
  readonly topology: Topology
  readonly partitions: number
  /** Where the topology declares tables. */
  readonly tables: Sinks | undefined
  /** Rejects where this process has lost its place among those that share the partitions. */
  readonly lost: Promise<never>
  private server: SocketServer | undefined
  private readonly config: Config
  private readonly lineage: string
  private readonly lock: FolderLock
  /** In the data folder: the log itself, or, where that is on Kafka, the receipts of tables and files. */
  private readonly own: JournalLog
  private readonly kafka: KafkaLog | undefined
  /** Of the data folder, where the log is on Kafka. */
  private readonly member: string | undefined
  private readonly lanes: Lanes
  private readonly backlog: Backlog
  private readonly topics: TopicTexts
  private readonly onNotice: StreamsOptions['onNotice']
  private readonly timer: NodeJS.Timeout

  private constructor(
    parts: Pick<StreamsOptions, 'topology' | 'config' | 'onNotice'> & {
      meta: FolderMeta
      lock: FolderLock
      own: JournalLog
      kafka: KafkaLog | undefined
      lanes: Lanes
      tables: Sinks | undefined
      lost: Promise<never>
    },
  ) {
    const { meta, config } = parts
    this.topology = parts.topology
    this.config = config
    this.onNotice = parts.onNotice
    this.backlog = new Backlog({ boundBytes: config.log.backlogBytes, clock: systemClock, look: () => this.behindBytes() })
    this.partitions = meta.partitions
    this.lineage = computedIn(meta)
    this.member = meta.kafka?.member
    this.lock = parts.lock
    this.own = parts.own
    this.kafka = parts.kafka
    this.lanes = parts.lanes
    this.tables = parts.tables
    this.lost = parts.lost
    this.topics = new TopicTexts(this.log, meta.partitions)
    this.timer = setInterval(() => void this.own.retain().catch(() => undefined), RETAIN_MS).unref()
  }

  static async open(options: StreamsOptions, shape: { partitions: number; lanes: number }, lock: FolderLock): Promise<StreamsProcess> {
    const { topology, config, live } = options
    const { data: folder, log: logConfig } = config
    const onNotice = (notice: Notice) => {
      if (notice.type === 'partitions' && notice.is === 'failed') losing.reject(notice.error)
      if (notice.type === 'partition-stopped' || notice.type === 'sink-stopped')
        options.onNotice({ ...notice, error: ownAdvice(notice.error, options) })
      else if (notice.type !== 'migrating' && notice.type !== 'request') options.onNotice(notice)
    }
    const losing = Promise.withResolvers<never>()
    losing.promise.catch(() => undefined)
    const onKafka = isOnKafka(config) ? await openOnKafka(config, topology, shape.partitions) : undefined
    const meta = onKafka?.meta ?? dataFolder(folder, shape.partitions, { topology: topology.name })
    const { partitions } = meta
    const lineage = computedIn(meta)
    const names = laneNames(shape.lanes)
    const writers = ['main', 'sinks', ...(onKafka ? [] : names)]
    const shared = await prepareLog({ files: realFiles, folder: join(folder, 'log'), writers })
    const { journalBytes } = logConfig
    const retention = { topics: {}, others: { ms: logConfig.retentionMs, bytes: logConfig.retentionBytes || Number.POSITIVE_INFINITY } }
    const own = await openJournalLog({ files: realFiles, folder: join(folder, 'log'), writer: 'main', shared, journalBytes, retention })
    // Before a lane declares it, which may fail at first: what a table has done with is not all that is needed.
    const tasks = onKafka ? [] : consumersOfOwn(topology, { lineage, partitions, sinks: [] })
    await Promise.all(tasks.map(({ name, ...at }) => own.reserve(name, at)))
    const kafka = onKafka && (await (await import('../../stores/kafka/kafka-log.ts')).openKafkaLog(onKafka.log))
    const common = { folder, shared, journalBytes, retention, lineage }
    const sinks = declaredSinks(topology)
    const tables = {
      ...{ ...common, ...storeSetup(config), name: 'sinks', kafka: onKafka?.log, partitions, sinks },
      acceptVersion: options.upgrade?.accept !== undefined,
    }
    const hasTables = onKafka === undefined || config.kafka.sinks
    const settings: LaneStagesSettings = { file: resolve(options.file), ...(onKafka && { kafkaPartitions: partitions }) }
    const lanes = new Lanes({
      // What a person decided about all partitions is done to all of them.
      ...{ config, partitions, names, kafka: onKafka?.log, isShared: onKafka !== undefined && !options.upgrade, onNotice },
      loads: Array.from({ length: partitions }, (_, partition) =>
        topology.pipelines.reduce((sum, { topic }) => sum + own.bytesFrom({ topic, partition }, 0), 0),
      ),
      setup: {
        ...common,
        ...options.upgrade,
        ...{ code: topologyCode(options.file, options.version), live, stages: topology.pipelines.length, exactlyOnce: true },
        deadLetters: topology.pipelines[0]!.deadLetters,
        topology: { module: siblingModule(import.meta.url, './lane-stages').href, export: 'laneStages', settings },
      },
    })
    const streams = new StreamsProcess({
      ...{ topology, config, onNotice, meta, lock, own, kafka, lanes, lost: losing.promise },
      tables: sinks.length === 0 ? undefined : openSinks(hasTables ? tables : undefined, onNotice),
    })
    try {
      await Promise.all([streams.tables?.ready, lanes.ready()])
      const [{ topic }] = topology.pipelines
      // By the topology's name alone: one whose file now begins with another source is the same group's.
      const stage = `task.${lineage}.${ownStageName(topology.name)}`
      if (meta.kafka) await lanes.join({ stage, topic, member: meta.kafka.member })
      // Who stays is asked by others meanwhile.
      if (live) streams.server = await (await import('./answering.ts')).answerOthers(streams, folder)
    } catch (error) {
      await streams.stop().catch(() => undefined)
      throw error
    }
    return streams
  }

  /** Everything goes on from where it was. Stopped before, it stays as it was. */
  run(): void {
    this.lanes.run()
  }

  private get log(): Log {
    return this.kafka ?? this.own
  }

  get sources(): SourceNode[] {
    return this.topology.pipelines.flatMap(({ input }) => (input.kind === 'source' ? [input] : []))
  }

  /** Lines into a source's topic; durable when it resolves, not yet processed: see settle. Waits where lanes and tables are further behind than
   *  log.backlogBytes; the signal ends that (STOPPED). */
  append(
    source: SourceNode,
    chunks: AsyncIterable<Uint8Array>,
    name: string | undefined,
    { signal, onProgress }: { signal?: AbortSignal; onProgress?: (records: number) => void } = {},
  ): Promise<Appended> {
    const waits = {
      onWaiting: (error: Error) => this.onNotice({ type: 'import-waiting', error }),
      onResumed: () => this.onNotice({ type: 'import-resumed' }),
    }
    const { lineage, partitions, member } = this
    // What brokers keep is bounded by the retention of their topics, whoever writes to them.
    const into = this.kafka
      ? { log: this.kafka, patienceMs: PATIENCE_MS, ...waits }
      : { log: boundedLog(this.own, this.backlog, { full: 'wait', signal, ...waits }) }
    return appendLines(chunks, {
      ...into,
      lineage,
      source: member === undefined ? source : foreignSource(source),
      partitions,
      name,
      member,
      signal,
      onProgress,
    })
  }

  /** A topic into a file, from its beginning. Errors: OUT_EXISTS, OUT_CHANGED. */
  async sink(topic: string, path: string): Promise<FileSink> {
    // How far a file is, is about a file on this machine.
    const log = this.kafka ? (await import('../process/sinks-log.ts')).sinksLog(this.kafka, this.own) : this.own
    return FileSink.open({ log, lineage: this.lineage, topic, partitions: this.partitions, path: resolve(path) })
  }

  /** Resolves when all that is in the log has been processed, and can be queried where it goes into a table. `close`: the input is at its end, and what waits for
   *  time to pass happens. On Kafka nobody waits for what is another process's, and while others are at work the input is at no end. */
  async settle({ close }: { close: boolean }): Promise<void> {
    const isWhole = this.lanes.held.size === this.partitions
    await this.lanes.drain(await this.ends(this.topology.pipelines[0].topic), { snapshots: false, close: close && isWhole })
    await this.fill()
  }

  /** What the topics have now is in their tables when it resolves. Rejects where a sink has stopped, with why. */
  async fill(): Promise<void> {
    if (!this.tables) return
    const topics = new Set(declaredSinks(this.topology).map(({ topic }) => topic))
    await this.tables.drain(
      Object.fromEntries(await Promise.all(Array.from(topics, async (topic) => [topic, await this.ends(topic)] as const))),
    )
  }

  /** Where each partition of a topic ends now. */
  ends(topic: string): Promise<number[]> {
    return Promise.all(Array.from({ length: this.partitions }, async (_, partition) => (await this.log.bounds({ topic, partition })).end))
  }

  /** Where each partition of a topic begins: retention may have deleted what was before. */
  starts(topic: string): Promise<number[]> {
    return Promise.all(Array.from({ length: this.partitions }, async (_, partition) => (await this.log.bounds({ topic, partition })).start))
  }

  /** A topic's records from `from` on, partition by partition, as text. Moves `from`. */
  records(topic: string, from: number[]): AsyncGenerator<string> {
    return this.topics.records(topic, from)
  }

  /** Resolves after something was committed. */
  changed(): Promise<void> {
    return this.log.changed()
  }

  stats(): Promise<TaskStats[]> {
    return this.lanes.stats()
  }

  /** Of each task and each sink, by the receipts in the log. */
  async lag(): Promise<Lag[]> {
    if (!this.kafka) return lagOf(this.own, await consumersIn(this.own), Date.now())
    const { kafkaLagLog } = await import('../process/kafka-setup.ts')
    const sinks = this.config.kafka.sinks ? declaredSinks(this.topology) : []
    const consumers = consumersOfOwn(this.topology, {
      lineage: this.lineage,
      partitions: this.partitions,
      sinks,
      stage: ownStageName(this.topology.name),
    })
    return lagOf(kafkaLagLog(this.kafka, this.own), consumers, Date.now())
  }

  /** What is in the state of these partitions (default: all), as of the newest finished checkpoint of each. */
  state(request: StateRequest, partitions?: readonly number[]): Promise<StateAnswer[]> {
    return this.lanes.state(request, partitions)
  }

  /** Bytes of the log that lanes and tables have still to do. */
  private async behindBytes(): Promise<number> {
    const consumed = { tasks: await this.stats(), sinks: (await this.tables?.stats()) ?? [] }
    return backlogBytes(consumed, (at, offset) => this.own.bytesFrom(at, offset))
  }

  /** Commits, checkpoints, gives the folder back. Whatever fails first is thrown when all is closed. */
  async stop(): Promise<void> {
    clearInterval(this.timer)
    await this.server?.cut()
    const shares = await Promise.allSettled([this.lanes.leaveGroup()])
    const lanes = await this.lanes.stop()
    const sinks = await Promise.allSettled([this.tables?.stop()])
    this.topics.close()
    const log = await Promise.allSettled([this.kafka?.close(), this.own.close()])
    this.lock.release()
    await this.server?.close()
    for (const result of [...shares, ...lanes, ...sinks, ...log]) if (result.status === 'rejected') throw result.reason
  }
}
