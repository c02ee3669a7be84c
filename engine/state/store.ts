// The state store's contract: one task's finished checkpoints, and the value of each key as of the newest of them.
//
// 1. A checkpoint is all or nothing: finished (durable) or as if it had never been begun (protocol 11).
// 2. One checkpoint is open at a time (protocol 10). It may stay open over many epochs while slices are put.
// 3. finish() is called only when its epoch is durable in the log; it resolves when the checkpoint is durable (protocol 11).
// 4. get() and entries() answer as of the newest FINISHED checkpoint; a deleted key is absent. get is synchronous: a lane loads at a first touch.
// Two namespaces: 'state' (one value per user or actor) and 'index' (a small value per user: its next timer), which recovery reads whole.
export type Namespace = 'state' | 'index'

/** Plain JSON data beside the keys: epoch, input position, versions, counters (the engine gives it its meaning). */
export interface CheckpointHeader {
  epoch: number
  [field: string]: unknown
}

export interface OpenCheckpoint {
  /** Copies both before it returns. */
  put(space: Namespace, key: Uint8Array, value: Uint8Array): void
  /** Written as deleted in the same unit (protocol 12). */
  delete(space: Namespace, key: Uint8Array): void
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
  get(space: Namespace, key: Uint8Array): Uint8Array | undefined
  /** All live entries of a namespace, in any order. Buffers are valid until the next step. */
  entries(space: Namespace): Iterable<[key: Uint8Array, value: Uint8Array]>
  /** `keys`: about how many it will have, so that room for them is made at once. */
  begin(header: CheckpointHeader, keys?: number): OpenCheckpoint
  /** Work left to do in the background (applying finished files to the key-value store); one bounded step per call, resolves to true while more is left. */
  maintain(): Promise<boolean>
  close(): Promise<void>
}
