// Writes JSON lines as bytes from prepared fragments. Owns one growing buffer; never escapes (fragments are JSON already).

const encoder = new TextEncoder()
/** The UTF-8 bytes of a piece of JSON text. */
export const fragment = (text: string): Uint8Array => encoder.encode(text)

const HEX = fragment('0123456789abcdef')
const DASH = 0x2d
const ZERO = 0x30

export class LineWriter {
  bytes: Uint8Array
  pos = 0

  constructor(capacity = 1 << 18) {
    this.bytes = new Uint8Array(capacity)
  }

  /** Makes room for `length` more bytes. */
  reserve(length: number): void {
    if (this.pos + length <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.pos + length))
    grown.set(this.bytes.subarray(0, this.pos))
    this.bytes = grown
  }

  put(piece: Uint8Array): void {
    const bytes = this.bytes
    let pos = this.pos
    // A loop beats TypedArray.set at these lengths (10–100 bytes).
    for (let i = 0; i < piece.length; i++) bytes[pos++] = piece[i]
    this.pos = pos
  }

  /** A non-negative integer below 2^31. */
  integer(value: number): void {
    let digits = 1
    for (let rest = (value / 10) | 0; rest > 0; rest = (rest / 10) | 0) digits++
    this.#digits(value, digits)
  }

  /** A non-negative integer below 10^16 (times in ms). */
  long(value: number): void {
    const high = Math.floor(value / 10_000_000)
    if (high > 0) {
      this.integer(high)
      this.#digits(value - high * 10_000_000, 7)
    } else this.integer(value)
  }

  /** 36 characters in the form of a version 4 UUID. */
  uuid(a: number, b: number, c: number, d: number): void {
    this.#hex(a, 28)
    this.bytes[this.pos++] = DASH
    this.#hex(b, 28, 4)
    this.bytes[this.pos++] = DASH
    this.#hex((b & 0x0fff) | 0x4000, 12)
    this.bytes[this.pos++] = DASH
    this.#hex((c & 0x3fff) | 0x8000, 12)
    this.bytes[this.pos++] = DASH
    this.#hex(c, 28, 4)
    this.#hex(d, 28)
  }

  /** The nibbles of a word from the one at `shift` down; at most `count`. */
  #hex(word: number, shift: number, count = 8): void {
    for (; shift >= 0 && count > 0; shift -= 4, count--) this.bytes[this.pos++] = HEX[(word >>> shift) & 15]
  }

  #digits(value: number, digits: number): void {
    const bytes = this.bytes
    for (let at = this.pos + digits - 1; at >= this.pos; at--) {
      const rest = (value / 10) | 0
      bytes[at] = ZERO + value - rest * 10
      value = rest
    }
    this.pos += digits
  }
}
