// Bytes of a stream become batches of records, each with how far it has come: what an import commits. Owns the reading of lines (format, cutting,
// door) and the receipt's figures; claims and commits nothing, so that it runs on any thread.
// 1. A stream is known by the 128-bit hash of its first megabyte, with the org and the format given for it: the answer to 'again or another?'.
//    A generator's is known by a name instead. The receipt also holds a checksum of all that was read: a stream that begins alike and is
//    another one (a mended file, a line corrected in its middle) is refused, or read from its start, never gone on with.
// 2. A receipt's `to` is behind a newline. A last line without one is read too, and kept apart: when the stream has grown it is passed over where it
//    is the same, and read again where nothing of it was accepted.
// 3. What was read of a stream that fails is given out before the failure is thrown on.
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { EngineError } from '../../engine/errors.ts'
import type { LogReceipt } from '../../engine/log/contract.ts'
import { Door, type PartitionRecords, type RejectedLine } from '../../model/door.ts'
import { LineCutter, type Lines } from '../../model/line-cutter.ts'
import { type OpenLine, OpenLineCheck } from './open-line.ts'
import {
  convertWebLog,
  formatOf,
  type LineFormat,
  noWebLogCounts,
  type Skippable,
  WEB_ORG,
  WEB_PRODUCT,
  type WebLogCounts,
} from './web-log.ts'

export interface LineOptions {
  /** For lines without orgId. */
  org?: string
  /** Told by the first lines where it is not given. */
  format?: LineFormat
  /** Of a web log: the productId of its lines, and what is left out of it. */
  product?: string
  skip?: readonly Skippable[]
  /** Identifies the stream in place of its first megabyte; of JSON lines. */
  name?: string
}

export interface ImportReceipt extends LogReceipt {
  lines: number
  accepted: number
  rejected: number
  /** The stream was read to its end. */
  complete: boolean
  /** CRC-32 of the stream's bytes before `to`. */
  crc: number
  /** Of a web log. */
  web?: WebLogCounts
  /** The line behind `to`, without a newline so far; it is in all the figures. `before` it they were these. */
  open?: OpenLine & { accepted: number; before: { lines: number; web?: WebLogCounts } }
}

/** A line that was rejected: its number in the stream (from 1), its bytes, why. */
export type Reject = readonly [line: number, bytes: Uint8Array, reason: RejectedLine]

export interface DecodedBatch {
  records: PartitionRecords[]
  rejects: Reject[]
  /** All of the stream up to here, earlier runs included. */
  receipt: Omit<ImportReceipt, 'epoch'>
}

export interface Decoding {
  /** What the stream is claimed by. */
  name(): Promise<string>
  /** From where `last` stopped. Rejects with INPUT_CHANGED, and what the stream rejects with. */
  batches(last: ImportReceipt | undefined): AsyncIterable<DecodedBatch>
  /** The batch's records are committed: their bytes are filled again. */
  give(batch: DecodedBatch): void
}

export interface DecodingOptions extends LineOptions {
  partitions: number
  nowMs: () => number
  signal?: AbortSignal
}

const DIGEST_BYTES = 1 << 20
/** A batch is about as large: lines, before the door adds to them. */
export const BATCH_BYTES = 4 << 20
/** A slow stream's lines wait at most this long for others, once the next chunk is there. */
const BATCH_MS = 100

/** Decodes on this thread; a chunk is read until the next one is asked for. */
export class StreamDecoding implements Decoding {
  private readonly options: DecodingOptions
  private readonly iterator: AsyncIterator<Uint8Array>
  private readonly first: Uint8Array[] = []
  private format: LineFormat = 'jsonl'
  private run: LineRun | undefined
  private ended = false
  private failure: unknown

  constructor(stream: AsyncIterable<Uint8Array>, options: DecodingOptions) {
    this.iterator = stream[Symbol.asyncIterator]()
    this.options = options
  }

  async name(): Promise<string> {
    const { org, name, product, skip } = this.options
    const hash = createHash('sha256').update(`${org ?? ''}\0`)
    if (name !== undefined) return hash.update(`\0${name}`).digest('hex').slice(0, 32)
    for (let size = 0; size < DIGEST_BYTES; ) {
      const chunk = await this.next()
      if (!chunk) break
      size += chunk.length
      this.first.push(new Uint8Array(chunk))
    }
    const head = Buffer.concat(this.first).subarray(0, DIGEST_BYTES)
    this.format = this.options.format ?? formatOf(head)
    // Another product, or other lines left out, is another import.
    if (this.format === 'combined') hash.update(`${JSON.stringify(['combined', product ?? WEB_PRODUCT, [...(skip ?? [])].sort()])}\0`)
    return hash.update(head).digest('hex').slice(0, 32)
  }

  async *batches(last: ImportReceipt | undefined): AsyncGenerator<DecodedBatch> {
    const { signal } = this.options
    const run = (this.run = new LineRun(last, this.format, this.options))
    const parts = function* (chunk: Uint8Array) {
      for (const part of run.passOver(chunk)) {
        run.cut(part)
        if (run.isDue) yield run.take(false)
      }
    }
    for (const chunk of this.first.splice(0)) yield* parts(chunk)
    for (let chunk: Uint8Array | undefined; !signal?.aborted && (chunk = await this.next()); ) yield* parts(chunk)
    if (this.ended) run.end()
    if (!run.isKnown) yield run.take(this.ended)
    if (this.failure !== undefined) throw this.failure
  }

  give({ records }: DecodedBatch): void {
    this.run?.door.give(records)
  }

  /** The next chunk; a failure of the stream is kept for later. */
  private async next(): Promise<Uint8Array | undefined> {
    if (this.ended || this.failure !== undefined) return undefined
    try {
      const { value, done } = await this.iterator.next()
      if (!done) return value as Uint8Array
      this.ended = true
    } catch (error) {
      this.failure = error ?? new Error('the stream failed without a reason')
    }
    return undefined
  }
}

const NEWLINE = 10
const GREW = {
  code: 'LINE_GREW',
  message: 'this line had no newline when it was imported, and was an event as it was: what it has grown by is left out',
} as const

const changed = () =>
  new EngineError(
    'INPUT_CHANGED',
    'what was imported before begins alike and is not the same further on',
    'Import it as a file: that is then read from its start, and events that were imported before count once.',
  )

/** One run over the lines of a stream. */
class LineRun {
  readonly door: Door
  /** Where an earlier run stopped. */
  private readonly last: ImportReceipt | undefined
  private readonly options: DecodingOptions
  private readonly cutter: LineCutter
  private readonly counts: { lines: number; accepted: number; rejected: number }
  private readonly web: WebLogCounts | undefined
  private rejects: Reject[] = []
  /** Bytes of the stream that an earlier run read. */
  private readonly skip: number
  private read: number
  /** CRC-32 of the stream before `read`, and of all of it that was seen. */
  private readCrc: number
  private seenCrc = 0
  private seen = 0
  private isBegun = false
  /** The stream's last line, where it has no newline; that of an earlier run until it has been seen again. */
  private open: ImportReceipt['open']
  private check: OpenLineCheck | undefined
  /** CRC-32 of what is behind the last newline. */
  private lineCrc = 0
  private waiting = 0
  private takenMs: number

  constructor(last: ImportReceipt | undefined, format: LineFormat, options: DecodingOptions) {
    this.last = last
    this.options = options
    const { partitions, nowMs } = options
    this.door = new Door({ partitions, org: options.org ?? (format === 'combined' ? WEB_ORG : undefined) })
    this.skip = last?.to ?? 0
    this.open = last?.open
    this.check = last?.open && new OpenLineCheck(last.open)
    this.read = this.skip
    this.readCrc = last?.crc ?? 0
    this.cutter = new LineCutter(this.skip)
    this.counts = { lines: last?.lines ?? 0, accepted: last?.accepted ?? 0, rejected: last?.rejected ?? 0 }
    if (format === 'combined') this.web = { ...noWebLogCounts(), ...last?.web }
    this.takenMs = nowMs()
  }

  get isDue(): boolean {
    return this.waiting >= BATCH_BYTES || (this.waiting > 0 && this.options.nowMs() - this.takenMs >= BATCH_MS)
  }

  /** An earlier run had read it all, and there is nothing more. */
  get isKnown(): boolean {
    return this.last?.complete === true && this.last.to === this.read && this.last.open === this.open
  }

  /** What of the chunk no earlier run has read, large chunks in parts, so that a batch holds about BATCH_BYTES. */
  *passOver(chunk: Uint8Array): Generator<Uint8Array> {
    const passed = Math.min(this.skip - this.seen, chunk.length)
    if (passed > 0) {
      this.seenCrc = crc32(chunk.subarray(0, passed), this.seenCrc)
      this.seen += passed
      if (passed === chunk.length) return
    }
    this.begin()
    for (let at = Math.max(0, passed); at < chunk.length; at += BATCH_BYTES) yield chunk.subarray(at, at + BATCH_BYTES)
  }

  cut(part: Uint8Array): void {
    if (this.check?.see(part)) throw changed()
    const lines = this.cutter.push(part)
    this.seen += part.length
    const behindLast = part.length - (this.seen - lines.endOffset)
    if (behindLast > 0) this.readCrc = this.seenCrc = crc32(part.subarray(0, behindLast), this.seenCrc)
    const rest = part.subarray(Math.max(0, behindLast))
    this.seenCrc = crc32(rest, this.seenCrc)
    this.lineCrc = crc32(rest, behindLast > 0 ? 0 : this.lineCrc)
    this.accept(this.withoutKnown(lines))
    this.read = lines.endOffset
  }

  /** The stream has come to its end. */
  end(): void {
    this.begin()
    const { check } = this
    if (check?.isOther) throw changed()
    if (check && !check.hasGrown) return
    const { accepted } = this.counts
    const bytes = this.seen - this.read
    if (bytes === 0) return
    const lines = this.withoutKnown(this.cutter.end())
    const before = this.open?.accepted ? this.open.before : { lines: this.counts.lines, ...(this.web ? { web: { ...this.web } } : {}) }
    this.accept(lines)
    this.open = { bytes, crc: this.lineCrc, accepted: (this.open?.accepted ?? 0) + this.counts.accepted - accepted, before }
  }

  /** What was accepted of a line before its newline came is not accepted again; a line of which nothing was is read as if it were new. */
  private withoutKnown(lines: Lines): Lines {
    const { check, open } = this
    if (!check || !open || lines.length === 0) return lines
    this.check = undefined
    this.open = undefined
    const { bytes, pos, length } = lines
    if (open.accepted === 0 && check.hasGrown) {
      this.counts.lines = open.before.lines
      if (this.web) Object.assign(this.web, open.before.web)
      return lines
    }
    const behind = bytes.indexOf(NEWLINE, pos) + 1
    if (check.hasGrown) {
      this.rejects.push([open.before.lines + 1, bytes.slice(pos, behind), { line: 0, pos: 0, length: behind - pos, ...GREW }])
      this.counts.rejected++
      this.waiting += behind - pos
      if (!check.isEnded) this.open = open
    }
    return { ...lines, pos: behind, length: length - (behind - pos) }
  }

  take(complete: boolean): DecodedBatch {
    const { counts, rejects, read, readCrc, web, open } = this
    this.rejects = []
    this.waiting = 0
    this.takenMs = this.options.nowMs()
    return {
      records: this.door.take(),
      rejects,
      receipt: { to: read, ...counts, complete, crc: readCrc, ...(web ? { web: { ...web } } : {}), ...(open ? { open } : {}) },
    }
  }

  /** What an earlier run read has been passed over. Throws INPUT_CHANGED. */
  private begin(): void {
    if (this.isBegun) return
    this.isBegun = true
    if (this.seen < this.skip || this.seenCrc !== this.readCrc) throw changed()
  }

  private accept({ bytes, pos, length }: Lines): void {
    if (length === 0) return
    if (this.web) this.acceptWebLog(bytes, pos, length, this.web)
    else {
      const { lines, accepted, rejected } = this.door.accept(bytes, pos, length, this.options.nowMs())
      for (const reason of rejected) this.reject(bytes, reason)
      this.count(lines, accepted, rejected.length)
    }
    this.waiting += length
  }

  private acceptWebLog(bytes: Uint8Array, pos: number, length: number, counts: WebLogCounts): void {
    const { product = WEB_PRODUCT, skip = [] } = this.options
    const converted = convertWebLog(bytes, pos, length, { product, skip }, counts)
    const { lines, accepted, rejected } = this.door.accept(converted.bytes, 0, converted.length, this.options.nowMs())
    // The door saw what was made of the line; its reader has the line.
    const own = rejected.map((reason) => ({
      ...reason,
      pos: converted.places[reason.line * 2],
      length: converted.places[reason.line * 2 + 1],
    }))
    const all = [...converted.rejected, ...own].sort((a, b) => a.line - b.line)
    for (const reason of all) this.reject(bytes, reason)
    this.count(lines, accepted, all.length)
  }

  private reject(bytes: Uint8Array, reason: RejectedLine): void {
    this.rejects.push([this.counts.lines + reason.line + 1, bytes.slice(reason.pos, reason.pos + reason.length), reason])
  }

  private count(lines: number, accepted: number, rejected: number): void {
    this.counts.lines += lines
    this.counts.accepted += accepted
    this.counts.rejected += rejected
  }
}
