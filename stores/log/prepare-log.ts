// Brings the log's folder in order after the process before this one, once, before any thread opens the log: settles where each journal
// ends, writes the index of every file that has none, finishes deletions that were cut off, and makes what the threads share.
import { join } from 'node:path'
import type { Files } from '../files/files.ts'
import { logCorrupt, storageError } from '../files/storage-error.ts'
import type { FrameHead } from './frame.ts'
import { type JournalName, listJournals, readHead, readHeads, readIndex, recoverHeads, writeIndex } from './journal-file.ts'
import { type JournalEnd, newSharedLog, type SharedLog } from './shared-log.ts'

/** `writers`: one per thread that will open the log. The caller holds the folder's lock. Errors: LOG_CORRUPT, DISK_FULL, DATA_READ_ONLY. */
export async function prepareLog(options: {
  files: Files
  folder: string
  writers: readonly string[]
  /** That can be claimed until the process ends. */
  namesMax?: number
}): Promise<SharedLog> {
  const { files, folder, writers, namesMax } = options
  try {
    await files.makeFolder(folder)
    const journals = listJournals(files, folder)
    const ends = new Map<string, JournalEnd>()
    const dropped = new Set<string>()
    let incarnation = 1
    for (const [i, journal] of journals.entries()) {
      const next = journals[i + 1]?.writer === journal.writer ? journals[i + 1] : undefined
      const heads = readIndex(files, join(folder, journal.name)) ?? (await close(files, folder, journal, next))
      for (const { records } of heads) for (const record of records) if (record.is === 'drop') dropped.add(record.file)
      ends.set(journal.writer, { seq: journal.seq, position: heads.at(-1)?.end ?? 0 })
      incarnation = Math.max(incarnation, journal.incarnation + 1)
    }
    const names = new Set(journals.map(({ name }) => name))
    for (const { name } of journals) if (dropped.has(name)) await files.remove(join(folder, name))
    for (const name of files.list(folder)) {
      const journal = name.replace(/\.idx$/, '.jnl')
      if (name.endsWith('.idx') && (!names.has(journal) || dropped.has(journal))) await files.remove(join(folder, name))
    }
    return newSharedLog(writers, ends, incarnation, namesMax)
  } catch (error) {
    throw storageError(error, folder)
  }
}

/** Settles the end of a file that was never closed, and writes its index. */
async function close(files: Files, folder: string, journal: JournalName, next: JournalName | undefined): Promise<FrameHead[]> {
  const path = join(folder, journal.name)
  // What a killed process wrote may be in the page cache only: made durable before anyone acts on it (protocol 7).
  await files.sync(path)
  const file = files.open(path)
  try {
    const end = next && endByNext(files, join(folder, next.name), journal.seq)
    if (end !== undefined && end > file.size) throw logCorrupt(path, file.size, `the file should have ${end} bytes`)
    const heads = end === undefined ? recoverHeads(file, path) : [...readHeads(file, path, 0, end)]
    await writeIndex(files, path, heads)
    return heads
  } finally {
    file.close()
  }
}

/** What the writer's next file says of this one's end; undefined where that one has no whole first frame. */
function endByNext(files: Files, path: string, seq: number): number | undefined {
  const file = files.open(path)
  const record = readHead(file, 0)?.records[0]
  file.close()
  if (record?.is !== 'file') return undefined
  // A file that its successor does not know of had nothing committed. (One between the two is deleted only after this one has its index.)
  return record.prevSeq === seq ? record.prevEnd : 0
}
