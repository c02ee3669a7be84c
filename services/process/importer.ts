// The importer: a task over a stream of lines. Its input is the stream, its receipt is how far it has been read (protocol 6, 7).
//
// Importer owns the reading, the door and the commits to `events.raw`. Progress is durable with the records: the same stream given again
// goes on where it stopped, and one that was read to its end adds nothing.
// 1. A stream is known by the 128-bit hash of its first megabyte, the org given for it included: the answer to 'again or another?'.
// 2. One commit is in flight while the next batch is read (protocol 8).
import { createHash } from 'node:crypto'
import type { Claim, Log, LogReceipt, OutputBlock } from '../../engine/log/contract.ts'
import { Door, type RejectedLine } from '../../model/door.ts'
import { LineCutter } from '../../model/line-cutter.ts'

export interface ImportReceipt extends LogReceipt {
  lines: number
  accepted: number
  rejected: number
  /** The stream was read to its end. */
  complete: boolean
}

export interface ImportProgress {
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
  nowMs: () => number
  /** Rejected lines: the number of the line in the stream (from 1), the line's bytes, why. */
  onReject(line: number, bytes: Uint8Array, reason: RejectedLine): void
  onProgress?(progress: ImportProgress): void
  signal?: AbortSignal
}

export interface ImportResult {
  lines: number
  accepted: number
  rejected: number
  /** Events that an earlier run of the same import had accepted already; part of `accepted`. */
  before: number
}

const DIGEST_BYTES = 1 << 20
const COMMIT_BYTES = 4 << 20

/** Reads the stream to its end into the log. Errors: what the stream and the log reject with; the receipts say where to go on. */
export async function importLines(stream: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<ImportResult> {
  const chunks = stream[Symbol.asyncIterator]()
  const first: Uint8Array[] = []
  let size = 0
  let ended = false
  while (size < DIGEST_BYTES && !ended) {
    const { value, done } = await chunks.next()
    if (done) ended = true
    else {
      first.push(value)
      size += value.length
    }
  }
  const digest = createHash('sha256')
    .update(`${options.org ?? ''}\0`)
    .update(Buffer.concat(first).subarray(0, DIGEST_BYTES))
    .digest('hex')
    .slice(0, 32)
  const claim = await options.log.claim<ImportReceipt>(`import.${options.lineage}.${digest}`)
  const last = claim.last
  if (last?.complete) {
    await claim.release()
    return { lines: last.lines, accepted: last.accepted, rejected: last.rejected, before: last.accepted }
  }
  const run = new ImportRun(claim, options, last)
  for (const chunk of first) await run.chunk(chunk)
  first.length = 0
  while (!ended && !options.signal?.aborted) {
    const { value, done } = await chunks.next()
    if (done) ended = true
    else await run.chunk(value)
  }
  await run.end(ended)
  await claim.release()
  return { ...run.result, before: last?.accepted ?? 0 }
}

class ImportRun {
  readonly result: Omit<ImportResult, 'before'>
  private readonly options: ImportOptions
  private readonly claim: Claim<ImportReceipt>
  private readonly door: Door
  private readonly cutter: LineCutter
  private epoch: number
  /** Bytes of the stream still to be passed over: an earlier run's. */
  private skip: number
  private read: number
  private waiting = 0
  private committing: Promise<void> = Promise.resolve()

  constructor(claim: Claim<ImportReceipt>, options: ImportOptions, last: ImportReceipt | undefined) {
    this.claim = claim
    this.options = options
    this.door = new Door({ partitions: options.partitions, org: options.org })
    this.epoch = last?.epoch ?? 0
    this.skip = last?.to ?? 0
    this.read = this.skip
    this.cutter = new LineCutter(this.skip)
    this.result = { lines: last?.lines ?? 0, accepted: last?.accepted ?? 0, rejected: last?.rejected ?? 0 }
  }

  async chunk(bytes: Uint8Array): Promise<void> {
    if (this.skip >= bytes.length) {
      this.skip -= bytes.length
      return
    }
    const rest = this.skip > 0 ? bytes.subarray(this.skip) : bytes
    this.skip = 0
    // Large chunks in parts, so that a commit holds about COMMIT_BYTES.
    for (let at = 0; at < rest.length; at += COMMIT_BYTES) {
      this.take(this.cutter.push(rest.subarray(at, at + COMMIT_BYTES)))
      if (this.waiting >= COMMIT_BYTES) await this.commit(false)
    }
  }

  async end(complete: boolean): Promise<void> {
    if (complete) this.take(this.cutter.end())
    await this.commit(complete)
    await this.committing
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
    const outputs: OutputBlock[] = this.door.take().map(({ partition, count, bytes }) => ({ topic, partition, count, bytes }))
    const receipt: ImportReceipt = { epoch: ++this.epoch, to: this.read, ...this.result, complete }
    this.waiting = 0
    await this.committing
    this.committing = this.claim.commit({ outputs, receipt, release: { receiptsThrough: this.epoch - 1, inputBefore: 0 } })
    this.committing.catch(() => undefined)
    onProgress?.({ bytes: receipt.to, accepted: receipt.accepted, rejected: receipt.rejected })
  }
}
