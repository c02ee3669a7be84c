// One open checkpoint: collects entries into a slice, appends slices, finishes with a footer. Numbers are those of store.ts.

import type { Namespace, OpenCheckpoint } from '../../engine/state/store.ts'
import type { AppendFile, Files } from '../files/files.ts'
import { storageError } from '../files/storage-error.ts'
import {
  ENTRY_HEAD_BYTES,
  encodeEntry,
  encodeFooter,
  encodeHeader,
  type FileHeader,
  SLICE_HEAD_BYTES,
  SPACES,
  sealSlice,
} from './checkpoint-file.ts'
import { DELETED, type KeyTable } from './key-table.ts'

const SLICE_BYTES_AT_FIRST = 1 << 16
/** Appended bytes are flushed to the disk when they are more than this, while the task goes on: all at once at the end, it would wait for seconds. */
const SYNC_BYTES = 4 << 20

/** Where slices are put together: one after the other, from checkpoint to checkpoint. */
export class SliceBuffer {
  bytes = Buffer.allocUnsafeSlow(SLICE_BYTES_AT_FIRST)
}

export interface CheckpointWriterOptions {
  files: Files
  path: string
  header: FileHeader
  slice: SliceBuffer
  /** Empty: where each key's value lies is put there. */
  table: KeyTable
  /** The checkpoint is finished and durable: where each of its keys lies. */
  finished(table: KeyTable): void
  /** It ended, either way. */
  ended(): void
}

export class CheckpointWriter implements OpenCheckpoint {
  bytes = 0
  private readonly options: CheckpointWriterOptions
  private readonly epoch: number
  private readonly table: KeyTable
  private readonly slice: SliceBuffer
  private used = SLICE_HEAD_BYTES
  private sliceEntries = 0
  private entries = 0
  private file: AppendFile | undefined
  /** Where the next slice begins in the file. */
  private end: number
  private synced = 0
  private syncing: Promise<void> | undefined
  /** Of a flush to the disk: what it lost is not there, whatever a later one says. */
  private failure: unknown
  private readonly head: Buffer
  private over = false

  constructor(options: CheckpointWriterOptions) {
    this.options = options
    this.slice = options.slice
    this.table = options.table
    this.epoch = options.header.header.epoch
    this.head = encodeHeader(options.header)
    this.end = this.head.length
  }

  put(space: Namespace, key: Uint8Array, value: Uint8Array): void {
    this.add(space, key, value)
  }

  delete(space: Namespace, key: Uint8Array): void {
    this.add(space, key, undefined)
  }

  async flush(): Promise<void> {
    this.mustBeOpen()
    if (!this.sliceEntries) return
    const slice = sealSlice(this.slice.bytes.subarray(0, this.used), this.sliceEntries)
    this.end += slice.length
    this.entries += this.sliceEntries
    this.sliceEntries = 0
    try {
      const file = await this.opened()
      await file.append([slice])
      if (this.failure !== undefined) throw this.failure
      if (this.end - this.synced > SYNC_BYTES && this.syncing === undefined) this.sync(file)
    } catch (error) {
      await this.abort()
      throw storageError(error, this.options.path)
    }
    this.used = SLICE_HEAD_BYTES
  }

  async finish(): Promise<void> {
    await this.flush()
    try {
      const file = await this.opened()
      await this.syncing
      if (this.failure !== undefined) throw this.failure
      // The footer comes after what it speaks of is durable: a file that has one is whole.
      await file.sync()
      await file.append([encodeFooter(this.epoch, this.entries, this.end)])
      await file.sync()
      await file.close()
    } catch (error) {
      await this.abort()
      throw storageError(error, this.options.path)
    }
    this.over = true
    this.options.ended()
    this.options.finished(this.table)
  }

  async abort(): Promise<void> {
    if (this.over) return
    this.over = true
    this.options.ended()
    // What cannot be removed now is no finished checkpoint either, or one of an epoch that the log holds: the next start removes it.
    await this.syncing
    await this.file?.close().catch(() => undefined)
    if (this.options.files.exists(this.options.path)) await this.options.files.remove(this.options.path).catch(() => undefined)
  }

  private add(space: Namespace, key: Uint8Array, value: Uint8Array | undefined): void {
    this.mustBeOpen()
    const length = ENTRY_HEAD_BYTES + key.length + (value ? value.length : 0)
    if (this.used + length > this.slice.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(this.slice.bytes.length * 2, this.used + length))
      this.slice.bytes.copy(grown, 0, 0, this.used)
      this.slice.bytes = grown
    }
    const position = this.end + this.used + ENTRY_HEAD_BYTES + key.length
    this.table.set(SPACES[space], key, this.epoch, position, value ? value.length : DELETED)
    this.used = encodeEntry(this.slice.bytes, this.used, SPACES[space], key, value)
    this.sliceEntries++
    this.bytes += length
  }

  private sync(file: AppendFile): void {
    this.synced = this.end
    const over = (error?: unknown) => {
      this.failure ??= error
      this.syncing = undefined
    }
    this.syncing = file.sync().then(() => over(), over)
  }

  private async opened(): Promise<AppendFile> {
    if (this.file) return this.file
    const { files, path } = this.options
    // Left by an attempt that could not remove it.
    if (files.exists(path)) await files.remove(path)
    this.file = await files.create(path)
    await this.file.append([this.head])
    return this.file
  }

  private mustBeOpen(): void {
    if (this.over) throw new Error(`The checkpoint of epoch ${this.epoch} is over.`)
  }
}
