// The embedded state store: one task's finished checkpoint files, and the key-value store that they are applied to, lazily. Numbers: store.ts.
//
// Owns the folder `<data>/state/<task>`. The newest value of a key is in a finished file that is not applied yet, or in the key-value store.
// 5. Finished files are applied many at once, the newest value of each key only: a key that changes with every checkpoint is written once.
//    Until all of it is durable in the key-value store the files stay and answer first, so an application that was cut off is done again.
// 6. A file that the newest checkpoint names must be there: what is missing is STATE_CORRUPT, never a step back for some keys.
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { CheckpointHeader, Namespace, OpenCheckpoint, StateStore } from '../../engine/state/store.ts'
import type { Files, ReadFile } from '../files/files.ts'
import { storageError } from '../files/storage-error.ts'
import {
  checkpointEpoch,
  checkpointName,
  type FileHeader,
  isFinished,
  readEntries,
  readHeader,
  SPACES,
  stateCorrupt,
} from './checkpoint-file.ts'
import { CheckpointWriter, SliceBuffer } from './checkpoint-writer.ts'
import { KeyTable, storedKey, userKey, type ValuePlace } from './key-table.ts'
import type { Change, KeyValueStore } from './key-value.ts'

export interface CheckpointStoreOptions {
  files: Files
  /** `<data>/state/<task>` */
  folder: string
  /** Opened by the caller, closed by the store. */
  keyValue: KeyValueStore
  /** Finished files are applied when they have more bytes than this … */
  applyBytes?: number
  /** … or there are more of them than this. */
  applyFiles?: number
}

const APPLY_BYTES = 256 << 20
const APPLY_FILES = 16
/** Bounds of one step of maintain(): a few milliseconds of a lane. */
const STEP_KEYS = 1000
const STEP_BYTES = 1 << 20
const MERGE_KEYS = 4000
/** A table with more slots is not kept to be filled again. */
const SPARE_SLOTS_MAX = 1 << 17
const CRC_BYTES = 4
const META_KEY = Buffer.from([255])

/** What the key-value store says of itself. `applying`: values of checkpoints up to this epoch may be among its values. */
interface Meta {
  header?: CheckpointHeader
  applying: number
}

interface FinishedFile {
  epoch: number
  path: string
  file: ReadFile
}

/** Errors: STATE_CORRUPT, DATA_READ_ONLY. */
export async function openCheckpointStore(options: CheckpointStoreOptions): Promise<StateStore> {
  const { files, folder, keyValue } = options
  try {
    await files.makeFolder(folder)
    const store = new CheckpointStore(options)
    await store.load()
    return store
  } catch (error) {
    await keyValue.close()
    throw storageError(error, folder)
  }
}

class CheckpointStore implements StateStore {
  header: CheckpointHeader | undefined
  private readonly options: CheckpointStoreOptions
  private readonly finished = new Map<number, FinishedFile>()
  /** Tables of the newest checkpoints, to be merged into `fresh`; the newest is the last. */
  private unmerged: KeyTable[] = []
  private mergedKeys = 0
  /** The table of a checkpoint that has been merged: the next one's keys are put there. */
  private spare: KeyTable | undefined
  private fresh = new KeyTable()
  private applying: { table: KeyTable; header: CheckpointHeader; slot: number } | undefined
  private applied = -1
  private open: CheckpointWriter | undefined
  private readonly slice = new SliceBuffer()

  constructor(options: CheckpointStoreOptions) {
    this.options = options
  }

  async load(): Promise<void> {
    const { files, folder, keyValue } = this.options
    const meta = this.readMeta()
    this.applied = meta.header?.epoch ?? -1
    this.header = meta.header
    const epochs = files.list(folder).flatMap((name) => checkpointEpoch(name) ?? [])
    const found = new Map(epochs.map((epoch) => [epoch, files.open(this.path(epoch))]))
    const newest = Math.max(-1, ...epochs.filter((epoch) => epoch > this.applied && isFinished(found.get(epoch)!, epoch)))
    const keep = newest < 0 ? [] : this.needed(newest, found)
    if (meta.applying > Math.max(newest, this.applied)) {
      throw stateCorrupt(this.path(meta.applying), 'it has been applied in part, but it is not there, or not whole')
    }
    for (const epoch of keep) {
      const file = found.get(epoch)!
      // A killed process may have left it in the page cache only: nobody may act on it before it is durable.
      await files.sync(this.path(epoch))
      for (const { space, key, position, length } of readEntries(file, this.path(epoch))) {
        this.fresh.set(space, key, epoch, position, length)
      }
      this.finished.set(epoch, { epoch, path: this.path(epoch), file })
    }
    if (epochs.length > keep.length && meta.header) {
      // The same for what was applied: a transaction of our own, flushed, makes those before it durable too.
      await keyValue.write([this.metaChange(meta)])
      await keyValue.flush()
    }
    for (const [epoch, file] of found) {
      if (this.finished.has(epoch)) continue
      file.close()
      await files.remove(this.path(epoch))
    }
  }

  get(space: Namespace, key: Uint8Array): Uint8Array | undefined {
    const stored = storedKey(SPACES[space], key)
    for (const table of this.tables()) {
      const entry = table.find(stored)
      if (entry >= 0) return this.readValue(table.value(entry))
    }
    const value = this.options.keyValue.get(stored)
    return value && this.checked(value)
  }

  *entries(space: Namespace): Iterable<[key: Uint8Array, value: Uint8Array]> {
    while (this.unmerged.length) this.merge()
    const tables = this.tables()
    for (const [i, table] of tables.entries()) {
      for (let entry = 0; entry < table.size; entry++) {
        const key = table.key(entry)
        if (key[0] !== SPACES[space] || tables.slice(0, i).some((newer) => newer.find(key) >= 0)) continue
        const value = this.readValue(table.value(entry))
        if (value) yield [userKey(key), value]
      }
    }
    const prefix = SPACES[space]
    for (const [key, value] of this.options.keyValue.range(Buffer.from([prefix]), Buffer.from([prefix + 1]))) {
      if (!tables.some((table) => table.find(key as Buffer) >= 0)) yield [userKey(key), this.checked(value)]
    }
  }

  begin(header: CheckpointHeader, keys = 0): OpenCheckpoint {
    if (this.open) throw new Error('A checkpoint is open already.')
    if (this.header && header.epoch <= this.header.epoch) {
      throw new Error(`A checkpoint of epoch ${header.epoch} cannot follow one of epoch ${this.header.epoch}.`)
    }
    const { files } = this.options
    const path = this.path(header.epoch)
    this.open = new CheckpointWriter({
      files,
      path,
      header: { header, before: [...this.finished.keys()], applied: this.applied },
      slice: this.slice,
      table: this.spare && this.spare.slotCount >= keys * 2 ? this.spare : new KeyTable(keys),
      finished: (table) => {
        this.finished.set(header.epoch, { epoch: header.epoch, path, file: files.open(path) })
        this.unmerged.push(table)
        this.header = header
      },
      ended: () => {
        this.open = undefined
      },
    })
    this.spare = undefined
    return this.open
  }

  async maintain(): Promise<boolean> {
    if (this.unmerged.length) {
      this.merge()
      return true
    }
    if (this.applying) return this.apply()
    const { applyBytes = APPLY_BYTES, applyFiles = APPLY_FILES } = this.options
    const bytes = [...this.finished.values()].reduce((sum, { file }) => sum + file.size, 0)
    if (bytes <= applyBytes && this.finished.size <= applyFiles) return false
    const header = this.header!
    // Before the first value, so that these files are known to be needed (6).
    await this.options.keyValue.write([this.metaChange({ ...this.readMeta(), applying: header.epoch })])
    this.applying = { table: this.fresh, header, slot: 0 }
    this.fresh = new KeyTable()
    return true
  }

  async close(): Promise<void> {
    await this.open?.abort()
    for (const { file } of this.finished.values()) file.close()
    await this.options.keyValue.close()
  }

  /** Tables that answer before the key-value store, newest first. */
  private tables(): KeyTable[] {
    return [...this.unmerged].reverse().concat(this.fresh, this.applying?.table ?? [])
  }

  /** Moves a bounded number of keys of the oldest unmerged table into `fresh`, which it becomes where there are none. It answers first until all of it has moved. */
  private merge(): void {
    const table = this.unmerged[0]
    if (this.fresh.size === 0) {
      this.fresh = this.unmerged.shift()!
      return
    }
    const end = Math.min(table.size, this.mergedKeys + MERGE_KEYS)
    for (; this.mergedKeys < end; this.mergedKeys++) this.fresh.take(table, this.mergedKeys)
    if (end < table.size) return
    this.unmerged.shift()
    if (table.slotCount <= SPARE_SLOTS_MAX) {
      table.clear()
      this.spare = table
    }
    this.mergedKeys = 0
  }

  /** One step of the application (5); false when it has ended. */
  private async apply(): Promise<boolean> {
    const applying = this.applying!
    const { table, header } = applying
    const changes: Change[] = []
    let slot = applying.slot
    for (let bytes = 0; slot < table.slotCount && changes.length < STEP_KEYS && bytes < STEP_BYTES; slot++) {
      const entry = table.entryIn(slot)
      if (entry < 0) continue
      const value = this.readValue(table.value(entry), CRC_BYTES)
      value?.writeUInt32LE(crc32(value.subarray(0, -CRC_BYTES)), value.length - CRC_BYTES)
      changes.push([table.key(entry), value])
      bytes += value?.length ?? 0
    }
    const { keyValue, files } = this.options
    if (changes.length) {
      await keyValue.write(changes)
      // Only now: what could not be written is written again.
      applying.slot = slot
      return true
    }
    await keyValue.write([this.metaChange({ header, applying: header.epoch })])
    await keyValue.flush()
    this.applying = undefined
    this.applied = header.epoch
    for (const { epoch, path, file } of [...this.finished.values()]) {
      if (epoch > header.epoch) continue
      this.finished.delete(epoch)
      file.close()
      // What cannot be removed now, the next start removes: nobody reads it any more.
      await files.remove(path).catch(() => undefined)
    }
    return false
  }

  /** The finished files that make up the state as of `newest`, oldest first (6). */
  private needed(newest: number, found: ReadonlyMap<number, ReadFile>): number[] {
    const path = this.path(newest)
    const { header }: { header: FileHeader } = readHeader(found.get(newest)!, path)
    if (header.applied > this.applied)
      throw stateCorrupt(path, `it follows epoch ${header.applied}, which the key-value store does not have`)
    const keep = header.before.filter((epoch) => epoch > this.applied)
    for (const epoch of keep) {
      const file = found.get(epoch)
      if (!file || !isFinished(file, epoch)) throw stateCorrupt(this.path(epoch), 'it is not there, or not whole')
    }
    this.header = header.header
    return [...keep, newest]
  }

  /** The value, with `room` bytes behind it; undefined where the key is deleted. */
  private readValue({ file, position, length }: ValuePlace, room = 0): Buffer | undefined {
    if (length < 0) return undefined
    const value = Buffer.allocUnsafe(length + room)
    const { file: read, path } = this.finished.get(file)!
    if (read.readSync(value.subarray(0, length), position) < length) throw stateCorrupt(path, 'it is shorter than it was')
    return value
  }

  private checked(value: Uint8Array): Uint8Array {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
    const end = bytes.length - CRC_BYTES
    if (end < 0 || crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) {
      throw stateCorrupt(this.options.folder, 'a value of its key-value store has a wrong checksum')
    }
    return bytes.subarray(0, end)
  }

  private readMeta(): Meta {
    const value = this.options.keyValue.get(META_KEY)
    return value ? (JSON.parse(Buffer.from(this.checked(value)).toString()) as Meta) : { applying: -1 }
  }

  private metaChange(meta: Meta): Change {
    const value = Buffer.from(`${JSON.stringify(meta)}0000`)
    value.writeUInt32LE(crc32(value.subarray(0, -CRC_BYTES)), value.length - CRC_BYTES)
    return [META_KEY, value]
  }

  private path(epoch: number): string {
    return join(this.options.folder, checkpointName(epoch))
  }
}
