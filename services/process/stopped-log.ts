// The log of a data folder in which no process is at work, for whoever only reads it. Owns the folder's lock meanwhile; the log is brought in order as at
// any start, and nothing is appended to it.
import { join } from 'node:path'
import { lockFolder } from '../../stores/files/folder-lock.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'

/** Errors: DATA_LOCKED where a process is at work in it; those of the log; what `work` rejects with. */
export async function withStoppedLog<T>(data: string, work: (log: JournalLog) => Promise<T>): Promise<T> {
  const lock = lockFolder(data)
  try {
    const folder = join(data, 'log')
    const shared = await prepareLog({ files: realFiles, folder, writers: ['reader'] })
    const log = await openJournalLog({ files: realFiles, folder, writer: 'reader', shared })
    try {
      return await work(log)
    } finally {
      await log.close()
    }
  } finally {
    lock.release()
  }
}
