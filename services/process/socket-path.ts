// Where the local socket of a data folder is: in it, or, where that path is longer than a socket's may be, in the folder for temporary files
// under a name that nobody can guess, which a file in the data folder tells. Owns these two files; opens no socket.
import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The smallest limit there is (macOS: 104 bytes with the final zero). */
const PATH_BYTES_MAX = 103

const inFolder = (folder: string) => join(folder, 'packmill.sock')
const pointer = (folder: string) => join(folder, 'packmill.sock.path')

/** A free path for a new socket; for the owner of the folder only: what an earlier owner left is removed. */
export function makeSocketPath(folder: string): string {
  removeSocket(folder)
  const path = inFolder(folder)
  if (Buffer.byteLength(path) <= PATH_BYTES_MAX) return path
  const elsewhere = join(tmpdir(), `packmill-${randomBytes(12).toString('hex')}.sock`)
  writeFileSync(pointer(folder), elsewhere, { mode: 0o600 })
  return elsewhere
}

/** Where to connect; a socket need not be there. */
export function findSocketPath(folder: string): string {
  try {
    return readFileSync(pointer(folder), 'utf8')
  } catch {
    return inFolder(folder)
  }
}

export function removeSocket(folder: string): void {
  rmSync(findSocketPath(folder), { force: true })
  rmSync(inFolder(folder), { force: true })
  rmSync(pointer(folder), { force: true })
}
