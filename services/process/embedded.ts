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
import { computedIn, dataFolder } from './data-folder.ts'
import { type DeadLetterAnswer, type DeadLetterRequest, DeadLetters } from './dead-letters.ts'
import { type Ahead, decodeAhead } from './decode-ahead.ts'
import { drainHeld } from './drain-held.ts'
import { type ImportListener, type ImportOptions, type ImportResult, type ImportTarget, importLines } from './importer.ts'
import { consumersOf, type Lag, lagOf } from './lag.ts'
import { LaneClient } from './lane-client.ts'
import type { LaneSetup, TaskStats } from './lane-protocol.ts'
import type { LineOptions } from './line-decoder.ts'
import { openSinks, type Sinks, tablesOf } from './open-sinks.ts'
import { partitionsOf } from './partitions-of.ts'
import type { RebuildResult } from './rebuild.ts'
import type { Moved, Shares } from './shares.ts'
import type { StateAnswer, StateRequest } from './state-view.ts'
import { storeSetup } from './store-setup.ts'
import { UnderWay } from './under-way.ts'
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
  /** Partitions that are at work here. */
  readonly held: Set<number>
  private readonly lanes: { client: LaneClient; partitions: number[] }[]
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
  shares: Shares | undefined
  /** What a stop waits for. */
  readonly underWay = new UnderWay()
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
      held: Set<number>
      lanes: Embedded['lanes']
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
    this.held = parts.held
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
    const onKafka = config.kafka.brokers.length > 0 ? await (await import('./kafka-setup.ts')).openOnKafka(config, whole.name) : undefined
    const hasTables = onKafka === undefined || config.kafka.sinks
    const topology = hasTables ? whole : { ...whole, sinks: [] }
    const meta = onKafka?.meta ?? dataFolder(folder, config.log.partitions)
    const { partitions, lineage: inputs } = meta
    const lineage = computedIn(meta)
    if (onKafka?.forgot !== undefined) onNotice({ type: 'reset', lineage, before: onKafka.forgot })
    const all = Array.from({ length: partitions }, (_, partition) => partition)
    // What a person decided about all partitions is done to all of them.
    const isShared = onKafka !== undefined && !options.upgrade
    const held = new Set(isShared ? [] : all)
    const module = options.topologyModule ?? siblingModule(import.meta.url, '../../topologies/clickstream').href
    const code = codeVersion(options.version, settings)
    const laneCount = Math.min(partitions, config.engine.lanes || availableParallelism())
    const names = Array.from({ length: laneCount }, (_, lane) => `lane-${lane}`)
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
    const lanes = names.map((name, lane) => {
      const mine = all.filter((partition) => partition % laneCount === lane)
      const { epochBytes, checkpointBytes, cacheBytes, stallMs, restartsMax } = config.engine
      const client = new LaneClient(
        {
          ...common,
          ...options.upgrade,
          name,
          code,
          topology: { module, export: 'clickstream', settings },
          partitions: mine,
          held: mine.filter((partition) => held.has(partition)),
          kafka: onKafka && { log: onKafka.log, partitions },
          stages: 1,
          stallMs,
          restartsMax,
          epochMs: (onKafka ? config.kafka : config.engine).epochMs,
          epochBytes,
          checkpointBytes,
          cacheBytes: cacheBytes / laneCount,
          live,
          exactlyOnce: options.exactlyOnce ?? true,
        },
        {
          onRestoring: (partition, progress) => onNotice({ type: 'restoring', partition, ...progress }),
          onRecovering: (partition, done, of) => onNotice({ type: 'recovering', partition, done, of }),
          onPartitionStopped: (partition, error) => onNotice({ type: 'partition-stopped', partition, error }),
          onPartitionWaiting: (partition, error) => onNotice({ type: 'partition-waiting', partition, error }),
          onPartitionResumed: (partition) => onNotice({ type: 'partition-resumed', partition }),
          onPartitionFenced: isShared ? (partition) => embedded.shares?.fenced(partition) : undefined,
          onRestarted: (partition, error) => onNotice({ type: 'lane-restarted', lane: name, partition, error }),
        },
        { heapMb: options.laneHeapMb },
      )
      return { client, partitions: mine }
    })
    const embedded: Embedded = new Embedded(lock, {
      config,
      partitions,
      topology,
      own,
      kafka,
      member: meta.kafka?.member,
      held,
      lanes,
      sinks,
      inputs,
      lineage,
      waits,
      backlogBytes: config.log.backlogBytes,
      onNotice,
    })
    try {
      await Promise.all([sinks.ready, ...lanes.map(({ client }) => client.ready)])
      if (isShared) {
        const { Shares } = await import('./shares.ts')
        const { topic } = embedded
        const of = { stage: `task.${lineage}.${topology.name}.${topic}`, topic, partitions, member: meta.kafka!.member }
        const onMoved = (moved: Moved) => onNotice({ type: 'partitions', ...moved })
        embedded.shares = new Shares({ ...of, kafka: config.kafka, log: onKafka.log, work: embedded, onMoved })
        await embedded.shares.join()
      }
      for (const { client } of lanes) client.run()
    } catch (error) {
      await embedded.stop().catch(() => undefined)
      throw error
    }
    return embedded
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
    return openIngest({ log: this.bounded({ full: 'refuse' }), lineage, partitions, ...options })
  }

  /** On Kafka: these are at work here from now on. Resolves when they have recovered, or were reported as stopped. */
  async take(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) this.held.add(partition)
    await this.each(partitions, (client, mine) => client.take(mine))
  }

  /** On Kafka: another process shall have these. Resolves when they have committed, checkpointed and given up their claims. */
  async leave(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) this.held.delete(partition)
    const leave = (client: LaneClient) => (one: number) => this.underWay.during(`partition ${one}`, client.leave([one]))
    await this.each(partitions, async (client, mine) => void (await Promise.all(mine.map(leave(client)))))
  }

  /** The same where another process may have them already: nothing more of them is committed here. */
  async drop(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) this.held.delete(partition)
    await this.each(partitions, (client, mine) => client.drop(mine))
  }

  private async each(partitions: readonly number[], work: (client: LaneClient, mine: number[]) => Promise<void>): Promise<void> {
    await Promise.all(
      this.lanes.map(async ({ client, partitions: own }) => {
        const mine = own.filter((partition) => partitions.includes(partition))
        if (mine.length > 0) await work(client, mine)
      }),
    )
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
    return this.waits.bear(this.process(asked))
  }

  private async process(asked: { snapshots: boolean; close: boolean }): Promise<void> {
    await drainHeld(this.lanes, this, await this.ends(this.topic), asked)
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
      query: (sql, params) => this.query(sql, params),
      patience: { ...this.importTarget, patienceMs: this.waits.patienceMs },
    })
    return this.dead.ask(request)
  }

  async stats(): Promise<Stats> {
    if (this.shares?.failure) throw this.shares.failure
    const [sinks, ...tasks] = await Promise.all([this.sinks.stats(), ...this.lanes.map(({ client }) => client.stats())])
    const ends: Stats['ends'] = {}
    for (const topic of new Set([this.topic, ...this.outputs])) ends[topic] = await this.ends(topic)
    const consumed = { tasks: tasks.flat().sort((a, b) => a.partition - b.partition), sinks }
    return { ...consumed, ends, backlogBytes: this.kafka ? 0 : backlogBytes(consumed, (at, offset) => this.own.bytesFrom(at, offset)) }
  }

  /** Of each task and each sink, by the receipts in the log. */
  async lag(): Promise<Lag[]> {
    const log = this.kafka ? (await import('./kafka-setup.ts')).kafkaLagLog(this.kafka, this.own) : this.own
    return lagOf(log, consumersOf(this.topology, this.lineage, this.partitions), Date.now())
  }

  /** What is in the state of these partitions (default: all), as of the newest finished checkpoint of each. */
  async state(request: StateRequest, partitions?: readonly number[]): Promise<StateAnswer[]> {
    const lanes = this.lanes.filter(
      (lane) => partitions === undefined || lane.partitions.some((partition) => partitions.includes(partition)),
    )
    const answers = await Promise.all(lanes.map(({ client }) => client.state(request, partitions)))
    return answers.flat().sort((a, b) => a.partition - b.partition)
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
    // Whoever has them next finds no claim of this process, and does not wait for the rest of this stop.
    const shares = await Promise.allSettled([this.shares?.close()])
    const lanes = await underWay.settled(this.lanes.map(({ client, partitions }) => [`the lane of ${partitions}`, client.stop()]))
    const sinks = await underWay.settled([[() => tablesOf(this.sinks), this.sinks.stop()]])
    const log = await underWay.settled([this.kafka, this.own].map((one) => ['the log', one?.close()]))
    this.lock.release()
    for (const result of [...aheads, ...shares, ...lanes, ...sinks, ...log]) if (result.status === 'rejected') throw result.reason
  }
}
