// What came into one data folder, put into another as it came: the beginning of a new lineage, whose output is computed anew by this version
// (protocol 33). The folder that is read is locked, and its log brought in order as at any start; nothing of it is given up or changed.
//
// Progress is in the receipts of the new folder: a rebuild that was broken off goes on where it stopped, each record once.
import type { Config } from '../../config/index.ts'
import type { LogReceipt, OutputBlock, ReadResult, TopicPartition } from '../../engine/log/contract.ts'
import { Door } from '../../model/door.ts'
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
  const { partitions } = folderMeta(from)
  return withSource(from, target.config, async (log) => {
    const result: RebuildResult = { records: 0, before: 0, missing: 0 }
    const raw = Array.from({ length: partitions }, (_, partition) => ({ topic: target.topic, partition }))
    const { topic, partitions: wanted } = target
    const placed = partitions === wanted ? undefined : new Door({ partitions: wanted })
    for (const at of raw)
      await copy(log, at, (lines) => place(lines, { ...at, topic }, placed, wanted), target, result, sinceMs, onProgress)
    // The last partition of late events is the door's own: nothing computes them again.
    const late = { topic: TOPICS.late, partition: partitions }
    const keep = ({ count, bytes }: Lines): OutputBlock[] => [{ topic: TOPICS.late, partition: wanted, count, bytes }]
    await copy(log, late, keep, target, result, sinceMs, onProgress)
    return result
  })
}

/** Records, each ended by a newline. */
interface Lines {
  count: number
  bytes: Uint8Array
}

async function copy(
  from: Source,
  at: TopicPartition,
  outputsOf: (lines: Lines) => OutputBlock[],
  { log, lineage, patienceMs = 0, ...patience }: ImportTarget,
  result: RebuildResult,
  sinceMs: number,
  onProgress: ((records: number) => void) | undefined,
): Promise<void> {
  const { start, end } = await from.bounds(at)
  const claim = await patientClaim<RebuildReceipt>(log, `rebuild.${lineage}.${at.topic}.${at.partition}`, { ...patience, patienceMs })
  const reader = from.reader(at)
  let { epoch, copied = 0 } = claim.last ?? { epoch: 0 }
  let next = Math.max(start, claim.last?.to ?? 0, sinceMs > 0 ? (from.since?.(at, sinceMs) ?? 0) : 0)
  result.missing += start
  result.before += copied
  try {
    while (next < end && !patience.signal?.aborted) {
      const read = await reader.read(next, READ_BYTES)
      if (read.blocks.length === 0) break
      // Whole blocks, from the beginning on: a receipt never ends in one.
      const lines = linesSince(read, sinceMs)
      const count = lines.reduce((sum, { count }) => sum + count, 0)
      epoch++
      copied += count
      await claim.commit({
        outputs: lines.flatMap(outputsOf),
        receipt: { epoch, to: read.next, copied },
        release: { receiptsThrough: epoch - 1, inputBefore: 0 },
      })
      result.records += count
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
}

/** The records of each block that were received then or later; copies. */
function linesSince({ bytes, blocks }: ReadResult, sinceMs: number): Lines[] {
  return blocks.flatMap(({ pos, length, count }) => {
    const all = new Uint8Array(bytes.subarray(pos, pos + length))
    if (sinceMs === Number.NEGATIVE_INFINITY) return [{ count, bytes: all }]
    const lines = Buffer.from(all.buffer).toString().trimEnd().split('\n')
    const kept = lines.filter((line) => (receivedAt(line) ?? Number.POSITIVE_INFINITY) >= sinceMs)
    if (kept.length === count) return [{ count, bytes: all }]
    return kept.length === 0 ? [] : [{ count: kept.length, bytes: Buffer.from(`${kept.join('\n')}\n`) }]
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
