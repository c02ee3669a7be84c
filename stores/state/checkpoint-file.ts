// Owns the bytes of a checkpoint file: header, slices of entries, footer. Only a file with its footer is finished (protocol 11).
//
// header: magic, checksum, length, JSON · footer: magic, checksum, entries, end, epoch
// slice: magic, checksum (of its head and its index part), bytes of its values, bytes of its index part, entries · values · index part
// value: bytes, checksum (of them and of its key's hash) · in the index part: key length (2), index length (4), value length (4; all ones:
// deleted), key, index. A start reads heads and index parts and passes over values: each is checked when it is read.
import { crc32 } from 'node:zlib'
import type { CheckpointHeader } from '../../engine/state/store.ts'
import type { ReadFile } from '../files/files.ts'
import { StorageError } from '../files/storage-error.ts'
import { NO_VALUE } from './place-table.ts'

const HEADER_MAGIC = 0x32434d50 // 'PMC2'
const SLICE_MAGIC = 0x53434d50
const FOOTER_MAGIC = 0x46434d50
export const SLICE_HEAD_BYTES = 24
const HEADER_HEAD_BYTES = 12
const FOOTER_BYTES = 32
export const ENTRY_HEAD_BYTES = 10
export const CRC_BYTES = 4
export const KEY_BYTES_MAX = 0xffff

/** What a file says at its head: the checkpoint's header, and the epochs of the files that it needs beside itself, to tell a lost one from none. */
export interface FileHeader {
  header: CheckpointHeader
  before: number[]
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

/** Completes a slice whose values begin at SLICE_HEAD_BYTES. */
export function sealSlice(values: Buffer, index: Buffer, count: number): void {
  values.writeUInt32LE(SLICE_MAGIC, 0)
  values.writeUInt32LE(values.length - SLICE_HEAD_BYTES, 8)
  values.writeUInt32LE(index.length, 12)
  values.writeDoubleLE(count, 16)
  values.writeUInt32LE(crc32(index, crc32(values.subarray(8, SLICE_HEAD_BYTES))), 4)
}

/** Writes an entry of an index part at `at`; returns where it ends. */
export function encodeEntry(part: Buffer, at: number, key: Uint8Array, valueLength: number, index: Uint8Array): number {
  part.writeUInt16LE(key.length, at)
  part.writeUInt32LE(index.length, at + 2)
  part.writeUInt32LE(valueLength, at + 6)
  part.set(key, at + ENTRY_HEAD_BYTES)
  part.set(index, at + ENTRY_HEAD_BYTES + key.length)
  return at + ENTRY_HEAD_BYTES + key.length + index.length
}

/** A value's checksum. `hash`: a word of its key's, so that another key's value is none. */
export const valueChecksum = (value: Uint8Array, hash: number): number => crc32(value, hash >>> 0)

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

/** Entries of a finished file. */
export function entriesOf(file: ReadFile): number {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  file.readSync(bytes, file.size - FOOTER_BYTES)
  return bytes.readDoubleLE(8)
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

export const keyOf = ({ part, keyAt, keyEnd }: Entry): Buffer => part.subarray(keyAt, keyEnd)
export const indexOf = ({ part, keyEnd, indexEnd }: Entry): Buffer => part.subarray(keyEnd, indexEnd)

export interface Entry {
  /** Its index part: the key is part[keyAt … keyEnd), the index value what follows until indexEnd. */
  part: Buffer
  keyAt: number
  keyEnd: number
  indexEnd: number
  /** Position of the value in the file. */
  position: number
  /** Of the value, without its checksum; NO_VALUE: deleted. */
  length: number
}

/** All entries of a finished file, in the order in which they were written or the other way round, slice by slice; each index part's checksum is
 *  verified first. Bytes are the caller's. Errors: STATE_CORRUPT. */
export function* readEntries(file: ReadFile, path: string, order: 'first first' | 'last first' = 'first first'): Iterable<Entry> {
  const slices = slicesOf(file, path)
  if (order === 'first first') for (const slice of slices) yield* entriesOfSlice(file, path, slice)
  else for (const slice of slices.reverse()) yield* [...entriesOfSlice(file, path, slice)].reverse()
}

/** Where the slices begin. */
function slicesOf(file: ReadFile, path: string): number[] {
  const end = file.size - FOOTER_BYTES
  const head = Buffer.alloc(SLICE_HEAD_BYTES)
  const slices: number[] = []
  for (let at = readHeader(file, path).end; at < end; ) {
    slices.push(at)
    file.readSync(head, at)
    at += SLICE_HEAD_BYTES + head.readUInt32LE(8) + head.readUInt32LE(12)
    if (head.readUInt32LE(0) !== SLICE_MAGIC || at > end) throw stateCorrupt(path, `no slice begins at byte ${slices.at(-1)}`)
  }
  return slices
}

function* entriesOfSlice(file: ReadFile, path: string, at: number): Generator<Entry> {
  const head = Buffer.alloc(SLICE_HEAD_BYTES)
  file.readSync(head, at)
  const length = head.readUInt32LE(12)
  const part = Buffer.allocUnsafe(length)
  file.readSync(part, at + SLICE_HEAD_BYTES + head.readUInt32LE(8))
  if (crc32(part, crc32(head.subarray(8))) !== head.readUInt32LE(4))
    throw stateCorrupt(path, `the slice at byte ${at} has a wrong checksum`)
  let position = at + SLICE_HEAD_BYTES
  for (let pos = 0; pos < length; ) {
    const keyAt = pos + ENTRY_HEAD_BYTES
    const keyEnd = keyAt + part.readUInt16LE(pos)
    const indexEnd = keyEnd + part.readUInt32LE(pos + 2)
    const valueLength = part.readUInt32LE(pos + 6)
    yield { part, keyAt, keyEnd, indexEnd, position, length: valueLength }
    if (valueLength !== NO_VALUE) position += valueLength + CRC_BYTES
    pos = indexEnd
  }
}
