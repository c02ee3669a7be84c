// What one fetch returned of one partition, as blocks of lines: committed records only, each a line. Owns the filter of aborted transactions.
//
// 1. Control records take an offset and are no records; those of an aborted transaction lie between its first offset and its marker.
// 2. A record is one line, whatever it holds: line breaks in it (a foreign producer's pretty JSON) become blanks, nothing becomes an empty line,
//    which is no event, and is told apart as such by whoever reads it.
// 3. `next` is behind the last whole batch, also where nothing of it is left (compaction) or shown.
import type { BlockRange, ReadResult } from '../../engine/log/contract.ts'

export interface FetchedMessage {
  offset: string
  key: Buffer | null
  value: Buffer | null
  isControlRecord?: boolean
  batchContext?: { firstOffset: string; lastOffsetDelta: number; producerId: string; inTransaction: boolean }
}

/** As kafkajs decodes it. */
export interface FetchedPartition {
  partition: number
  highWatermark: string
  lastStableOffset: string
  lastStartOffset?: string
  abortedTransactions?: { producerId: string; firstOffset: string }[]
  messages: FetchedMessage[]
}

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
  private readonly messages: readonly FetchedMessage[]
  private readonly aborted: { producerId: string; first: number }[]
  private readonly aborting = new Set<string>()
  private at = 0

  /** `alone`: no other partition was asked for, so that nothing returned means that nothing is left of the batch at `from`. */
  constructor(part: FetchedPartition, from: number, alone: boolean) {
    this.from = from
    this.part = part
    this.alone = alone
    this.messages = part.messages
    this.end = Number(part.lastStableOffset)
    this.start = Number(part.lastStartOffset ?? 0)
    this.aborted = (part.abortedTransactions ?? [])
      .map(({ producerId, firstOffset }) => ({ producerId, first: Number(firstOffset) }))
      .sort((a, b) => a.first - b.first)
    const last = part.messages.at(-1)
    if (!last) this.after = alone && from < this.end ? from + 1 : from
    else {
      const { batchContext: batch } = last
      const inBatch = batch ? Number(batch.firstOffset) + batch.lastOffsetDelta : 0
      this.after = Math.max(from, inBatch + 1, Number(last.offset) + 1)
    }
  }

  /** The same from its beginning, for another reader. */
  copy(): Fetched {
    return new Fetched(this.part, this.from, this.alone)
  }

  get isEmpty(): boolean {
    return this.at === this.messages.length
  }

  /** The next committed record, or undefined. */
  record(): CommittedRecord | undefined {
    while (this.at < this.messages.length) {
      const message = this.messages[this.at++]
      const offset = Number(message.offset)
      if (this.isCommitted(message, offset) && offset >= this.from) return { offset, key: message.key, value: message.value }
    }
    return undefined
  }

  /** Lines of about maxBytes into `buffer`, or into a larger one. Where nothing is left `blocks` is empty and `next` is behind all of it. */
  take(maxBytes: number, buffer: Uint8Array): ReadResult {
    const first = this.at
    const chosen: number[] = []
    let bytes = 0
    while (this.at < this.messages.length && (bytes < maxBytes || chosen.length === 0)) {
      const message = this.messages[this.at]
      const offset = Number(message.offset)
      if (this.isCommitted(message, offset) && offset >= this.from) {
        chosen.push(this.at, offset)
        bytes += (message.value?.length ?? 0) + 1
      }
      this.at++
    }
    const out = buffer.length >= bytes + ROOM_BYTES ? buffer : new Uint8Array(bytes + ROOM_BYTES)
    const lines = Buffer.from(out.buffer, out.byteOffset, out.length)
    const blocks: BlockRange[] = []
    let pos = 0
    let block: BlockRange | undefined
    for (let i = 0; i < chosen.length; i += 2) {
      const offset = chosen[i + 1]
      if (!block || block.baseOffset + block.count !== offset) blocks.push((block = { baseOffset: offset, count: 0, pos, length: 0 }))
      pos = writeLine(lines, pos, this.messages[chosen[i]].value)
      block.count++
      block.length = pos - block.pos
    }
    const next = this.isEmpty ? this.after : this.at > first ? Number(this.messages[this.at - 1].offset) + 1 : this.from
    return { bytes: out, blocks, next }
  }

  private isCommitted({ key, isControlRecord, batchContext }: FetchedMessage, offset: number): boolean {
    if (!batchContext) return true
    const { aborted, aborting } = this
    while (aborted.length > 0 && aborted[0].first <= offset) aborting.add(aborted.shift()!.producerId)
    if (isControlRecord) {
      // Key: version and type of the marker, 16 bits each.
      if (key && key.length >= 4 && key.readInt16BE(2) === ABORT_MARKER) aborting.delete(batchContext.producerId)
      return false
    }
    return !(batchContext.inTransaction && aborting.has(batchContext.producerId))
  }
}

function writeLine(lines: Buffer, pos: number, value: Buffer | null): number {
  let end = pos
  if (value) {
    end += value.copy(lines, pos)
    if (value.includes(NEWLINE)) for (let i = pos; i < end; i++) if (lines[i] === NEWLINE || lines[i] === RETURN) lines[i] = BLANK
  }
  lines[end] = NEWLINE
  return end + 1
}
