// The scanner's outside: batches, and blocks of records into them. PlainScanner (scan-plain.ts) takes what it can prove plain; each record that it
// declines is judged by parseEvent (parse-event.ts), whose decoded strings go behind the records. Nothing that a record holds makes this throw.
// Owns growing of the arrays and of `bytes`, and the counters of both paths; never interprets a field itself.

import { isUtf8 } from 'node:buffer'
import type { EventBatch, EventColumns, EventError } from './batch.ts'
import { FIELD, FIELD_COUNT, NO_INT } from './batch.ts'
import { FALLBACK_REASONS, fallbackReason } from './fallback-reasons.ts'
import { h128, hash32, hash128 } from './hash.ts'
import { isTooLarge, type ParsedEvent, parseEvent } from './parse-event.ts'
import { HASHED, PlainScanner, SLACK } from './scan-plain.ts'
import { skipSpace } from './skip-space.ts'

const UNTERMINATED = fallbackReason('unterminated')
const UTF8 = fallbackReason('utf8')
/** Type of a row that is no valid event. */
export const INVALID = 255
const ROWS_MIN = 1024

/** An empty batch. Reuse it: its columns grow to the size of the largest epoch and stay. */
export function newBatch(): EventBatch {
  const scanner = new PlainScanner(ROWS_MIN)
  return {
    bytes: new Uint8Array(0),
    tail: 0,
    count: 0,
    scanner,
    ...scanner.columns,
    errors: new Map<number, EventError>(),
    scannedRows: 0,
    fallbackRows: 0,
    fallbackReasons: new Uint32Array(FALLBACK_REASONS.length),
  }
}

/**
 * Empties the batch and puts it over `bytes`. The records lie in its first `used` bytes; what is behind them belongs to the batch (decoded
 * strings are written there), so give more room than the records need where the buffer is your own, and none where it is not.
 */
export function resetBatch(batch: EventBatch, bytes: Uint8Array, used: number = bytes.length): void {
  batch.count = 0
  batch.errors.clear()
  // A Buffer is a Uint8Array of another hidden class: the hot path shall see one.
  batch.bytes = bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  batch.tail = used
}

/** Keeps the first `count` rows. */
export function truncateBatch(batch: EventBatch, count: number): void {
  for (let row = count; row < batch.count; row++) batch.errors.delete(row)
  batch.count = count
}

/**
 * Appends a row for each record of batch.bytes[pos … pos + length). The first has offset `baseOffset`; records below offset `from` are
 * skipped. `atDoor`: records may lack orgId and eventId (an absent span then). A record that is no event becomes a row of type 255
 * with an error in batch.errors; nothing is thrown. May replace batch.bytes by a larger copy.
 */
export function scanBlock(batch: EventBatch, pos: number, length: number, baseOffset: number, from = 0, atDoor = false): void {
  const limit = pos + length
  reserveBytes(batch, limit + SLACK - batch.bytes.length)
  batch.scanner.begin()
  let p = pos
  let skipped = 0
  for (; skipped < from - baseOffset && p < limit; skipped++) p = recordEnd(batch.bytes, p, limit) + 1
  const base = baseOffset + skipped - batch.count
  const isValid = isUtf8(batch.bytes.subarray(pos, limit))
  // Up to here every record is ended by a newline.
  const plainLimit = length > 0 && batch.bytes[limit - 1] === 10 ? limit : batch.bytes.subarray(0, limit).lastIndexOf(10) + 1
  const before = batch.count
  const fallbackBefore = batch.fallbackRows
  while (p < limit) {
    if (batch.count === batch.start.length) growRows(batch)
    let why = UNTERMINATED
    let end = limit
    if (p < plainLimit) {
      // PlainScanner takes valid UTF-8 only: in a block with invalid bytes the records are proven one by one.
      if (isValid) end = plainLimit
      else end = recordEnd(batch.bytes, p, limit) + 1
      if (isValid || isUtf8(batch.bytes.subarray(p, end))) {
        const stop = batch.scanner.scan(batch, p, end, base, atDoor)
        p = stop.at
        if (stop.why < 0) continue
        why = stop.why
      } else why = UTF8
      end = recordEnd(batch.bytes, p, limit)
    }
    fallBack(batch, p, end, base, why, atDoor)
    p = end + 1
  }
  batch.scannedRows += batch.count - before - (batch.fallbackRows - fallbackBefore)
}

/**
 * As scanBlock at the door, for records that must all be plain: false where one is not, or the last has no newline; the batch is to be emptied then.
 */
export function scanPlainBlock(batch: EventBatch, pos: number, length: number): boolean {
  const limit = pos + length
  if (length === 0 || batch.bytes[limit - 1] !== 10 || !isUtf8(batch.bytes.subarray(pos, limit))) return false
  reserveBytes(batch, limit + SLACK - batch.bytes.length)
  batch.scanner.begin()
  const before = batch.count
  for (let p = pos; p < limit; ) {
    if (batch.count === batch.start.length) growRows(batch)
    const stop = batch.scanner.scan(batch, p, limit, 0, true)
    if (stop.why >= 0) return false
    p = stop.at
  }
  batch.scannedRows += batch.count - before
  return true
}

function recordEnd(bytes: Uint8Array, p: number, limit: number): number {
  const end = bytes.indexOf(10, p)
  return end < 0 || end > limit ? limit : end
}

/** One record to parse-event.ts, its answer into the next row. */
function fallBack(batch: EventBatch, start: number, end: number, base: number, why: number, atDoor: boolean): void {
  const row = batch.count++
  batch.fallbackRows++
  batch.fallbackReasons[why]++
  batch.offset[row] = base + row
  batch.start[row] = start
  batch.end[row] = end
  batch.spans.fill(0, row * FIELD_COUNT * 2, (row + 1) * FIELD_COUNT * 2)
  batch.hash.fill(0, row * FIELD_COUNT, (row + 1) * FIELD_COUNT)
  const answer = judge(batch.bytes, start, end, why, atDoor)
  if ('code' in answer) {
    batch.errors.set(row, answer)
    batch.type[row] = INVALID
    batch.ts[row] = batch.receivedAt[row] = batch.userKind[row] = batch.success[row] = 0
    batch.x[row] = batch.y[row] = NO_INT
    batch.id.fill(0, row * 4, row * 4 + 4)
  } else store(batch, row, answer)
}

function judge(bytes: Uint8Array, start: number, end: number, why: number, atDoor: boolean): ParsedEvent | EventError {
  if (skipSpace(bytes, start) >= end)
    return { code: 'MALFORMED_JSON', message: 'a record is one JSON object on one line: this line is empty' }
  // An unterminated record has not been looked at yet, one with invalid bytes may also be too large to be worth more.
  if (!isTooLarge(bytes, start, end) && (why === UTF8 || (why === UNTERMINATED && !isUtf8(bytes.subarray(start, end))))) {
    return { code: 'INVALID_UTF8', message: 'a record is UTF-8: save or export the file as UTF-8' }
  }
  return parseEvent(bytes, start, end, atDoor)
}

function store(batch: EventBatch, row: number, event: ParsedEvent): void {
  batch.type[row] = event.type
  batch.ts[row] = event.ts
  batch.receivedAt[row] = event.receivedAt
  batch.userKind[row] = event.userKind
  batch.success[row] = event.success
  batch.x[row] = event.x
  batch.y[row] = event.y
  storeString(batch, row, FIELD.org, event.org)
  storeString(batch, row, FIELD.product, event.product)
  storeString(batch, row, FIELD.user, event.user)
  storeString(batch, row, FIELD.eventId, event.eventId)
  storeString(batch, row, FIELD.screen, event.screen)
  storeString(batch, row, FIELD.element, event.element)
  storeString(batch, row, FIELD.name, event.name)
  storeString(batch, row, FIELD.taskType, event.taskType)
  storeString(batch, row, FIELD.taskLabel, event.taskLabel)
  storeString(batch, row, FIELD.context, event.context)
  const at = (row * FIELD_COUNT + FIELD.properties) * 2
  batch.spans[at] = event.propertiesStart
  batch.spans[at + 1] = event.propertiesEnd - event.propertiesStart
  const id = (row * FIELD_COUNT + FIELD.eventId) * 2
  if (batch.spans[id + 1] === 0) batch.id.fill(0, row * 4, row * 4 + 4)
  else {
    hash128(batch.bytes, batch.spans[id], batch.spans[id + 1])
    batch.id.set(h128, row * 4)
  }
}

const encoder = new TextEncoder()

/** Writes a decoded string behind the records. */
function storeString(batch: EventBatch, row: number, field: number, text: string): void {
  if (text === '') return
  // A UTF-16 unit has at most three bytes of UTF-8. SLACK stays free behind, for those who hash by words.
  reserveBytes(batch, batch.tail + text.length * 3 + SLACK - batch.bytes.length)
  const length = encoder.encodeInto(text, batch.bytes.subarray(batch.tail)).written
  const at = row * FIELD_COUNT + field
  batch.spans[at * 2] = batch.tail
  batch.spans[at * 2 + 1] = length
  if (((1 << field) & HASHED) !== 0) batch.hash[at] = hash32(batch.bytes, batch.tail, length)
  batch.tail += length
}

/** Replaces bytes by a larger copy where `missing` of them are missing. */
function reserveBytes(batch: EventBatch, missing: number): void {
  if (missing <= 0) return
  const grown = new Uint8Array(batch.bytes.length + Math.max(missing, (batch.bytes.length >> 2) + 4096))
  grown.set(batch.bytes)
  batch.bytes = grown
}

function growRows(batch: EventBatch): void {
  const { columns, rows } = batch.scanner
  batch.scanner = new PlainScanner(rows * 2)
  const grown = batch.scanner.columns
  for (const name of Object.keys(grown) as (keyof EventColumns)[]) grown[name].set(columns[name] as Uint8Array)
  Object.assign(batch, grown)
}
