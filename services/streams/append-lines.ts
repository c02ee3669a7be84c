// A stream of lines into a source's topic, once: how far it was read is committed with the records (protocol 6, 7).
//
// 1. A stream is known by its name (a file's path). Given again, it goes on where it was: what was appended to the file since comes in, and nothing twice.
// 2. It is read up to its last newline. A last line without one is taken where it is whole JSON, and kept apart (process/open-line.ts); any other waits,
//    as it may be half of one: a file that is being written ends so. Stdin has an end.
// 3. The receipt holds a checksum of what was read: a file that is another one now is refused (INPUT_CHANGED), never gone on with.
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { EngineError } from '../../engine/errors.ts'
import type { Log, LogReceipt, OutputBlock } from '../../engine/log/contract.ts'
import { EVENT_BYTES_MAX } from '../../model/event.ts'
import { kafkaPartition } from '../../model/hash.ts'
import { LineCutter, type Lines } from '../../model/line-cutter.ts'
import type { SourceNode } from '../../streams/stream.ts'
import { type OpenLine, OpenLineCheck } from '../process/open-line.ts'
import { type Patience, patientClaim } from '../process/patient-claim.ts'

interface AppendReceipt extends LogReceipt {
  crc: number
  records: number
  /** The line behind `to`, which had no newline yet, and is a record. */
  open?: OpenLine
}

export interface AppendOptions extends Partial<Patience> {
  log: Log
  lineage: string
  source: SourceNode
  partitions: number
  /** Undefined for a stream that cannot be given again (stdin). */
  name: string | undefined
  /** On brokers: of the data folder, as several processes have such streams at once; and text is written as it is, as others write it. */
  member?: string
  /** How many records of this run have been read, with each chunk. */
  onProgress?(records: number): void
}

export interface Appended {
  /** In this run, and by earlier ones. */
  records: number
  before: number
  /** Longer than a record may be: left out. */
  tooLong: number
  /** Bytes of a last line that waits for its end. */
  waiting: number
  /** A last line that was taken whole has become a longer one: that is left out. */
  hasGrown: boolean
}

const COMMIT_BYTES = 1 << 20
const NEWLINE = 10

/** Reads to the end, or to the signal. Errors: INPUT_CHANGED; the stream's; the log's. */
export async function appendLines(chunks: AsyncIterable<Uint8Array>, options: AppendOptions): Promise<Appended> {
  const { log, lineage, source, partitions, name, member, patienceMs = 0, signal } = options
  const id = createHash('sha256')
    .update(name ?? '')
    .digest('hex')
    .slice(0, 32)
  const stream = name === undefined ? ['stdin', ...(member === undefined ? [] : [member])].join('.') : id
  const claim = await patientClaim<AppendReceipt>(log, `append.${lineage}.${source.topic}.${stream}`, { ...options, patienceMs })
  const last = name === undefined ? undefined : claim.last
  const skip = last?.to ?? 0
  const cutter = new LineCutter(skip)
  const parts: string[][] = Array.from({ length: partitions }, () => [])
  const appended: Appended = { records: 0, before: last?.records ?? 0, tooLong: 0, waiting: 0, hasGrown: false }
  let epoch = claim.last?.epoch ?? 0
  let seen = 0
  let seenCrc = 0
  let readTo = skip
  let readCrc = last?.crc ?? 0
  let open = last?.open
  let check = open && new OpenLineCheck(open)
  /** CRC-32 of what is behind the last newline. */
  let lineCrc = 0
  let waiting = 0

  const commit = async () => {
    const outputs: OutputBlock[] = []
    for (const [partition, records] of parts.entries()) {
      if (records.length === 0) continue
      outputs.push({ topic: source.topic, partition, count: records.length, bytes: Buffer.from(records.join('')) })
      parts[partition] = []
    }
    waiting = 0
    if (outputs.length === 0 && readTo === skip) return
    const receipt: AppendReceipt = {
      epoch: ++epoch,
      to: readTo,
      crc: readCrc,
      records: appended.before + appended.records,
      ...(open ? { open } : {}),
    }
    await claim.commit({ outputs, receipt, release: { receiptsThrough: epoch - 1, inputBefore: 0 } })
  }
  const take = ({ bytes, pos, length }: { bytes: Uint8Array; pos: number; length: number }) => {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let start = pos; start < pos + length; ) {
      const end = text.indexOf(NEWLINE, start)
      const line = text.toString('utf8', start, end).replace(/\r$/, '')
      const size = end - start
      start = end + 1
      if (size > EVENT_BYTES_MAX) appended.tooLong++
      else if (line.trim() !== '') {
        const record = source.format === 'lines' && member === undefined ? JSON.stringify(line) : line
        parts[partitionOf(source, record, partitions)].push(`${record}\n`)
        appended.records++
        waiting += size
      }
    }
  }
  /** What was taken of a line before its newline came is not taken again. */
  const withoutKnown = (lines: Lines): Lines => {
    if (!check?.isEnded) return lines
    const { bytes, pos, length } = lines
    const behind = bytes.indexOf(NEWLINE, pos) + 1
    appended.hasGrown = check.hasGrown
    open = check = undefined
    return { ...lines, pos: behind, length: length - (behind - pos) }
  }
  const takeLast = () => {
    if (check) {
      if (check.isOther) throw changed()
      appended.hasGrown = check.hasGrown
      return
    }
    const lines = cutter.end()
    const text = Buffer.from(lines.bytes.subarray(lines.pos, lines.pos + lines.length)).toString()
    if (text.trim() === '') return
    if (name !== undefined && !(source.format === 'json' && isWhole(text))) {
      appended.waiting = seen - readTo
      return
    }
    take(lines)
    open = { bytes: seen - readTo, crc: lineCrc }
  }
  const changed = () =>
    new EngineError(
      'INPUT_CHANGED',
      `${name} is not what was read before: its first ${skip} bytes are others now`,
      member === undefined
        ? 'What is new belongs behind what was read. Give another file, or begin anew in another folder (--data).'
        : 'What is new belongs behind what was read; a file is known by its path, whichever process reads it. Give another file.',
    )

  for await (const chunk of chunks) {
    if (signal?.aborted) break
    const passed = Math.min(Math.max(0, skip - seen), chunk.length)
    if (passed > 0) seenCrc = crc32(chunk.subarray(0, passed), seenCrc)
    seen += passed
    if (seen === skip && passed > 0 && seenCrc !== readCrc) throw changed()
    const rest = chunk.subarray(passed)
    for (let at = 0; at < rest.length; at += COMMIT_BYTES) {
      const part = rest.subarray(at, at + COMMIT_BYTES)
      if (check?.see(part)) throw changed()
      const found = cutter.push(part)
      seen += part.length
      const whole = part.length - (seen - found.endOffset)
      if (whole > 0) {
        readCrc = seenCrc = crc32(part.subarray(0, whole), seenCrc)
        readTo = found.endOffset
      }
      const begun = part.subarray(Math.max(0, whole))
      seenCrc = crc32(begun, seenCrc)
      lineCrc = crc32(begun, whole > 0 ? 0 : lineCrc)
      take(withoutKnown(found))
      if (waiting >= COMMIT_BYTES) await commit()
    }
    // Somebody may be waiting for what just came; a file's chunks come at once.
    if (name === undefined && waiting > 0) await commit()
    options.onProgress?.(appended.records)
  }
  if (seen < skip && !signal?.aborted) throw changed()
  if (!signal?.aborted) takeLast()
  await commit()
  await claim.release()
  return appended
}

/** An object or a list: a number could go on. */
function isWhole(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}

/** By the source's key, so that a key is in one partition; of records without one by their content. */
function partitionOf({ key, read, value }: SourceNode, record: string, partitions: number): number {
  if (partitions === 1) return 0
  try {
    return kafkaPartition(Buffer.from(key ? key(read(value(record))) : record), partitions)
  } catch {
    // It will be a dead letter there.
    return 0
  }
}
