// Gives up what was computed in a data folder, or one of its lineages. What came in stays: the next start computes it anew, as another lineage of the same
// input, so that no token, receipt or position of before is taken for one of after (protocol 28, 33).
//
// 1. A mark in the folder comes first and goes last: a reset that was broken off is finished by the next one, and nothing starts in between.
// 2. The outputs are in the journals of the writers that compute; what came in, with the receipts of imports, is in that of the main thread.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Topology } from '../../engine/topology/topology.ts'
import { TOPICS } from '../../model/rows.ts'
import { lockFolder } from '../../stores/files/folder-lock.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import { nextComputed } from './computed-lineage.ts'
import { computedIn, folderMeta, writeMeta } from './data-folder.ts'
import { bytesBelow, computedParts, type Deleted, forgetComputed } from './forget-computed.ts'
import { emptyComputer } from './state-view.ts'
import { withStoppedLog } from './stopped-log.ts'

/** What a reset deletes. */
export interface ResetPlan {
  deletes: Deleted[]
  /** Events that come in again, and those that were deleted from the log: what was computed of these is only in the tables, and lost. */
  events: number
  missing: number
}

/** Of the live output. Errors: DATA_LOCKED; those of the log. */
export function planReset(data: string): Promise<ResetPlan> {
  const { partitions } = folderMeta(data)
  return withStoppedLog(data, async (log) => {
    const bounds = await Promise.all(Array.from({ length: partitions }, (_, partition) => log.bounds({ topic: TOPICS.raw, partition })))
    return {
      deletes: computedParts(data),
      events: bounds.reduce((sum, { start, end }) => sum + end - start, 0),
      missing: bounds.reduce((sum, { start }) => sum + start, 0),
    }
  })
}

/** Of a lineage beside the live one. */
export const planLineageReset = (folder: string): ResetPlan => ({
  deletes: [{ path: folder, what: 'the lineage: its copy of the events, state, tables', bytes: bytesBelow(folder) }],
  events: 0,
  missing: 0,
})

/** `topology`: that will compute it anew, as it is set. Errors: DATA_LOCKED; those of the log and of the state store. */
export async function resetFolder(data: string, topology: Topology): Promise<void> {
  const lock = lockFolder(data)
  try {
    const { isResetting, ...meta } = folderMeta(data)
    const computed = isResetting ? computedIn(meta) : nextComputed(meta.lineage, computedIn(meta))
    writeMeta(data, { ...meta, computed, isResetting: true })
    forgetComputed(data)
    await startAnew(data, computed, topology)
    writeMeta(data, { ...meta, computed, isComputedAnew: true })
  } finally {
    lock.release()
  }
}

/** Errors: DATA_LOCKED where a process is at work in it. */
export function resetLineage(folder: string): void {
  const lock = lockFolder(folder)
  // What makes it a lineage goes first: one that is deleted in part is none.
  rmSync(join(folder, 'packmill.json'), { force: true })
  lock.release()
  rmSync(folder, { recursive: true, force: true })
}

async function startAnew(data: string, lineage: string, topology: Topology): Promise<void> {
  const folder = join(data, 'log')
  const shared = await prepareLog({ files: realFiles, folder, writers: ['main'] })
  const log = await openJournalLog({ files: realFiles, folder, writer: 'main', shared })
  try {
    const { topic } = topology.pipeline.source
    for (let partition = 0; partition < folderMeta(data).partitions; partition++) {
      const { start } = await log.bounds({ topic, partition })
      if (start > 0) await beginAt(join(data, 'state', lineage, `${topology.name}-${partition}`), start, topology)
    }
    // The tasks and sinks of before need nothing any more: what they would hold back could never be deleted.
    for (const { consumer, topic, partition } of log.consumers()) await log.need(consumer, { topic, partition }, Number.POSITIVE_INFINITY)
  } finally {
    await log.close()
  }
}

/** The start position of a lineage whose input does not begin with the first record: a checkpoint before the first epoch, with nothing in it. */
async function beginAt(folder: string, to: number, topology: Topology): Promise<void> {
  await realFiles.makeFolder(folder)
  const store = await openCheckpointStore({ files: realFiles, folder })
  try {
    const { layout, header } = emptyComputer(topology)
    await store.begin({ ...header, epoch: 0, to, code: 'reset', layout }).finish()
  } finally {
    await store.close()
  }
}
