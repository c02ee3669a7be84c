// One open checkpoint: collects entries into a slice, appends slices, finishes with a footer. Numbers are those of store.ts.
//
// A slice is appended while its task goes on, and grows by what comes until the one before it is: where the disk is flushing, an append takes as
// long as some epochs. Only beyond a bound does the task wait for it.

import { setImmediate as turn } from 'node:timers/promises'
import type { OpenCheckpoint } from '../../engine/state/store.ts'
import type { AppendFile, Files, ReadFile } from '../files/files.ts'
import { storageError } from '../files/storage-error.ts'
import type { Changes } from './changes.ts'
import {
  CRC_BYTES,
  ENTRY_HEAD_BYTES,
  encodeEntry,
  encodeFooter,
  encodeHeader,
  type FileHeader,
  KEY_BYTES_MAX,
  SLICE_HEAD_BYTES,
  sealSlice,
  valueChecksum,
} from './checkpoint-file.ts'
import { NO_VALUE } from './place-table.ts'

const SLICE_BYTES_AT_FIRST = 1 << 16
/** Appended bytes are flushed to the disk when they are more than this, while the task goes on: all at once at the end, it would wait for seconds. */
const SYNC_BYTES = 1 << 20
/** A slice that is larger waits for the one before to be appended. */
const HELD_BYTES = 1 << 20
const NO_BYTES = new Uint8Array(0)

/** Where a slice is put together; the next one is in another, and so on in turn, from checkpoint to checkpoint. */
export class SliceBuffer {
  values: Buffer = Buffer.allocUnsafeSlow(SLICE_BYTES_AT_FIRST)
  index: Buffer = Buffer.allocUnsafeSlow(SLICE_BYTES_AT_FIRST)
}

export interface CheckpointWriterOptions {
  files: Files
  path: string
  header: FileHeader
  slices: readonly [SliceBuffer, SliceBuffer]
  /** Where each key's value lies is put there. */
  changes: Changes
  /** Before a slice of so many bytes is appended: puts what else is to be in it by `add`. */
  more(bytes: number): void
  /** There is more to put, also into slices that hold nothing else: those are appended before it finishes. */
  isMoreOwed(): boolean
  /** The checkpoint is finished and durable, and opened to be read. */
  finished(file: ReadFile): void
  /** It was given up. */
  aborted(): void
}

export class CheckpointWriter implements OpenCheckpoint {
  bytes = 0
  private readonly options: CheckpointWriterOptions
  private readonly epoch: number
  /** Being filled; the other may be on its way. */
  private slice: SliceBuffer
  private valuesEnd = SLICE_HEAD_BYTES
  private indexEnd = 0
  private sliceEntries = 0
  private entries = 0
  private file: AppendFile | undefined
  /** Where the next slice begins in the file. */
  private end: number
  private synced = 0
  private syncing: Promise<void> | undefined
  /** Of the slice before, until it is appended. Never rejects. */
  private appending: Promise<void> | undefined
  /** Of an append or a flush to the disk: what it lost is not there, whatever a later one says. */
  private failure: unknown
  private readonly head: Buffer
  private over = false

  constructor(options: CheckpointWriterOptions) {
    this.options = options
    this.slice = options.slices[0]
    this.epoch = options.header.header.epoch
    this.head = encodeHeader(options.header)
    this.end = this.head.length
  }

  put(key: Uint8Array, value: Uint8Array, index: Uint8Array): void {
    this.bytes += this.add(key, value, index)
  }

  delete(key: Uint8Array): void {
    this.bytes += this.add(key, undefined, NO_BYTES)
  }

  /** Returns how many bytes it takes. Errors: RangeError for a key that is too long. */
  add(key: Uint8Array, value: Uint8Array | undefined, index: Uint8Array): number {
    if (this.over) throw over(this.epoch)
    if (key.length > KEY_BYTES_MAX) throw new RangeError(`A state key has ${key.length} bytes; at most ${KEY_BYTES_MAX} are possible.`)
    const { slice } = this
    const part = ENTRY_HEAD_BYTES + key.length + index.length
    if (this.indexEnd + part > slice.index.length) slice.index = grown(slice.index, this.indexEnd, part)
    const hash = this.options.changes.add(key, this.end + this.valuesEnd, value ? value.length : NO_VALUE)
    this.indexEnd = encodeEntry(slice.index, this.indexEnd, key, value ? value.length : NO_VALUE, index)
    this.sliceEntries++
    if (!value) return part
    const room = value.length + CRC_BYTES
    if (this.valuesEnd + room > slice.values.length) slice.values = grown(slice.values, this.valuesEnd, room)
    slice.values.set(value, this.valuesEnd)
    slice.values.writeUInt32LE(valueChecksum(value, hash), this.valuesEnd + value.length)
    this.valuesEnd += room
    return part + room
  }

  async flush(): Promise<void> {
    if (this.over) throw over(this.epoch)
    if (this.appending === undefined || this.valuesEnd > HELD_BYTES) await this.append()
  }

  async finish(): Promise<void> {
    if (this.over) throw over(this.epoch)
    await this.append()
    while (this.options.isMoreOwed()) {
      // Where nothing came of a step, no disk gives others their turn.
      await turn()
      await this.append()
    }
    let finished: ReadFile
    try {
      await this.appended()
      const file = await this.opened()
      await this.syncing
      if (this.over) throw over(this.epoch)
      if (this.failure !== undefined) throw this.failure
      // The footer comes after what it speaks of is durable: a file that has one is whole.
      await file.sync()
      await file.append([encodeFooter(this.epoch, this.entries, this.end)])
      await file.sync()
      await file.close()
      finished = this.options.files.open(this.options.path)
    } catch (error) {
      await this.abort()
      throw storageError(error, this.options.path)
    }
    this.over = true
    this.options.finished(finished)
  }

  async abort(): Promise<void> {
    if (this.over) return
    this.over = true
    this.options.aborted()
    // What cannot be removed now is no finished checkpoint either, or one of an epoch that the log holds: the next start removes it.
    await this.appending
    await this.syncing
    await this.file?.close().catch(() => undefined)
    if (this.options.files.exists(this.options.path)) await this.options.files.remove(this.options.path).catch(() => undefined)
  }

  /** Sends the slice on its way, and begins another. */
  private async append(): Promise<void> {
    if (!this.sliceEntries && !this.options.isMoreOwed()) return
    try {
      this.options.more(this.sliceEntries ? this.valuesEnd + this.indexEnd : 0)
      if (!this.sliceEntries) return
      const { valuesEnd, indexEnd, sliceEntries } = this
      const values = this.slice.values.subarray(0, valuesEnd)
      const index = this.slice.index.subarray(0, indexEnd)
      sealSlice(values, index, sliceEntries)
      this.end += valuesEnd + indexEnd
      this.entries += sliceEntries
      this.sliceEntries = 0
      await this.appended()
      const file = await this.opened()
      // Given up meanwhile: its file is closed, and its number may be another's.
      if (this.over) throw over(this.epoch)
      const ended = (error?: unknown) => {
        this.failure ??= error
        this.appending = undefined
        if (this.failure === undefined) this.sync(file)
      }
      this.appending = file.append([values, index]).then(() => ended(), ended)
      const [one, other] = this.options.slices
      this.slice = this.slice === one ? other : one
    } catch (error) {
      await this.abort()
      throw storageError(error, this.options.path)
    }
    this.valuesEnd = SLICE_HEAD_BYTES
    this.indexEnd = 0
  }

  private async appended(): Promise<void> {
    await this.appending
    if (this.failure !== undefined) throw this.failure
  }

  private sync(file: AppendFile): void {
    if (this.syncing !== undefined || this.end - this.synced <= SYNC_BYTES) return
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
}

function grown(buffer: Buffer, end: number, need: number): Buffer {
  const bigger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, end + need))
  buffer.copy(bigger, 0, 0, end)
  return bigger
}

const over = (epoch: number) => new Error(`The checkpoint of epoch ${epoch} is over.`)
