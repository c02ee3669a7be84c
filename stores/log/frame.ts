// Owns the bytes of a journal frame: what one commit (or several, by group commit) appends. Pure.
//
// frame = head (32 bytes, then a directory in JSON) + body (the blocks' bytes, then the receipts' JSON, in the directory's order).
// The head has its own checksum, and each block and receipt has one in the directory: an index is built from heads alone, and a
// read verifies exactly what it returns. The head holds its own position, so that no bytes of a record pass for a frame.
import { crc32 } from 'node:zlib'

export const HEAD_BYTES = 32
const MAGIC = 0x314a4d50 // 'PMJ1'
/** A directory larger than this is no directory but damage: a frame holds at most a few thousand entries. */
const DIRECTORY_BYTES_MAX = 64 << 20

export type BlockEntry = [topic: string, partition: number, baseOffset: number, count: number, length: number, crc: number]

/** The small facts of a frame. All are monotone or newest-wins, so that they may be repeated, and read in any order of files. */
export type LogRecord =
  /** First of a file: where the writer's file before it ends. Bytes behind that end were never committed. */
  | { is: 'file'; prevSeq: number; prevEnd: number }
  | { is: 'receipt'; name: string; generation: number; epoch: number; to: number; length: number; crc: number; releasedThrough?: number }
  | { is: 'claim'; name: string; generation: number; count: number }
  | { is: 'release'; name: string; generation: number }
  /** A consumer needs the partition from here on; undefined: it needs it no more. */
  | { is: 'need'; consumer: string; topic: string; partition: number; from?: number; version: number }
  /** The partition's next offset, repeated when the file of its last block goes. */
  | { is: 'end'; topic: string; partition: number; end: number }
  /** The file is being deleted. */
  | { is: 'drop'; file: string }

export interface Directory {
  blocks: BlockEntry[]
  records: LogRecord[]
}

export interface FrameHead extends Directory {
  position: number
  /** Where the body begins, and where the frame ends, in the file. */
  body: number
  end: number
  writtenMs: number
}

/** A frame's head, for a frame that begins at `position`. */
export function encodeHead({ blocks, records }: Directory, position: number, writtenMs: number): Buffer {
  const text = Buffer.from(JSON.stringify({ blocks, records }))
  const head = Buffer.allocUnsafe(HEAD_BYTES + text.length)
  head.writeUInt32LE(MAGIC, 0)
  head.writeUInt32LE(head.length, 8)
  head.writeUInt32LE(0, 12)
  head.writeDoubleLE(position, 16)
  head.writeDoubleLE(writtenMs, 24)
  text.copy(head, HEAD_BYTES)
  head.writeUInt32LE(crc32(head.subarray(8)), 4)
  return head
}

/** Length of the head that begins with these HEAD_BYTES, or 0 where none does. */
export function headLength(bytes: Buffer, at = 0): number {
  if (bytes.length < at + HEAD_BYTES || bytes.readUInt32LE(at) !== MAGIC) return 0
  const length = bytes.readUInt32LE(at + 8)
  return length < HEAD_BYTES || length > DIRECTORY_BYTES_MAX ? 0 : length
}

/** The head in `bytes` (of exactly its length), which must be that of a frame at `position`; undefined where it is not. */
export function decodeHead(bytes: Buffer, position: number): FrameHead | undefined {
  if (bytes.length < HEAD_BYTES || headLength(bytes) !== bytes.length || crc32(bytes.subarray(8)) !== bytes.readUInt32LE(4))
    return undefined
  if (bytes.readDoubleLE(16) !== position) return undefined
  const { blocks, records } = JSON.parse(bytes.toString('utf8', HEAD_BYTES)) as Directory
  const body = position + bytes.length
  return { blocks, records, position, body, end: body + bodyLength({ blocks, records }), writtenMs: bytes.readDoubleLE(24) }
}

export function bodyLength({ blocks, records }: Directory): number {
  let length = 0
  for (const block of blocks) length += block[4]
  for (const record of records) if (record.is === 'receipt') length += record.length
  return length
}

/** Every part of a body, in order: its position in the file, length and checksum. */
export function* bodyParts(head: FrameHead): Iterable<{ position: number; length: number; crc: number }> {
  let position = head.body
  for (const [, , , , length, crc] of head.blocks) {
    yield { position, length, crc }
    position += length
  }
  for (const record of head.records) {
    if (record.is !== 'receipt') continue
    yield { position, length: record.length, crc: record.crc }
    position += record.length
  }
}

/** Position of the next whole head at or after `from` in `bytes`, which begin at `origin` of the file; -1 if there is none. */
export function findHead(bytes: Buffer, from: number, origin: number): number {
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(MAGIC)
  for (let at = bytes.indexOf(magic, from); at >= 0; at = bytes.indexOf(magic, at + 1)) {
    const length = headLength(bytes, at)
    if (length && at + length <= bytes.length && decodeHead(bytes.subarray(at, at + length), origin + at)) return origin + at
  }
  return -1
}
