// Owns the open read handles of one thread: at most FILES_OPEN_MAX, the longest unused goes first.
import { join } from 'node:path'
import type { Files, ReadFile } from '../files/files.ts'
import { logCorrupt, storageError } from '../files/storage-error.ts'

/** Times the threads of a process, far below the usual limit of 1,024 descriptors. */
const FILES_OPEN_MAX = 32

export class FileCache {
  private readonly files: Files
  private readonly folder: string
  private readonly open = new Map<string, ReadFile>()

  constructor(files: Files, folder: string) {
    this.files = files
    this.folder = folder
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  use<T>(name: string, read: (file: ReadFile) => T): T {
    let file = this.open.get(name)
    this.open.delete(name)
    file ??= this.files.open(this.path(name))
    this.open.set(name, file)
    if (this.open.size > FILES_OPEN_MAX) this.forget(this.open.keys().next().value!)
    return read(file)
  }

  /** Fills `target` from `position`. Errors: LOG_CORRUPT where the file is shorter or not there. */
  read(name: string, target: Uint8Array, position: number): void {
    let got: number
    try {
      got = this.use(name, (file) => file.readSync(target, position))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw logCorrupt(this.path(name), 0, 'it is not there')
      throw storageError(error, this.path(name))
    }
    if (got < target.length) throw logCorrupt(this.path(name), position + got, 'it ends here, in the middle of a record')
  }

  forget(name: string): void {
    const file = this.open.get(name)
    this.open.delete(name)
    file?.close()
  }

  close(): void {
    for (const name of [...this.open.keys()]) this.forget(name)
  }
}
