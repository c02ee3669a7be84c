// Owns how journal files are named, scanned and closed. A closed file has its index beside it (`.idx`: its frames' heads, one after the
// other, and where it ends), so that a start reads indexes instead of all frames, and so that its end is settled for good.
//
// 1. Bytes behind a file's end do not exist. The end is what its index says; without one, what the writer's next file says; without
//    one (the last file of a dead writer), the end of the last whole frame: one frame was in flight at most.
// 2. Anything else that is not a whole frame before the end is damage, by name: LOG_CORRUPT.
import { crc32 } from 'node:zlib'
import type { Files, ReadFile } from '../files/files.ts'
import { logCorrupt } from '../files/storage-error.ts'
import { bodyParts, decodeHead, encodeHead, type FrameHead, findHead, HEAD_BYTES, headLength } from './frame.ts'

export interface JournalName {
  writer: string
  incarnation: number
  seq: number
  /** The file's name in the log's folder. */
  name: string
}

const INDEX_MAGIC = 0x31494d50 // 'PMI1'
const INDEX_HEADER_BYTES = 16
/** Enough for the head of a usual frame in one read. */
const HEAD_GUESS_BYTES = 4096

export const journalName = (writer: string, incarnation: number, seq: number): string => `${writer}-${incarnation}-${seq}.jnl`
export const indexPath = (path: string): string => path.replace(/\.jnl$/, '.idx')

/** The journals in a folder, by writer and seq. */
export function listJournals(files: Files, folder: string): JournalName[] {
  const found: JournalName[] = []
  for (const name of files.list(folder)) {
    const match = /^(.+)-(\d+)-(\d+)\.jnl$/.exec(name)
    if (match) found.push({ writer: match[1], incarnation: Number(match[2]), seq: Number(match[3]), name })
  }
  return found.sort((a, b) => (a.writer < b.writer ? -1 : a.writer > b.writer ? 1 : a.seq - b.seq))
}

/** The head of the frame at `position`, or undefined where there is no whole one. */
export function readHead(file: ReadFile, position: number): FrameHead | undefined {
  const guess = Buffer.allocUnsafe(HEAD_GUESS_BYTES)
  const got = guess.subarray(0, file.readSync(guess, position))
  const length = got.length < HEAD_BYTES ? 0 : headLength(got)
  if (!length) return undefined
  if (length <= got.length) return decodeHead(got.subarray(0, length), position)
  const head = Buffer.allocUnsafe(length)
  return file.readSync(head, position) === length ? decodeHead(head, position) : undefined
}

/** The frames between two positions, which both are ends of committed frames. */
export function* readHeads(file: ReadFile, path: string, from: number, to: number): Iterable<FrameHead> {
  for (let position = from; position < to; ) {
    const head = readHead(file, position)
    if (!head || head.end > to) throw logCorrupt(path, position, 'no whole frame begins here')
    yield head
    position = head.end
  }
}

/** All frames of a file whose writer died (1): a torn last frame is left out. Whoever calls has synced the file. */
export function recoverHeads(file: ReadFile, path: string): FrameHead[] {
  const heads: FrameHead[] = []
  let position = 0
  while (position < file.size) {
    const head = readHead(file, position)
    if (!head || head.end > file.size) break
    heads.push(head)
    position = head.end
  }
  // Only the last frame can have been in flight, so only its body may be torn.
  const last = heads.at(-1)
  if (last && !isWhole(file, last)) position = heads.pop()!.position
  // Something whole behind what seemed torn: then it was not the last frame, but damage (2).
  const rest = Buffer.allocUnsafe(file.size - position)
  file.readSync(rest, position)
  const after = findHead(rest, 1, position)
  if (after >= 0) throw logCorrupt(path, position, `the frame here cannot be read, yet another follows at byte ${after}`)
  return heads
}

function isWhole(file: ReadFile, head: FrameHead): boolean {
  for (const { position, length, crc } of bodyParts(head)) {
    const bytes = Buffer.allocUnsafe(length)
    if (file.readSync(bytes, position) !== length || crc32(bytes) !== crc) return false
  }
  return true
}

/** Writes a closed file's index, durably. An older attempt is replaced. */
export async function writeIndex(files: Files, path: string, heads: readonly FrameHead[]): Promise<void> {
  const content = Buffer.concat(heads.map((head) => encodeHead(head, head.position, head.writtenMs)))
  const header = Buffer.alloc(INDEX_HEADER_BYTES)
  header.writeUInt32LE(INDEX_MAGIC, 0)
  header.writeDoubleLE(heads.at(-1)?.end ?? 0, 8)
  header.writeUInt32LE(crc32(content, crc32(header.subarray(8))), 4)
  const at = indexPath(path)
  if (files.exists(at)) await files.remove(at)
  const file = await files.create(at)
  try {
    await file.append([header, content])
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The frames of a closed file by its index; undefined where there is no whole index, which is then made again from the file. */
export function readIndex(files: Files, path: string): FrameHead[] | undefined {
  const at = indexPath(path)
  if (!files.exists(at)) return undefined
  const file = files.open(at)
  const bytes = Buffer.allocUnsafe(file.size)
  file.readSync(bytes, 0)
  file.close()
  if (bytes.length < INDEX_HEADER_BYTES || bytes.readUInt32LE(0) !== INDEX_MAGIC) return undefined
  if (crc32(bytes.subarray(8)) !== bytes.readUInt32LE(4)) return undefined
  const heads: FrameHead[] = []
  for (let at = INDEX_HEADER_BYTES, position = 0; at < bytes.length; ) {
    const length = headLength(bytes, at)
    const head = decodeHead(bytes.subarray(at, at + length), position)
    if (!head) return undefined
    heads.push(head)
    at += length
    position = head.end
  }
  return heads
}
