// Owns the file operations of production: Node's fs, nothing kept in memory. Never decides what a failure means (storage-error.ts does).
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { AppendFile, Files, ReadFile } from './files.ts'

const open = promisify(fs.open)
const close = promisify(fs.close)
const fdatasync = promisify(fs.fdatasync)
const fsync = promisify(fs.fsync)
/** Below the 1,024 buffers that Linux takes in one call. */
const BUFFERS_MAX = 1000

/** Up to so many are written at once: what that takes (5 µs for 2 kB, 70 for 200 kB, into the page cache) is less than the way to the thread pool and back
 *  (80 to 130). More may have to wait where the disk is flushing, which is the pool's. */
const AT_ONCE_BYTES = 1 << 17

/** So much of a file, or so many parts of it, is given back at a time. A file system that tells its disk what is free (discard) holds everybody's flush up
 *  meanwhile: 120 MB at once for 30 to 50 ms. */
const DISCARD_BYTES = 4 << 20
const DISCARD_PARTS = 64
const DISCARD_PAUSE_MS = 20

const writev = (fd: number, buffers: readonly Uint8Array[]): Promise<number> =>
  new Promise((resolve, reject) => fs.writev(fd, buffers, (error, written) => (error ? reject(error) : resolve(written))))

async function writeAll(fd: number, bytes: readonly Uint8Array[]): Promise<number> {
  const isSmall = bytes.reduce((sum, { length }) => sum + length, 0) <= AT_ONCE_BYTES
  let total = 0
  for (let from = 0; from < bytes.length; ) {
    let some = bytes.slice(from, from + BUFFERS_MAX)
    from += some.length
    while (some.length) {
      let written = isSmall ? fs.writevSync(fd, some) : await writev(fd, some)
      total += written
      // A short write is no error: the rest goes next, and says then what is wrong.
      let whole = 0
      while (whole < some.length && written >= some[whole].length) written -= some[whole++].length
      some = some.slice(whole)
      if (written) some[0] = some[0].subarray(written)
    }
  }
  return total
}

async function syncFolder(path: string): Promise<void> {
  // Windows has no handle of a folder to sync.
  if (process.platform === 'win32') return
  const fd = await open(path, 'r')
  try {
    await fsync(fd)
  } finally {
    await close(fd)
  }
}

export const realFiles: Files = {
  async makeFolder(path: string): Promise<void> {
    // mkdir tells the first folder that it had to make: its parent holds the new name.
    const first = await fs.promises.mkdir(path, { recursive: true })
    if (!first) return
    for (let made = path; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made))
  },

  async create(path: string): Promise<AppendFile> {
    const fd = await open(path, 'ax')
    let position = 0
    let named = false
    return {
      async append(bytes) {
        const at = position
        position += await writeAll(fd, bytes)
        return at
      },
      async sync() {
        await fdatasync(fd)
        if (!named) await syncFolder(dirname(path))
        named = true
      },
      close: () => close(fd),
    }
  },

  open(path: string): ReadFile {
    const fd = fs.openSync(path, 'r')
    return {
      size: fs.fstatSync(fd).size,
      readSync(target, position) {
        let done = 0
        while (done < target.length) {
          const read = fs.readSync(fd, target, done, target.length - done, position + done)
          if (!read) break
          done += read
        }
        return done
      },
      close: () => fs.closeSync(fd),
    }
  },

  async sync(path: string): Promise<void> {
    const fd = await open(path, 'r+')
    try {
      await fdatasync(fd)
    } finally {
      await close(fd)
    }
    await syncFolder(dirname(path))
  },

  list: (folder) => fs.readdirSync(folder).sort(),
  exists: (path) => fs.existsSync(path),
  remove: (path) => fs.promises.unlink(path),

  async discard(path: string): Promise<void> {
    const file = await fs.promises.open(path, 'r+')
    try {
      const { size } = await file.stat()
      await fs.promises.unlink(path)
      const part = Math.max(DISCARD_BYTES, size / DISCARD_PARTS)
      for (let left = size - part; left > 0; left -= part) {
        await file.truncate(Math.floor(left))
        await sleep(DISCARD_PAUSE_MS)
      }
    } finally {
      await file.close()
    }
  },
}
