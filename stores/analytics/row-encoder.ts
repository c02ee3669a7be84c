// Records of the small topics (sessions, incidents, late events, dead letters) into a block: parsed one by one, written by the schema's columns.
import { type BlockEncoder, inRanges } from './block-encoder.ts'
import type { TableSchema } from './contract.ts'
import { NativeBlock } from './native-block.ts'
import { FIELD_OF } from './tables.ts'

const NEWLINE = 10

/** An encoder for a table whose records have the columns' names (or those of `fieldOf`). Throws TypeError for a record that does not fit. */
export function rowEncoder(schema: TableSchema, lineage: string, fieldOf = FIELD_OF): BlockEncoder {
  const block = new NativeBlock(schema)
  const place = schema.columns.length - 3
  const fields = schema.columns.slice(0, place).map(([name]) => fieldOf[name] ?? name)
  const [lineages, partitions, offsets] = block.columns.slice(place)
  return {
    get rows() {
      return block.rows
    },
    get bytes() {
      return block.bytes
    },
    reset: () => block.reset(),
    finish: () => block.finish(),
    add: (partition, records, from, to, skip) => {
      const bytes = Buffer.from(records.bytes.buffer, records.bytes.byteOffset, records.bytes.byteLength)
      const skipped = inRanges(skip)
      for (const { baseOffset, count, pos } of records.blocks) {
        let at = pos
        for (let i = 0; i < count; i++) {
          const end = bytes.indexOf(NEWLINE, at)
          const offset = baseOffset + i
          if (offset >= from && offset < to && !skipped(offset)) {
            const row = JSON.parse(bytes.toString('utf8', at, end)) as Record<string, unknown>
            for (let c = 0; c < place; c++) block.columns[c].add(row[fields[c]])
            lineages.add(lineage)
            partitions.add(partition)
            offsets.add(offset)
            block.rows++
          }
          at = end + 1
        }
      }
    },
  }
}
