// The partitions of one stage in one lane whose log is Kafka: they come and go one by one, while the others go on. Each has connections, a loop (engine/lane/lane.ts) and
// a state of its own; all share the thread. Owns which partitions are held, and the order of taking and leaving them.
//   take:  fence the state, restore it → fence the log, recover → run
//   leave: work on until a checkpoint is finished → commit what is under way → checkpoint what came since → give the claim back → close
//   drop:  cut off from the brokers → close
// 1. What is asked of one partition is done in the order in which it was asked.
// 2. The checkpoint before the end is why a partition that is left stands still for what came within a second, and not for all since the last checkpoint.
//    A task that failed by what may pass recovers with the same state: one whose cache has gone bad is made anew before the claim.
// 3. A broker that cannot be reached is waited for; what cannot pass stops that partition, and says so. Of one that was dropped nobody hears any more.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EngineError } from '../../engine/errors.ts'
import type { TaskBeat } from '../../engine/lane/beat.ts'
import type { Stage } from '../../engine/lane/computer.ts'
import { Lane } from '../../engine/lane/lane.ts'
import { PartitionTask } from '../../engine/lane/task.ts'
import { systemClock } from '../../engine/time/clock.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { type KafkaLog, openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { type KafkaState, openKafkaState, type RestoreProgress } from '../../stores/kafka/kafka-state.ts'
import { taskView } from '../../stores/kafka/task-view.ts'
import { beginPartition } from './begin-partition.ts'
import { CheckpointAge } from './checkpoint-age.ts'
import { goRound } from './go-round.ts'
import { taskCacheBytes } from './lane-limits.ts'
import type { KafkaPlace, LaneSetup } from './lane-protocol.ts'
import { RetentionAlarm } from './retention-alarm.ts'

/** Of what a lane is started with. */
type ReadSetup =
  | 'folder'
  | 'lineage'
  | 'code'
  | 'partitions'
  | 'accept'
  | 'recoverOnly'
  | 'exactlyOnce'
  | 'live'
  | 'epochMs'
  | 'epochBytes'
  | 'checkpointBytes'
  | 'cacheBytes'
  | 'retention'
  | 'stages'

export interface KafkaLaneOptions {
  setup: Pick<LaneSetup, ReadSetup> & { kafka: KafkaPlace }
  stage: Stage
  /** Of its state in the data folder, before the partition. */
  folder: string
  /** `lives`: it was tried before, by this same thread. */
  beatOf(partition: number, lives: boolean): TaskBeat
  onRestoring(partition: number, progress: RestoreProgress): void
  onRecovering(partition: number, done: number, of: number): void
  onStopped(partition: number, error: unknown): void
  onWaiting(partition: number, error: unknown): void
  onResumed(partition: number): void
  /** Retention comes near what it would be recovered from; it goes on. */
  onOverdue(partition: number, error: unknown): void
}

/** A partition that is held. */
interface Held {
  log: KafkaLog
  store: KafkaState
  lane: Lane
  task: PartitionTask
  hasRecovered: boolean
  /** Why it has not recovered, where that may pass. */
  failure?: unknown
  /** It cannot go on, which has been said; it may not even have been claimed. */
  hasStopped?: true
  /** Settles when its loop has ended; absent before it began. */
  running?: Promise<void>
}

/** A partition that was asked for, until nothing of it is left here. */
interface Stay {
  partition: number
  isLeft: boolean
  /** Aborted: it was dropped. */
  dropping: AbortController
  held?: Held
}

const PAUSE_FIRST_MS = 100
const PAUSE_MAX_MS = 5_000
/** Of a partition that is left: how long it works on until a checkpoint is finished; and how long it is waited for one to begin, as there may be nothing for it. */
const CHECKPOINT_MS = 5_000
const BEGIN_MS = 250
const LOOK_MS = 10

export class KafkaLane {
  private readonly options: KafkaLaneOptions
  private readonly held = new Map<number, Held>()
  private readonly stays = new Set<Stay>()
  /** What was asked for of each, one after the other. */
  private readonly turns = new Map<number, Promise<void>>()
  private mayRun = false
  private readonly stopping = new AbortController()

  constructor(options: KafkaLaneOptions) {
    this.options = options
  }

  /** Resolves when it has recovered, or has been reported as stopped. */
  take(partition: number): Promise<void> {
    if (this.staysOf(partition).some(({ isLeft }) => !isLeft)) return this.inTurn(partition, async () => undefined)
    const stay: Stay = { partition, isLeft: false, dropping: new AbortController() }
    this.stays.add(stay)
    return this.inTurn(partition, async () => {
      if (stay.isLeft || this.stopping.signal.aborted) return
      const held = await this.open(stay)
      if (!held) this.stays.delete(stay)
      else if (this.mayRun && !stay.isLeft) this.start(held)
    })
  }

  /** Resolves when nothing of it is left here. Rejects with what kept it from a clean end; it is left all the same. */
  leave(partition: number): Promise<void> {
    const stays = this.staysOf(partition)
    for (const stay of stays) stay.isLeft = true
    const isDropped = () => stays.some(({ dropping }) => dropping.signal.aborted)
    return this.inTurn(partition, async () => {
      const held = this.held.get(partition)
      this.held.delete(partition)
      try {
        if (held) {
          if (!held.hasStopped) await checkpointed(held, isDropped)
          await close(held)
        }
      } catch (error) {
        // How it ends is nobody's concern: it is refused, or has no connection.
        if (!isDropped()) throw error
      } finally {
        for (const stay of stays) this.stays.delete(stay)
      }
    })
  }

  /** Another may have it already: nothing more of it is committed here, also where it is just being taken or left. Resolves when nothing of it is left. */
  drop(partition: number): Promise<void> {
    for (const { dropping, held } of this.staysOf(partition)) {
      held?.lane.stop()
      dropping.abort()
    }
    return this.leave(partition)
  }

  /** From here on what was taken goes on. */
  run(): void {
    this.mayRun = true
    for (const held of this.held.values()) if (held.hasRecovered) this.start(held)
  }

  /** Leaves all of them. */
  async stop(): Promise<void> {
    this.stopping.abort()
    const partitions = new Set([...this.stays].map(({ partition }) => partition))
    const ends = await Promise.allSettled([...partitions].map((partition) => this.leave(partition)))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  /** Resolves when these have read and committed their input up to there, and all that they published can be read. */
  async drain(to: readonly (readonly [partition: number, offset: number])[], asked: { snapshots: boolean; close: boolean }): Promise<void> {
    await Promise.all(
      to.map(async ([partition, offset]) => {
        const held = this.held.get(partition)
        if (!held) throw notHere(partition)
        const end = await held.log.endOfRecords({ topic: this.options.stage.topic, partition }, offset)
        await held.lane.drain(new Map([[partition, end]]), asked)
        await held.log.visible()
      }),
    )
  }

  get stats() {
    return [...this.held.values()].flatMap(({ lane }) => lane.stats)
  }

  /** The states of those that are held. */
  *stores(): Iterable<[partition: number, store: KafkaState]> {
    for (const [partition, { store }] of this.held) yield [partition, store]
  }

  private staysOf(partition: number): Stay[] {
    return [...this.stays].filter((stay) => stay.partition === partition)
  }

  /** What a partition's loop says, unless it was dropped. */
  private heardOf(stay: Stay): Pick<KafkaLaneOptions, 'onStopped' | 'onWaiting' | 'onResumed' | 'onRecovering' | 'onOverdue'> {
    const { onStopped, onWaiting, onResumed, onRecovering, onOverdue } = this.options
    const unlessDropped =
      <Rest extends unknown[]>(say: (partition: number, ...rest: Rest) => void) =>
      (partition: number, ...rest: Rest) => {
        if (!stay.dropping.signal.aborted) say(partition, ...rest)
      }
    return {
      onStopped: unlessDropped(onStopped),
      onWaiting: unlessDropped(onWaiting),
      onResumed: unlessDropped(onResumed),
      onRecovering: unlessDropped(onRecovering),
      onOverdue: unlessDropped(onOverdue),
    }
  }

  private start(held: Held): void {
    // Nothing is read that was not read before: it goes straight to its checkpoint.
    if (this.options.setup.recoverOnly) held.lane.stop()
    if (held.running) return
    held.running = held.lane.run()
    const over = new AbortController()
    void goRound(held.lane, held.task.partition, systemClock, over.signal)
    // How it ended is told when it is left.
    void held.running.catch(() => undefined).finally(() => over.abort())
  }

  private inTurn(partition: number, work: () => Promise<void>): Promise<void> {
    const turn = (this.turns.get(partition) ?? Promise.resolve()).then(work)
    const settled = turn.catch(() => undefined)
    this.turns.set(partition, settled)
    void settled.then(() => {
      if (this.turns.get(partition) === settled) this.turns.delete(partition)
    })
    return turn
  }

  /** Connected and recovered, unless it is left meanwhile; undefined where it cannot be held. */
  private async open(stay: Stay): Promise<Held | undefined> {
    const { partition } = stay
    const { onWaiting, onResumed, onStopped } = this.heardOf(stay)
    const { signal } = this.stopping
    for (let pauseMs = PAUSE_FIRST_MS, isWaiting = false; ; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
      try {
        const held = await this.connect(stay, isWaiting)
        stay.held = held
        this.held.set(partition, held)
        // It may be another's by now: it is not claimed any more.
        if (!stay.isLeft) await this.recover(held, stay)
        if (isWaiting && !stay.isLeft) onResumed(partition)
        return held
      } catch (error) {
        if (signal.aborted || stay.isLeft) return undefined
        if (!isRetryable(error)) {
          onStopped(partition, error)
          return undefined
        }
        if (!isWaiting) onWaiting(partition, error)
        isWaiting = true
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  /** Throws what may pass; nothing of it is held then. */
  private async recover(held: Held, stay: Stay): Promise<void> {
    await held.lane.open()
    held.hasRecovered = held.failure === undefined
    if (held.hasRecovered) return
    this.held.delete(stay.partition)
    stay.held = undefined
    await close(held).catch(() => undefined)
    throw held.failure
  }

  private async connect(stay: Stay, again: boolean): Promise<Held> {
    const { partition } = stay
    const { setup, stage, folder: folderName, beatOf, onRestoring } = this.options
    const heard = this.heardOf(stay)
    const { signal } = stay.dropping
    const { lineage, code, epochBytes, checkpointBytes, exactlyOnce, accept, recoverOnly, kafka } = setup
    const folder = join(setup.folder, 'state', lineage, `${folderName}-${partition}`)
    await realFiles.makeFolder(folder)
    const name = `task.${lineage}.${stage.name}.${stage.topic}.${partition}`
    const opened = await both(
      openKafkaLog({ ...kafka.log, durableOnly: true, mustExist: true, signal }),
      openKafkaState({
        ...{ connection: kafka.log.connection, namespace: kafka.log.namespace, replication: kafka.log.replication },
        ...{ name, folder, partitions: kafka.partitions, mustExist: true, signal },
        onRestoring: (progress) => onRestoring(partition, progress),
      }),
    )
    const { log, store } = opened
    try {
      await beginPartition(opened, stage, { name, lineage, code, partition })
    } catch (error) {
      for (const one of [store, log]) await one.close().catch(() => undefined)
      throw error
    }
    const acceptFrom = accept === 'all' ? 0 : accept?.find(([one]) => one === partition)?.[1]
    const view = taskView(log, { topic: stage.topic, partition }, () => store.mend())
    const bounds = {
      ...{ epochBytes, checkpointBytes, cacheBytes: taskCacheBytes(setup.cacheBytes, setup.partitions.length, setup.stages) },
      get checkpointDue() {
        // What it would be recovered from is being deleted.
        const nowMs = systemClock.now()
        const isDue = age.isDue(task.checkpoints, nowMs)
        if (alarm.look(view.start, task, nowMs) || stay.isLeft) return 'now' as const
        return isDue ? ('soon' as const) : undefined
      },
    }
    const age = new CheckpointAge(setup.retention.others.ms, systemClock.now())
    const alarm = new RetentionAlarm({ topic: stage.topic, partition }, age, (error) => heard.onOverdue(partition, error))
    const beat = beatOf(partition, again)
    const who = { stage, lineage, code, partition, exactlyOnce, acceptFrom, sameCode: recoverOnly, beat }
    const task: PartitionTask = new PartitionTask(Object.assign(bounds, who), view, store)
    const lane = new Lane({
      ...{ tasks: [task], log: view, clock: systemClock, epochMs: setup.epochMs, live: setup.live, ...heard },
      // A lane leaves out what fails before it has recovered, also by what may pass: its partitions are those of a start.
      onStopped: (stopped, error) => {
        if (isRetryable(error) && !held.hasRecovered) held.failure = error
        else {
          held.hasStopped = true
          heard.onStopped(stopped, error)
        }
      },
    })
    const held: Held = { log, store, lane, task, hasRecovered: false }
    return held
  }
}

/** Opened side by side; where one cannot be, neither is. */
async function both(opening: Promise<KafkaLog>, restoring: Promise<KafkaState>): Promise<{ log: KafkaLog; store: KafkaState }> {
  const [log, store] = await Promise.allSettled([opening, restoring])
  if (log.status === 'fulfilled' && store.status === 'fulfilled') return { log: log.value, store: store.value }
  for (const opened of [store, log]) if (opened.status === 'fulfilled') await opened.value.close().catch(() => undefined)
  throw (store.status === 'rejected' ? store : (log as PromiseRejectedResult)).reason
}

/** Resolves when a checkpoint that covers what was there has been finished while the partition works on; also where there is nothing for one, or it takes too long. */
async function checkpointed({ task, running }: Held, isDropped: () => boolean): Promise<void> {
  if (!running) return
  let isOver = false
  void running.then(
    () => (isOver = true),
    () => (isOver = true),
  )
  // One that was under way lacks what came since it began.
  const enough = task.checkpoints + (task.isCheckpointing ? 2 : 1)
  const startMs = performance.now()
  for (let busyMs = startMs; task.checkpoints < enough && !isOver && !isDropped(); await sleep(LOOK_MS)) {
    const nowMs = performance.now()
    if (task.isCheckpointing) busyMs = nowMs
    if (nowMs - startMs > CHECKPOINT_MS || nowMs - busyMs > BEGIN_MS) return
  }
}

async function close(held: Held): Promise<void> {
  const { log, store, lane, task, running } = held
  try {
    lane.stop()
    // One that never ran leaves everything as it was; it lives, so no row is suspected.
    await (running ?? task.leave())
  } finally {
    await store.close()
    await log.close()
  }
}

const isRetryable = (error: unknown) => (error as { retryable?: boolean }).retryable === true
const notHere = (partition: number) =>
  new EngineError('PARTITION_ELSEWHERE', `partition ${partition} is not at work in this process`, 'Ask the process that has it.')
