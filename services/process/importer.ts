// The importer: a task over a stream of lines. Its input is the stream, its receipt is how far it has been read (protocol 6, 7).
//
// Importer owns the reading, the door and the commits to `events.raw`. Progress is durable with the records: the same stream given again
// goes on where it stopped, and one that was read to its end adds nothing.
// 1. A stream is known by the 128-bit hash of its first megabyte, the org given for it included: the answer to 'again or another?'. A
//    generator's is known by a name instead. The receipt also holds a checksum of all that was read: a stream that begins alike and is
//    another one (a mended file, a line corrected in its middle) is refused, or read from its start, never gone on with.
// 2. One commit is in flight while the next batch is read (protocol 8).
// 3. What was read of a stream that fails is kept: it is committed before the failure is thrown on.
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { EngineError } from '../../engine/errors.ts'
import type { Log, LogReceipt, OutputBlock } from '../../engine/log/contract.ts'
import { Door, type RejectedLine } from '../../model/door.ts'
import { LineCutter } from '../../model/line-cutter.ts'
import { patientClaim } from './patient-claim.ts'

export interface ImportReceipt extends LogReceipt {
  lines: number
  accepted: number
  rejected: number
  /** The stream was read to its end. */
  complete: boolean
  /** CRC-32 of the stream's bytes before `to`. */
  crc: number
}

export interface ImportProgress {
  lines: number
  /** Bytes of the stream (decompressed) read so far, those of earlier runs included. */
  bytes: number
  accepted: number
  rejected: number
}

export interface ImportOptions {
  log: Log
  lineage: string
  topic: string
  partitions: number
  /** For lines without orgId. */
  org?: string
  /** Identifies the stream in place of its first megabyte. */
  name?: string
  /** From the stream's start, whatever an earlier run read of one that begins alike: after INPUT_CHANGED. */
  again?: boolean
  nowMs: () => number
  /** Rejected lines: the number of the line in the stream (from 1), the line's bytes, why. */
  onReject(line: number, bytes: Uint8Array, reason: RejectedLine): void
  /** Called once before the first new line, with what earlier runs did, and with each commit just before it: rejects up to here have been told. */
  onProgress?(progress: ImportProgress): void
  signal?: AbortSignal
  /** How long it waits where the disk is full (0: it fails at once), and who is told. */
  patienceMs?: number
  onWaiting?(error: Error): void
  onResumed?(): void
}

export interface ImportResult {
  lines: number
  accepted: number
  rejected: number
  /** Events that an earlier run of the same import had accepted already; part of `accepted`. */
  before: number
  /** The stream was read to its end; false where the signal came first. */
  complete: boolean
}

const DIGEST_BYTES = 1 << 20
const COMMIT_BYTES = 4 << 20
/** A slow stream's lines wait at most this long for others, once the next chunk is there. */
const COMMIT_MS = 100

/** Reads the stream to its end into the log; a chunk is read until the next one is asked for. Errors: INPUT_CHANGED; what the stream and the log reject with; the receipts say where to go on. */
export async function importLines(stream: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<ImportResult> {
  const chunks = readable(stream)
  const first: Uint8Array[] = []
  if (options.name === undefined)
    for (let size = 0; size < DIGEST_BYTES; ) {
      const chunk = await chunks.next()
      if (!chunk) break
      size += chunk.length
      first.push(chunk.slice())
    }
  const hash = createHash('sha256').update(`${options.org ?? ''}\0`)
  if (options.name === undefined) hash.update(Buffer.concat(first).subarray(0, DIGEST_BYTES))
  else hash.update(`\0${options.name}`)
  const { log, lineage, patienceMs = 0 } = options
  const claim = await patientClaim<ImportReceipt>(log, `import.${lineage}.${hash.digest('hex').slice(0, 32)}`, { ...options, patienceMs })
  const run = new ImportRun(claim, options)
  for (const chunk of first) await run.chunk(chunk)
  first.length = 0
  for (let chunk: Uint8Array | undefined; !options.signal?.aborted && (chunk = await chunks.next()); ) await run.chunk(chunk)
  const complete = chunks.ended
  await run.end(complete)
  await claim.release()
  if (chunks.failure !== undefined) throw chunks.failure
  return { ...run.result, before: run.before, complete }
}

/** The chunks of a stream; a failure of the stream is kept for later. */
function readable(stream: AsyncIterable<Uint8Array>) {
  const iterator = stream[Symbol.asyncIterator]()
  const state = {
    ended: false,
    failure: undefined as unknown,
    async next(): Promise<Uint8Array | undefined> {
      if (state.ended || state.failure !== undefined) return undefined
      try {
        const { value, done } = await iterator.next()
        if (!done) return value as Uint8Array
        state.ended = true
      } catch (error) {
        state.failure = error ?? new Error('the stream failed without a reason')
      }
      return undefined
    },
  }
  return state
}

type ImportClaim = Awaited<ReturnType<typeof patientClaim<ImportReceipt>>>

class ImportRun {
  readonly result: Omit<ImportResult, 'before' | 'complete'>
  private readonly options: ImportOptions
  private readonly claim: ImportClaim
  /** Where an earlier run stopped. */
  private readonly last: ImportReceipt | undefined
  private readonly door: Door
  private readonly cutter: LineCutter
  private epoch: number
  /** Bytes of the stream that an earlier run read. */
  private readonly skip: number
  private read: number
  /** CRC-32 of the stream before `read`, and of all of it that was seen. */
  private readCrc: number
  private seenCrc = 0
  private seen = 0
  private isBegun = false
  private waiting = 0
  private committing: Promise<void> = Promise.resolve()
  private committedMs: number
  /** Accepted by earlier runs. */
  readonly before: number

  constructor(claim: ImportClaim, options: ImportOptions) {
    const last = options.again ? undefined : claim.last
    this.claim = claim
    this.last = last
    this.options = options
    this.door = new Door({ partitions: options.partitions, org: options.org })
    this.epoch = claim.last?.epoch ?? 0
    this.skip = last?.to ?? 0
    this.read = this.skip
    this.readCrc = last?.crc ?? 0
    this.cutter = new LineCutter(this.skip)
    this.result = { lines: last?.lines ?? 0, accepted: last?.accepted ?? 0, rejected: last?.rejected ?? 0 }
    this.before = this.result.accepted
    this.committedMs = options.nowMs()
  }

  async chunk(bytes: Uint8Array): Promise<void> {
    const passed = Math.min(this.skip - this.seen, bytes.length)
    if (passed > 0) {
      this.seenCrc = crc32(bytes.subarray(0, passed), this.seenCrc)
      this.seen += passed
      if (passed === bytes.length) return
    }
    this.begin()
    const rest = bytes.subarray(Math.max(0, passed))
    // Large chunks in parts, so that a commit holds about COMMIT_BYTES.
    for (let at = 0; at < rest.length; at += COMMIT_BYTES) {
      this.cut(rest.subarray(at, at + COMMIT_BYTES))
      const isDue = this.waiting > 0 && this.options.nowMs() - this.committedMs >= COMMIT_MS
      if (this.waiting >= COMMIT_BYTES || isDue) await this.commit(false)
    }
  }

  async end(complete: boolean): Promise<void> {
    if (complete) {
      this.begin()
      this.take(this.cutter.end())
      this.readCrc = this.seenCrc
    }
    const isKnown = this.last?.complete === true && this.last.to === this.read
    if (!isKnown) await this.commit(complete)
    await this.committing
  }

  /** What an earlier run read has been passed over. Throws INPUT_CHANGED. */
  private begin(): void {
    if (this.isBegun) return
    this.isBegun = true
    if (this.seen < this.skip || this.seenCrc !== this.readCrc)
      throw new EngineError(
        'INPUT_CHANGED',
        'what was imported before begins alike and is not the same further on',
        'Import it as a file: that is then read from its start, and events that were imported before count once.',
      )
    this.options.onProgress?.({ bytes: this.read, ...this.result })
  }

  private cut(part: Uint8Array): void {
    const lines = this.cutter.push(part)
    this.seen += part.length
    const behindLast = part.length - (this.seen - lines.endOffset)
    if (behindLast > 0) this.readCrc = this.seenCrc = crc32(part.subarray(0, behindLast), this.seenCrc)
    this.seenCrc = crc32(part.subarray(Math.max(0, behindLast)), this.seenCrc)
    this.take(lines)
  }

  private take({ bytes, pos, length, endOffset }: { bytes: Uint8Array; pos: number; length: number; endOffset: number }): void {
    if (length > 0) {
      const { lines, accepted, rejected } = this.door.accept(bytes, pos, length, this.options.nowMs())
      for (const reason of rejected)
        this.options.onReject(this.result.lines + reason.line + 1, bytes.subarray(reason.pos, reason.pos + reason.length), reason)
      this.result.lines += lines
      this.result.accepted += accepted
      this.result.rejected += rejected.length
      this.waiting += length
    }
    this.read = endOffset
  }

  private async commit(complete: boolean): Promise<void> {
    const { topic, onProgress } = this.options
    const taken = this.door.take()
    const outputs: OutputBlock[] = taken.map(({ partition, count, bytes }) => ({ topic, partition, count, bytes }))
    const receipt: ImportReceipt = { epoch: ++this.epoch, to: this.read, ...this.result, complete, crc: this.readCrc }
    this.waiting = 0
    this.committedMs = this.options.nowMs()
    await this.committing
    onProgress?.({ bytes: this.read, ...this.result })
    this.committing = this.claim.commit({ outputs, receipt, release: { receiptsThrough: this.epoch - 1, inputBefore: 0 } })
    this.committing.then(
      () => this.door.give(taken),
      () => undefined,
    )
  }
}
