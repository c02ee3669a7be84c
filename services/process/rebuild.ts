// What came into one data folder, put into another as it came: the beginning of a new lineage, whose output is computed anew by this version
// (protocol 33). The folder that is read is locked, and its log brought in order as at any start; nothing of it is given up or changed.
//
// Progress is in the receipts of the new folder: a rebuild that was broken off goes on where it stopped, each record once.
//
// On Kafka somebody may have grown events.raw since the folder was made: a product's later records may then lie in another partition than those of before.
// These are copied first: an event that came behind later ones would be late.
import type { Config } from '../../config/index.ts'
import type { LogReceipt, OutputBlock, ReadResult, TopicPartition } from '../../engine/log/contract.ts'
import { Door } from '../../model/door.ts'
import { kafkaPartition } from '../../model/hash.ts'
import { TOPICS } from '../../model/rows.ts'
import { SLACK } from '../../model/scan-plain.ts'
import { folderMeta } from './data-folder.ts'
import type { ImportTarget } from './importer.ts'
import { patientClaim } from './patient-claim.ts'
import { receivedAt } from './received-at.ts'
import { type Source, withSource } from './stopped-source.ts'

export interface RebuildResult {
  /** Put into the new folder by this run. */
  records: number
  /** By an earlier run that was broken off. */
  before: number
  /** Records that the old log no longer has: retention deleted them. */
  missing: number
  /** Where a time was given: those in the new folder that do not say when they were received, and so are in it; by this run and earlier ones. */
  undated: number
}

const READ_BYTES = 4 << 20

/**
 * Copies the accepted events of the data folder `from`, those received at `sinceMs` or later. Durable when it resolves, not yet processed. The target may have
 * another number of partitions: an organisation's product is in one of either, so the order of its events stays. Errors: those of the lock and of both logs.
 */
export async function rebuild(
  from: string,
  target: ImportTarget & { config: Config },
  onProgress?: (records: number) => void,
  sinceMs = Number.NEGATIVE_INFINITY,
): Promise<RebuildResult> {
  const { partitions: known } = folderMeta(from)
  return withSource(from, target.config, async (log) => {
    const result: RebuildResult = { records: 0, before: 0, missing: 0, undated: 0 }
    const { topic, partitions: wanted } = target
    const placed = known === wanted && log.partitions === wanted ? undefined : new Door({ partitions: wanted })
    const parts = rawParts(topic, known, log.partitions, (lines, at) => place(lines, at, placed, wanted))
    // The last partition of late events is the door's own: nothing computes them again.
    const late = { topic: TOPICS.late, partition: known }
    const keep = ({ count, bytes }: Lines): OutputBlock[] => [{ topic: TOPICS.late, partition: wanted, count, bytes }]
    parts.push({ at: late, name: `${late.topic}.${late.partition}`, outputsOf: keep })
    for (const part of parts) await copy(log, part, target, result, sinceMs, onProgress)
    return result
  })
}

/** What is copied from one partition. */
interface Part {
  at: TopicPartition
  /** Of its receipts. */
  name: string
  /** Which records; default: all. */
  takes?: (line: string) => boolean
  /** The partition is read once more. */
  isAgain?: boolean
  outputsOf(lines: Lines): OutputBlock[]
}

/** Of all partitions that there are; where those are more than were `known`, a product's records of before come before those in its new partition. */
function rawParts(topic: string, known: number, all: number, outputsOf: (lines: Lines, at: TopicPartition) => OutputBlock[]): Part[] {
  const parts = Array.from({ length: all }, (_, partition): Part => {
    const at = { topic, partition }
    return { at, name: `${topic}.${partition}`, outputsOf: (lines) => outputsOf(lines, at) }
  })
  if (all <= known) return parts
  const isMoved = (line: string, { partition }: TopicPartition) => (partitionOf(line, known) ?? partition) !== partition
  const before = parts.slice(0, known)
  return [
    ...before.map((part): Part => ({ ...part, takes: (line) => !isMoved(line, part.at) })),
    ...before.map((part): Part => ({ ...part, name: `moved.${part.name}`, takes: (line) => isMoved(line, part.at), isAgain: true })),
    ...parts.slice(known),
  ]
}

/** Where Kafka's default partitioner puts an event; undefined for what is none. */
function partitionOf(line: string, partitions: number): number | undefined {
  try {
    const { orgId, productId } = JSON.parse(line) as { orgId: string; productId: string }
    return kafkaPartition(Buffer.from(`${orgId}:${productId}`), partitions)
  } catch {
    return undefined
  }
}

/** Records, each ended by a newline. */
interface Lines {
  count: number
  bytes: Uint8Array
  /** Of those chosen by time: such as say none. */
  undated: number
}

async function copy(
  from: Source,
  { at, name, takes, isAgain = false, outputsOf }: Part,
  { log, lineage, patienceMs = 0, ...patience }: ImportTarget,
  result: RebuildResult,
  sinceMs: number,
  onProgress: ((records: number) => void) | undefined,
): Promise<void> {
  const { start, end } = await from.bounds(at)
  const claim = await patientClaim<RebuildReceipt>(log, `rebuild.${lineage}.${name}`, { ...patience, patienceMs })
  const reader = from.reader(at)
  let { epoch, copied = 0, undated = 0 } = claim.last ?? { epoch: 0 }
  let next = Math.max(start, claim.last?.to ?? 0, sinceMs > 0 ? (from.since?.(at, sinceMs) ?? 0) : 0)
  if (!isAgain) result.missing += start
  result.before += copied
  result.undated += undated
  try {
    while (next < end && !patience.signal?.aborted) {
      const read = await reader.read(next, READ_BYTES)
      if (read.blocks.length === 0) break
      // Whole blocks, from the beginning on: a receipt never ends in one.
      const lines = linesOf(read, sinceMs, takes)
      const count = lines.reduce((sum, { count }) => sum + count, 0)
      const without = lines.reduce((sum, { undated }) => sum + undated, 0)
      epoch++
      copied += count
      undated += without
      await claim.commit({
        outputs: lines.flatMap(outputsOf),
        receipt: { epoch, to: read.next, copied, ...(undated > 0 && { undated }) },
        release: { receiptsThrough: epoch - 1, inputBefore: 0 },
      })
      result.records += count
      result.undated += without
      next = read.next
      onProgress?.(result.records)
    }
  } finally {
    reader.close()
  }
  await claim.release()
}

interface RebuildReceipt extends LogReceipt {
  /** Records, by all runs. */
  copied?: number
  /** Of these. */
  undated?: number
}

/** The records of each block that were received then or later, and are to be taken; copies. */
function linesOf({ bytes, blocks }: ReadResult, sinceMs: number, takes?: (line: string) => boolean): Lines[] {
  return blocks.flatMap(({ pos, length, count }) => {
    const all = new Uint8Array(bytes.subarray(pos, pos + length))
    const isAll = sinceMs === Number.NEGATIVE_INFINITY
    if (isAll && !takes) return [{ count, bytes: all, undated: 0 }]
    let undated = 0
    const isTaken = (line: string) => {
      if (takes?.(line) === false) return false
      if (isAll) return true
      const at = receivedAt(line)
      if (at === undefined) undated++
      return at === undefined || at >= sinceMs
    }
    const kept = Buffer.from(all.buffer).toString().trimEnd().split('\n').filter(isTaken)
    if (kept.length === count) return [{ count, bytes: all, undated }]
    return kept.length === 0 ? [] : [{ count: kept.length, bytes: Buffer.from(`${kept.join('\n')}\n`), undated }]
  })
}

/** Into the partitions of the target: those of the source where there are as many, else as the door chooses. */
function place({ count, bytes }: Lines, { topic, partition }: TopicPartition, door: Door | undefined, partitions: number): OutputBlock[] {
  if (!door) return [{ topic, partition, count, bytes }]
  const { rejected } = door.accept(Buffer.concat([bytes, Buffer.alloc(SLACK)]), 0, bytes.length, 0)
  const outputs = door.take().map(({ partition, count, bytes }): OutputBlock => ({ topic, partition, count, bytes }))
  // What is no event any more is for the engine to set aside.
  const text = Buffer.from(bytes)
  for (const { pos, length } of rejected)
    outputs.push({ topic, partition: partition % partitions, count: 1, bytes: Buffer.concat([text.subarray(pos, pos + length), NEWLINE]) })
  return outputs
}

const NEWLINE = Buffer.from('\n')
