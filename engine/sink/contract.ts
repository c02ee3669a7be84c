// What a sink task needs of the world: a target that it writes to, and what it records in the log. The stores provide targets.
import type { LogReceipt, ReadResult } from '../log/contract.ts'

/** Offsets from ≤ o < to. */
export interface OffsetRange {
  from: number
  to: number
}

export interface PartitionRange extends OffsetRange {
  partition: number
}

/** Rows that were added together and are written together: the same bytes at every attempt. */
export interface SealedRows {
  readonly rows: number
  readonly bytes: number
  /** Writes all of them under the token, once, however often it is called while the target lives (protocol 27). Rejects with an error whose
   *  `retryable` says whether calling again can help; after that the rows may be there, or not, or in part. */
  write(token: string): Promise<void>
  /** They are not needed any more. */
  discard(): void
}

/** A table, as one sink fills it. `P`: how it says what it holds, to itself; mostly ranges of offsets. */
export interface SinkTarget<P = OffsetRange> {
  /** Names the very store behind the target, so that an emptied or exchanged one is noticed. */
  readonly identity: string
  /** Rejects unless the table can be written exactly once. */
  check(): Promise<void>
  /** Adds the records of `read` with from ≤ offset < to that are not `present`. They are copied. */
  add(partition: number, read: ReadResult, from: number, to: number, present: readonly P[]): void
  /** What has been added since the last seal. */
  readonly rows: number
  readonly bytes: number
  seal(): SealedRows
  /** What of the offsets from … to the table holds, as sorted, disjoint ranges; nothing: none of it. */
  present(partition: number, from: number, to: number): Promise<P[]>
}

/** A batch that is about to be written, or is being written, or was and nobody knows. */
export interface PendingBatch {
  /** Part of its token; never used again in this lineage. */
  number: number
  ranges: PartitionRange[]
  recordedAtMs: number
  /** How often it was read back: part of the token of what is missing then. */
  readBacks: number
}

/** A sink's receipt. `done`: per partition, everything below is in the table; a pending range begins there. `to` repeats `epoch`: what the
 *  sink needs of its partitions it declares with log.need. */
export interface SinkRecord extends LogReceipt {
  identity: string
  codeVersion: string
  batch: number
  done: number[]
  pending: PendingBatch | null
}

export interface SinkSettings {
  /** A write holds about this many bytes at most (64 MB). */
  batchBytes: number
  /** One read of the log (2 MB): between two of them other work of the thread runs. */
  readBytes: number
  /** When caught up, from one write to the next (1,000). */
  intervalMs: number
  /** How long the target surely remembers a token. A batch older than half of it is read back. */
  windowMs: number
  /** How long a request of an earlier owner may still be applied. 0 where the engine dies with its owner (embedded). */
  orphanMs: number
  /** Attempts of one write before the sink waits, and begins again as at a start (20), and the pauses between them: doubled from backoffMs to backoffMaxMs. */
  attemptsMax: number
  backoffMs: number
  backoffMaxMs: number
  /** The longest pause between two such beginnings: is there room again, does the table answer (5,000)? */
  waitMaxMs: number
  /** How often the log is told what this sink no longer needs (30,000). */
  releaseMs: number
}

export const sinkDefaults: SinkSettings = {
  batchBytes: 64 << 20,
  readBytes: 2 << 20,
  intervalMs: 1000,
  windowMs: 3_600_000,
  orphanMs: 0,
  attemptsMax: 20,
  backoffMs: 100,
  backoffMaxMs: 30_000,
  waitMaxMs: 5_000,
  releaseMs: 30_000,
}
