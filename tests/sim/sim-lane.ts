// A lane of a simulated process: its journal, its tasks with their state, its sinks. There may be a second one, which takes the partitions
// over while the first is at work: the process has given them to another, and the first does not know.
import { join } from 'node:path'
import { Lane } from '../../engine/lane/lane.ts'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import { PartitionTask } from '../../engine/lane/task.ts'
import type { Log } from '../../engine/log/contract.ts'
import { sinkDefaults } from '../../engine/sink/contract.ts'
import { SinkTask } from '../../engine/sink/sink-task.ts'
import type { StateStore } from '../../engine/state/store.ts'
import { TOPICS } from '../../model/rows.ts'
import { CheckpointAge } from '../../services/process/checkpoint-age.ts'
import type { Files } from '../../stores/files/files.ts'
import { StorageError } from '../../stores/files/storage-error.ts'
import { JournalLog } from '../../stores/log/journal-log.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import type { SimClient } from './kafka/sim-client.ts'
import { openSimState } from './kafka/sim-kafka-state.ts'
import { observedLog } from './observed-log.ts'
import { observedStage } from './observed-stage.ts'
import type { Plant } from './plant.ts'
import type { SimProcess } from './scheduler.ts'
import { SimFiles } from './sim-files.ts'
import type { NodeLog } from './sim-node.ts'
import { DEADLINE_MS, type InsertFault } from './sim-table.ts'
import { Violation } from './violation.ts'
import type { NodeSettings, World } from './world.ts'

export interface LaneWorld {
  world: World
  settings: NodeSettings
  process: SimProcess
  /** Its way to the broker, where there is one. */
  client: SimClient | undefined
  random: () => number
  /** What has really passed. */
  nowMs: () => number
  insertFault: () => InsertFault
  cuts: boolean
  plant: Plant
  dieInEviction(): { afterLooks: number; die(): void } | undefined
}

const SINK = { ...sinkDefaults, batchBytes: 4000, readBytes: 2000, intervalMs: 200, windowMs: 60_000, releaseMs: 500 }
/** A sink holds a batch that is written and one that is filled; each may pass its bound by a read, and that by a block or an epoch's output. */
const HELD_BYTES_MAX = 2 * (SINK.batchBytes + SINK.readBytes) + 400_000
export const TASKS_NAME = (partition: number) => `task.sim.clickstream.${TOPICS.raw}.${partition}`

export class SimLane {
  lane!: Lane
  tasks: PartitionTask[] = []
  sinks: SinkTask[] = []
  /** What the sinks hold. */
  targets: { readonly bytes: number }[] = []
  running: Promise<void>[] = []
  /** Epochs that recoveries have computed again. */
  recomputed = 0
  recoveries = 0
  readonly journal: NodeLog
  private readonly own: LaneWorld
  private readonly main: NodeLog
  private readonly files: SimFiles
  private isFenced = false
  private isOver = false

  /** `main`: the journal of the main thread, whose log the sinks use. */
  constructor(own: LaneWorld, main: NodeLog, journal: NodeLog) {
    this.own = own
    this.main = main
    this.journal = journal
    this.files = new SimFiles(own.world.stateDisk, {
      schedule: (label) => {
        if (/^removed \/state\//.test(label)) own.world.observed.counts.checkpointFilesReleased++
        return own.process.step(label)
      },
    })
    if (journal instanceof JournalLog) own.plant.journal?.(journal)
  }

  /** Recovers every partition. */
  async open(): Promise<void> {
    const { world, settings, process, random, cuts, plant } = this.own
    const { clock } = process
    const observed = observedLog(this.journal, world.observed, cuts ? random : undefined)
    const log = this.unlessFenced(plant.taskLog?.(observed, this.journal as JournalLog) ?? observed)
    const { topology, code, epochBytes, checkpointBytes, cacheBytes, epochMs, live } = settings
    const pipeline = plant.pipeline?.(topology.pipeline) ?? topology.pipeline
    const stage = observedStage(sessionStage({ ...topology, pipeline }), {
      observed: world.observed,
      nameOf: TASKS_NAME,
      sliceBytes: settings.sliceBytes ?? Number.POSITIVE_INFINITY,
      dieInEviction: () => this.own.dieInEviction(),
      plant: plant.computer,
    })
    const files: Files = plant.files?.(this.files) ?? this.files
    for (const partition of world.toSend.keys()) {
      const opened = await this.openState(files, partition)
      const store = plant.store?.(opened) ?? opened
      const age = new CheckpointAge(settings.retentionMs ?? Number.POSITIVE_INFINITY, clock.now())
      let wasDue = false
      const bounds = {
        ...{ epochBytes, checkpointBytes, cacheBytes },
        get checkpointDue() {
          const isDue = age.isDue(task.checkpoints, clock.now())
          if (isDue && !wasDue) world.observed.counts.checkpointsDue++
          wasDue = isDue
          return isDue ? ('soon' as const) : undefined
        },
      }
      const who = { stage, lineage: 'sim', code, partition, exactlyOnce: true }
      const task: PartitionTask = new PartitionTask(Object.assign(bounds, who), log, store)
      plant.task?.(task)
      this.tasks.push(task)
    }
    this.lane = new Lane({
      tasks: this.tasks,
      log,
      clock,
      epochMs,
      live,
      onStopped: (partition, error) => this.stopped(`partition ${partition}`, error),
      onWaiting: (partition, error) => world.waits.push(`${partition} ${(error as { code: string }).code}`),
      onResumed: (partition) => this.resumed(`${partition}`),
      onRecovering: (_, done) => void (done > 0 ? this.recomputed++ : 0),
    })
    for (const task of this.tasks) {
      const recover = task.recover.bind(task)
      task.recover = (nowMs, onProgress) => {
        if (this.recoveries++ >= this.tasks.length) world.observed.counts.tasksRecovered++
        return recover(nowMs, onProgress)
      }
    }
    await this.lane.open()
  }

  /** Lets lane and sinks work. */
  async run(): Promise<void> {
    this.running = [this.lane.run()]
    if (this.own.settings.sinks) await this.startSinks()
  }

  /** Another has the partitions now: nothing can be claimed any more, and what is committed is to be refused. One with the same journal follows
   *  a thread that is dead: what that has on its way to the disk arrives there, and is never published. */
  fence(sameWriter: boolean): void {
    this.isFenced = true
    if (sameWriter && !this.own.plant.journal && this.journal instanceof JournalLog) this.journal.view.publish = () => false
    for (const promise of this.running) promise.catch(() => undefined)
  }

  /** The log is about to be closed. An owner that was fenced does not know, and would ask for changes for ever. */
  end(): void {
    this.isOver = true
  }

  private openState(files: Files, partition: number): Promise<StateStore> {
    const { world, client, plant } = this.own
    const folder = join('/state', `${partition}`)
    if (!client) return openCheckpointStore({ files, folder, slackBytes: 0, filesMax: 3 })
    const restored = (rows: number) => void (world.observed.counts.rowsRestored += rows)
    return openSimState({ client, name: TASKS_NAME(partition), files, folder, plant, restored })
  }

  private async startSinks(): Promise<void> {
    const { world, settings, process, random, cuts, plant, insertFault, nowMs } = this.own
    const { clock } = process
    const observed = observedLog(this.main, world.observed, cuts ? random : undefined)
    const log = this.unlessFenced(plant.sinkLog?.(observed) ?? observed)
    const access = {
      step: (label: string) => process.step(label),
      nowMs,
      sleep: (ms: number) => clock.sleep(ms),
      fault: insertFault,
      heldBytesMax: HELD_BYTES_MAX,
    }
    const { orphanMs = 0, attemptsMax = SINK.attemptsMax } = settings
    const sinkSettings = { ...SINK, orphanMs, attemptsMax, ...plant.sinkSettings }
    const onWaiting = (error: unknown) => {
      if ((error as { code?: string }).code === 'INSERT_FAILED') world.observed.counts.sinksOutlasted++
    }
    for (const [topic, table] of world.tables) {
      const target = table.target(topic, access)
      this.targets.push(target)
      const partitions = world.toSend.length
      const options = { log, sink: topic, lineage: 'sim', topic, partitions, clock, settings: sinkSettings, codeVersion: 'sim' }
      const onResumed = () => this.resumed(topic)
      const sink = new SinkTask({ ...options, target: plant.target?.(target) ?? target, onWaiting, onResumed })
      plant.sink?.(sink)
      // As the sinks' thread does it: an outage keeps nobody from starting.
      const unopened = await sink.open().catch((error: unknown) => {
        if ((error as { code?: string }).code === 'INSERT_FAILED') return error
        throw error
      })
      this.sinks.push(sink)
      this.running.push(sink.run(unopened).catch((error) => this.stopped(`sink ${topic}`, error)))
    }
  }

  private unlessFenced(log: Log): Log {
    const refuse = () => Promise.reject(new StorageError('FENCED', 'another lane has this partition', 'Nothing.'))
    return {
      ...log,
      claim: (...claim: Parameters<Log['claim']>) => (this.isFenced ? refuse() : log.claim(...claim)) as never,
      changed: () => (this.isOver ? new Promise(() => undefined) : log.changed()),
    }
  }

  private resumed(what: string): void {
    this.own.world.waits.push(`${what} goes on`)
    this.own.world.observed.counts.sinkWaits++
  }

  private stopped(what: string, error: unknown): void {
    const { world } = this.own
    if (!this.isFenced) return void world.stopped.push({ what, error })
    // A full disk or an outage, or a stop while it waited for one, is no alarm about what another owner did.
    const { code = '' } = error as { code?: string }
    if (
      error instanceof Violation ||
      MAY_PASS.includes(code) ||
      ['FENCED', 'DISK_FULL', 'DISK_FAILED', 'INSERT_FAILED', 'SINK_STOPPED'].includes(code)
    )
      return
    world.observed.violation ??= new Violation('no-false-alarm', `${what} of an owner that was fenced: ${code}`, { cause: error })
  }
}

/** What a broker that does not answer, or has ended a transaction, is told as. */
export const MAY_PASS = ['KAFKA_UNAVAILABLE', 'KAFKA_TRANSACTION_LOST', 'KAFKA_FAILED']

/** How long an owner before may still have requests at a table: it sends them again for half a window, and each has its deadline. */
export const ORPHAN_MS = SINK.windowMs / 2 + DEADLINE_MS
