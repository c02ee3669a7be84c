// A stream of bytes cut into whole lines. Owns the bytes between two newlines of different chunks, bounded by the size of an event;
// never looks into a line.

import { EVENT_BYTES_MAX } from './event.ts'
import { SLACK } from './scan-plain.ts'

/** Whole lines: bytes[pos … pos + length) is empty or ends with a newline. Valid until the next call of the cutter. */
export interface Lines {
  bytes: Uint8Array
  pos: number
  length: number
  /** The place in the stream behind these lines: where to go on reading after a restart. */
  endOffset: number
}

/** What is kept of a line that is too large: one byte more than an event and its carriage return may have, so that the scanner refuses it. */
const LINE_BYTES_KEPT = EVENT_BYTES_MAX + 2
const NEWLINE = 10

/**
 * Push the chunks of a stream in order, then call end(): a last line without a newline counts. A byte order mark at the start of the
 * stream is stepped over. A line of more than EVENT_BYTES_MAX is cut short while it is read, and refused as EVENT_TOO_LARGE when scanned.
 * `offset`: where in the stream the first chunk begins, a line's start.
 */
export class LineCutter {
  #bytes: Uint8Array = new Uint8Array(0)
  /** bytes[begin … used): what has not been given out. */
  #begin = 0
  #used = 0
  /** The line at hand is too large: the rest of it is dropped up to its newline. */
  #isDropping = false
  /** Places in the stream: behind all that was pushed, and behind the last line given out. */
  #offset: number
  #endOffset: number

  constructor(offset = 0) {
    this.#offset = offset
    this.#endOffset = offset
  }

  push(chunk: Uint8Array): Lines {
    this.#bytes.copyWithin(0, this.#begin, this.#used)
    this.#used -= this.#begin
    this.#begin = 0
    this.#offset += chunk.length
    const behindLast = chunk.lastIndexOf(NEWLINE) + 1
    if (behindLast === 0) {
      this.#keep(chunk)
      return { bytes: this.#bytes, pos: 0, length: 0, endOffset: this.#endOffset }
    }
    this.#append(chunk.subarray(this.#isDropping ? chunk.indexOf(NEWLINE) : 0, behindLast))
    this.#isDropping = false
    const pos = this.#takeFrom()
    this.#endOffset = this.#offset - (chunk.length - behindLast)
    const length = this.#used - pos
    this.#begin = this.#used
    this.#keep(chunk.subarray(behindLast))
    return { bytes: this.#bytes, pos, length, endOffset: this.#endOffset }
  }

  /** The last line, where it has no newline. */
  end(): Lines {
    if (this.#used > this.#begin) this.#append(Uint8Array.of(NEWLINE))
    const pos = this.#takeFrom()
    this.#begin = this.#used
    this.#isDropping = false
    this.#endOffset = this.#offset
    return { bytes: this.#bytes, pos, length: this.#used - pos, endOffset: this.#endOffset }
  }

  /** Where the lines begin: behind a byte order mark at the start of the stream. */
  #takeFrom(): number {
    const [a, b, c] = this.#bytes.subarray(this.#begin, this.#used)
    return this.#endOffset === 0 && a === 0xef && b === 0xbb && c === 0xbf ? this.#begin + 3 : this.#begin
  }

  /** Keeps the beginning of a line that goes on in the next chunk. */
  #keep(part: Uint8Array): void {
    if (this.#isDropping) return
    const room = LINE_BYTES_KEPT - (this.#used - this.#begin)
    this.#isDropping = part.length > room
    this.#append(this.#isDropping ? part.subarray(0, room) : part)
  }

  #append(part: Uint8Array): void {
    const needed = this.#used + part.length + SLACK
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(needed + (needed >> 2))
      grown.set(this.#bytes.subarray(0, this.#used))
      this.#bytes = grown
    }
    this.#bytes.set(part, this.#used)
    this.#used += part.length
  }
}
