// The ordered key-value store behind the checkpoints, as an interface: LMDB in production (lmdb-key-value.ts), in memory in the simulator.
// Writes are applied in the order of the calls, each whole or not at all; a crash may lose the latest ones, back to the last flush.

/** A change of one key; undefined deletes it. */
export type Change = [key: Uint8Array, value: Uint8Array | undefined]

export interface KeyValueStore {
  get(key: Uint8Array): Uint8Array | undefined
  /** One transaction; resolves when it can be read. */
  write(changes: readonly Change[]): Promise<void>
  /** Resolves when everything written before is durable. */
  flush(): Promise<void>
  /** Entries with from ≤ key < to, in the order of the keys' bytes. */
  range(from: Uint8Array, to: Uint8Array): Iterable<[key: Uint8Array, value: Uint8Array]>
  close(): Promise<void>
}
