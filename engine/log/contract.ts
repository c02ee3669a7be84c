// The log contract: durable, partitioned topics, and the atomic commit of one task's epoch.
//
// A Log owns topics, receipts, owners and sink records. A task (or the importer, or a sink) claims its name, which
// fences whoever had it before; from then on only its commits are accepted. All implementations pass contract.conformance.ts.
//
// 1. commit is all or nothing: outputs and receipt together, durable when it resolves (protocol 7).
// 2. A fenced owner's commit rejects with FENCED and leaves nothing (protocol 15).
// 3. Offsets of a partition are dense per append but may have holes between blocks: `to` is recorded, never computed (protocol 6).
// 4. After commit has rejected with anything, or its answer was lost, the claim is over: drop memory and claim again (protocol 8).

/** One run of records inside a read: JSON records, each ended by a newline, at bytes[pos … pos + length) of the read's buffer. */
export interface BlockRange {
  baseOffset: number
  count: number
  pos: number
  length: number
}

/**
 * What one read returned. `bytes` is the caller's until the same reader reads again, also to write to: there may be room behind the last block.
 * `next` is the next fetch position. It may be behind `from` where there is no block: what a log numbers beside its records is passed.
 */
export interface ReadResult {
  bytes: Uint8Array
  blocks: BlockRange[]
  next: number
}

/** Records to append: JSON records, each ended by a newline. The log takes `bytes` over until the commit has resolved. */
export interface OutputBlock {
  topic: string
  partition: number
  count: number
  bytes: Uint8Array
}

/** An epoch's receipt is plain JSON data to the log; the engine gives it its meaning (engine/lane/receipt.ts). The log reads these fields only. */
export interface LogReceipt {
  /** Number of this commit of this task in this lineage: 1, 2, … */
  epoch: number
  /** Input position after this epoch; what retention and recovery go by. */
  to: number
}

export interface Claim<R extends LogReceipt = LogReceipt> {
  /** How many claims this name has had since its last commit, this one included (protocol 22). */
  readonly claimsSinceCommit: number
  /** The newest committed receipt, or undefined for a task that never committed. */
  readonly last: R | undefined
  /** Receipts with epoch > after, oldest first. */
  receipts(after: number): AsyncIterable<R>
  /** Commits outputs and receipt atomically; resolves when durable. Commits of one claim are made one after the other.
   *  `release`: receipts through this epoch, and input before this offset, are no longer needed by this task (protocol 23).
   *  Without a receipt only the outputs are appended: they are not exactly once, and the epoch is not known to `last` and `receipts`. */
  commit(commit: { outputs: OutputBlock[]; receipt?: R; release?: { receiptsThrough: number; inputBefore: number } }): Promise<void>
  /** Ends the claim cleanly (sets the claim count to 0). */
  release(): Promise<void>
  /** True while nobody else has claimed the name (protocol 16: asked before anything is reported missing or different). */
  holds(): Promise<boolean>
}

export interface Reader {
  /** Committed records of the partition from offset `from` on: whole blocks, at least one if any is there, at most about maxBytes.
   *  A block that contains `from` in its middle is returned whole: the caller skips rows below `from`. */
  read(from: number, maxBytes: number): Promise<ReadResult>
  close(): void
}

export interface TopicPartition {
  topic: string
  partition: number
}

export interface Bounds {
  start: number
  end: number
  decided?: number
}

export interface Log {
  /** `again`: by an owner that lives on after a failure. That claim is not counted: nothing has killed it (protocol 22). */
  claim<R extends LogReceipt = LogReceipt>(name: string, input?: TopicPartition, again?: boolean): Promise<Claim<R>>
  /** A reader of committed records. */
  reader(at: TopicPartition): Reader
  /** Oldest offset still there, and the offset after the last committed record. `decided`: where positions may stand, if that is further. */
  bounds(at: TopicPartition): Promise<Bounds>
  /** Declares that `consumer` needs the partition from `from` on (Infinity: no more of it): nothing at or above is deleted (protocol 24).
   *  Durable when it resolves, and remembered over restarts. A claim's own `input` needs no declaration. */
  need(consumer: string, at: TopicPartition, from: number): Promise<void>
  /** Resolves after anything was committed since the call (or at once if something was since the last resolved call). Never rejects. */
  changed(): Promise<void>
  close(): Promise<void>
}
