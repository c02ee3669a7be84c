// The state store's contract: one task's finished checkpoints, and the value of each key as of the newest of them.
//
// 1. A checkpoint is all or nothing: finished (durable) or as if it had never been begun (protocol 11).
// 2. One checkpoint is open at a time (protocol 10). It may stay open over many epochs while slices are put.
// 3. finish() is called only when its epoch is durable in the log; it resolves when the checkpoint is durable (protocol 11).
// 4. get() and entries() answer as of the newest FINISHED checkpoint; a deleted key is absent. get is synchronous: a lane loads at a first touch.
// A key has a value, and a small index value beside it (a user's next timer): what recovery reads of every key, without its value.

/** Plain JSON data beside the keys: epoch, input position, versions, counters (the engine gives it its meaning). */
export interface CheckpointHeader {
  epoch: number
  [field: string]: unknown
}

export interface OpenCheckpoint {
  /** Copies all three before it returns. */
  put(key: Uint8Array, value: Uint8Array, index: Uint8Array): void
  /** Written as deleted in the same unit (protocol 12). */
  delete(key: Uint8Array): void
  /** Appends what was put since the last call (a slice). */
  flush(): Promise<void>
  /** Bytes put so far. */
  readonly bytes: number
  finish(): Promise<void>
  abort(): Promise<void>
}

export interface StateStore {
  /** Header of the newest finished checkpoint. */
  readonly header: CheckpointHeader | undefined
  /** The value; valid until the next call. */
  get(key: Uint8Array): Uint8Array | undefined
  /** All live keys with their index values, in any order. Buffers are valid until the next step. */
  entries(): Iterable<[key: Uint8Array, index: Uint8Array]>
  begin(header: CheckpointHeader): OpenCheckpoint
  /** Work left to do in the background; one bounded step per call, resolves to true while more is left. */
  maintain(): Promise<boolean>
  close(): Promise<void>
}
