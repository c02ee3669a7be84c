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

function mustFit({ length }: Uint8Array): void {
  if (length > KEY_BYTES_MAX) throw new RangeError(`A state key has ${length} bytes; at most ${KEY_BYTES_MAX} are possible.`)
}

const scratch = Buffer.alloc(PREFIX_BYTES + KEY_BYTES_MAX)

/** The stored form of a key. Valid until the next call. Errors: RangeError for a key longer than KEY_BYTES_MAX. */
export function storedKey(space: number, key: Uint8Array): Buffer {
  mustFit(key)
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
  private slots: Int32Array
  private shift: number
  private hashes: Uint32Array
  private keyAt: Float64Array
  private keyLength: Uint16Array
  private files: Float64Array
  private positions: Float64Array
  private lengths: Float64Array
  private readonly chunks: Buffer[] = []
  /** Bytes of all chunks up to the next key. */
  private end = 0

  /** For about so many keys: it grows beyond them, which takes as long as putting all that it has into it anew. */
  constructor(keys = 0) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(ENTRIES_AT_FIRST, keys)))
    this.slots = new Int32Array(capacity * 2)
    this.shift = 32 - Math.log2(capacity * 2)
    this.hashes = new Uint32Array(capacity)
    this.keyAt = new Float64Array(capacity)
    this.keyLength = new Uint16Array(capacity)
    this.files = new Float64Array(capacity)
    this.positions = new Float64Array(capacity)
    this.lengths = new Float64Array(capacity)
  }

  /** Index of a stored key's entry, or -1. */
  find(stored: Buffer): number {
    return this.slots[this.slotOf(stored.readUInt32BE(1), stored[0], stored, PREFIX_BYTES, stored.length - PREFIX_BYTES)] - 1
  }

  /** Errors: RangeError for a key longer than KEY_BYTES_MAX. */
  set(space: number, key: Uint8Array, file: number, position: number, length: number): void {
    mustFit(key)
    this.put(stableHash(space, key), space, key, 0, key.length, file, position, length)
  }

  /** Sets what another table says of a key. */
  take(from: KeyTable, entry: number): void {
    const chunk = from.chunkOf(entry)
    const at = from.keyAt[entry] % CHUNK_BYTES
    const { hashes, keyLength, files, positions, lengths } = from
    const length = keyLength[entry] - PREFIX_BYTES
    this.put(hashes[entry], chunk[at], chunk, at + PREFIX_BYTES, length, files[entry], positions[entry], lengths[entry])
  }

  /** Empties the table, which keeps its memory. */
  clear(): void {
    this.size = this.end = 0
    this.slots.fill(0)
  }

  key(entry: number): Buffer {
    const from = this.keyAt[entry] % CHUNK_BYTES
    return this.chunkOf(entry).subarray(from, from + this.keyLength[entry])
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

  private put(
    hash: number,
    space: number,
    bytes: Uint8Array,
    from: number,
    count: number,
    file: number,
    position: number,
    length: number,
  ): void {
    let slot = this.slotOf(hash, space, bytes, from, count)
    if (this.slots[slot] === 0) {
      if (this.size === this.keyAt.length) {
        this.grow()
        slot = this.freeSlot(hash)
      }
      const entry = this.size++
      this.hashes[entry] = hash
      this.keyLength[entry] = PREFIX_BYTES + count
      this.keyAt[entry] = this.keep(hash, space, bytes, from, count)
      this.slots[slot] = entry + 1
    }
    const entry = this.slots[slot] - 1
    this.files[entry] = file
    this.positions[entry] = position
    this.lengths[entry] = length
  }

  /** The slot of a key, or the free one where it would be. */
  private slotOf(hash: number, space: number, bytes: Uint8Array, from: number, count: number): number {
    const mask = this.slots.length - 1
    for (let slot = hash >>> this.shift; ; slot = (slot + 1) & mask) {
      const entry = this.slots[slot] - 1
      if (entry < 0 || (this.hashes[entry] === hash && this.equals(entry, space, bytes, from, count))) return slot
    }
  }

  private freeSlot(hash: number): number {
    const mask = this.slots.length - 1
    let slot = hash >>> this.shift
    while (this.slots[slot]) slot = (slot + 1) & mask
    return slot
  }

  /** Of keys whose hashes are equal. */
  private equals(entry: number, space: number, bytes: Uint8Array, from: number, count: number): boolean {
    if (this.keyLength[entry] !== PREFIX_BYTES + count) return false
    const chunk = this.chunkOf(entry)
    const at = this.keyAt[entry] % CHUNK_BYTES
    if (chunk[at] !== space) return false
    for (let i = 0; i < count; i++) if (chunk[at + PREFIX_BYTES + i] !== bytes[from + i]) return false
    return true
  }

  private chunkOf(entry: number): Buffer {
    return this.chunks[Math.floor(this.keyAt[entry] / CHUNK_BYTES)]
  }

  /** Writes the stored form of a key behind the others; returns where. */
  private keep(hash: number, space: number, bytes: Uint8Array, from: number, count: number): number {
    const room = CHUNK_BYTES - (this.end % CHUNK_BYTES)
    if (room < PREFIX_BYTES + count) this.end += room
    const place = this.end
    const index = Math.floor(place / CHUNK_BYTES)
    if (index === this.chunks.length) this.chunks.push(Buffer.allocUnsafeSlow(CHUNK_BYTES))
    const chunk = this.chunks[index]
    const at = place % CHUNK_BYTES
    chunk[at] = space
    chunk.writeUInt32BE(hash, at + 1)
    // A key is short: copied sooner than the built-in is called.
    for (let i = 0; i < count; i++) chunk[at + PREFIX_BYTES + i] = bytes[from + i]
    this.end += PREFIX_BYTES + count
    return place
  }

  private grow(): void {
    const capacity = this.keyAt.length * 2
    const grown = <T extends Float64Array | Uint16Array | Uint32Array>(from: T, to: T): T => {
      to.set(from)
      return to
    }
    this.hashes = grown(this.hashes, new Uint32Array(capacity))
    this.keyAt = grown(this.keyAt, new Float64Array(capacity))
    this.keyLength = grown(this.keyLength, new Uint16Array(capacity))
    this.files = grown(this.files, new Float64Array(capacity))
    this.positions = grown(this.positions, new Float64Array(capacity))
    this.lengths = grown(this.lengths, new Float64Array(capacity))
    this.slots = new Int32Array(capacity * 2)
    this.shift = 32 - Math.log2(capacity * 2)
    for (let entry = 0; entry < this.size; entry++) this.slots[this.freeSlot(this.hashes[entry])] = entry + 1
  }
}
