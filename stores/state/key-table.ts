// Owns a table of keys in packed memory: key → where its newest value lies in a checkpoint file. About 90 bytes per key of 50 bytes.
//
// Keys are those of the key-value store: namespace (1 byte), hash (4), the key itself. Slots are in the order of the hash, so that a walk
// over them is nearly a walk in the order of the keys of a namespace: what is applied to the store in that order touches each page once.
import { crc32 } from 'node:zlib'

/** Where a value lies. length -1: the key is deleted. */
export interface ValuePlace {
  file: number
  position: number
  length: number
}

export const DELETED = -1
const PREFIX_BYTES = 5
/** LMDB takes keys of up to 1,978 bytes. */
export const KEY_BYTES_MAX = 1900
const CHUNK_BYTES = 1 << 18
const ENTRIES_AT_FIRST = 256

/** The hash is part of what is stored, so it is one that never changes: the checksum of zip, its bits mixed. */
function stableHash(space: number, key: Uint8Array): number {
  let h = crc32(key, space)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

const scratch = Buffer.alloc(PREFIX_BYTES + KEY_BYTES_MAX)

/** The stored form of a key. Valid until the next call. Errors: RangeError for a key longer than KEY_BYTES_MAX. */
export function storedKey(space: number, key: Uint8Array): Buffer {
  if (key.length > KEY_BYTES_MAX) throw new RangeError(`A state key has ${key.length} bytes; at most ${KEY_BYTES_MAX} are possible.`)
  scratch[0] = space
  scratch.writeUInt32BE(stableHash(space, key), 1)
  scratch.set(key, PREFIX_BYTES)
  return scratch.subarray(0, PREFIX_BYTES + key.length)
}

/** Whether the bytes are what storedKey gives. */
export const isStoredKey = (bytes: Uint8Array): boolean =>
  bytes.length >= PREFIX_BYTES &&
  stableHash(bytes[0], bytes.subarray(PREFIX_BYTES)) === ((bytes[1] << 24) | (bytes[2] << 16) | (bytes[3] << 8) | bytes[4]) >>> 0

export const userKey = (stored: Uint8Array): Uint8Array => stored.subarray(PREFIX_BYTES)

export class KeyTable {
  /** Number of keys. */
  size = 0
  private slots = new Int32Array(ENTRIES_AT_FIRST * 2)
  private shift = 32 - Math.log2(ENTRIES_AT_FIRST * 2)
  private keyAt = new Float64Array(ENTRIES_AT_FIRST)
  private keyLength = new Uint16Array(ENTRIES_AT_FIRST)
  private files = new Float64Array(ENTRIES_AT_FIRST)
  private positions = new Float64Array(ENTRIES_AT_FIRST)
  private lengths = new Float64Array(ENTRIES_AT_FIRST)
  private readonly chunks: Buffer[] = []
  private chunkUsed = CHUNK_BYTES

  /** Index of a stored key's entry, or -1. */
  find(stored: Buffer): number {
    const mask = this.slots.length - 1
    for (let slot = this.slotOf(stored); ; slot = (slot + 1) & mask) {
      const entry = this.slots[slot] - 1
      if (entry < 0 || this.equals(entry, stored)) return entry
    }
  }

  set(stored: Buffer, file: number, position: number, length: number): void {
    let entry = this.find(stored)
    if (entry < 0) {
      if (this.size === this.keyAt.length) this.grow()
      entry = this.size++
      this.keyAt[entry] = this.keep(stored)
      this.keyLength[entry] = stored.length
      this.place(stored, entry)
    }
    this.files[entry] = file
    this.positions[entry] = position
    this.lengths[entry] = length
  }

  key(entry: number): Buffer {
    const at = this.keyAt[entry]
    const from = at % CHUNK_BYTES
    return this.chunks[Math.floor(at / CHUNK_BYTES)].subarray(from, from + this.keyLength[entry])
  }

  value(entry: number): ValuePlace {
    return { file: this.files[entry], position: this.positions[entry], length: this.lengths[entry] }
  }

  /** Number of slots, for a walk: the entry in each, or -1. */
  get slotCount(): number {
    return this.slots.length
  }

  entryIn(slot: number): number {
    return this.slots[slot] - 1
  }

  private slotOf(stored: Buffer): number {
    return (((stored[1] << 24) | (stored[2] << 16) | (stored[3] << 8) | stored[4]) >>> this.shift) | 0
  }

  private place(stored: Buffer, entry: number): void {
    const mask = this.slots.length - 1
    let slot = this.slotOf(stored)
    while (this.slots[slot]) slot = (slot + 1) & mask
    this.slots[slot] = entry + 1
  }

  private equals(entry: number, stored: Buffer): boolean {
    const length = this.keyLength[entry]
    if (length !== stored.length) return false
    const at = this.keyAt[entry]
    const from = at % CHUNK_BYTES
    return stored.compare(this.chunks[Math.floor(at / CHUNK_BYTES)], from, from + length) === 0
  }

  private keep(stored: Buffer): number {
    if (this.chunkUsed + stored.length > CHUNK_BYTES) {
      this.chunks.push(Buffer.allocUnsafeSlow(CHUNK_BYTES))
      this.chunkUsed = 0
    }
    const at = (this.chunks.length - 1) * CHUNK_BYTES + this.chunkUsed
    stored.copy(this.chunks.at(-1)!, this.chunkUsed)
    this.chunkUsed += stored.length
    return at
  }

  private grow(): void {
    const capacity = this.keyAt.length * 2
    const grown = <T extends Float64Array | Uint16Array>(from: T, to: T): T => {
      to.set(from)
      return to
    }
    this.keyAt = grown(this.keyAt, new Float64Array(capacity))
    this.keyLength = grown(this.keyLength, new Uint16Array(capacity))
    this.files = grown(this.files, new Float64Array(capacity))
    this.positions = grown(this.positions, new Float64Array(capacity))
    this.lengths = grown(this.lengths, new Float64Array(capacity))
    this.slots = new Int32Array(capacity * 2)
    this.shift = 32 - Math.log2(capacity * 2)
    for (let entry = 0; entry < this.size; entry++) this.place(this.key(entry), entry)
  }
}
