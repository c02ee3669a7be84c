// One process of Packmill: the log (in the data folder, or on Kafka), the lanes, the sinks with the analytics store, and the door for files.
//
// Embedded owns the order of starting and stopping, and the data folder's lock. It runs on the main thread; lanes and sinks have their own. On Kafka the folder
// holds what can be had again from the brokers (the cache of the state), and the tables; which partitions are at work here says the group (shares.ts).
//   lock → log in order → sinks' thread and lanes (recovering) → ready → … → lanes stop (commit, checkpoint) → sinks drain and stop → lock given back
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../../config/index.ts'
import type { Log } from '../../engine/log/contract.ts'
import type { SinkStats } from '../../engine/sink/sink-task.ts'
import { systemClock } from '../../engine/time/clock.ts'
import type { Topology } from '../../engine/topology/topology.ts'
import { siblingModule } from '../../model/module-url.ts'
import { TOPICS } from '../../model/rows.ts'
import { type FolderLock, lockFolder } from '../../stores/files/folder-lock.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import type { KafkaLog } from '../../stores/kafka/kafka-log.ts'
import type { RestoreProgress } from '../../stores/kafka/kafka-state.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import type { Retention } from '../../stores/log/retention.ts'
import { type ClickstreamSettings, clickstream } from '../../topologies/clickstream.ts'
import { type Ingest, type IngestOptions, openIngest } from '../ingest/ingest.ts'
import { Backlog, backlogBytes, boundedLog, type SourceOptions } from './backlog.ts'
import { codeVersion } from './code-version.ts'
import { stageOf } from './computed-lineage.ts'
import { computedIn, dataFolder, folderMeta, writeMeta } from './data-folder.ts'
import { type DeadLetterAnswer, type DeadLetterRequest, DeadLetters } from './dead-letters.ts'
import { type Ahead, decodeAhead } from './decode-ahead.ts'
import { type ImportListener, type ImportOptions, type ImportResult, type ImportTarget, importLines } from './importer.ts'
import { consumersOf, type Lag, lagOf } from './lag.ts'
import type { LaneSetup, TaskStats } from './lane-protocol.ts'
import { Lanes, laneNames } from './lanes.ts'
import type { LineOptions } from './line-decoder.ts'
import { openSinks, type Sinks, tablesOf } from './open-sinks.ts'
import { partitionsOf } from './partitions-of.ts'
import type { RebuildResult } from './rebuild.ts'
import type { Moved } from './shares.ts'
import type { StateAnswer, StateRequest } from './state-view.ts'
import { storeSetup } from './store-setup.ts'
import type { UnderWay } from './under-way.ts'
import { Waits } from './waits.ts'

export interface EmbeddedOptions {
  config: Config
  /** Version of Packmill: part of the code version in receipts. */
  version: string
  /** Epochs record processing time, so that idle actors' sessions close: a long-running process. An import's do not. */
  live: boolean
  /** false: for the bench that prices exactly-once. */
  exactlyOnce?: boolean
  /** A person's decisions after an upgrade (packmill upgrade). */
  upgrade?: Pick<LaneSetup, 'accept' | 'recoverOnly'>
  /** For tests: a module that exports another `clickstream`; the bound of a lane's JavaScript heap. */
  topologyModule?: string
  laneHeapMb?: number
  /** How long import() and settle() bear with a full disk. */
  patienceMs?: number
  /** Something a person should read: a recovery under way, a partition or a sink that stopped. */
  onNotice(notice: Notice): void
}

export type Notice =
  /** On Kafka: its state is read from the changelog; rows and bytes so far, offsets passed of those that there are. */
  | ({ type: 'restoring'; partition: number } & RestoreProgress)
  | { type: 'recovering'; partition: number; done: number; of: number }
  | { type: 'partition-stopped'; partition: number; error: Error }
  /** It met what may pass (a full disk), and is tried again until it goes on: then -resumed. */
  | { type: 'partition-waiting'; partition: number; error: Error }
  | { type: 'partition-resumed'; partition: number }
  /** On Kafka: retention comes near what it would be recovered from. Told once, until a checkpoint has ended. */
  | { type: 'partition-overdue'; partition: number; error: Error }
  /** On Kafka: partitions that came here, or went to other processes; or it is no member any more. */
  | ({ type: 'partitions' } & Moved)
  /** A lane's thread ended without being asked to (an operator that loops, a full heap); another goes on in its place. */
  | { type: 'lane-restarted'; lane: string; partition: number | undefined; error: Error }
  | { type: 'sink-waiting'; table: string; error: Error }
  | { type: 'sink-resumed'; table: string }
  | { type: 'import-waiting'; error: Error }
  | { type: 'import-resumed' }
  | { type: 'sink-stopped'; table: string; error: Error }
  /** A write that is tried again. */
  | { type: 'sink-failed'; table: string; error: Error }
  | { type: 'migrating'; name: string }
  /** On Kafka: what the folder held was reset from elsewhere; its tables are filled anew from the topics. */
  | { type: 'reset'; lineage: string; before: string }
  /** Of a guest: once when it begins, and with its time when it has ended. */
  | { type: 'request'; id: string; request: string; ms?: number; error?: Error }

export interface Stats {
  tasks: TaskStats[]
  sinks: SinkStats[]
  /** Per topic, the offset after the last record of each partition. */
  ends: Record<string, number[]>
  /** Of the log in the data folder: what lanes and sinks have still to do. */
  backlogBytes: number
}

const RETAIN_MS = 60_000
const PATIENCE_MS = 30_000
/** While a broker is looked for again, senders wait. To delete receipts is a request of its own there. */
const INGEST_ON_KAFKA = { patienceMs: 5_000, releaseEvery: 256 }

/** Opens the data folder and starts everything. Errors: those of the folder, the log, the state store, the analytics store. */
export async function openEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { config } = options
  const lock = lockFolder(config.data)
  try {
    return await Embedded.open(options, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Loaded where brokers are named. */
async function openOnKafka(config: Config, topology: string) {
  const setup = await import('./kafka-setup.ts')
  return setup.openOnKafka(config, setup.productUse(topology, config.log.partitions))
}

/** The clickstream's settings as the topology takes them. */
export const clickstreamSettings = ({ clickstream: settings }: Config): ClickstreamSettings => settings

export class Embedded {
  readonly partitions: number
  private readonly config: Config
  private readonly lock: FolderLock
  private readonly log: Log
  /** In the data folder: the log itself, or, where that is on Kafka, the receipts of the sinks. */
  private readonly own: JournalLog
  private readonly kafka: KafkaLog | undefined
  /** What others may not claim, where several processes work on one log. */
  private readonly member: string | undefined
  private readonly lanes: Lanes
  private readonly sinks: Sinks
  private readonly topology: Topology
  /** That the tasks read. */
  readonly topic: string
  private readonly outputs: string[]
  /** Of what came in, and of what is computed from it. */
  private readonly inputs: string
  private readonly lineage: string
  private readonly timer: NodeJS.Timeout
  private imports = new Set<AbortController>()
  private readonly backlog: Backlog
  private readonly stopping = new AbortController()
  private readonly aheads = new Set<Ahead>()
  private dead: DeadLetters | undefined
  /** After a reset: settled when it has been computed anew, or cannot be by this process. */
  private anew: Promise<void> | undefined
  private readonly waits: Waits
  private readonly onNotice: (notice: Notice) => void

  private constructor(
    lock: FolderLock,
    parts: Pick<Embedded, 'partitions'> & {
      config: Config
      topology: Topology
      own: JournalLog
      kafka: KafkaLog | undefined
      member: string | undefined
      lanes: Lanes
      sinks: Sinks
      inputs: string
      lineage: string
      waits: Waits
      backlogBytes: number
      onNotice: (notice: Notice) => void
    },
  ) {
    this.onNotice = parts.onNotice
    this.config = parts.config
    this.waits = parts.waits
    this.lock = lock
    this.partitions = parts.partitions
    this.log = parts.kafka ?? parts.own
    this.own = parts.own
    this.kafka = parts.kafka
    this.member = parts.member
    this.lanes = parts.lanes
    this.sinks = parts.sinks
    this.topology = parts.topology
    this.topic = parts.topology.pipeline.source.topic
    this.outputs = parts.topology.sinks.map(({ topic }) => topic)
    this.inputs = parts.inputs
    this.lineage = parts.lineage
    this.backlog = new Backlog({
      boundBytes: parts.backlogBytes,
      clock: systemClock,
      look: async () => (await this.stats()).backlogBytes,
    })
    this.timer = setInterval(() => void this.own.retain().catch(() => undefined), RETAIN_MS).unref()
  }

  static async open(options: EmbeddedOptions, lock: FolderLock): Promise<Embedded> {
    const { config, live } = options
    const waits = new Waits(options.patienceMs ?? PATIENCE_MS)
    const onNotice = (notice: Notice) => {
      waits.heard(notice)
      options.onNotice(notice)
    }
    const folder = config.data
    const settings = clickstreamSettings(config)
    const whole = clickstream(settings)
    const onKafka = config.kafka.brokers.length > 0 ? await openOnKafka(config, whole.name) : undefined
    const hasTables = onKafka === undefined || config.kafka.sinks
    const topology = hasTables ? whole : { ...whole, sinks: [] }
    const meta = onKafka?.meta ?? dataFolder(folder, config.log.partitions)
    const { partitions, lineage: inputs } = meta
    const lineage = computedIn(meta)
    if (onKafka?.forgot !== undefined) onNotice({ type: 'reset', lineage, before: onKafka.forgot })
    // What a person decided about all partitions is done to all of them.
    const isShared = onKafka !== undefined && !options.upgrade
    const module = options.topologyModule ?? siblingModule(import.meta.url, '../../topologies/clickstream').href
    const code = codeVersion(options.version, settings)
    const laneCount = Math.min(partitions, config.engine.lanes || availableParallelism())
    const names = laneNames(laneCount)
    const writers = ['main', 'sinks', ...(onKafka ? [] : names)]
    const shared = await prepareLog({ files: realFiles, folder: join(folder, 'log'), writers })
    const { journalBytes } = config.log
    const retention: Retention = {
      topics: {},
      others: { ms: config.log.retentionMs, bytes: config.log.retentionBytes || Number.POSITIVE_INFINITY },
    }
    const own = await openJournalLog({ files: realFiles, folder: join(folder, 'log'), writer: 'main', shared, journalBytes, retention })
    // Before a lane or a sink declares it, which may fail at first: what the others have done with is not all that is needed.
    const consumers = onKafka ? [] : consumersOf(topology, lineage, partitions)
    const needed = consumers.map(({ kind, name, consumer, ...at }) =>
      own.reserve(kind === 'task' ? name : `sink.${lineage}.${consumer}`, at),
    )
    await Promise.all(needed)
    const common = { folder, shared, journalBytes, retention, lineage }
    const kafka = onKafka && (await (await import('../../stores/kafka/kafka-log.ts')).openKafkaLog(onKafka.log))
    const acceptVersion = options.upgrade?.accept !== undefined
    const tables = {
      ...common,
      name: 'sinks',
      kafka: onKafka?.log,
      acceptVersion,
      partitions,
      sinks: topology.sinks,
      ...storeSetup(config),
    }
    const sinks = openSinks(hasTables ? tables : undefined, onNotice)
    // A lane may end the process; while the engine is being loaded its handlers would keep it from ending.
    await sinks.opened
    const lanes = new Lanes({
      ...{ config, partitions, names, kafka: onKafka?.log, isShared, heapMb: options.laneHeapMb, onNotice },
      loads: Array.from({ length: partitions }, (_, partition) => own.bytesFrom({ topic: TOPICS.raw, partition }, 0)),
      setup: {
        ...common,
        ...options.upgrade,
        ...{ code, live, stages: 1, exactlyOnce: options.exactlyOnce ?? true },
        topology: { module, export: 'clickstream', settings },
      },
    })
    const embedded: Embedded = new Embedded(lock, {
      config,
      partitions,
      topology,
      own,
      kafka,
      member: meta.kafka?.member,
      lanes,
      sinks,
      inputs,
      lineage,
      waits,
      backlogBytes: config.log.backlogBytes,
      onNotice,
    })
    try {
      await Promise.all([sinks.ready, lanes.ready()])
      const { topic } = embedded
      if (meta.kafka) await lanes.join({ stage: stageOf(lineage, { name: topology.name, topic }), topic, member: meta.kafka.member })
      lanes.run()
      if (meta.isComputedAnew && !options.upgrade?.recoverOnly) embedded.anew = embedded.computeAnew().catch(() => undefined)
    } catch (error) {
      await embedded.stop().catch(() => undefined)
      throw error
    }
    return embedded
  }

  /** What a stop waits for. */
  get underWay(): UnderWay {
    return this.lanes.underWay
  }

  /** Reads lines into the log. What was accepted is durable when it resolves, not yet processed: see settle. */
  async import(
    stream: AsyncIterable<Uint8Array>,
    options: LineOptions & ImportListener & Pick<ImportOptions, 'again'>,
  ): Promise<ImportResult> {
    const control = new AbortController()
    this.imports.add(control)
    try {
      return await importLines(stream, {
        ...options,
        ...this.importTarget,
        signal: control.signal,
      })
    } finally {
      this.imports.delete(control)
    }
  }

  /** The way of batches into the log. Stop it before this. */
  ingest(options: Pick<IngestOptions, 'org' | 'nowMs' | 'newId' | 'onCommit'>): Promise<Ingest> {
    const { inputs, member, partitions } = this
    // Another process's door is another claim.
    const lineage = member === undefined ? inputs : `${inputs}.${member}`
    return openIngest({ log: this.bounded({ full: 'refuse' }), lineage, partitions, ...(this.kafka && INGEST_ON_KAFKA), ...options })
  }

  /** The log for a source. What brokers keep is bounded by the retention of their topics, whoever writes to them. */
  private bounded(options: SourceOptions): Log {
    return this.kafka ?? boundedLog(this.log, this.backlog, options)
  }

  /** As import, of several files: decoded in parallel, appended one after the other. To be closed when all are in. */
  ahead(paths: readonly string[], lines: LineOptions): Ahead {
    const ahead = decodeAhead(paths, lines, this.importTarget)
    const closing: Ahead = {
      import: (index, listener) => ahead.import(index, listener),
      close: () => {
        this.aheads.delete(closing)
        return ahead.close()
      },
    }
    this.aheads.add(closing)
    return closing
  }

  /** Reads what another data folder took (`sinceMs`: received then or later) into this one's log. What was copied is durable when it resolves, not yet processed: see settle. */
  async rebuild(from: string, onProgress?: (records: number) => void, sinceMs?: number): Promise<RebuildResult> {
    const control = new AbortController()
    this.imports.add(control)
    try {
      const { rebuild } = await import('./rebuild.ts')
      return await rebuild(from, { ...this.importTarget, config: this.config, signal: control.signal }, onProgress, sinceMs)
    } finally {
      this.imports.delete(control)
    }
  }

  private get importTarget(): ImportTarget {
    const waits = {
      onWaiting: (error: Error) => this.onNotice({ type: 'import-waiting', error }),
      onResumed: () => this.onNotice({ type: 'import-resumed' }),
    }
    return {
      log: this.bounded({ full: 'wait', signal: this.stopping.signal, ...waits }),
      lineage: this.inputs,
      topic: this.topic,
      partitions: this.partitions,
      nowMs: Date.now,
      patienceMs: this.waits.patienceMs,
      ...waits,
    }
  }

  /** Resolves when all that is in the log now has been processed, what was asked for emitted, and everything can be queried. Rejects where
   *  something waited too long for what may pass, with the cause; it goes on when that has passed. On Kafka nobody waits for what is another process's. */
  settle(asked: { snapshots: boolean; close: boolean }): Promise<void> {
    return this.waits.bear(Promise.all([this.anew, this.process(asked)]).then(() => undefined))
  }

  /** Ends what is computed after a reset as an import ends: no open session is missing from the tables. Where a stop comes first, the next start does it. */
  private async computeAnew(): Promise<void> {
    await this.process({ snapshots: true, close: false })
    const { isComputedAnew: _, ...meta } = folderMeta(this.config.data)
    writeMeta(this.config.data, meta)
  }

  private async process(asked: { snapshots: boolean; close: boolean }): Promise<void> {
    await this.lanes.drain(await this.ends(this.topic), asked)
    const to: Record<string, number[]> = {}
    for (const topic of this.outputs) to[topic] = await this.ends(topic)
    await this.sinks.drain(to)
  }

  query<T = Record<string, unknown>>(sql: string, params?: Record<string, unknown>): Promise<T[]> {
    return this.sinks.query<T>(sql, params)
  }

  queryText(sql: string, format: string): Promise<string> {
    return this.sinks.queryText(sql, format)
  }

  /** Of all that are in the log now. */
  async deadLetters<R extends DeadLetterRequest>(request: R): Promise<DeadLetterAnswer<R>> {
    const topic = TOPICS.deadLetters
    await this.waits.bear(this.sinks.drain({ [topic]: await this.ends(topic) }))
    this.dead ??= new DeadLetters({
      ...this.importTarget,
      lineage: this.lineage,
      lastReceipt: (name) => (this.kafka ?? this.own).lastReceipt(name),
      query: (sql, params) => this.query(sql, params),
      patience: { ...this.importTarget, patienceMs: this.waits.patienceMs },
    })
    return this.dead.ask(request)
  }

  async stats(): Promise<Stats> {
    const [sinks, tasks] = await Promise.all([this.sinks.stats(), this.lanes.stats()])
    const ends: Stats['ends'] = {}
    for (const topic of new Set([this.topic, ...this.outputs])) ends[topic] = await this.ends(topic)
    const consumed = { tasks, sinks }
    return { ...consumed, ends, backlogBytes: this.kafka ? 0 : backlogBytes(consumed, (at, offset) => this.own.bytesFrom(at, offset)) }
  }

  /** Of each task and each sink, by the receipts in the log. */
  async lag(): Promise<Lag[]> {
    const log = this.kafka ? (await import('./kafka-setup.ts')).kafkaLagLog(this.kafka, this.own) : this.own
    return lagOf(log, consumersOf(this.topology, this.lineage, this.partitions), Date.now())
  }

  /** What is in the state of these partitions (default: all), as of the newest finished checkpoint of each. */
  state(request: StateRequest, partitions?: readonly number[]): Promise<StateAnswer[]> {
    return this.lanes.state(request, partitions)
  }

  /** Offsets after the last record of each partition. */
  async ends(topic: string): Promise<number[]> {
    return Promise.all(
      Array.from(
        { length: partitionsOf(topic, this.partitions) },
        async (_, partition) => (await this.log.bounds({ topic, partition })).end,
      ),
    )
  }

  /** Ends imports, commits and checkpoints, writes what the sinks have, gives the folder back. Whatever fails first is thrown when all is closed. */
  async stop(): Promise<void> {
    const { underWay } = this
    clearInterval(this.timer)
    for (const control of this.imports) control.abort()
    this.stopping.abort()
    const aheads = await underWay.settled(Array.from(this.aheads, (ahead) => ['an import', ahead.close()]))
    const shares = await Promise.allSettled([this.lanes.leaveGroup()])
    const lanes = await this.lanes.stop()
    const sinks = await underWay.settled([[() => tablesOf(this.sinks), this.sinks.stop()]])
    await this.anew
    const log = await underWay.settled([this.kafka, this.own].map((one) => ['the log', one?.close()]))
    this.lock.release()
    for (const result of [...aheads, ...shares, ...lanes, ...sinks, ...log]) if (result.status === 'rejected') throw result.reason
  }
}
