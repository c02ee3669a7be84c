// One seeded scheduler for all processes of a simulation: it alone decides which step goes on next, and when time passes.
//
// Scheduler owns virtual time and everything that waits. A process waits at its steps (files, stores, inserts) and in its sleeps; between
// two decisions all microtasks have run, so the same seed gives the same run. A dead process's waits are dropped: nothing of it goes on.
import type { Clock } from '../../engine/time/clock.ts'

interface Waiting {
  process: SimProcess
  label: string
  resolve(): void
}

interface Sleeping extends Waiting {
  atMs: number
  order: number
}

/** A process as the scheduler knows it. */
export interface SimProcess {
  readonly alive: boolean
  readonly clock: Clock
  /** Resolves when the scheduler lets this step go on; never for a dead process. */
  step(label: string): Promise<void>
  /** Returns at which steps it was. */
  kill(): string[]
}

/** Beyond this a run is taken to go round in circles. */
const STEPS_MAX = 300_000
/** A step on a disk takes no longer. */
const SLOW_DISK_MS = 60_000

export class Scheduler {
  /** What has really passed. */
  nowMs: number
  /** How far the processes' clocks are ahead of it. */
  skewMs = 0
  steps = 0
  /** The last steps, for a failing run's message. */
  readonly trace: string[] = []
  private readonly random: () => number
  private waiting: Waiting[] = []
  private sleeping: Sleeping[] = []
  private sleeps = 0

  constructor(random: () => number, nowMs: number) {
    this.random = random
    this.nowMs = nowMs
  }

  process(): SimProcess {
    let alive = true
    const process: SimProcess = {
      get alive() {
        return alive
      },
      clock: {
        now: () => this.nowMs + this.skewMs,
        sleep: (ms, signal) =>
          new Promise((resolve) => {
            if (!alive) return
            if (signal?.aborted) return resolve()
            const sleeper: Sleeping = { process, label: `slept ${ms}`, atMs: this.nowMs + Math.max(0, ms), order: this.sleeps++, resolve }
            this.sleeping.push(sleeper)
            signal?.addEventListener('abort', () => {
              if (!this.sleeping.includes(sleeper)) return
              this.sleeping = this.sleeping.filter((other) => other !== sleeper)
              resolve()
            })
          }),
      },
      step: (label) =>
        new Promise((resolve) => {
          if (alive) this.waiting.push({ process, label, resolve })
        }),
      kill: () => {
        alive = false
        const at = this.at(process)
        this.waiting = this.waiting.filter((one) => one.process !== process)
        this.sleeping = this.sleeping.filter((one) => one.process !== process)
        return at
      },
    }
    return process
  }

  /** Lets one waiting step go on, or time pass. Throws where nothing can ever go on. */
  async step(): Promise<void> {
    await quiet()
    if (++this.steps > STEPS_MAX) throw new Error(`no end after ${STEPS_MAX} steps: ${this.trace.slice(-8).join(' · ')}`)
    // A slow disk: time may pass while steps wait, but for no hours.
    const isQuiet = this.waiting.length === 0
    const passes = isQuiet || this.random() < 0.03
    const woken = passes ? this.wakeNext(isQuiet ? Number.POSITIVE_INFINITY : this.nowMs + SLOW_DISK_MS) : undefined
    const next = woken ?? this.waiting.splice(Math.floor(this.random() * this.waiting.length), 1)[0]
    if (!next) throw new Error(`everything waits and nothing can go on, after ${this.trace.slice(-8).join(' · ')}`)
    this.trace.push(next.label)
    if (this.trace.length > 200) this.trace.splice(0, 100)
    next.resolve()
    await quiet()
  }

  /** At which steps the process is. */
  at(process: SimProcess): string[] {
    return this.waiting.filter((one) => one.process === process).map(({ label }) => label)
  }

  /** Steps until the promise has settled; gives its value, or throws what it rejected with. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settled = promise.finally(() => (isSettled = true))
    settled.catch(() => undefined)
    await quiet()
    while (!isSettled) await this.step()
    return promise
  }

  private wakeNext(untilMs: number): Sleeping | undefined {
    let first: Sleeping | undefined
    for (const one of this.sleeping)
      if (!first || one.atMs < first.atMs || (one.atMs === first.atMs && one.order < first.order)) first = one
    if (!first || first.atMs > untilMs) return undefined
    this.sleeping = this.sleeping.filter((one) => one !== first)
    this.nowMs = Math.max(this.nowMs, first.atMs)
    return first
  }
}

/** All microtasks have run. */
const quiet = () => new Promise<void>((resolve) => setImmediate(resolve))
