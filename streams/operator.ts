// What one writes for a topology of one's own: a fold over one key's records, in event-time order.
//
// The engine owns keys, order, timers, copies, checkpoints and undo. No clock, no randomness, no I/O, nothing kept outside the state: the state is
// recomputed after a crash, and compared (packmill/testing has the law that finds a variable outside it).

/** Where a record, or a timer, belongs. */
export interface At {
  /** As `keyBy`, `rekey` or `merge` gave it. */
  readonly key: string
  /** Event time of the record; the time of the timer. ms since epoch. */
  readonly timeMs: number
  /** Drops the key's state of this operator: the next record begins with a new one. */
  forget(): void
}

/** What leaves: nothing, one record, or an array of records (a record that is itself an array is wrapped in one). */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing is the common case.
export type Emitted<Out> = Out | readonly Out[] | undefined | void

/** `Out`: what onRecord gives, `Fired`: what onTimer gives; together they are the records of the stream behind it. */
export interface Operator<In, State extends object, Out = never, Fired = never> {
  /** State is kept by this name: once in a topology. Another name begins with new state. */
  readonly name: string
  /** Raise it when the form or the meaning of the state changes; then `migrate` reads the old. Default 1. */
  readonly stateVersion?: number
  /** A new key's state: an object of plain data (numbers, strings, booleans, arrays, objects, Map, Set, Date). Handlers change it in place. */
  state(): State
  /** One record, in event-time order within its key. Where it throws, the record goes to the dead letters (`OPERATOR_THREW`) and the state is as before. */
  onRecord(state: State, record: In, at: At): Emitted<Out>
  /** When onTimer wants to run, ms since epoch, or Infinity. A function of the state; asked after every change of it. */
  nextTimerMs?(state: State): number
  /** Runs once the watermark has passed the time asked for: behind all records up to that time, before the first one after it. */
  onTimer?(state: State, at: At): Emitted<Fired>
  /** Where the input ends, each key's next timer runs, and then no more: unless it says here up to when. A function of the state. */
  lastTimerMs?(state: State): number
  /** Reads the state of an older stateVersion, key by key, when a key is touched next. Without it an older version is refused: `STATE_VERSION_UNKNOWN`. */
  migrate?(old: unknown, fromVersion: number): State
}

/** Declares an operator. Only names the types; the engine runs it. */
export const operator = <In, State extends object, Out = never, Fired = never>(
  definition: Operator<In, State, Out, Fired>,
): Operator<In, State, Out, Fired> => definition

/** Whatever its types: what a pipeline holds. */
export type AnyOperator = Operator<unknown, object, unknown, unknown>
