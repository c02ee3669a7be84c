// What a decoding thread and the main thread say to each other about one file. Types only; errors cross as data (engine/errors.ts).
import type { ErrorData } from '../../engine/errors.ts'
import type { DecodedBatch, ImportReceipt, LineOptions } from './line-decoder.ts'

/** What the thread is given with a file. */
export interface DecodeOrder {
  path: string
  partitions: number
  lines: LineOptions
  /** Batches that may lie decoded and not committed. */
  batchesAhead: number
}

export type ToDecoder =
  /** Begin behind what an earlier run read. */
  | { type: 'start'; last: ImportReceipt | undefined }
  /** One batch is committed: another may be decoded, into its bytes. */
  | { type: 'give'; records: DecodedBatch['records'] }
  | { type: 'stop' }

export type FromDecoder =
  | { type: 'name'; name: string }
  /** `share` of the file that has been read, 0 … 1. */
  | { type: 'batch'; batch: DecodedBatch; share: number }
  /** The last word. */
  | { type: 'ended'; error?: ErrorData }
