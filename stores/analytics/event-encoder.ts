// Records of events.raw into a block of events_raw: from the scanner's columns to the table's, with no object and no string per event.
//
// Owns the batch it scans into. A record that is no event (it was accepted before the definition of one changed) keeps its place: its
// text and position are a row with type ''. Nothing that the log holds is missing from the table.
import {
  ANONYMOUS_ID,
  type EventBatch,
  FIELD,
  FIELD_COUNT,
  type FieldName,
  NO_INT,
  SUCCESS_ABSENT,
  SUCCESS_TRUE,
} from '../../model/batch.ts'
import { EVENT_TYPES } from '../../model/event.ts'
import { newBatch, resetBatch, scanBlock } from '../../model/scan.ts'
import { type BlockEncoder, inRanges } from './block-encoder.ts'
import { NativeBlock } from './native-block.ts'
import type { IntColumn, LowCardinalityColumn, NullableColumn, StringColumn } from './native-columns.ts'
import { EVENTS_RAW } from './tables.ts'

const PREFIX_USER = 'u'.charCodeAt(0)
const PREFIX_ANONYMOUS = 'a'.charCodeAt(0)
const NO_EVENT = 255

const WORDS: [column: string, field: FieldName][] = [
  ['org_id', 'org'],
  ['product_id', 'product'],
  ['name', 'name'],
  ['screen', 'screen'],
  ['element', 'element'],
  ['task_type', 'taskType'],
  ['context', 'context'],
]
const TEXTS: [column: string, field: FieldName][] = [
  ['event_id', 'eventId'],
  ['task_label', 'taskLabel'],
  ['properties', 'properties'],
]

export function eventEncoder(lineage: string): BlockEncoder {
  const batch = newBatch()
  const block = new NativeBlock(EVENTS_RAW)
  const words = WORDS.map(([column, field]) => ({ column: block.column<LowCardinalityColumn>(column), field: FIELD[field] }))
  const texts = TEXTS.map(([column, field]) => ({ column: block.column<StringColumn>(column), field: FIELD[field] }))
  const users = block.column<StringColumn>('user_id')
  const types = block.column<LowCardinalityColumn>('type')
  const ts = block.column<IntColumn>('ts')
  const receivedAt = block.column<IntColumn>('received_at')
  const x = block.column<NullableColumn>('x')
  const y = block.column<NullableColumn>('y')
  const success = block.column<NullableColumn>('success')
  const texted = block.column<StringColumn>('record')
  const lineages = block.column<LowCardinalityColumn>('lineage')
  const partitions = block.column<IntColumn>('partition')
  const offsets = block.column<IntColumn>('offset')
  let chosen = new Uint32Array(1024)

  /** Rows of the batch to write, in `chosen`; returns how many. */
  const choose = (to: number, skipped: (offset: number) => boolean) => {
    if (chosen.length < batch.count) chosen = new Uint32Array(batch.count * 2)
    let count = 0
    for (let row = 0; row < batch.count; row++) {
      const offset = batch.offset[row]
      if (offset < to && !skipped(offset)) chosen[count++] = row
    }
    return count
  }

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
      resetBatch(batch, records.bytes)
      for (const { pos, length, baseOffset } of records.blocks) scanBlock(batch, pos, length, baseOffset, from)
      const count = choose(to, inRanges(skip))
      for (const { column, field } of words) addWords(column, batch, field, chosen, count)
      for (const { column, field } of texts) addTexts(column, batch, field, chosen, count)
      const typeKeys = [...EVENT_TYPES.map((type) => types.key(type))]
      const lineageKey = lineages.key(lineage)
      for (let i = 0; i < count; i++) {
        const row = chosen[i]
        const type = batch.type[row]
        types.addIndex(type === NO_EVENT ? 0 : typeKeys[type])
        ts.put(batch.ts[row])
        receivedAt.put(batch.receivedAt[row])
        x.put(batch.x[row], batch.x[row] === NO_INT)
        y.put(batch.y[row], batch.y[row] === NO_INT)
        success.put(batch.success[row] === SUCCESS_TRUE ? 1 : 0, batch.success[row] === SUCCESS_ABSENT)
        lineages.addIndex(lineageKey)
        partitions.put(partition)
        offsets.put(batch.offset[row])
        const span = (row * FIELD_COUNT + FIELD.user) * 2
        const size = batch.spans[span + 1]
        users.addBytes(
          batch.bytes,
          batch.spans[span],
          size,
          size === 0 ? 0 : batch.userKind[row] === ANONYMOUS_ID ? PREFIX_ANONYMOUS : PREFIX_USER,
        )
        texted.addBytes(batch.bytes, batch.start[row], batch.end[row] - batch.start[row])
      }
      block.rows += count
    },
  }
}

function addWords(column: LowCardinalityColumn, batch: EventBatch, field: number, rows: Uint32Array, count: number): void {
  const { bytes, spans, hash } = batch
  for (let i = 0; i < count; i++) {
    const at = rows[i] * FIELD_COUNT + field
    column.addBytes(bytes, spans[at * 2], spans[at * 2 + 1], hash[at])
  }
}

function addTexts(column: StringColumn, batch: EventBatch, field: number, rows: Uint32Array, count: number): void {
  const { bytes, spans } = batch
  for (let i = 0; i < count; i++) {
    const at = (rows[i] * FIELD_COUNT + field) * 2
    column.addBytes(bytes, spans[at], spans[at + 1])
  }
}
