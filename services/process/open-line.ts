// The last line of a stream, read before its newline was there: a file that is being written ends so. A receipt keeps it apart from what was read up
// to the newline before it; the next run looks here whether it is the same line, has grown, or is another.
import { crc32 } from 'node:zlib'

/** Of a receipt. */
export interface OpenLine {
  bytes: number
  /** CRC-32 of them. */
  crc: number
}

const NEWLINE = 10
const SPACES: ReadonlySet<number> = new Set([0x20, 0x09, 0x0d])

/** Sees the stream's bytes from the line's first one on. */
export class OpenLineCheck {
  /** More than spaces, or a carriage return, has followed on it. */
  hasGrown = false
  /** Its newline has come. */
  isEnded = false
  private readonly known: OpenLine
  private seen = 0
  private crc = 0

  constructor(known: OpenLine) {
    this.known = known
  }

  /** As far as it was seen it is no longer what it was; only asked when all of it was seen, or the stream is over. */
  get isOther(): boolean {
    return this.seen < this.known.bytes || this.crc !== this.known.crc
  }

  /** True where these bytes say that it is another line. */
  see(part: Uint8Array): boolean {
    if (this.isEnded) return false
    const own = part.subarray(0, this.known.bytes - this.seen)
    this.seen += own.length
    this.crc = crc32(own, this.crc)
    if (this.seen < this.known.bytes) return false
    const end = part.indexOf(NEWLINE, own.length)
    this.isEnded = end >= 0
    this.hasGrown ||= part.subarray(own.length, end < 0 ? part.length : end).some((byte) => !SPACES.has(byte))
    return this.isOther
  }
}
