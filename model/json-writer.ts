// Writes JSON records as bytes into one growing buffer, without strings in between.
//
// JsonWriter owns the buffer and how values become JSON text (as JSON.stringify has them). What a record is made of is its caller's.
// 1. Each method makes the room it needs; the buffer may be replaced, so hold positions, not the buffer.
// 2. Short texts are copied by a loop: it is compiled into the caller, the built-in copies cost a call of 30 to 100 ns.
import { HASH_SLACK } from './hash.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const DIGITS_MAX = 20
const TEN_TO_8 = 100_000_000
/** Two characters each, as they lie in memory: of 0 … 99 in decimal, of 0 … 255 in hex. */
const pairs = (count: number, base: number) =>
  Uint16Array.from({ length: count }, (_, i) => Buffer.from(i.toString(base).padStart(2, '0')).readUInt16LE())
const DECIMAL = pairs(100, 10)
const ZERO_POINT = Buffer.from('0.').readUInt16LE()
const HEX = pairs(256, 16)

/** Bytes that are written again and again, as words of four: the last is filled up with zeros. */
export interface Piece {
  readonly words: Int32Array
  /** In bytes. */
  readonly length: number
}

/** UTF-8 of the text, for `raw`. */
export function piece(text: string): Piece {
  const bytes = Buffer.from(text)
  const words = new Int32Array((bytes.length + 3) >> 2)
  new Uint8Array(words.buffer).set(bytes)
  return { words, length: bytes.length }
}

export class JsonWriter {
  buffer = Buffer.allocUnsafeSlow(1 << 16)
  view = new DataView(this.buffer.buffer)
  /** Where the next byte goes. */
  end = 0

  /** Bytes as they are. */
  raw({ words, length }: Piece): void {
    if (this.end + length + HASH_SLACK > this.buffer.length) this.grow(length)
    const { view, end } = this
    // Up to three zeros behind them: within the slack, and written over by what follows.
    for (let i = 0, at = end; i < words.length; i++, at += 4) view.setInt32(at, words[i], true)
    this.end = end + length
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

  /** The same of a short one, mostly ASCII. */
  plain(text: string): void {
    const { length } = text
    if (this.end + length + HASH_SLACK > this.buffer.length) this.grow(length)
    const { buffer, end } = this
    for (let i = 0; i < length; i++) {
      const c = text.charCodeAt(i)
      if (c > 0x7f) {
        this.text(text)
        return
      }
      buffer[end + i] = c
    }
    this.end = end + length
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

  /** A number. Integers of up to 15 digits, such as times, and parts of 1 of up to four decimals, such as scores, are written digit by digit. */
  number(value: number): void {
    if (this.end + DIGITS_MAX + HASH_SLACK > this.buffer.length) this.grow(DIGITS_MAX)
    const small = value | 0
    if (small === value && small >= 0 && small < TEN_TO_8) this.digits(small)
    else if (value >= 0 && value < 1e15 && Math.floor(value) === value) {
      const high = Math.floor(value / TEN_TO_8)
      this.digits(high)
      let low = (value - high * TEN_TO_8) | 0
      const { view, end } = this
      for (let at = end + 6; at >= end; at -= 2) {
        const rest = (low / 100) | 0
        view.setUint16(at, DECIMAL[low - rest * 100], true)
        low = rest
      }
      this.end = end + 8
    } else if (value > 0 && value < 1 && Math.round(value * 10_000) / 10_000 === value) this.decimals(Math.round(value * 10_000))
    else this.text(JSON.stringify(value))
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
    const { view, end } = this
    view.setUint16(end, HEX[word >>> 24], true)
    view.setUint16(end + 2, HEX[(word >>> 16) & 0xff], true)
    view.setUint16(end + 4, HEX[(word >>> 8) & 0xff], true)
    view.setUint16(end + 6, HEX[word & 0xff], true)
    this.end = end + 8
  }

  private digits(value: number): void {
    let length = 1
    for (let bound = 10; value >= bound; bound *= 10) length++
    const { view, end } = this
    let at = end + length
    while (value >= 10) {
      const rest = (value / 100) | 0
      at -= 2
      view.setUint16(at, DECIMAL[value - rest * 100], true)
      value = rest
    }
    if (at > end) this.buffer[end] = 48 + value
    this.end = end + length
  }

  /** 0.0001 … 0.9999 by its ten-thousandths, without zeros at the end. */
  private decimals(tenThousandths: number): void {
    const { view, end } = this
    const high = (tenThousandths / 100) | 0
    view.setUint16(end, ZERO_POINT, true)
    view.setUint16(end + 2, DECIMAL[high], true)
    view.setUint16(end + 4, DECIMAL[tenThousandths - high * 100], true)
    this.end = end + 6
    while (this.buffer[this.end - 1] === 0x30) this.end--
  }

  protected grow(need: number): void {
    const bigger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.end + need + HASH_SLACK))
    this.buffer.copy(bigger, 0, 0, this.end)
    this.replace(bigger)
  }

  protected replace(buffer: Buffer<ArrayBuffer>): void {
    this.buffer = buffer
    this.view = new DataView(buffer.buffer)
  }
}
