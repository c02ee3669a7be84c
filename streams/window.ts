// Windows over one key's records: which windows there are × what is added up in them. Each becomes an operator like any other.
//
// Records come in order, and a timer behind all records of its time: so a window fires once, when it is whole, and is forgotten then.
import { type At, type Operator, operator } from './operator.ts'

/** One window of one key, when it is whole. */
export interface Window {
  /** Whose records it has. */
  readonly key: string
  /** Its first moment, ms since epoch. */
  readonly fromMs: number
  /** The moment behind it, ms since epoch; of a session: the last record's and the gap. */
  readonly toMs: number
}

/** Which windows there are: what {@link tumbling}, {@link sliding} and {@link session} give. */
export type Windows =
  | {
      /** Of one size, aligned to 1970. */
      kind: 'sliding'
      /** How long each is, ms. */
      sizeMs: number
      /** From the beginning of one to that of the next, ms; as long as `sizeMs` for tumbling ones. */
      everyMs: number
    }
  | {
      /** As long as records follow each other. */
      kind: 'session'
      /** The longest time between two neighbours, ms. */
      gapMs: number
    }

const whole = (name: string, ms: number) => {
  if (!Number.isSafeInteger(ms) || ms < 1) throw new TypeError(`${name} is ${ms}; it must be a whole number of milliseconds, 1 or more`)
  return ms
}

/** Windows of `sizeMs`, one after the other, aligned to 1970. Throws a TypeError unless it is a whole number of milliseconds, 1 or more. */
export const tumbling = ({ sizeMs }: { sizeMs: number }): Windows => sliding({ sizeMs, everyMs: sizeMs })

/** Windows of `sizeMs`, a new one each `everyMs`: a record is in sizeMs / everyMs of them. Throws a TypeError where one is no whole number of
 *  milliseconds, 1 or more, or `everyMs` is the larger. */
export function sliding({ sizeMs, everyMs }: { sizeMs: number; everyMs: number }): Windows {
  if (whole('sizeMs', sizeMs) < whole('everyMs', everyMs))
    throw new TypeError(`everyMs (${everyMs}) is larger than sizeMs (${sizeMs}): records between two windows would be lost`)
  return { kind: 'sliding', sizeMs, everyMs }
}

/** Windows as long as records follow each other: neighbours at most `gapMs` apart are in one. Throws a TypeError unless it is a whole number of
 *  milliseconds, 1 or more. */
export const session = ({ gapMs }: { gapMs: number }): Windows => ({ kind: 'session', gapMs: whole('gapMs', gapMs) })

/** What is added up in a window: `In` records into an accumulator `Acc` (plain data, as an operator's state), and that into one record `Out`. */
export interface Aggregate<In, Acc, Out> {
  /** The windows' state is kept by this name: once in a topology. */
  name: string
  /** Raise it when the form or the meaning of the accumulator changes; then `migrate` reads the old. Default 1. */
  stateVersion?: number
  /** The accumulator of a window that has no record yet. */
  init(): Acc
  /** Returns the new accumulator (the same object, changed, is fine). */
  add(acc: Acc, record: In): Acc
  /** What the window amounts to, when it is whole. */
  result(acc: Acc, window: Window): Out
  /** Reads a key's windows of an older stateVersion, `{ panes: [fromMs, toMs, accumulator][] }`, oldest first. Without it an older version is refused:
   *  `STATE_VERSION_UNKNOWN`. */
  migrate?(
    old: unknown,
    fromVersion: number,
  ): {
    /** Oldest first. */
    panes: Pane<Acc>[]
  }
}

/** A window's state: where it begins, where it ends, what was added up. */
export type Pane<Acc> = [fromMs: number, toMs: number, acc: Acc]

/** The windows as an operator. Forgets each window when it has fired, and the key with its last window. */
export function windowed<In, Acc, Out>(windows: Windows, aggregate: Aggregate<In, Acc, Out>) {
  const { name, stateVersion, init, add, result, migrate } = aggregate
  const assign =
    windows.kind === 'session'
      ? (panes: Pane<Acc>[], record: In, timeMs: number) => {
          const pane = panes[0]
          const acc = add(pane ? pane[2] : init(), record)
          panes[0] = [pane ? pane[0] : timeMs, timeMs + windows.gapMs, acc]
        }
      : (panes: Pane<Acc>[], record: In, timeMs: number) => {
          const { sizeMs, everyMs } = windows
          const last = Math.floor(timeMs / everyMs) * everyMs
          const first = last - Math.floor((sizeMs - 1 - (timeMs - last)) / everyMs) * everyMs
          for (let fromMs = first; fromMs <= last; fromMs += everyMs) {
            let pane = panes.find((known) => known[0] === fromMs)
            if (!pane) panes.push((pane = [fromMs, fromMs + sizeMs, init()]))
            pane[2] = add(pane[2], record)
          }
        }
  // The last time at which a record still belongs to it: a session's gap may be used to the full.
  const lastMs = (toMs: number) => (windows.kind === 'session' ? toMs : toMs - 1)
  const definition: Operator<In, { panes: Pane<Acc>[] }, never, Out> = {
    name,
    stateVersion,
    state: () => ({ panes: [] }),
    onRecord({ panes }, record, { timeMs }) {
      assign(panes, record, timeMs)
    },
    // Windows of one size begin and end in the same order.
    nextTimerMs: ({ panes }) => (panes.length > 0 ? lastMs(panes[0][1]) : Number.POSITIVE_INFINITY),
    lastTimerMs: ({ panes }) => (panes.length > 0 ? lastMs(panes[panes.length - 1][1]) : Number.NEGATIVE_INFINITY),
    onTimer(state, at: At) {
      const [fromMs, toMs, acc] = state.panes.shift() as Pane<Acc>
      if (state.panes.length === 0) at.forget()
      return [result(acc, { key: at.key, fromMs, toMs })]
    },
    migrate,
  }
  return operator(definition)
}
