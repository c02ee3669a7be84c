// Gives up what was computed in a data folder, or one of its lineages. What came in stays: the next start computes it anew, as another lineage of the same
// input, so that no token, receipt or position of before is taken for one of after (protocol 28, 33).
//
// 1. A mark in the folder comes first and goes last: a reset that was broken off is finished by the next one, and nothing starts in between.
// 2. The outputs are in the journals of the writers that compute; what came in, with the receipts of imports, is in that of the main thread.
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Topology } from '../../engine/topology/topology.ts'
import { TOPICS } from '../../model/rows.ts'
import { lockFolder } from '../../stores/files/folder-lock.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { indexPath, listJournals } from '../../stores/log/journal-file.ts'
import { openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import { computedIn, folderMeta, writeMeta } from './data-folder.ts'
import { emptyComputer } from './state-view.ts'
import { withStoppedLog } from './stopped-log.ts'

/** What a reset deletes. */
export interface ResetPlan {
  /** Paths, with what is in them. */
  deletes: { path: string; what: string; bytes: number }[]
  /** Events that come in again, and those that were deleted from the log: what was computed of these is only in the tables, and lost. */
  events: number
  missing: number
}

/** Of the live output. Errors: DATA_LOCKED; those of the log. */
export function planReset(data: string): Promise<ResetPlan> {
  const { partitions } = folderMeta(data)
  return withStoppedLog(data, async (log) => {
    const bounds = await Promise.all(Array.from({ length: partitions }, (_, partition) => log.bounds({ topic: TOPICS.raw, partition })))
    const journals = computedJournals(data)
    return {
      deletes: [
        { path: join(data, 'state'), what: 'state of open sessions', bytes: bytesBelow(join(data, 'state')) },
        { path: join(data, 'analytics'), what: 'all tables', bytes: bytesBelow(join(data, 'analytics')) },
        {
          path: join(data, 'log'),
          what: `${journals.length} journals of what was computed; those of what came in stay`,
          bytes: journals.reduce((sum, path) => sum + statSync(path).size, 0),
        },
      ],
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
    const computed = isResetting ? computedIn(meta) : next(meta.lineage, computedIn(meta))
    writeMeta(data, { ...meta, computed, isResetting: true })
    for (const part of ['analytics', 'state']) rmSync(join(data, part), { recursive: true, force: true })
    for (const path of computedJournals(data)) {
      rmSync(indexPath(path), { force: true })
      rmSync(path, { force: true })
    }
    await startAnew(data, computed, topology)
    writeMeta(data, { ...meta, computed })
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

/** main → main-2 → main-3 */
function next(lineage: string, computed: string): string {
  return `${lineage}-${computed === lineage ? 2 : Number(computed.slice(lineage.length + 1)) + 1}`
}

/** Of every writer but the main thread. */
function computedJournals(data: string): string[] {
  const folder = join(data, 'log')
  if (!existsSync(folder)) return []
  return listJournals(realFiles, folder)
    .filter(({ writer }) => writer !== 'main')
    .map(({ name }) => join(folder, name))
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

function bytesBelow(folder: string): number {
  if (!existsSync(folder)) return 0
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true })
  // Blocks, not lengths: some files are sparse.
  return entries.reduce((sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).blocks * 512 : 0), 0)
}
