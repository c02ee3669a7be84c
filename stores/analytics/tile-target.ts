// A table of sums as a sink's target: the records of one tile in, summed per cell, one row per cell and batch out. Merges sum on.
//
// Sums cannot be read back by offset. Each row says instead through which offset of its partition it goes (`through`, of which merges keep the
// largest): a batch adds one row to a cell at most, a part of a table is written or not, and batches of a partition are in the order of
// their offsets. So a cell holds the pending batch if and only if its `through` lies in that batch's range; the others are written again.
import { AnalyticsError } from './analytics-error.ts'
import { inRanges, type Records } from './block-encoder.ts'
import type { AnalyticsStore, TileSchema } from './contract.ts'
import { NativeBlock } from './native-block.ts'

const NEWLINE = 10

interface Cell {
  partition: number
  values: readonly unknown[]
  sums: number[]
  through: number
  bytes: number
}

/** What it says to be present are cells, by their values as JSON. */
export function tileTarget(store: AnalyticsStore, schema: TileSchema, lineage: string) {
  const { table, tile, cell: names, sums } = schema
  const head = Buffer.from(`{"tile":${JSON.stringify(tile)},`)
  const block = new NativeBlock(schema)
  const cells = new Map<string, Cell>()
  let bytes = 0

  const addRecord = (partition: number, offset: number, text: string, held: ReadonlySet<string>) => {
    const row = JSON.parse(text) as Record<string, unknown>
    const values = names.map(([name]) => row[name])
    const key = JSON.stringify(values)
    if (held.has(key)) return
    let cell = cells.get(`${partition} ${key}`)
    if (cell === undefined) {
      cell = { partition, values, sums: sums.map(() => 0), through: offset, bytes: key.length + 8 * sums.length }
      cells.set(`${partition} ${key}`, cell)
      bytes += cell.bytes
    }
    for (const [i, name] of sums.entries()) {
      const value = row[name]
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new TypeError(`${name} is ${JSON.stringify(value)}, no integer`)
      cell.sums[i] += value
    }
    cell.through = offset
  }

  return {
    get identity() {
      return store.identity
    },
    /** Rows as they will be written: one per cell. */
    get rows() {
      return cells.size
    },
    get bytes() {
      return bytes
    },
    check: () => store.checkTable(schema),
    present: async (partition: number, from: number, to: number): Promise<string[]> =>
      (await store.presentCells(schema, lineage, partition, from, to)).map((values) => JSON.stringify(values)),
    add: (partition: number, { bytes: read, blocks }: Records, from: number, to: number, present: readonly string[]) => {
      const records = Buffer.from(read.buffer, read.byteOffset, read.byteLength)
      const held = new Set(present)
      const isAsked = inRanges([{ from, to }])
      for (const { baseOffset, count, pos } of blocks) {
        let at = pos
        for (let i = 0; i < count; i++) {
          const end = records.indexOf(NEWLINE, at)
          const offset = baseOffset + i
          if (isAsked(offset) && records.subarray(at, at + head.length).equals(head)) {
            try {
              addRecord(partition, offset, records.toString('utf8', at, end), held)
            } catch (error) {
              throw new AnalyticsError(
                'INSERT_REFUSED',
                `the record at ${offset} of partition ${partition} does not fit ${table}: ${(error as Error).message}`,
                'The record was written by another version, or is a bug: please report it. Its rows stay in the log.',
                error,
              )
            }
          }
          at = end + 1
        }
      }
    },
    seal: () => {
      const rows = cells.size
      for (const { partition, values, sums, through } of cells.values())
        for (const [i, value] of [...values, ...sums, lineage, partition, through].entries()) block.columns[i].add(value)
      block.rows = rows
      const staged = store.stageNative(schema, block.finish())
      block.reset()
      cells.clear()
      bytes = 0
      return {
        rows,
        bytes: staged.bytes,
        write: (token: string) => (rows ? staged.insert(token) : Promise.resolve()),
        discard: () => staged.discard(),
      }
    },
  }
}
