// The operator's contract: a deterministic fold over one session's ordered events.
//
// The engine owns keys, order, duplicates, lateness, corrections, timers, copies and offsets. An operator sees a session's events in
// event-time order, once each, and may be asked to fold the session again from its start. No clock, no randomness, no I/O.
// State is a declared record in packed memory; it reads like an object. Nothing else is kept between events: the resume law finds a closure variable.
import type { EventType } from '../model/event.ts'
import type { CellValue } from '../model/tile.ts'

/** A string as the engine holds it: equal strings of one actor are equal symbols; 0 is the empty string. Only equality means anything. */
export type Sym = number

/** Field types of a state record. 'time' is ms since epoch; 'index' is an event's position in its session. Fields start as 0 (false). */
export type FieldType = 'time' | 'f64' | 'u32' | 'u16' | 'u8' | 'i32' | 'bool' | 'symbol' | 'index'
/** A field, or a fixed-length array of one: `['time', 8]` (read with at(i), written with set(i, value)). */
export type StateFields = Readonly<Record<string, FieldType | readonly [FieldType, number]>>
type Scalar<T> = T extends 'bool' ? boolean : number
/** A fixed-length array field. Plain indexing would cost a keyed accessor per access. */
export interface Slots {
  at(index: number): number
  set(index: number, value: number): void
}
export type StateOf<F extends StateFields> = {
  -readonly [K in keyof F]: F[K] extends readonly [FieldType, number] ? Slots : Scalar<F[K]>
}

/** The fields of a kept event that an operator can ask for in `reads`; type, timeMs and index are always there. */
export type ReadableField = 'screen' | 'element' | 'taskType' | 'context' | 'success' | 'x' | 'y'

/** One event of a session, as operators see it: one accessor, moved from event to event. Do not keep it. */
export interface SessionEvent {
  readonly type: EventType
  readonly timeMs: number
  /** Position in the session, from 0. */
  readonly index: number
  readonly screen: Sym
  readonly element: Sym
  readonly taskType: Sym
  readonly context: Sym
  /** undefined where absent. */
  readonly success: boolean | undefined
  /** NaN where absent. */
  readonly x: number
  readonly y: number
  /** The string that a symbol stands for, for what equality cannot tell. It costs a look-up: ask where it is rare. */
  text(symbol: Sym): string
}

/** An incident as an operator sees it. Emitting again with the same `first` (and kind, profile) replaces what was emitted for it. */
export interface Incident {
  /** The operator's own word for what it finds (`rage_click`): no list of kinds is kept anywhere else. */
  kind: string
  profile: string
  open: boolean
  screen: Sym
  element: Sym
  count: number
  firstMs: number
  lastMs: number
  /** Index of its first event: part of the incident's identity. */
  first: number
  last: number
  /** Evidence: the events of this type with index first … last. */
  of: EventType
}

export interface Emit {
  incident(incident: Incident): void
}

/** A fold that runs as events come (eager), because somebody waits for what it emits. */
export interface Fold<F extends StateFields = StateFields> {
  readonly name: string
  /** Raise when the meaning of the state changes: of another version, or of other fields, it is made anew from the session's events. */
  readonly stateVersion: number
  readonly state: F
  readonly reads: readonly ReadableField[]
  /** The types of the events that it is shown; all, where absent. What is not shown costs next to nothing. */
  readonly types?: readonly EventType[]
  onEvent(state: StateOf<F>, event: SessionEvent, emit: Emit): void
  /** The next time at which onTimer wants to run, or Infinity. Called after every change of the state. */
  nextTimerMs?(state: StateOf<F>): number
  /** Runs with now = the time asked for: before the first event with ts > now, or when the watermark reaches it. */
  onTimer?(state: StateOf<F>, nowMs: number, emit: Emit): void
  /** The session ended with the event at lastMs, by a gap or (`cut`) by a cap. Nothing follows unless it is folded again from the start. When does it forget? Here: its record goes with the session. */
  onClose?(state: StateOf<F>, emit: Emit, lastMs: number, cut: boolean): void
}

/** Declares a fold. Only names the types; the engine lifts it. */
export const fold = <const F extends StateFields>(definition: Fold<F>): Fold<F> => definition

/** What one session amounts to: columns of its row, folded in one pass at the moment it fires (lazy), because nobody waits for it before. A fold
 *  that adds columns to those of another hands each call on to it: all of them together are one pass. */
export interface SessionFold<R> {
  readonly name: string
  readonly reads: readonly ReadableField[]
  /** Before a session's first event: nothing of another session is left. */
  begin(): void
  /** Every event of the session, in order. */
  onEvent(event: SessionEvent): void
  /** Behind the last event. `text` turns symbols into strings; `incidents` counts those of a kind. */
  row(text: (symbol: Sym) => string, incidents: (kind: string) => number): R
}

/** Adds integers (one per column of `sums`) to a cell (one value per column of `cell`, a list only as the last). Both lists are given away. */
export type AddToCell = (cell: readonly CellValue[], sums: number[]) => void

/** A session's row, of a closed session only. */
export interface TileSession {
  readonly started_at: number
  readonly ended_at: number
  readonly event_count: number
}
/** An incident's row, open or not. */
export interface TileIncident {
  readonly kind: string
  readonly profile: string
  readonly screen: string
  readonly element: string
  readonly count: number
  readonly first_at: number
  readonly last_at: number
}

/** Sums over sessions and incidents, by cells. The engine calls this for each version that leaves, and with the signs turned for the one before
 *  it: what is added must be a function of the row alone. */
export interface Tile<R> {
  /** Its word in the records on the topic of tiles. */
  readonly name: string
  readonly cell: readonly string[]
  readonly sums: readonly string[]
  onSession?(row: R & TileSession, add: AddToCell): void
  onIncident?(row: TileIncident, add: AddToCell): void
}
