// Undoes snappy, for batches of foreign producers: a raw block, as librdkafka writes it, or the blocks in xerial's frame, as Java does.
//
// frame: "\x82SNAPPY\0", two versions (4 each, big endian) · blocks, each after its length (4, big endian)
// block: length of what comes out (varint) · elements: a byte whose lowest bits say what follows: 0 literals, 1 to 3 a copy with a distance of 1, 2 or 4 bytes
// Own code: decision 0011.
import { Decoded } from './decoded.ts'

const FRAME = Buffer.from('\x82SNAPPY\0', 'latin1')
const FRAME_BYTES = 16
const LENGTH_BYTES_MAX = 5
/** Of literals: longer ones have their length behind the byte, in 1 to 4 bytes. */
const LITERALS_INLINE = 60
/** What compressed JSON comes to, about. */
const RATIO = 4
/** A copy of 64 bytes takes 3: nothing comes to more. */
const RATIO_MAX = 22

/** Errors: RangeError for what is none, or comes to more than maxOutputLength. */
export function snappyDecompress(bytes: Buffer, maxOutputLength: number): Buffer {
  const out = new Decoded(maxOutputLength, bytes.length * RATIO)
  if (isFrame(bytes, 0)) blocks(bytes, out)
  else block(bytes, out)
  return out.all
}

const isFrame = (bytes: Buffer, at: number) =>
  bytes.length - at >= FRAME.length && bytes.compare(FRAME, 0, FRAME.length, at, at + FRAME.length) === 0

function blocks(bytes: Buffer, out: Decoded): void {
  for (let at = 0; at < bytes.length; ) {
    // Streams may be put together.
    if (isFrame(bytes, at)) {
      at += FRAME_BYTES
      if (at > bytes.length) throw new RangeError(`the frame's head ends behind byte ${bytes.length}`)
      continue
    }
    const length = bytes.readUInt32BE(at)
    at += 4
    if (length > bytes.length - at) throw new RangeError(`the block at byte ${at} ends behind byte ${bytes.length}`)
    block(bytes.subarray(at, at + length), out)
    at += length
  }
}

function block(bytes: Buffer, out: Decoded): void {
  const start = out.length
  const { length, from } = lengthOf(bytes)
  // Else so much would be made room for.
  if (length > (bytes.length - from) * RATIO_MAX) throw new RangeError(`${bytes.length} bytes are said to come to ${length}`)
  for (let at = from; at < bytes.length; ) {
    const tag = bytes[at++]
    const kind = tag & 3
    if (kind === 0) {
      let literals = tag >> 2
      if (literals >= LITERALS_INLINE) {
        const size = literals - LITERALS_INLINE + 1
        literals = bytes.readUIntLE(at, size)
        at += size
      }
      out.literal(bytes, at, literals + 1)
      at += literals + 1
    } else if (kind === 1) out.copy(((tag >> 5) << 8) | bytes.readUInt8(at++), ((tag >> 2) & 7) + 4, start)
    else {
      const size = kind === 2 ? 2 : 4
      const distance = bytes.readUIntLE(at, size)
      at += size
      out.copy(distance, (tag >> 2) + 1, start)
    }
    if (out.length - start > length) break
  }
  if (out.length - start !== length) throw new RangeError(`a block is said to come to ${length} bytes, and comes to ${out.length - start}`)
}

/** … and where what follows it begins. */
function lengthOf(bytes: Buffer): { length: number; from: number } {
  let length = 0
  for (let i = 0; i < LENGTH_BYTES_MAX; i++) {
    const byte = bytes.readUInt8(i)
    length += (byte & 127) * 2 ** (7 * i)
    if (byte < 128) return { length, from: i + 1 }
  }
  throw new RangeError('its length has no end')
}
