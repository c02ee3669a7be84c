// The key-value store over LMDB: one environment per task's folder, binary keys and values. Never holds what is not in a checkpoint file too,
// until that has been flushed here.
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { StorageError, storageError } from '../files/storage-error.ts'
import { stateCorrupt } from './checkpoint-file.ts'
import type { Change, KeyValueStore } from './key-value.ts'

const PAGE_HEAD_BYTES = 24
const META_BYTES = 160
const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
/** A tree without pages has this root. */
const NO_PAGE = 2n ** 64n - 1n

const corrupt = (folder: string, what: string, cause?: unknown): StorageError =>
  stateCorrupt(folder, `no LMDB environment can be read there: ${what}`, cause)

/** Looks at the two meta pages and at where the roots lie: LMDB takes the process down over a file that it cannot read, so it must not see one. */
function checkFile(folder: string): void {
  const path = join(folder, 'data.mdb')
  if (!existsSync(path) || !statSync(path).size) return
  const fd = openSync(path, 'r')
  try {
    const page = (at: number): Buffer => {
      const meta = Buffer.alloc(META_BYTES)
      if (readSync(fd, meta, 0, META_BYTES, at) < META_BYTES) throw corrupt(folder, 'data.mdb is too short')
      if (meta.readUInt32LE(PAGE_HEAD_BYTES) !== MAGIC || meta.readUInt16LE(PAGE_HEAD_BYTES + 4) !== DATA_VERSION) {
        throw corrupt(folder, `data.mdb has no meta page at byte ${at}`)
      }
      return meta
    }
    const first = page(0)
    const pageBytes = first.readUInt32LE(PAGE_HEAD_BYTES + 24)
    if (pageBytes < 512 || pageBytes > 65536 || pageBytes & (pageBytes - 1))
      throw corrupt(folder, `data.mdb has pages of ${pageBytes} bytes`)
    const second = page(pageBytes)
    const newest = first.readBigUInt64LE(152) >= second.readBigUInt64LE(152) ? first : second
    const pages = BigInt(Math.floor(fstatSync(fd).size / pageBytes))
    for (const at of [88, 136]) {
      const root = newest.readBigUInt64LE(at)
      if (root !== NO_PAGE && root >= pages) throw corrupt(folder, `data.mdb was cut off after ${pages} pages`)
    }
  } finally {
    closeSync(fd)
  }
}

/** Errors: STATE_CORRUPT where the folder holds no readable LMDB environment, DATA_READ_ONLY. */
export function lmdbKeyValue(folder: string): KeyValueStore {
  let db: RootDatabase<Buffer, Uint8Array>
  try {
    checkFile(folder)
    // A path with a dot would be taken for a file's.
    db = open({ path: folder, keyEncoding: 'binary', encoding: 'binary', noSubdir: false, noMemInit: true })
  } catch (error) {
    if (error instanceof StorageError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EROFS' || code === 'ENOSPC') throw storageError(error, folder)
    throw corrupt(folder, message, error)
  }
  return {
    get: (key) => db.getBinary(key),
    async write(changes: readonly Change[]) {
      try {
        await db.batch(() => {
          for (const [key, value] of changes) {
            if (value) void db.put(key, value as Buffer)
            else void db.remove(key)
          }
        })
      } catch (error) {
        throw storageError(error, folder)
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
