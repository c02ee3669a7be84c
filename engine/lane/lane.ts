// A lane: the partition tasks of one thread, and the loop that drives them. Log, stores and clock are injected; threads are lane-worker's.
//
// Lane owns when things happen: rounds of epochs, commits in flight, checkpoints between them, waiting, and recovery after a failed commit.
// Tasks own what happens. A task that cannot go on stops alone and says so; the others go on.
//   round: every task computes an epoch → the round before is durable → commit this one → checkpoint slices
// 1. One round of commits is in flight while the next is computed (protocol 8).
// 2. Epochs follow each other after epochMs when caught up, at once when behind.
import { EngineError } from '../errors.ts'
import type { Log } from '../log/contract.ts'
import type { Clock } from '../time/clock.ts'
import type { Epoch } from './epoch.ts'
import type { PartitionTask } from './task.ts'

export interface LaneOptions {
  tasks: readonly PartitionTask[]
  log: Log
  clock: Clock
  epochMs: number
  /** Whether epochs record processing time, by which idle actors advance. An import's do not. */
  live: boolean
  onStopped(partition: number, error: unknown): void
  /** A recovery's progress, in epochs. */
  onRecovering?(partition: number, done: number, of: number): void
}

interface Drain {
  to: ReadonlyMap<number, number>
  snapshots: boolean
  close: boolean
  waiting: Set<PartitionTask>
  asking: Set<PartitionTask>
  resolve(): void
  reject(error: unknown): void
}

const BACKOFF_FIRST_MS = 100
const BACKOFF_MAX_MS = 10_000

export class Lane {
  private readonly options: LaneOptions
  private readonly active = new Set<PartitionTask>()
  private drains: Drain[] = []
  private stopping = false
  private wake = new AbortController()
  private changed: Promise<void> | undefined

  constructor(options: LaneOptions) {
    this.options = options
  }

  /** Recovers every task. One that cannot be recovered is reported and left out. */
  async open(): Promise<void> {
    for (const task of this.options.tasks) await this.recover(task)
  }

  /** Runs until stop: then every task has committed, checkpointed and released its claim. */
  async run(): Promise<void> {
    const { clock, epochMs } = this.options
    let flushing: { round: [PartitionTask, Epoch][]; done: Promise<PromiseSettledResult<void>[]> } | undefined
    while (!this.stopping || flushing) {
      const startedMs = clock.now()
      const round = this.stopping ? [] : await this.compute()
      if (flushing) {
        const failed = await this.settle(flushing.round, await flushing.done)
        if (failed) {
          flushing = undefined
          continue
        }
      }
      flushing = round.length > 0 ? { round, done: Promise.allSettled(round.map(([task, epoch]) => task.commit(epoch))) } : undefined
      let busy = false
      for (const task of this.active) busy = (await this.guard(task, () => task.tend())) || busy
      const full = round.some(([, { receipt }]) => receipt.to > receipt.from && !receipt.inputs.atEnd)
      if (flushing === undefined && !busy) await this.wait()
      else if (!full) await clock.sleep(Math.max(0, startedMs + epochMs - clock.now()), this.wake.signal)
    }
    for (const task of this.active) await task.stop()
    this.active.clear()
    for (const drain of this.drains)
      drain.reject(new EngineError('STOPPED', 'the lane was stopped meanwhile', 'Start again: nothing is lost.'))
  }

  /** Resolves when every task has read and committed its input up to `to`, and then an epoch with what is asked for. */
  drain(to: ReadonlyMap<number, number>, asked: { snapshots: boolean; close: boolean }): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = new Set([...this.active].filter((task) => to.has(task.partition)))
      const missing = [...to.keys()].filter((partition) =>
        this.options.tasks.some((task) => task.partition === partition && !this.active.has(task)),
      )
      if (missing.length > 0)
        return reject(
          new EngineError(
            'PARTITION_STOPPED',
            `partition ${missing.join(', ')} has stopped`,
            'See its error above: it was printed when it stopped.',
          ),
        )
      if (waiting.size === 0) return resolve()
      this.drains.push({ to, ...asked, waiting, asking: new Set(), resolve, reject })
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

  private nudge(): void {
    this.wake.abort()
    this.wake = new AbortController()
  }

  private async compute(): Promise<[PartitionTask, Epoch][]> {
    const { clock, live } = this.options
    const round: [PartitionTask, Epoch][] = []
    for (const task of this.active) {
      if (task.mustWait) continue
      const drain = this.drains.find((d) => d.waiting.has(task) && task.readTo >= (d.to.get(task.partition) as number))
      const asked =
        drain && (drain.snapshots || drain.close)
          ? { ...(drain.snapshots && { snapshots: true as const }), ...(drain.close && { close: true as const }) }
          : {}
      const epoch = await this.guard(task, () => task.next(live ? { nowMs: clock.now() } : undefined, asked))
      if (epoch) round.push([task, epoch])
      if (!drain) continue
      drain.waiting.delete(task)
      // Nothing asked for and nothing left to commit but what is in flight: done when that is.
      drain.asking.add(task)
    }
    return round
  }

  /** After the commits of a round: drains that they complete, or recovery of the tasks whose commit failed. */
  private async settle(round: [PartitionTask, Epoch][], results: PromiseSettledResult<void>[]): Promise<boolean> {
    let failed = false
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') continue
      failed = true
      await this.restart(round[i][0], result.reason)
    }
    // A commit of a neighbour failed: what was computed after it in this round is dropped with it, and computed again.
    if (failed) for (const task of [...this.active]) await this.restart(task, undefined)
    else this.finishDrains()
    return failed
  }

  private finishDrains(): void {
    this.drains = this.drains.filter((drain) => {
      for (const task of drain.asking) if (task.committedEpoch === task.lastEpoch) drain.asking.delete(task)
      if (drain.waiting.size > 0 || drain.asking.size > 0) return true
      drain.resolve()
      return false
    })
  }

  /** Drops the task's memory and recovers it, as long as it takes where the cause may pass. */
  private async restart(task: PartitionTask, cause: unknown): Promise<void> {
    if (!this.active.has(task)) return
    const { clock } = this.options
    for (const drain of this.drains) if (drain.asking.delete(task)) drain.waiting.add(task)
    for (let backoffMs = BACKOFF_FIRST_MS; ; backoffMs = Math.min(BACKOFF_MAX_MS, backoffMs * 2)) {
      this.active.delete(task)
      if (cause !== undefined && !isRetryable(cause)) return this.drop(task, cause)
      await task.abandon()
      try {
        await task.recover(clock.now())
        this.active.add(task)
        return
      } catch (error) {
        cause = error
        await clock.sleep(backoffMs)
        if (this.stopping) return
      }
    }
  }

  private async recover(task: PartitionTask): Promise<void> {
    const { clock, onRecovering } = this.options
    try {
      await task.recover(clock.now(), (done, of) => onRecovering?.(task.partition, done, of))
      this.active.add(task)
    } catch (error) {
      this.drop(task, error)
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
    for (const drain of this.drains) if (drain.waiting.has(task) || drain.asking.has(task)) drain.reject(error)
    this.drains = this.drains.filter((drain) => !drain.waiting.has(task) && !drain.asking.has(task))
    this.options.onStopped(task.partition, error)
  }

  private async wait(): Promise<void> {
    this.finishDrains()
    if (this.stopping || this.drains.length > 0) return
    const { clock, log, live } = this.options
    this.changed ??= log.changed().then(() => {
      this.changed = undefined
    })
    const { signal } = this.wake
    const woken = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    const over = new AbortController()
    const waits: Promise<void>[] = [this.changed, woken]
    const idleMs = live ? Math.min(...[...this.active].map((task) => task.nextIdleMs)) : Number.POSITIVE_INFINITY
    if (idleMs < Number.POSITIVE_INFINITY) waits.push(clock.sleep(Math.max(1, Math.min(idleMs - clock.now(), 1 << 30)), over.signal))
    await Promise.race(waits)
    over.abort()
  }
}

const isRetryable = (error: unknown) => (error as { retryable?: boolean }).retryable === true
