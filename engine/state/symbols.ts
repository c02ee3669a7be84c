// Symbols: one actor's strings as small integers. Equal bytes are equal symbols; 0 is the empty string.
//
// Symbols owns the bytes. A symbol lives as long as some record of the actor may refer to it: the owner marks what is in use
// and calls sweep when the table has grown past its bound. Symbols never leave the actor: outputs and stored state carry the strings.
import { hash32 } from '../../model/hash.ts'
import { sameBytes, viewOf } from './same-bytes.ts'

const decoder = new TextDecoder()

export class Symbols {
  private slots = new Uint32Array(64)
  /** Per symbol: hash, position and length of its bytes in the heap; length 0 is free (symbol 0 is the empty string). */
  private hashes = new Uint32Array(64)
  private positions = new Uint32Array(64)
  private lengths = new Uint32Array(64)
  private top = 1
  private heap = new Uint8Array(1024)
  private heapEnd = 0
  private view = viewOf(this.heap)
  private strings: (string | undefined)[] = ['']
  private quotedStrings: (string | undefined)[] = ['""']
  private free: number[] = []
  private live = 0

  get count(): number {
    return this.live
  }

  get bytesUsed(): number {
    return this.heap.length + this.slots.byteLength + this.hashes.byteLength * 3
  }

  /** The symbol of the bytes [pos … pos + length), whose hash32 the caller has. */
  intern(bytes: DataView, pos: number, length: number, hash: number): number {
    if (length === 0) return 0
    const { slots, hashes, lengths, positions, view } = this
    const mask = slots.length - 1
    let slot = hash & mask
    for (;;) {
      const symbol = slots[slot]
      if (symbol === 0) break
      slot = (slot + 1) & mask
      if (hashes[symbol] === hash && lengths[symbol] === length && sameBytes(view, positions[symbol], bytes, pos, length)) return symbol
    }
    return this.add(new Uint8Array(bytes.buffer, bytes.byteOffset + pos, length), hash)
  }

  internBytes(bytes: Uint8Array): number {
    return this.intern(viewOf(bytes), 0, bytes.length, hash32(bytes, 0, bytes.length))
  }

  bytesOf(symbol: number): Uint8Array {
    const at = this.positions[symbol]
    return this.heap.subarray(at, at + this.lengths[symbol])
  }

  text(symbol: number): string {
    return (this.strings[symbol] ??= decoder.decode(this.bytesOf(symbol)))
  }

  /** As a JSON string, quotes included. */
  quoted(symbol: number): string {
    return (this.quotedStrings[symbol] ??= JSON.stringify(this.text(symbol)))
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
      this.strings[symbol] = this.quotedStrings[symbol] = undefined
      this.free.push(symbol)
      this.live--
    }
    this.heap = heap
    this.view = viewOf(heap)
    this.heapEnd = end
    this.rehash(this.slots.length)
  }

  private add(bytes: Uint8Array, hash: number): number {
    const { length } = bytes
    if ((this.live + 1) * 2 > this.slots.length) this.rehash(this.slots.length * 2)
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
    this.place(symbol, hash)
    return symbol
  }

  private place(symbol: number, hash: number): void {
    const mask = this.slots.length - 1
    let slot = hash & mask
    while (this.slots[slot] !== 0) slot = (slot + 1) & mask
    this.slots[slot] = symbol
  }

  private rehash(size: number): void {
    this.slots = new Uint32Array(size)
    for (let symbol = 1; symbol < this.top; symbol++) if (this.lengths[symbol] > 0) this.place(symbol, this.hashes[symbol])
  }
}

function grown(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const bigger = new Uint32Array(words.length * 2)
  bigger.set(words)
  return bigger
}
