// What fills a block from the records of a topic. Two encoders: events by columns (event-encoder.ts), everything else by rows (row-encoder.ts).
import type { OffsetRange } from './contract.ts'

/** Records as the log reads them: blocks of JSON records, each ended by a newline. */
export interface Records {
  bytes: Uint8Array
  blocks: readonly { baseOffset: number; count: number; pos: number; length: number }[]
}

export interface BlockEncoder {
  readonly rows: number
  /** Bytes of the block so far. */
  readonly bytes: number
  reset(): void
  /** Adds the records with from ≤ offset < to that are in none of the `skip` ranges (sorted, disjoint). */
  add(partition: number, records: Records, from: number, to: number, skip: readonly OffsetRange[]): void
  /** The block in pieces, valid until reset. */
  finish(): Uint8Array[]
}

/** Tells, for offsets that only rise, whether they lie in one of the ranges. */
export function inRanges(ranges: readonly OffsetRange[]): (offset: number) => boolean {
  let i = 0
  return (offset) => {
    while (i < ranges.length && ranges[i].to <= offset) i++
    return i < ranges.length && ranges[i].from <= offset
  }
}
