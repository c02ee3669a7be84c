// What came into one data folder, put into another as it came: the beginning of a new lineage, whose output is computed anew by this version
// (protocol 33). The folder that is read is locked, and its log brought in order as at any start; nothing of it is given up or changed.
//
// Progress is in the receipts of the new folder: a rebuild that was broken off goes on where it stopped, each record once.
import type { Log, LogReceipt, TopicPartition } from '../../engine/log/contract.ts'
import { TOPICS } from '../../model/rows.ts'
import type { ImportTarget } from './importer.ts'
import { patientClaim } from './patient-claim.ts'
import { withStoppedLog } from './stopped-log.ts'

export interface RebuildResult {
  /** Put into the new folder by this run. */
  records: number
  /** By an earlier run that was broken off. */
  before: number
  /** Records that the old log no longer has: retention deleted them. */
  missing: number
}

const READ_BYTES = 4 << 20

/** Copies the accepted events of the data folder `from`. Durable when it resolves, not yet processed. Errors: those of the lock and of both logs. */
export async function rebuild(from: string, target: ImportTarget, onProgress?: (records: number) => void): Promise<RebuildResult> {
  return withStoppedLog(from, async (log) => {
    const result: RebuildResult = { records: 0, before: 0, missing: 0 }
    // The last partition of late events is the door's own: nothing computes them again.
    const late = { topic: TOPICS.late, partition: target.partitions }
    const raw = Array.from({ length: target.partitions }, (_, partition) => ({ topic: target.topic, partition }))
    for (const at of [...raw, late]) await copy(log, at, target, result, onProgress)
    return result
  })
}

async function copy(
  from: Pick<Log, 'bounds' | 'reader'>,
  at: TopicPartition,
  { log, lineage, patienceMs = 0, ...patience }: ImportTarget,
  result: RebuildResult,
  onProgress: ((records: number) => void) | undefined,
): Promise<void> {
  const { start, end } = await from.bounds(at)
  const claim = await patientClaim<LogReceipt>(log, `rebuild.${lineage}.${at.topic}.${at.partition}`, { ...patience, patienceMs })
  const reader = from.reader(at)
  let epoch = claim.last?.epoch ?? 0
  let next = Math.max(start, claim.last?.to ?? 0)
  result.missing += start
  result.before += next - start
  try {
    while (next < end && !patience.signal?.aborted) {
      const read = await reader.read(next, READ_BYTES)
      if (read.blocks.length === 0) break
      // Whole blocks, from the beginning on: a receipt never ends in one.
      const outputs = read.blocks.map(({ pos, length, count }) => ({
        ...at,
        count,
        bytes: new Uint8Array(read.bytes.subarray(pos, pos + length)),
      }))
      epoch++
      await claim.commit({ outputs, receipt: { epoch, to: read.next }, release: { receiptsThrough: epoch - 1, inputBefore: 0 } })
      result.records += outputs.reduce((sum, { count }) => sum + count, 0)
      next = read.next
      onProgress?.(result.records)
    }
  } finally {
    reader.close()
  }
  await claim.release()
}
