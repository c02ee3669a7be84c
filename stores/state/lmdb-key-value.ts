// The key-value store over LMDB: one environment per task's folder, binary keys and values. Never holds what is not in a checkpoint file too,
// until that has been flushed here.
import { constants } from 'node:os'
import { open, type RootDatabase } from 'lmdb'
import { StorageError, storageError } from '../files/storage-error.ts'
import { stateCorrupt } from './checkpoint-file.ts'
import type { Change, KeyValueStore } from './key-value.ts'
import { checkMetaPages, checkTrees } from './lmdb-file.ts'

const corrupt = (folder: string, what: string, cause?: unknown): StorageError =>
  stateCorrupt(folder, `no LMDB environment can be read there: ${what}`, cause)

/** Errors: STATE_CORRUPT where the folder holds no readable LMDB environment, DATA_READ_ONLY. */
export function lmdbKeyValue(folder: string): KeyValueStore {
  let db: RootDatabase<Buffer, Uint8Array>
  try {
    checkMetaPages(folder)
    // A path with a dot would be taken for a file's.
    db = open({ path: folder, keyEncoding: 'binary', encoding: 'binary', noSubdir: false, noMemInit: true })
  } catch (error) {
    if (error instanceof StorageError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EROFS' || code === 'ENOSPC') throw storageError(error, folder)
    throw corrupt(folder, message, error)
  }
  try {
    // LMDB has chosen a transaction by now: after a power loss it is not always the last.
    checkTrees(folder, (db.getStats() as { lastTxnId: number }).lastTxnId)
  } catch (error) {
    void db.close()
    throw error
  }
  return {
    get: (key) => db.getBinary(key),
    async write(changes: readonly Change[]) {
      try {
        // Not LMDB's own asynchronous way: of one that found no room it says so in a promise that nobody can hear, and never writes again.
        db.transactionSync(() => {
          for (const [key, value] of changes) {
            if (value) void db.put(key, value as Buffer)
            else void db.remove(key)
          }
        })
      } catch (error) {
        // LMDB has the operating system's number.
        const isFull = (error as { code?: unknown }).code === constants.errno.ENOSPC
        throw storageError(isFull ? Object.assign(error as Error, { code: 'ENOSPC' }) : error, folder)
      }
      db.resetReadTxn()
    },
    async flush() {
      await db.flushed
    },
    *range(from, to) {
      for (const { key, value } of db.getRange({ start: from, end: to })) yield [key, value]
    },
    close: () => db.close(),
  }
}
