// Proves an LMDB file before it is used: LMDB trusts its pages, so that a damaged one takes the process down or hides keys. Reads the file by
// itself, never through LMDB, never writes. Knows the format of its data version 2 (pages of 24 bytes of head, 64-bit page numbers).
//
// What is proven: the meta pages; every page of both trees is whole, itself, in bounds and reached once; keys are in order, are keys of ours and
// as many as the meta page says; no page that is in use is free. Not read: values (each has its checksum, and is checked when it is read).
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { stateCorrupt } from './checkpoint-file.ts'
import { isStoredKey } from './key-table.ts'

const DATA = 'data.mdb'
const HEAD_BYTES = 24
const META_BYTES = 168
const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
/** A tree without pages has this root. */
const NO_PAGE = 2n ** 64n - 1n
const BRANCH = 1
const LEAF = 2
const OVERFLOW = 4
const BIG_VALUE = 1
const NODE_BYTES = 8
/** The one key that is not of the state: what the store says of itself. */
const OWN_KEY = 255
/** Where a tree stands in a meta page: that of free pages, that of keys. */
const FREE_TREE = 48
const KEY_TREE = 96

/** Errors: STATE_CORRUPT where the file has no meta pages: to be asked before LMDB opens it. A file without a byte is a new one. */
export function checkMetaPages(folder: string): void {
  if (!existsSync(join(folder, DATA))) return
  withFile(folder, (file) => {
    if (file.size > 0) file.metas()
  })
}

/** Errors: STATE_CORRUPT unless the trees of transaction `txnId` are whole: to be asked before a key is read or written. */
export function checkTrees(folder: string, txnId: number): void {
  if (txnId > 0) withFile(folder, (file) => file.checkTrees(BigInt(txnId)))
}

function withFile(folder: string, work: (file: LmdbFile) => void): void {
  const file = new LmdbFile(folder)
  try {
    work(file)
  } finally {
    file.close()
  }
}

interface Tree {
  order(a: Buffer, b: Buffer): number
  /** Told of each key and of its value where that lies in the page, undefined where it has pages of its own. */
  onEntry(key: Buffer, value: Buffer | undefined): void
}

class LmdbFile {
  readonly size: number
  private readonly folder: string
  private readonly fd: number
  private pageBytes = 0
  private txnId = 0n
  /** Pages that may be there at most: of the file, and of what the meta page says. */
  private pages = 0
  /** A byte per page: whether it has been met. */
  private met = new Uint8Array(0)
  private entries = 0
  private last: Buffer | undefined
  /** The branch above says that the next key is not below this one. */
  private least: Buffer | undefined

  constructor(folder: string) {
    this.folder = folder
    this.fd = openSync(join(folder, DATA), 'r')
    this.size = fstatSync(this.fd).size
  }

  close(): void {
    closeSync(this.fd)
  }

  /** The meta pages; there is a third one, of what was flushed, in the middle of the first page. */
  metas(): Buffer[] {
    const first = this.meta(0)
    this.pageBytes = first.readUInt32LE(FREE_TREE)
    if (this.pageBytes < 512 || this.pageBytes > 65536 || this.pageBytes & (this.pageBytes - 1))
      throw this.corrupt(`it has pages of ${this.pageBytes} bytes`)
    return [first, this.meta(this.pageBytes), this.read(META_BYTES, this.pageBytes / 2)]
  }

  checkTrees(txnId: bigint): void {
    const meta = this.metas().find((meta) => meta.readBigUInt64LE(152) === txnId)
    if (!meta) throw this.corrupt(`no meta page is of transaction ${txnId}`)
    this.txnId = txnId
    this.pages = Math.min(Math.floor(this.size / this.pageBytes), Number(meta.readBigUInt64LE(144)) + 1)
    this.met = new Uint8Array(this.pages)
    this.meet(0, 2)
    this.checkTree(meta, KEY_TREE, {
      order: Buffer.compare,
      onEntry: (key) => {
        if (!isStoredKey(key) && !(key.length === 1 && key[0] === OWN_KEY)) throw this.corrupt('a key is not what was written')
      },
    })
    const free: Buffer[] = []
    this.checkTree(meta, FREE_TREE, {
      order: (a, b) => Number(a.readBigUInt64LE() - b.readBigUInt64LE()),
      onEntry: (key, value) => {
        if (key.length !== 8) throw this.corrupt('its list of free pages has another key')
        if (value) free.push(Buffer.from(value))
      },
    })
    for (const list of free) this.meetFree(list)
  }

  private checkTree(meta: Buffer, at: number, tree: Tree): void {
    const root = meta.readBigUInt64LE(at + 40)
    this.entries = 0
    this.last = this.least = undefined
    if (root !== NO_PAGE) this.walk(Number(root), meta.readUInt16LE(at + 6), tree)
    const expected = meta.readBigUInt64LE(at + 32)
    if (BigInt(this.entries) !== expected) throw this.corrupt(`it has ${this.entries} keys, and ${expected} were written`)
  }

  /** `depth`: levels from this page down; 1 is a leaf. */
  private walk(pageNumber: number, depth: number, tree: Tree): void {
    this.meet(pageNumber, 1)
    const page = this.read(this.pageBytes, pageNumber * this.pageBytes)
    const isLeaf = depth === 1
    const lower = page.readUInt16LE(20)
    if (depth < 1 || depth > 32) throw this.corrupt('its tree has another depth')
    this.checkHead(page, pageNumber, isLeaf ? LEAF : BRANCH)
    if (lower & 1 || lower === 0 || lower > page.readUInt16LE(22) || HEAD_BYTES + page.readUInt16LE(22) > this.pageBytes)
      throw this.corrupt(`page ${pageNumber} is damaged`)
    for (let i = 0; i < lower / 2; i++) {
      const at = HEAD_BYTES + page.readUInt16LE(HEAD_BYTES + i * 2)
      const isIn = at >= HEAD_BYTES + lower && at + NODE_BYTES <= this.pageBytes
      const end = isIn ? at + NODE_BYTES + page.readUInt16LE(at + 6) : this.pageBytes + 1
      if (end > this.pageBytes) throw this.corrupt(`page ${pageNumber} has an entry that reaches out of it`)
      const key = page.subarray(at + NODE_BYTES, end)
      if (isLeaf) this.entry(page, pageNumber, at, key, tree)
      else {
        if (i > 0) {
          // What is to the left is below this key, what follows is not.
          if (this.last && tree.order(this.last, key) >= 0) throw this.corrupt(`the keys below page ${pageNumber} are not in order`)
          this.least = Buffer.from(key)
        }
        this.walk(page.readUInt32LE(at) + page.readUInt16LE(at + 4) * 2 ** 32, depth - 1, tree)
      }
    }
  }

  private entry(page: Buffer, pageNumber: number, at: number, key: Buffer, tree: Tree): void {
    const { last, least } = this
    if ((last && tree.order(last, key) >= 0) || (least && tree.order(least, key) > 0))
      throw this.corrupt(`the keys of page ${pageNumber} are not in order`)
    this.last = key
    this.least = undefined
    this.entries++
    const size = page.readUInt32LE(at)
    const flags = page.readUInt16LE(at + 4)
    const from = at + NODE_BYTES + key.length
    const valueEnd = from + (flags === BIG_VALUE ? 8 : size)
    if (flags > BIG_VALUE || valueEnd > this.pageBytes) throw this.corrupt(`page ${pageNumber} has a value that reaches out of it`)
    if (flags === BIG_VALUE) this.overflow(Number(page.readBigUInt64LE(from)), size, key, tree)
    else tree.onEntry(key, page.subarray(from, valueEnd))
  }

  /** A value with pages of its own: one head, then its bytes. */
  private overflow(pageNumber: number, size: number, key: Buffer, tree: Tree): void {
    const count = Math.ceil((HEAD_BYTES + size) / this.pageBytes)
    this.meet(pageNumber, count)
    const isFreeList = tree.order !== Buffer.compare
    const bytes = this.read(HEAD_BYTES + (isFreeList ? size : 0), pageNumber * this.pageBytes)
    this.checkHead(bytes, pageNumber, OVERFLOW)
    if (bytes.readUInt32LE(20) !== count) throw this.corrupt(`page ${pageNumber} is not the value that belongs there`)
    tree.onEntry(key, isFreeList ? bytes.subarray(HEAD_BYTES) : undefined)
  }

  /** A page of a later transaction would be taken for one that may be written to where it lies. */
  private checkHead(page: Buffer, pageNumber: number, kind: number): void {
    if (page.readUInt16LE(18) !== kind || page.readBigUInt64LE(0) !== BigInt(pageNumber) || page.readBigUInt64LE(8) > this.txnId)
      throw this.corrupt(`page ${pageNumber} is not the one that belongs there`)
  }

  /** Free pages: their number, then each, or minus how many and the first of them; 0 is no page. */
  private meetFree(list: Buffer): void {
    const words = Array.from({ length: Math.floor(list.length / 8) }, (_, i) => Number(list.readBigInt64LE(i * 8)))
    if (!(words[0] >= 0 && words[0] < words.length)) throw this.corrupt('its list of free pages has another length')
    for (let i = 1; i <= words[0]; i++) {
      if (words[i] > 0) this.meet(words[i], 1, true)
      else if (words[i] < 0) this.meet(words[i + 1] ?? -1, -words[i++], true)
    }
  }

  /** Free pages at the end need not be in the file. */
  private meet(first: number, count: number, isFree = false): void {
    const isIn = first >= 0 && (isFree || first + count <= this.pages)
    for (let page = first; isIn && page < first + count && page < this.pages; page++) {
      if (this.met[page]) throw this.corrupt(`page ${page} is used twice`)
      this.met[page] = 1
    }
    if (!isIn) throw this.corrupt(`page ${first + count - 1} is not in the file, which has ${this.pages}`)
  }

  private meta(at: number): Buffer {
    const meta = this.read(META_BYTES, at)
    if (meta.readUInt32LE(HEAD_BYTES) !== MAGIC || meta.readUInt16LE(HEAD_BYTES + 4) !== DATA_VERSION)
      throw this.corrupt(`it has no meta page at byte ${at}`)
    return meta
  }

  private read(length: number, at: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    if (readSync(this.fd, bytes, 0, length, at) < length) throw this.corrupt(`it ends before byte ${at + length}`)
    return bytes
  }

  private corrupt(what: string): Error {
    return stateCorrupt(join(this.folder, DATA), what)
  }
}
