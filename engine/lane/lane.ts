// A lane: the partition tasks of one thread, and the loop that drives them. Log, stores and clock are injected; threads are lane-worker's.
//
// Lane owns when things happen: rounds of epochs, commits in flight, checkpoints between them, waiting, and recovery after a failed commit.
// Tasks own what happens. A task that cannot go on stops alone and says so; the others go on.
//   round: every task computes an epoch → the round before is durable → commit this one → checkpoint slices
// 1. One round of commits is in flight while the next is computed, where there is more to read (protocol 8).
// 2. Epochs follow each other at once when behind. When caught up so that a record waits for epochMs at most until its epoch is computed: what
//    computing takes, they follow each other sooner.
import { EngineError } from '../errors.ts'
import type { Log } from '../log/contract.ts'
import type { Clock } from '../time/clock.ts'
import type { Epoch } from './computer.ts'
import type { PartitionTask } from './task.ts'

export interface LaneOptions {
  tasks: readonly PartitionTask[]
  log: Log
  clock: Clock
  epochMs: number
  /** Whether epochs record processing time, by which idle actors advance. An import's do not. */
  live: boolean
  onStopped(partition: number, error: unknown): void
  /** A partition failed by a cause that may pass (a full disk); it is tried again until it goes on, at growing pauses. Told once, as is its end. */
  onWaiting?(partition: number, error: unknown): void
  onResumed?(partition: number): void
  /** A recovery's progress, in epochs. */
  onRecovering?(partition: number, done: number, of: number): void
}

interface Drain {
  to: ReadonlyMap<number, number>
  snapshots: boolean
  close: boolean
  /** Tasks that have not read so far yet. */
  waiting: Set<PartitionTask>
  /** Tasks that have, and the epoch whose commit completes it. */
  asking: Map<PartitionTask, number>
  resolve(): void
  reject(error: unknown): void
}

const BACKOFF_FIRST_MS = 100
const BACKOFF_MAX_MS = 5_000

export class Lane {
  private readonly options: LaneOptions
  private readonly active = new Set<PartitionTask>()
  /** Tasks that failed by a cause that may pass, and when they are recovered. */
  private readonly failed = new Map<PartitionTask, { atMs: number }>()
  /** Tasks that failed so and have not gone on since: the last pause before they were tried again. */
  private readonly waiting = new Map<PartitionTask, number>()
  /** Of these, the ones that have nothing left to commit, or have committed: they go on once no checkpoint is unfinished either. */
  private readonly committing = new Set<PartitionTask>()
  private readonly stopped = new Set<PartitionTask>()
  /** Of those: a write of a checkpoint may be under way, for which its store is kept open. */
  private readonly leaving: Promise<void>[] = []
  /** Since when the checkpoints that are under way are so, and how many had finished then. */
  private readonly checkpointing = new Map<PartitionTask, { beganMs: number; finished: number }>()
  private drains: Drain[] = []
  private stopping = false
  private wake = new AbortController()
  private changed: Promise<void> | undefined

  constructor(options: LaneOptions) {
    this.options = options
  }

  /** Recovers every task. One that cannot be recovered is reported and left out. */
  async open(): Promise<void> {
    const { tasks, onRecovering } = this.options
    for (const task of tasks) await this.recover(task, false, (done, of) => onRecovering?.(task.partition, done, of))
  }

  /** Runs until stop: then every task has committed, checkpointed and released its claim. */
  async run(): Promise<void> {
    const { clock, epochMs } = this.options
    let flushing: { round: [PartitionTask, Epoch][]; done: Promise<PromiseSettledResult<void>[]>; startedMs: number } | undefined
    while (!this.stopping || flushing) {
      const startedMs = clock.now()
      if (!this.stopping) await this.retry()
      const isHunting = this.suspects.length > 0
      const round = this.stopping || (isHunting && flushing) ? [] : await this.compute()
      const computedMs = clock.now()
      if (flushing) {
        const failed = await this.settle(flushing.round, await flushing.done)
        for (const [task] of flushing.round) task.epochMs += clock.now() - flushing.startedMs
        if (failed) {
          flushing = undefined
          continue
        }
      }
      flushing =
        round.length > 0
          ? { round, done: Promise.allSettled(round.map(([task, epoch]) => task.commit(epoch, clock.now()))), startedMs }
          : undefined
      // Nor does one wait that cannot read before its checkpoint is finished.
      const isBehind =
        [...this.active].some((task) => task.mustWait) ||
        round.some(([, { receipt }]) => receipt.to > receipt.from && !receipt.inputs.atEnd)
      // Caught up, nothing is computed before it is committed: slices and the next epoch would hold the commit up, which is made in steps.
      if (!isBehind) await flushing?.done
      // Side by side: one encodes its slice while another's is written.
      const busy = (await Promise.all([...this.active].map((task) => this.tend(task)))).includes(true)
      this.finishDrains()
      if (flushing === undefined && !busy && !isHunting) await this.wait()
      else if (!isBehind) await clock.sleep(Math.max(0, startedMs + epochMs - (computedMs - startedMs) - clock.now()), this.wake.signal)
    }
    let failure: unknown
    // One that finds no room for its checkpoint keeps no other from its own.
    for (const task of this.active) await task.stop().catch((error: unknown) => (failure ??= error))
    this.active.clear()
    await Promise.all(this.leaving)
    for (const drain of this.drains) drain.reject(laneStopped())
    if (failure !== undefined) throw failure
  }

  /** Resolves when every task has read and committed its input up to `to`, and then an epoch with what is asked for. */
  drain(to: ReadonlyMap<number, number>, asked: { snapshots: boolean; close: boolean }): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.stopping) return reject(laneStopped())
      const waiting = new Set(this.options.tasks.filter((task) => to.has(task.partition)))
      const missing = [...waiting].filter((task) => this.stopped.has(task)).map(({ partition }) => partition)
      if (missing.length > 0) {
        const message = `partition ${missing.join(', ')} has stopped`
        return reject(new EngineError('PARTITION_STOPPED', message, 'The process that owns the folder has printed or logged its error.'))
      }
      if (waiting.size === 0) return resolve()
      this.drains.push({ to, ...asked, waiting, asking: new Map(), resolve, reject })
      this.nudge()
    })
  }

  /** Ends the loop after the commits in flight. */
  stop(): void {
    this.stopping = true
    this.nudge()
  }

  get stats() {
    return [...this.active].map((task) => task.stats)
  }

  /** True while there is more of it to do. */
  private async tend(task: PartitionTask): Promise<boolean> {
    const { clock, onResumed } = this.options
    let open = this.checkpointing.get(task) ?? { beganMs: clock.now(), finished: task.checkpoints }
    const isBusy = await this.guard(task, () => task.tend(false))
    if (task.checkpoints > open.finished) {
      task.checkpointMs += clock.now() - open.beganMs
      open = { beganMs: clock.now(), finished: task.checkpoints }
    }
    if (task.isCheckpointing) this.checkpointing.set(task, open)
    else {
      this.checkpointing.delete(task)
      if (this.committing.delete(task) && this.waiting.delete(task)) onResumed?.(task.partition)
    }
    return isBusy === true
  }

  private get suspects(): PartitionTask[] {
    return [...this.active].filter((task) => task.isSuspect)
  }

  private nudge(): void {
    this.wake.abort()
    this.wake = new AbortController()
  }

  private async compute(): Promise<[PartitionTask, Epoch][]> {
    const { clock, live } = this.options
    const round: [PartitionTask, Epoch][] = []
    const { suspects } = this
    // One at a time, committed before the next, forwards and backwards in turn: whoever stands behind the one whose row ends the process comes
    // to commit every other time, and is never taken for it (protocol 22).
    const first = suspects[0]?.isEvenClaim ? -1 : 0
    for (const task of suspects.length > 0 ? [suspects.at(first) as PartitionTask] : [...this.active]) {
      if (task.mustWait) continue
      const drain = this.drains.find((d) => d.waiting.has(task) && task.passed >= (d.to.get(task.partition) as number))
      const asked =
        drain && (drain.snapshots || drain.close)
          ? { ...(drain.snapshots && { snapshots: true as const }), ...(drain.close && { close: true as const }) }
          : {}
      const epoch = await this.guard(task, () => task.next(live ? { nowMs: clock.now() } : undefined, asked))
      if (epoch) round.push([task, epoch])
      else if (task.committed >= task.lastEpoch) this.hasCommitted(task)
      if (!drain || !this.active.has(task)) continue
      drain.waiting.delete(task)
      // Where nothing was asked for, what is in flight may be all that is left to commit.
      drain.asking.set(task, task.lastEpoch)
    }
    return round
  }

  /** After the commits of a round: drains that they complete, or recovery of the tasks whose commit failed. */
  private async settle(round: [PartitionTask, Epoch][], results: PromiseSettledResult<void>[]): Promise<boolean> {
    const causes = new Map<PartitionTask, unknown>()
    for (const [i, result] of results.entries())
      if (result.status === 'rejected') causes.set(round[i][0], result.reason)
      else this.hasCommitted(round[i][0])
    for (const [task, cause] of causes) await this.restart(task, cause)
    const failed = causes.size > 0
    // A commit of a neighbour failed: what was computed after it in this round is dropped with it, and computed again.
    if (failed) for (const task of [...this.active]) await this.restart(task, undefined)
    else this.finishDrains()
    return failed
  }

  private finishDrains(): void {
    this.drains = this.drains.filter((drain) => {
      for (const [task, epoch] of drain.asking) if (task.committed >= epoch) drain.asking.delete(task)
      if (drain.waiting.size > 0 || drain.asking.size > 0) return true
      drain.resolve()
      return false
    })
  }

  /** Drops the task's memory, and recovers it: at once, or, where it failed, when the cause may have passed. Neighbours go on meanwhile. */
  private async restart(task: PartitionTask, cause: unknown): Promise<void> {
    if (!this.active.has(task) && !this.failed.has(task)) return
    for (const drain of this.drains) if (drain.asking.delete(task)) drain.waiting.add(task)
    if (cause !== undefined && !isRetryable(cause)) return this.drop(task, cause)
    this.active.delete(task)
    await task.abandon()
    if (cause === undefined) await this.recover(task, true)
    else this.waitFor(task, cause)
  }

  private waitFor(task: PartitionTask, cause: unknown): void {
    const { clock, onWaiting } = this.options
    const lastMs = this.waiting.get(task)
    const pauseMs = lastMs === undefined ? BACKOFF_FIRST_MS : Math.min(BACKOFF_MAX_MS, lastMs * 2)
    this.waiting.set(task, pauseMs)
    this.committing.delete(task)
    this.failed.set(task, { atMs: clock.now() + pauseMs })
    if (lastMs === undefined) onWaiting?.(task.partition, cause)
  }

  private hasCommitted(task: PartitionTask): void {
    if (this.waiting.has(task) && this.active.has(task)) this.committing.add(task)
  }

  private async retry(): Promise<void> {
    for (const [task, { atMs }] of [...this.failed]) {
      if (atMs > this.options.clock.now()) continue
      this.failed.delete(task)
      await this.recover(task, true)
    }
  }

  /** `again`: where the cause may pass it is tried again; false at a start: the person who starts it shall know. */
  private async recover(task: PartitionTask, again: boolean, onProgress?: (done: number, of: number) => void): Promise<void> {
    const { clock } = this.options
    try {
      await task.recover(clock.now(), onProgress)
      this.active.add(task)
    } catch (error) {
      if (!again || !isRetryable(error)) return this.drop(task, error)
      await task.abandon()
      this.waitFor(task, error)
    }
  }

  private async guard<T>(task: PartitionTask, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      await this.restart(task, error)
      return undefined
    }
  }

  private drop(task: PartitionTask, error: unknown): void {
    this.active.delete(task)
    this.failed.delete(task)
    this.waiting.delete(task)
    this.committing.delete(task)
    this.stopped.add(task)
    for (const drain of this.drains) if (drain.waiting.has(task) || drain.asking.has(task)) drain.reject(error)
    this.drains = this.drains.filter((drain) => !drain.waiting.has(task) && !drain.asking.has(task))
    this.leaving.push(task.leave())
    this.options.onStopped(task.partition, error)
  }

  private async wait(): Promise<void> {
    if (this.stopping) return
    const { clock, log, live } = this.options
    // Somebody waits for what cannot be read yet, or began to wait just now.
    if (this.drains.length > 0) return clock.sleep(1, this.wake.signal)
    this.changed ??= log.changed().then(() => {
      this.changed = undefined
    })
    const { signal } = this.wake
    const woken = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    const over = new AbortController()
    const waits: Promise<void>[] = [this.changed, woken]
    const retriesMs = [...this.failed.values()].map(({ atMs }) => atMs)
    const idleMs = Math.min(...retriesMs, ...(live ? [...this.active].map((task) => task.nextIdleMs) : []))
    if (idleMs < Number.POSITIVE_INFINITY) waits.push(clock.sleep(Math.max(1, Math.min(idleMs - clock.now(), 1 << 30)), over.signal))
    await Promise.race(waits)
    over.abort()
  }
}

const laneStopped = () => new EngineError('STOPPED', 'the lane was stopped meanwhile', 'Start again: nothing is lost.')
const isRetryable = (error: unknown) => (error as { retryable?: boolean }).retryable === true
