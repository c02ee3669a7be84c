// Owns the bytes of a checkpoint file: header, slices of entries, footer. Only a file with its footer is finished (protocol 11).
//
// header: magic, checksum, length, JSON · slice: magic, checksum, length, count, entries · footer: magic, checksum, entries, end, epoch
// entry: namespace (1 byte), key length (2), value length (4; all ones: deleted), key, value
import { crc32 } from 'node:zlib'
import type { CheckpointHeader, Namespace } from '../../engine/state/store.ts'
import type { ReadFile } from '../files/files.ts'
import { StorageError } from '../files/storage-error.ts'

export const SPACES: Record<Namespace, number> = { state: 0, index: 1 }
const HEADER_MAGIC = 0x48434d50 // 'PMCH'
const SLICE_MAGIC = 0x53434d50
const FOOTER_MAGIC = 0x46434d50
export const SLICE_HEAD_BYTES = 16
const HEADER_HEAD_BYTES = 12
const FOOTER_BYTES = 32
export const ENTRY_HEAD_BYTES = 7
const NO_VALUE = 0xffff_ffff

/** What a file says at its head: the checkpoint's header, and what the store held when it was begun, to tell a lost file from none. */
export interface FileHeader {
  header: CheckpointHeader
  /** Epochs of the finished files that were not applied yet. */
  before: number[]
  /** Epoch of the newest applied checkpoint; -1: none. */
  applied: number
}

export const checkpointName = (epoch: number): string => `ckpt-${epoch}.ckp`
export const checkpointEpoch = (name: string): number | undefined => {
  const match = /^ckpt-(\d+)\.ckp$/.exec(name)
  return match ? Number(match[1]) : undefined
}

export const stateCorrupt = (path: string, what: string, cause?: unknown): StorageError =>
  new StorageError(
    'STATE_CORRUPT',
    `${path} is damaged: ${what}.`,
    'Restore the data folder from a copy. Without one, move the folder of this state away: it is computed again where the log still holds ' +
      'everything since its beginning; else import again into a new folder (--data).',
    cause,
  )

export function encodeHeader(header: FileHeader): Buffer {
  const text = Buffer.from(JSON.stringify(header))
  const bytes = Buffer.alloc(HEADER_HEAD_BYTES + text.length)
  bytes.writeUInt32LE(HEADER_MAGIC, 0)
  bytes.writeUInt32LE(text.length, 8)
  text.copy(bytes, HEADER_HEAD_BYTES)
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4)
  return bytes
}

/** Completes a slice whose entries begin at SLICE_HEAD_BYTES. */
export function sealSlice(slice: Buffer, count: number): Buffer {
  slice.writeUInt32LE(SLICE_MAGIC, 0)
  slice.writeUInt32LE(slice.length - SLICE_HEAD_BYTES, 8)
  slice.writeUInt32LE(count, 12)
  slice.writeUInt32LE(crc32(slice.subarray(8)), 4)
  return slice
}

/** Writes an entry at `at`; returns where it ends. */
export function encodeEntry(slice: Buffer, at: number, space: number, key: Uint8Array, value: Uint8Array | undefined): number {
  slice[at] = space
  slice.writeUInt16LE(key.length, at + 1)
  slice.writeUInt32LE(value ? value.length : NO_VALUE, at + 3)
  slice.set(key, at + ENTRY_HEAD_BYTES)
  if (value) slice.set(value, at + ENTRY_HEAD_BYTES + key.length)
  return at + ENTRY_HEAD_BYTES + key.length + (value ? value.length : 0)
}

export function encodeFooter(epoch: number, entries: number, end: number): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  bytes.writeUInt32LE(FOOTER_MAGIC, 0)
  bytes.writeDoubleLE(entries, 8)
  bytes.writeDoubleLE(end, 16)
  bytes.writeDoubleLE(epoch, 24)
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4)
  return bytes
}

/** Whether the file is a finished checkpoint of the epoch. */
export function isFinished(file: ReadFile, epoch: number): boolean {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  const at = file.size - FOOTER_BYTES
  if (at < 0 || file.readSync(bytes, at) < FOOTER_BYTES || bytes.readUInt32LE(0) !== FOOTER_MAGIC) return false
  return crc32(bytes.subarray(8)) === bytes.readUInt32LE(4) && bytes.readDoubleLE(16) === at && bytes.readDoubleLE(24) === epoch
}

export function readHeader(file: ReadFile, path: string): { header: FileHeader; end: number } {
  const head = Buffer.alloc(HEADER_HEAD_BYTES)
  if (file.readSync(head, 0) < head.length || head.readUInt32LE(0) !== HEADER_MAGIC) throw stateCorrupt(path, 'its header cannot be read')
  const length = head.readUInt32LE(8)
  const text = Buffer.alloc(Math.min(length, file.size))
  if (file.readSync(text, head.length) < length || crc32(text, crc32(head.subarray(8))) !== head.readUInt32LE(4)) {
    throw stateCorrupt(path, 'its header has a wrong checksum')
  }
  return { header: JSON.parse(text.toString()) as FileHeader, end: head.length + length }
}

export interface Entry {
  space: number
  key: Buffer
  /** Position of the value in the file. */
  position: number
  /** -1: deleted. */
  length: number
}

/** All entries of a finished file, each slice's checksum verified first. Keys are valid until the next step. */
export function* readEntries(file: ReadFile, path: string): Iterable<Entry> {
  const end = file.size - FOOTER_BYTES
  const head = Buffer.alloc(SLICE_HEAD_BYTES)
  for (let at = readHeader(file, path).end; at < end; ) {
    file.readSync(head, at)
    const length = head.readUInt32LE(8)
    const from = at + SLICE_HEAD_BYTES
    if (head.readUInt32LE(0) !== SLICE_MAGIC || from + length > end) throw stateCorrupt(path, `no slice begins at byte ${at}`)
    const slice = Buffer.allocUnsafe(length)
    file.readSync(slice, from)
    if (crc32(slice, crc32(head.subarray(8))) !== head.readUInt32LE(4))
      throw stateCorrupt(path, `the slice at byte ${at} has a wrong checksum`)
    for (let pos = 0; pos < length; ) {
      const keyLength = slice.readUInt16LE(pos + 1)
      const valueLength = slice.readUInt32LE(pos + 3)
      const key = slice.subarray(pos + ENTRY_HEAD_BYTES, pos + ENTRY_HEAD_BYTES + keyLength)
      const space = slice[pos]
      pos += ENTRY_HEAD_BYTES + keyLength
      const deleted = valueLength === NO_VALUE
      yield { space, key, position: from + pos, length: deleted ? -1 : valueLength }
      if (!deleted) pos += valueLength
    }
    at = from + length
  }
}
