// Records that an operator fails at: always, once in a lifetime of the data, or so that the process dies. Records of which a timer fails, always or
// once. And the operators.

import type { WireEvent } from '../../model/event.ts'
import type { Fold } from '../../operators/contract.ts'
import { fold } from '../../operators/contract.ts'

const POISON = 666
const DEADLY = 999
/** x of the first record that fails once; each has one of its own. */
const ONCE_FROM = 10_000
/** A turn, then its row or its user twice: after that it is given up (engine/actor/turn-runner.ts). */
const THROWS = 3
/** x of a record of which the timer always fails; of those that fail once, each has one of its own behind it. */
const TIMER = 2000
const NO_TIMER_FROM = 3000

export interface PoisonShares {
  always: number
  once: number
  deadly: number
  /** Of both kinds together. */
  timers: number
}

/** Outlives processes: which records have failed. */
export class Poison {
  always = 0
  once = 0
  deaths = 0
  timers = 0
  /** Ends the process that is alive; set by each. */
  die: () => void = () => undefined
  private readonly thrown = new Map<number, number>()
  private nextOnce = ONCE_FROM
  private nextTimer = TIMER + 1

  /** The event, poisoned or not. */
  some(event: WireEvent, random: () => number, { always, once, deadly, timers }: PoisonShares): WireEvent {
    const dice = random()
    if (dice >= 1 - timers && this.nextTimer < NO_TIMER_FROM) return { ...event, x: dice >= 1 - timers / 2 ? TIMER : this.nextTimer++ }
    if (dice < always) {
      this.always++
      return { ...event, x: POISON }
    }
    if (dice < always + once) return { ...event, x: this.nextOnce++ }
    return dice < always + once + deadly ? { ...event, x: DEADLY } : event
  }

  static isPoisoned(record: string): boolean {
    const { x } = JSON.parse(record) as WireEvent
    return x === POISON || x === DEADLY || (x ?? 0) >= ONCE_FROM
  }

  /** Whose timers this record makes fail: org, product and user as receipts name them. */
  static timersOf(record: string): string | undefined {
    if (!record.startsWith('{')) return undefined
    const { x, orgId, productId, userId, anonymousId } = JSON.parse(record) as WireEvent
    return (x ?? 0) >= TIMER && (x ?? 0) < NO_TIMER_FROM
      ? `${orgId} ${productId} ${userId ? `u:${userId}` : `a:${anonymousId}`}`
      : undefined
  }

  /** Its timer is at the last moment of a session: no row comes behind it that it would fail with. */
  timerFold(gapMs: number): Fold {
    return fold({
      name: 'poisoned-timer',
      stateVersion: 1,
      reads: ['x'],
      state: { x: 'u32', dueMs: 'time' },
      onEvent: (state, { x, timeMs }) => {
        if (x >= TIMER && x < NO_TIMER_FROM) state.x = x
        if (state.x > 0) state.dueMs = timeMs + gapMs
      },
      nextTimerMs: ({ dueMs }) => (dueMs > 0 ? dueMs : Number.POSITIVE_INFINITY),
      onTimer: (state) => {
        const { x } = state
        const thrown = this.thrown.get(x) ?? 0
        if (x === TIMER || thrown < THROWS) {
          if (thrown % THROWS === 0) this.timers++
          this.thrown.set(x, thrown + 1)
          throw new RangeError('a timer that fails')
        }
        state.dueMs = 0
      },
    }) as unknown as Fold
  }

  /** Counts what it sees, so that it has state; throws at poison. */
  fold(): Fold {
    return fold({
      name: 'poisoned',
      stateVersion: 1,
      reads: ['x'],
      state: { seen: 'u32' },
      onEvent: (state, { x }) => {
        state.seen++
        if (x === POISON) throw new TypeError('poison')
        if (x === DEADLY) {
          this.deaths++
          this.die()
        }
        if (!(x >= ONCE_FROM)) return
        const thrown = this.thrown.get(x) ?? 0
        if (thrown === THROWS) return
        if (thrown === 0) this.once++
        this.thrown.set(x, thrown + 1)
        throw new RangeError('no memory, this time')
      },
    }) as unknown as Fold
  }
}
