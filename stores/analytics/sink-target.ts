// A table of the analytics store as a sink's target: records in, staged Native blocks out, and the read-back. (The engine's contract for
// sinks, met by shape: stores know nothing of the engine.)
import { AnalyticsError } from './analytics-error.ts'
import type { BlockEncoder, Records } from './block-encoder.ts'
import type { AnalyticsStore, OffsetRange, TableSchema } from './contract.ts'

const MISFIT = 'The record was written by another version, or is a bug: please report it. Its rows stay in the log.'

/** `misfit`: what to do about a record that does not fit. */
export function sinkTarget(store: AnalyticsStore, schema: TableSchema, lineage: string, encoder: BlockEncoder, misfit = MISFIT) {
  return {
    get identity() {
      return store.identity
    },
    get rows() {
      return encoder.rows
    },
    get bytes() {
      return encoder.bytes
    },
    check: () => store.checkTable(schema),
    present: (partition: number, from: number, to: number) => store.present(schema.table, lineage, partition, from, to),
    add: (partition: number, records: Records, from: number, to: number, present: readonly OffsetRange[]) => {
      try {
        encoder.add(partition, records, from, to, present)
      } catch (error) {
        throw new AnalyticsError(
          'INSERT_REFUSED',
          `a record between ${from} and ${to} of partition ${partition} does not fit ${schema.table}: ${(error as Error).message}`,
          misfit,
          error,
        )
      }
    },
    seal: () => {
      const rows = encoder.rows
      const staged = store.stageNative(schema, encoder.finish())
      encoder.reset()
      return {
        rows,
        bytes: staged.bytes,
        write: (token: string) => (rows ? staged.insert(token) : Promise.resolve()),
        discard: () => staged.discard(),
      }
    },
  }
}
