// What one fetch returned of one partition, as blocks of lines: committed records only, each a line. Owns the filter of aborted transactions.
//
// 1. Control records take an offset and are no records; those of an aborted transaction lie between its first offset and its marker.
// 2. A record is one line, whatever it holds: line breaks in it (a foreign producer's pretty JSON) become blanks, nothing becomes an empty line,
//    which is no event, and is told apart as such by whoever reads it.
// 3. What is fetched begins at or before what was asked for, and goes on: batches that do not are damaged. Their place is not in their CRC, as brokers write it.
// 4. `next` is behind the last whole batch, also where nothing of it is left (compaction) or shown.
import type { BlockRange, ReadResult } from '../../engine/log/contract.ts'
import type { FetchedPartition } from './fetch-request.ts'
import { damagedRecords, type RecordBatch } from './record-batch.ts'
import { RecordWalk } from './record-walk.ts'

export interface CommittedRecord {
  offset: number
  key: Buffer | null
  value: Buffer | null
}

const NEWLINE = 10
const RETURN = 13
const BLANK = 32
const ABORT_MARKER = 0
/** Behind the blocks: for whoever writes what it decodes there (ReadResult). */
const ROOM_BYTES = 1 << 16

export class Fetched {
  readonly from: number
  /** The end of committed records when it was fetched, and the oldest record's offset. */
  readonly end: number
  readonly start: number
  /** Position behind all of it. */
  readonly after: number
  private readonly part: FetchedPartition
  private readonly alone: boolean
  private readonly walk: RecordWalk
  private readonly aborted: { producerId: number; first: number }[]
  private readonly aborting = new Set<number>()
  /** The next batch. */
  private at = 0
  /** Behind the last record that was looked at. */
  private position: number

  /** `alone`: no other partition was asked for, so that nothing returned means that nothing is left at `from`. Errors: KAFKA_RECORDS_DAMAGED. */
  constructor(part: FetchedPartition, from: number, alone: boolean) {
    const { topic, partition, batches, aborted, start, end, length } = part
    this.from = this.position = from
    this.part = part
    this.alone = alone
    this.end = end
    this.start = start
    this.walk = new RecordWalk(`${topic}/${partition}`)
    this.aborted = [...aborted].sort((a, b) => a.first - b.first)
    let expected = from
    for (const { base, last } of batches) {
      if (last < expected || (expected > from && base < expected))
        throw damagedRecords(`${topic}/${partition}`, `a batch from offset ${base} to ${last} follows offset ${expected - 1}`)
      expected = last + 1
    }
    const last = batches.at(-1)
    // Brokers send the first batch whole, however large it is.
    if (!last && alone && length > 0) throw damagedRecords(`${topic}/${partition}`, `the batch at offset ${from} was cut off`)
    if (last) this.after = Math.max(from, last.last + 1)
    else this.after = alone && from < end ? from + 1 : from
    this.enter()
  }

  /** The same from its beginning, for another reader. */
  copy(): Fetched {
    return new Fetched(this.part, this.from, this.alone)
  }

  get isEmpty(): boolean {
    return this.walk.isOver && this.at === this.part.batches.length
  }

  /** The next committed record, or undefined. Errors: KAFKA_RECORDS_DAMAGED. */
  record(): CommittedRecord | undefined {
    if (!this.next()) return undefined
    const { bytes, offset, keyPos, keyLength, valuePos, valueLength } = this.walk
    const key = keyLength < 0 ? null : bytes.subarray(keyPos, keyPos + keyLength)
    const value = valueLength < 0 ? null : bytes.subarray(valuePos, valuePos + valueLength)
    this.enter()
    return { offset, key, value }
  }

  /** Lines of about maxBytes into `buffer`, or into a larger one. Where nothing is left `blocks` is empty and `next` is behind all of it. Errors: KAFKA_RECORDS_DAMAGED. */
  take(maxBytes: number, buffer: Uint8Array): ReadResult {
    const { walk } = this
    let lines = viewOf(buffer)
    const blocks: BlockRange[] = []
    let pos = 0
    let block: BlockRange | undefined
    while ((pos < maxBytes || !block) && this.next()) {
      const needed = pos + Math.max(0, walk.valueLength) + 1 + ROOM_BYTES
      // For all that follows: room for one line at a time would copy all lines before it for each.
      if (lines.length < needed) lines = grown(lines, pos, Math.max(needed, Math.min(maxBytes, pos + this.bytesLeft) + 2 * ROOM_BYTES))
      if (block?.baseOffset !== walk.offset - (block?.count ?? 0))
        blocks.push((block = { baseOffset: walk.offset, count: 0, pos, length: 0 }))
      pos = writeLine(lines, pos, walk)
      block!.count++
      block!.length = pos - block!.pos
      this.enter()
    }
    if (lines.length < pos + ROOM_BYTES) lines = grown(lines, pos, pos + ROOM_BYTES)
    return { bytes: lines, blocks, next: this.isEmpty ? this.after : this.position }
  }

  /** Goes on to the next committed record from `from` on, if there is one. */
  private next(): boolean {
    while (!this.walk.isOver) {
      this.walk.next()
      this.position = Math.max(this.from, this.walk.offset + 1)
      if (this.walk.offset >= this.from) return true
      this.enter()
    }
    return false
  }

  /** At the end of a batch, goes on to the next that has committed records. */
  private enter(): void {
    const { batches } = this.part
    while (this.walk.isOver && this.at < batches.length) {
      const batch = batches[this.at++]
      if (this.isCommitted(batch)) this.walk.enter(batch)
    }
  }

  private isCommitted(batch: RecordBatch): boolean {
    const { aborted, aborting, walk } = this
    while (aborted.length > 0 && aborted[0].first <= batch.last) aborting.add(aborted.shift()!.producerId)
    if (!batch.isControl) return !(batch.isTransactional && aborting.has(batch.producerId))
    if (batch.count === 0) return false
    // Its first record's key: version and type of the marker, 16 bits each.
    walk.enter({ ...batch, count: 1 })
    walk.next()
    if (walk.keyLength >= 4 && walk.bytes.readInt16BE(walk.keyPos + 2) === ABORT_MARKER) aborting.delete(batch.producerId)
    return false
  }

  /** At most, of what was not taken yet. */
  private get bytesLeft(): number {
    return this.part.batches.slice(Math.max(0, this.at - 1)).reduce((sum, { pos, end }) => sum + end - pos, 0)
  }
}

const viewOf = ({ buffer, byteOffset, length }: Uint8Array) => Buffer.from(buffer, byteOffset, length)

function grown(lines: Buffer, used: number, length: number): Buffer {
  const larger = viewOf(new Uint8Array(length))
  lines.copy(larger, 0, 0, used)
  return larger
}

function writeLine(lines: Buffer, pos: number, { bytes, valuePos, valueLength }: RecordWalk): number {
  const end = pos + Math.max(0, valueLength)
  if (valueLength > 0) bytes.copy(lines, pos, valuePos, valuePos + valueLength)
  lines[end] = NEWLINE
  if (lines.indexOf(NEWLINE, pos) < end) for (let i = pos; i < end; i++) if (lines[i] === NEWLINE || lines[i] === RETURN) lines[i] = BLANK
  return end + 1
}
