// A file system in memory that loses what was not synced. SimDisk is the disk, which survives; SimFiles is one process's access to it.
//
// - a killed process: SimFiles.cut(): its calls under way never resolve and do nothing more; what was written stays in the page cache.
// - a power loss: SimDisk.powerLoss(): of what was not synced a prefix stays, pages of it possibly zero; files whose name was never synced
//   may be gone, files that were removed may be back.
import { dirname } from 'node:path'
import type { AppendFile, Files, ReadFile } from '../../stores/files/files.ts'

/** Smaller than real ones, so that small frames and slices span several. */
const PAGE_BYTES = 64

interface DiskFile {
  bytes: Buffer
  length: number
  /** Everything before is durable. */
  synced: number
  /** The name is durable. */
  named: boolean
}

const failure = (code: string, path: string): NodeJS.ErrnoException => Object.assign(new Error(`${code}: ${path}`), { code, path })

export class SimDisk {
  readonly files = new Map<string, DiskFile>()
  /** Bytes that can still be written; an append that needs more writes what fits and fails with ENOSPC. */
  freeBytes = Infinity
  /** Nothing can be written below this folder: a quota. */
  fullFolder: string | undefined
  /** The next this many syncs fail with EIO; what they should have made durable may be durable or not. */
  failingSyncs = 0
  /** The next this many removals fail with EIO. */
  failingRemoves = 0
  /** What power losses have done to files so far. */
  readonly losses = { lostWrites: 0, tornWrites: 0, lostNames: 0 }
  private removed = new Map<string, DiskFile>()

  /** A disk of its own that holds what this one holds below the folder. */
  fork(folder: string): SimDisk {
    const fork = new SimDisk()
    const copies = (files: ReadonlyMap<string, DiskFile>) =>
      [...files]
        .filter(([path]) => path.startsWith(folder))
        .map(([path, file]) => [path, { ...file, bytes: Buffer.from(file.bytes) }] as const)
    for (const [path, file] of copies(this.files)) fork.files.set(path, file)
    fork.removed = new Map(copies(this.removed))
    return fork
  }

  remove(path: string): void {
    const file = this.files.get(path)
    if (!file) throw failure('ENOENT', path)
    this.files.delete(path)
    this.freeBytes += file.length
    if (file.named) this.removed.set(path, file)
  }

  /** The folder's names as they are now are durable. */
  syncFolder(folder: string): void {
    for (const [path, file] of this.files) if (dirname(path) === folder) file.named = true
    for (const path of [...this.removed.keys()]) if (dirname(path) === folder) this.removed.delete(path)
  }

  powerLoss(random: () => number): void {
    for (const [path, file] of this.removed) {
      if (random() < 0.5 || this.files.has(path)) continue
      this.files.set(path, file)
      this.losses.lostNames++
    }
    this.removed = new Map()
    for (const [path, file] of [...this.files]) {
      if (!file.named && random() < 0.5) {
        this.files.delete(path)
        this.losses.lostNames++
        continue
      }
      file.named = true
      const length = file.synced + Math.floor(random() * (file.length - file.synced + 1))
      if (length < file.length) this.losses.lostWrites++
      file.length = length
      // Pages are written back in any order: the length may be there before the bytes are.
      const torn = random() < 0.5
      if (torn && file.synced < file.length) this.losses.tornWrites++
      for (let at = file.synced; torn && at < file.length; at += PAGE_BYTES) {
        if (random() < 0.5) file.bytes.fill(0, at, Math.min(at + PAGE_BYTES, file.length))
      }
      file.synced = file.length
    }
  }

  /** The file's bytes, to be damaged by tests. */
  bytes(path: string): Buffer {
    const file = this.files.get(path)!
    return file.bytes.subarray(0, file.length)
  }

  truncate(path: string, length: number): void {
    const file = this.files.get(path)!
    file.length = length
    file.synced = Math.min(file.synced, length)
  }
}

export interface SimFilesOptions {
  /** Awaited before and after each step of an asynchronous operation: the simulator's scheduler decides when it goes on. */
  schedule?: (label: string) => Promise<void>
}

export class SimFiles implements Files {
  readonly disk: SimDisk
  private readonly schedule: (label: string) => Promise<void>
  private dead = false

  constructor(disk: SimDisk, { schedule = () => Promise.resolve() }: SimFilesOptions = {}) {
    this.disk = disk
    this.schedule = schedule
  }

  /** The process is dead. */
  cut(): void {
    this.dead = true
  }

  private async step(label: string): Promise<void> {
    await this.schedule(label)
    if (this.dead) await new Promise<never>(() => undefined)
  }

  async makeFolder(path: string): Promise<void> {
    await this.step(`folder ${path}`)
  }

  async create(path: string): Promise<AppendFile> {
    await this.step(`create ${path}`)
    if (this.disk.files.has(path)) throw failure('EEXIST', path)
    const file: DiskFile = { bytes: Buffer.alloc(1024), length: 0, synced: 0, named: false }
    this.disk.files.set(path, file)
    await this.step(`created ${path}`)
    return {
      append: async (bytes) => {
        const at = file.length
        const all = Buffer.concat(bytes)
        const half = all.length >> 1
        await this.step(`append ${path}`)
        this.write(path, file, all.subarray(0, half))
        await this.step(`append on ${path}`)
        this.write(path, file, all.subarray(half))
        await this.step(`appended ${path}`)
        return at
      },
      sync: () => this.syncFile(path, file),
      close: () => this.step(`close ${path}`),
    }
  }

  open(path: string): ReadFile {
    const file = this.disk.files.get(path)
    if (!file) throw failure('ENOENT', path)
    return {
      size: file.length,
      readSync: (target, position) => {
        const length = Math.max(0, Math.min(target.length, file.length - position))
        target.set(file.bytes.subarray(position, position + length))
        return length
      },
      close: () => undefined,
    }
  }

  async sync(path: string): Promise<void> {
    const file = this.disk.files.get(path)
    if (!file) throw failure('ENOENT', path)
    await this.syncFile(path, file)
  }

  list(folder: string): string[] {
    const names = [...this.disk.files.keys()].filter((path) => dirname(path) === folder)
    return names.map((path) => path.slice(folder.length + 1)).sort()
  }

  exists(path: string): boolean {
    return this.disk.files.has(path)
  }

  async remove(path: string): Promise<void> {
    await this.step(`remove ${path}`)
    if (this.disk.failingRemoves > 0) {
      this.disk.failingRemoves--
      throw failure('EIO', path)
    }
    this.disk.remove(path)
    await this.step(`removed ${path}`)
  }

  discard(path: string): Promise<void> {
    return this.remove(path)
  }

  private async syncFile(path: string, file: DiskFile): Promise<void> {
    const length = file.length
    await this.step(`sync ${path}`)
    if (this.disk.failingSyncs > 0) {
      this.disk.failingSyncs--
      throw failure('EIO', path)
    }
    file.synced = Math.max(file.synced, length)
    if (!file.named) this.disk.syncFolder(dirname(path))
    await this.step(`synced ${path}`)
  }

  private write(path: string, file: DiskFile, all: Buffer): void {
    const { freeBytes, fullFolder } = this.disk
    const bytes = all.subarray(0, fullFolder !== undefined && path.startsWith(fullFolder) ? 0 : Math.min(all.length, freeBytes))
    if (file.length + bytes.length > file.bytes.length) {
      const grown = Buffer.alloc((file.length + bytes.length) * 2)
      file.bytes.copy(grown, 0, 0, file.length)
      file.bytes = grown
    }
    bytes.copy(file.bytes, file.length)
    file.length += bytes.length
    this.disk.freeBytes -= bytes.length
    if (bytes.length < all.length) throw failure('ENOSPC', path)
  }
}
