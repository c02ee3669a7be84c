// Records that an operator fails at: always, once in a lifetime of the data, or so that the process dies. And the operator.

import type { WireEvent } from '../../model/event.ts'
import type { Fold } from '../../operators/contract.ts'
import { fold } from '../../operators/contract.ts'

const POISON = 666
const DEADLY = 999
/** x of the first record that fails once; each has one of its own. */
const ONCE_FROM = 10_000
/** A turn, then its row twice: after that it is given up (engine/actor/turn-runner.ts). */
const THROWS = 3

export interface PoisonShares {
  always: number
  once: number
  deadly: number
}

/** Outlives processes: which records have failed. */
export class Poison {
  always = 0
  once = 0
  deaths = 0
  /** Ends the process that is alive; set by each. */
  die: () => void = () => undefined
  private readonly thrown = new Map<number, number>()
  private nextOnce = ONCE_FROM

  /** The event, poisoned or not. */
  some(event: WireEvent, random: () => number, { always, once, deadly }: PoisonShares): WireEvent {
    const dice = random()
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
