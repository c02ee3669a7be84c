// What a decoder of lz4 or snappy writes to: bytes, and copies of what stands before. Owns the bounds: it never reads before what was written, and never
// grows beyond `max`.
const BYTES_AT_FIRST = 1 << 14
/** Shorter ones are copied byte by byte: calling Node for them takes longer. */
const CALL_BYTES = 24

export class Decoded {
  private readonly max: number
  private bytes: Buffer
  length = 0

  /** `expected`: about how long it will be. */
  constructor(max: number, expected: number) {
    this.max = max
    this.bytes = Buffer.allocUnsafeSlow(Math.min(max, Math.max(BYTES_AT_FIRST, expected)))
  }

  get all(): Buffer {
    return this.bytes.subarray(0, this.length)
  }

  /** Errors: RangeError where `from` ends sooner. */
  literal(from: Buffer, at: number, length: number): void {
    if (length > from.length - at) throw new RangeError(`${length} bytes are to follow byte ${at} of ${from.length}`)
    this.room(length)
    if (length >= CALL_BYTES) from.copy(this.bytes, this.length, at, at + length)
    else for (let i = 0; i < length; i++) this.bytes[this.length + i] = from[at + i]
    this.length += length
  }

  /** What began `distance` bytes before the end; of what is longer than that the beginning again and again. Not from before `start`. */
  copy(distance: number, length: number, start: number): void {
    const from = this.length - distance
    if (distance === 0 || from < start) throw new RangeError(`byte ${this.length} is to be a copy of that ${distance} bytes before it`)
    this.room(length)
    const { bytes } = this
    if (length >= CALL_BYTES && distance >= length) bytes.copyWithin(this.length, from, from + length)
    else for (let i = 0; i < length; i++) bytes[this.length + i] = bytes[from + i]
    this.length += length
  }

  private room(more: number): void {
    const needed = this.length + more
    if (needed <= this.bytes.length) return
    if (needed > this.max) throw new RangeError(`it is larger than ${this.max} bytes`)
    const larger = Buffer.allocUnsafeSlow(Math.min(this.max, Math.max(needed, this.bytes.length * 2)))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }
}
