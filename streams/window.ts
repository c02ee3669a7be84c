// Windows over one key's records: which windows there are × what is added up in them. Each becomes an operator like any other.
//
// Records come in order, and a timer behind all records of its time: so a window fires once, when it is whole, and is forgotten then.
import { type At, type Operator, operator } from './operator.ts'

/** `from` is in the window, `to` is not (of a session: the last record and the gap). ms since epoch. */
export interface Window {
  readonly key: string
  readonly fromMs: number
  readonly toMs: number
}

export type Windows = { kind: 'sliding'; sizeMs: number; everyMs: number } | { kind: 'session'; gapMs: number }

const whole = (name: string, ms: number) => {
  if (!Number.isSafeInteger(ms) || ms < 1) throw new TypeError(`${name} is ${ms}; it must be a whole number of milliseconds, 1 or more`)
  return ms
}

/** One after the other, aligned to 1970. */
export const tumbling = ({ sizeMs }: { sizeMs: number }): Windows => sliding({ sizeMs, everyMs: sizeMs })

/** Of `sizeMs`, a new one each `everyMs`: a record is in sizeMs / everyMs of them. */
export function sliding({ sizeMs, everyMs }: { sizeMs: number; everyMs: number }): Windows {
  if (whole('sizeMs', sizeMs) < whole('everyMs', everyMs))
    throw new TypeError(`everyMs (${everyMs}) is larger than sizeMs (${sizeMs}): records between two windows would be lost`)
  return { kind: 'sliding', sizeMs, everyMs }
}

/** Neighbouring records at most `gapMs` apart are in one. */
export const session = ({ gapMs }: { gapMs: number }): Windows => ({ kind: 'session', gapMs: whole('gapMs', gapMs) })

export interface Aggregate<In, Acc, Out> {
  name: string
  stateVersion?: number
  init(): Acc
  /** Returns the new accumulator (the same object, changed, is fine). */
  add(acc: Acc, record: In): Acc
  /** What the window amounts to, when it is whole. */
  result(acc: Acc, window: Window): Out
  migrate?(old: unknown, fromVersion: number): { panes: Pane<Acc>[] }
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
