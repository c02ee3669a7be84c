// Deletes what a data folder holds of what was computed: state, tables, and the journals of whoever computes. What came in, in the main thread's journals, stays.
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { realFiles } from '../../stores/files/real-files.ts'
import { indexPath, listJournals } from '../../stores/log/journal-file.ts'
import { type FolderMeta, writeMeta } from './data-folder.ts'

/** A path, and what is in it. */
export interface Deleted {
  path: string
  what: string
  bytes: number
}

/** What `forgetComputed` would delete. `isKafka`: what came in is on the brokers. */
export function computedParts(data: string, isKafka = false): Deleted[] {
  const journals = computedJournals(data)
  const journalsAre = isKafka ? 'receipts of the tables' : 'journals of what was computed; those of what came in stay'
  return [
    { path: join(data, 'state'), what: isKafka ? 'cache of the state' : 'state of open sessions', bytes: bytesBelow(join(data, 'state')) },
    { path: join(data, 'analytics'), what: 'all tables', bytes: bytesBelow(join(data, 'analytics')) },
    {
      path: join(data, 'log'),
      what: `${journals.length} ${journalsAre}`,
      bytes: journals.reduce((sum, path) => sum + statSync(path).size, 0),
    },
  ]
}

/** May be broken off and done again. The folder's lock is held by whoever calls it. */
export function forgetComputed(data: string): void {
  for (const part of ['analytics', 'state']) rmSync(join(data, part), { recursive: true, force: true })
  for (const path of computedJournals(data)) {
    rmSync(indexPath(path), { force: true })
    rmSync(path, { force: true })
  }
}

/** On Kafka: the folder goes on with what is computed now, from the topics. Its name is written last: broken off, the next start does it again. */
export function goOnWith(data: string, meta: FolderMeta, computed: string): FolderMeta {
  forgetComputed(data)
  // Tables that are empty may be filled from any.
  const now = { ...meta, computed, ...(meta.kafka && { kafka: { ...meta.kafka, topics: undefined } }) }
  writeMeta(data, now)
  return now
}

export function bytesBelow(folder: string): number {
  if (!existsSync(folder)) return 0
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true })
  // Blocks, not lengths: some files are sparse.
  return entries.reduce((sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).blocks * 512 : 0), 0)
}

/** Of every writer but the main thread. */
function computedJournals(data: string): string[] {
  const folder = join(data, 'log')
  if (!existsSync(folder)) return []
  return listJournals(realFiles, folder)
    .filter(({ writer }) => writer !== 'main')
    .map(({ name }) => join(folder, name))
}
