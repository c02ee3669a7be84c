// Writes JSON records as bytes into one growing buffer, without strings in between.
//
// JsonWriter owns the buffer and how values become JSON text (as JSON.stringify has them). What a record is made of is its caller's.
// 1. Each method makes the room it needs; the buffer may be replaced, so hold positions, not the buffer.
// 2. Short texts are copied by a loop: it is compiled into the caller, the built-in copies cost a call of 30 to 100 ns.
import { HASH_SLACK } from '../../model/hash.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const DIGITS_MAX = 20
const TEN_TO_8 = 100_000_000
const HEX = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))

export class JsonWriter {
  buffer = Buffer.allocUnsafeSlow(1 << 16)
  view = new DataView(this.buffer.buffer)
  /** Where the next byte goes. */
  end = 0

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.slice(bytes, 0, bytes.length)
  }

  slice(bytes: Uint8Array, pos: number, length: number): void {
    if (this.end + length + HASH_SLACK > this.buffer.length) this.grow(length)
    const { buffer, end } = this
    for (let i = 0; i < length; i++) buffer[end + i] = bytes[pos + i]
    this.end = end + length
  }

  byte(value: number): void {
    if (this.end + 1 + HASH_SLACK > this.buffer.length) this.grow(1)
    this.buffer[this.end++] = value
  }

  /** Text as it is. */
  text(text: string): void {
    const most = text.length * 3
    if (this.end + most + HASH_SLACK > this.buffer.length) this.grow(most)
    this.end += this.buffer.write(text, this.end)
  }

  /** UTF-8 bytes of which each is one character of `text`, as `latin1` gives them back. */
  latin1(text: string): void {
    const { length } = text
    if (this.end + length + HASH_SLACK > this.buffer.length) this.grow(length)
    if (length > 64) {
      this.end += this.buffer.write(text, this.end, 'latin1')
      return
    }
    const { buffer, end } = this
    for (let i = 0; i < length; i++) buffer[end + i] = text.charCodeAt(i)
    this.end = end + length
  }

  /** A JSON string of the text. */
  string(text: string): void {
    const { length } = text
    if (this.end + length + 2 + HASH_SLACK > this.buffer.length) this.grow(length + 2)
    const { buffer } = this
    let end = this.end
    buffer[end++] = QUOTE
    for (let i = 0; i < length; i++) {
      const c = text.charCodeAt(i)
      if (c < 0x20 || c > 0x7e || c === QUOTE || c === BACKSLASH) {
        this.text(JSON.stringify(text))
        return
      }
      buffer[end++] = c
    }
    buffer[end++] = QUOTE
    this.end = end
  }

  /** A JSON string of UTF-8 bytes. */
  utf8(bytes: Uint8Array, pos: number, length: number): void {
    if (this.end + length + 2 + HASH_SLACK > this.buffer.length) this.grow(length + 2)
    const { buffer } = this
    let end = this.end
    buffer[end++] = QUOTE
    for (let i = 0; i < length; i++) {
      const c = bytes[pos + i]
      if (c < 0x20 || c === QUOTE || c === BACKSLASH) {
        this.text(JSON.stringify(Buffer.from(bytes.subarray(pos, pos + length)).toString()))
        return
      }
      buffer[end++] = c
    }
    buffer[end++] = QUOTE
    this.end = end
  }

  /** A number. Integers of up to 15 digits, such as times, are written digit by digit. */
  number(value: number): void {
    if (this.end + DIGITS_MAX + HASH_SLACK > this.buffer.length) this.grow(DIGITS_MAX)
    const small = value | 0
    if (small === value && small >= 0 && small < TEN_TO_8) this.digits(small)
    else if (value >= 0 && value < 1e15 && Math.floor(value) === value) {
      const high = Math.floor(value / TEN_TO_8)
      this.digits(high)
      let low = (value - high * TEN_TO_8) | 0
      const { buffer } = this
      for (let at = this.end + 7; at >= this.end; at--) {
        const rest = (low / 10) | 0
        buffer[at] = 48 + low - rest * 10
        low = rest
      }
      this.end += 8
    } else this.text(JSON.stringify(value))
  }

  /** Any JSON value. */
  json(value: unknown): void {
    if (typeof value === 'number') this.number(value)
    else if (typeof value === 'string') this.string(value)
    else if (Array.isArray(value)) {
      this.byte(0x5b)
      for (let i = 0; i < value.length; i++) {
        if (i > 0) this.byte(0x2c)
        this.json(value[i])
      }
      this.byte(0x5d)
    } else this.text(JSON.stringify(value))
  }

  /** A word as eight hex digits. */
  hex(word: number): void {
    if (this.end + 8 + HASH_SLACK > this.buffer.length) this.grow(8)
    const { buffer, end } = this
    for (let i = 7; i >= 0; i--) {
      buffer[end + i] = HEX[word & 15]
      word >>>= 4
    }
    this.end = end + 8
  }

  private digits(value: number): void {
    let length = 1
    for (let bound = 10; value >= bound; bound *= 10) length++
    const { buffer, end } = this
    for (let at = end + length - 1; at >= end; at--) {
      const rest = (value / 10) | 0
      buffer[at] = 48 + value - rest * 10
      value = rest
    }
    this.end = end + length
  }

  private grow(need: number): void {
    const bigger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.end + need + HASH_SLACK))
    this.buffer.copy(bigger, 0, 0, this.end)
    this.replace(bigger)
  }

  protected replace(buffer: Buffer<ArrayBuffer>): void {
    this.buffer = buffer
    this.view = new DataView(buffer.buffer)
  }
}

/** ASCII text as bytes, for `raw`. */
export const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0))
