// Symbols: one actor's strings as small integers. Equal bytes are equal symbols; 0 is the empty string.
//
// Symbols owns the bytes. A symbol lives as long as some record of the actor may refer to it: the owner marks what is in use
// and calls sweep when the table has grown past its bound. Symbols never leave the actor: outputs and stored state carry the strings.
import { hash32 } from '../../model/hash.ts'

const decoder = new TextDecoder()

export class Symbols {
  private slots = new Uint32Array(64)
  private hashes: number[] = [0]
  private texts: (Uint8Array | undefined)[] = [new Uint8Array(0)]
  private strings: (string | undefined)[] = ['']
  private quotedStrings: (string | undefined)[] = ['""']
  private free: number[] = []
  private live = 0
  /** Bytes held, about: names included. */
  bytesUsed = 0

  get count(): number {
    return this.live
  }

  /** The symbol of bytes[pos … pos + length), whose hash32 the caller has. */
  intern(bytes: Uint8Array, pos: number, length: number, hash: number): number {
    if (length === 0) return 0
    const mask = this.slots.length - 1
    let slot = hash & mask
    for (;;) {
      const symbol = this.slots[slot]
      if (symbol === 0) break
      if (this.hashes[symbol] === hash && equalBytes(this.texts[symbol] as Uint8Array, bytes, pos, length)) return symbol
      slot = (slot + 1) & mask
    }
    return this.add(bytes.slice(pos, pos + length), hash)
  }

  internBytes(bytes: Uint8Array): number {
    return this.intern(bytes, 0, bytes.length, hash32(bytes, 0, bytes.length))
  }

  bytesOf(symbol: number): Uint8Array {
    return this.texts[symbol] as Uint8Array
  }

  text(symbol: number): string {
    return (this.strings[symbol] ??= decoder.decode(this.texts[symbol]))
  }

  /** As a JSON string, quotes included. */
  quoted(symbol: number): string {
    return (this.quotedStrings[symbol] ??= JSON.stringify(this.text(symbol)))
  }

  /** Frees every symbol that `inUse` does not hold. */
  sweep(inUse: { has(symbol: number): boolean }): void {
    for (let symbol = 1; symbol < this.texts.length; symbol++) {
      const text = this.texts[symbol]
      if (text === undefined || inUse.has(symbol)) continue
      this.bytesUsed -= text.length * 3 + 80
      this.texts[symbol] = this.strings[symbol] = this.quotedStrings[symbol] = undefined
      this.free.push(symbol)
      this.live--
    }
    this.rehash(this.slots.length)
  }

  private add(text: Uint8Array, hash: number): number {
    if ((this.live + 1) * 2 > this.slots.length) this.rehash(this.slots.length * 2)
    const symbol = this.free.pop() ?? this.texts.length
    this.texts[symbol] = text
    this.hashes[symbol] = hash
    this.strings[symbol] = this.quotedStrings[symbol] = undefined
    this.live++
    this.bytesUsed += text.length * 3 + 80
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
    for (let symbol = 1; symbol < this.texts.length; symbol++)
      if (this.texts[symbol] !== undefined) this.place(symbol, this.hashes[symbol])
  }
}

export function equalBytes(a: Uint8Array, b: Uint8Array, pos: number, length: number): boolean {
  if (a.length !== length) return false
  for (let i = 0; i < length; i++) if (a[i] !== b[pos + i]) return false
  return true
}
