// The importer: a task over a stream of lines. Its input is the stream, its receipt is how far it has been read (protocol 6, 7).
//
// Owns the commits to `events.raw`; what the lines are is line-decoder's. Progress is durable with the records: the same stream given again
// goes on where it stopped, and one that was read to its end adds nothing.
// 1. One commit is in flight while the next batch is decoded (protocol 8).
// 2. What was read of a stream that fails is kept: it is committed before the failure is thrown on.
import type { Log, OutputBlock } from '../../engine/log/contract.ts'
import type { RejectedLine } from '../../model/door.ts'
import { type DecodedBatch, type Decoding, type ImportReceipt, type LineOptions, StreamDecoding } from './line-decoder.ts'
import { type Patience, patientClaim } from './patient-claim.ts'
import type { WebLogCounts } from './web-log.ts'

export interface ImportProgress {
  lines: number
  /** Bytes of the stream (decompressed) read so far, those of earlier runs included. */
  bytes: number
  accepted: number
  rejected: number
  web?: WebLogCounts
}

/** Who hears of an import. */
export interface ImportListener {
  /** Rejected lines: the number of the line in the stream (from 1), the line's bytes, why. */
  onReject(line: number, bytes: Uint8Array, reason: RejectedLine): void
  /** Called once before the first new line, with what earlier runs did, and with each commit just before it: rejects up to here have been told. */
  onProgress?(progress: ImportProgress): void
}

/** Where the records go. */
export interface ImportTarget extends Partial<Patience> {
  log: Log
  lineage: string
  topic: string
  partitions: number
  nowMs: () => number
}

export interface ImportOptions extends ImportTarget, ImportListener, LineOptions {
  /** From the stream's start, whatever an earlier run read of one that begins alike: after INPUT_CHANGED. */
  again?: boolean
}

export interface ImportResult {
  lines: number
  accepted: number
  rejected: number
  /** Events that an earlier run of the same import had accepted already; part of `accepted`. */
  before: number
  /** The stream was read to its end; false where the signal came first. */
  complete: boolean
  /** Of a web log: what was seen in it. */
  web?: WebLogCounts
}

export type ImportClaim = Awaited<ReturnType<typeof patientClaim<ImportReceipt>>>

/** Reads the stream to its end into the log; a chunk is read until the next one is asked for. Errors: INPUT_CHANGED; what the stream and the log reject with; the receipts say where to go on. */
export async function importLines(stream: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<ImportResult> {
  const decoding = new StreamDecoding(stream, options)
  const claim = await claimImport(await decoding.name(), options)
  return appendDecoded(decoding, claim, options)
}

export const claimImport = (name: string, { log, lineage, patienceMs = 0, ...patience }: ImportTarget): Promise<ImportClaim> =>
  patientClaim<ImportReceipt>(log, `import.${lineage}.${name}`, { ...patience, patienceMs })

/** Commits the batches in their order, and ends the claim. */
export async function appendDecoded(
  decoding: Pick<Decoding, 'batches' | 'give'>,
  claim: ImportClaim,
  { topic, again, onReject, onProgress }: Pick<ImportTarget, 'topic'> & ImportListener & { again?: boolean },
): Promise<ImportResult> {
  const last = again ? undefined : claim.last
  let epoch = claim.last?.epoch ?? 0
  let receipt: DecodedBatch['receipt'] = last ?? { to: 0, lines: 0, accepted: 0, rejected: 0, complete: false, crc: 0 }
  let committing: Promise<void> = Promise.resolve()
  const tell = () => {
    const { to: bytes, lines, accepted, rejected, web } = receipt
    onProgress?.({ bytes, lines, accepted, rejected, ...(web ? { web } : {}) })
  }
  const commit = async (batch: DecodedBatch) => {
    for (const reject of batch.rejects) onReject(...reject)
    receipt = batch.receipt
    const outputs: OutputBlock[] = batch.records.map(({ partition, count, bytes }) => ({ topic, partition, count, bytes }))
    await committing
    tell()
    epoch++
    committing = claim.commit({ outputs, receipt: { epoch, ...receipt }, release: { receiptsThrough: epoch - 1, inputBefore: 0 } })
    committing.then(
      () => decoding.give(batch),
      () => undefined,
    )
  }

  const batches = decoding.batches(last)[Symbol.asyncIterator]()
  let isBegun = false
  let failure: unknown
  for (;;) {
    let next: IteratorResult<DecodedBatch>
    try {
      next = await batches.next()
    } catch (error) {
      failure = error ?? new Error('the stream failed without a reason')
      break
    }
    if (!isBegun) tell()
    isBegun = true
    if (next.done) break
    await commit(next.value)
  }
  await committing
  await claim.release()
  if (failure !== undefined) throw failure
  const { lines, accepted, rejected, complete, web } = receipt
  return { lines, accepted, rejected, before: last?.accepted ?? 0, complete, ...(web ? { web } : {}) }
}
