// Symbols: one actor's strings as small integers. Equal bytes are equal symbols; 0 is the empty string.
//
// Symbols owns the bytes. A symbol lives as long as some record of the actor may refer to it: the owner marks what is in use
// and calls sweep when the table has grown past its bound. Symbols never leave the actor: outputs and stored state carry the strings.
import { sameBytes, viewOf } from './same-bytes.ts'
import { utf8Text } from './utf8.ts'
import { grown } from './word-list.ts'

/** A power of two: searches shift by it. */
const SLOT_WORDS = 4

export class Symbols {
  /** Hash, symbol (0: free), position and length per slot, together in memory: a search reads one line of it. */
  private table = new Uint32Array(64 * SLOT_WORDS)
  /** Per symbol: hash, position and length of its bytes in the heap; length 0 is free (symbol 0 is the empty string). */
  private hashes = new Uint32Array(64)
  private positions = new Uint32Array(64)
  private lengths = new Uint32Array(64)
  private top = 1
  private heap = new Uint8Array(1024)
  private heapEnd = 0
  private view = viewOf(this.heap)
  private strings: (string | undefined)[] = ['']
  private free: number[] = []
  private live = 0
  /** How many the last sweep found in use. */
  left = 0

  get count(): number {
    return this.live
  }

  /** The symbol of the bytes [pos … pos + length), whose hash32 the caller has. */
  intern(bytes: DataView, pos: number, length: number, hash: number): number {
    if (length === 0) return 0
    const { table, view } = this
    const mask = table.length - 1
    let at = (hash << 2) & mask
    for (;;) {
      const symbol = table[at + 1]
      if (symbol === 0) break
      if (table[at] === hash && table[at + 3] === length && sameBytes(view, table[at + 2], bytes, pos, length)) return symbol
      at = (at + SLOT_WORDS) & mask
    }
    return this.add(new Uint8Array(bytes.buffer, bytes.byteOffset + pos, length), hash)
  }

  bytesOf(symbol: number): Uint8Array {
    const at = this.positions[symbol]
    return this.heap.subarray(at, at + this.lengths[symbol])
  }

  /** Copies the symbol's bytes to `at`. */
  copy(symbol: number, into: Uint8Array, at: number): void {
    const from = this.positions[symbol]
    for (let i = this.lengths[symbol] - 1; i >= 0; i--) into[at + i] = this.heap[from + i]
  }

  lengthOf(symbol: number): number {
    return this.lengths[symbol]
  }

  text(symbol: number): string {
    return (this.strings[symbol] ??= utf8Text(this.bytesOf(symbol)))
  }

  /** Frees every symbol that `inUse` does not hold. */
  sweep(inUse: { has(symbol: number): boolean }): void {
    const heap = new Uint8Array(this.heap.length)
    let end = 0
    for (let symbol = 1; symbol < this.top; symbol++) {
      if (this.lengths[symbol] === 0) continue
      if (inUse.has(symbol)) {
        heap.set(this.bytesOf(symbol), end)
        this.positions[symbol] = end
        end += this.lengths[symbol]
        continue
      }
      this.lengths[symbol] = 0
      this.strings[symbol] = undefined
      this.free.push(symbol)
      this.live--
    }
    this.heap = heap
    this.view = viewOf(heap)
    this.heapEnd = end
    this.left = this.live
    this.rehash(this.table.length)
  }

  private add(bytes: Uint8Array, hash: number): number {
    const { length } = bytes
    if ((this.live + 1) * 2 * SLOT_WORDS > this.table.length) this.rehash(this.table.length * 2)
    const symbol = this.free.pop() ?? this.top++
    if (symbol === this.hashes.length) {
      this.hashes = grown(this.hashes)
      this.positions = grown(this.positions)
      this.lengths = grown(this.lengths)
    }
    if (this.heapEnd + length > this.heap.length) {
      const heap = new Uint8Array(Math.max(this.heap.length * 2, this.heapEnd + length))
      heap.set(this.heap)
      this.heap = heap
      this.view = viewOf(heap)
    }
    this.heap.set(bytes, this.heapEnd)
    this.hashes[symbol] = hash
    this.positions[symbol] = this.heapEnd
    this.lengths[symbol] = length
    this.heapEnd += length
    this.live++
    this.place(symbol)
    return symbol
  }

  private place(symbol: number): void {
    const { table } = this
    const mask = table.length - 1
    let at = (this.hashes[symbol] << 2) & mask
    while (table[at + 1] !== 0) at = (at + SLOT_WORDS) & mask
    table[at] = this.hashes[symbol]
    table[at + 1] = symbol
    table[at + 2] = this.positions[symbol]
    table[at + 3] = this.lengths[symbol]
  }

  /** A table of `size` words. */
  private rehash(size: number): void {
    this.table = new Uint32Array(size)
    for (let symbol = 1; symbol < this.top; symbol++) if (this.lengths[symbol] > 0) this.place(symbol)
  }
}
