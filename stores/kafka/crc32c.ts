// CRC-32C (Castagnoli), which guards record batches; node:zlib has only the other one. Eight bytes at a time, by eight tables: about 1 GB/s.

const POLYNOMIAL = 0x82f63b78
const SLICES = 8
/** Slice after slice: what a byte does to the sum that many bytes further on. */
const TABLES = tables()

/** Of bytes[from … to), as an unsigned number. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let sum = -1
  let i = from
  for (const end = to - SLICES; i <= end; i += SLICES) {
    sum ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)
    sum =
      TABLES[1792 | (sum & 255)] ^
      TABLES[1536 | ((sum >>> 8) & 255)] ^
      TABLES[1280 | ((sum >>> 16) & 255)] ^
      TABLES[1024 | (sum >>> 24)] ^
      TABLES[768 | bytes[i + 4]] ^
      TABLES[512 | bytes[i + 5]] ^
      TABLES[256 | bytes[i + 6]] ^
      TABLES[bytes[i + 7]]
  }
  for (; i < to; i++) sum = (sum >>> 8) ^ TABLES[(sum ^ bytes[i]) & 255]
  return ~sum >>> 0
}

function tables(): Int32Array {
  const made = new Int32Array(SLICES * 256)
  for (let byte = 0; byte < 256; byte++) {
    let sum = byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ POLYNOMIAL : sum >>> 1
    made[byte] = sum
  }
  for (let at = 256; at < made.length; at++) made[at] = (made[at - 256] >>> 8) ^ made[made[at - 256] & 255]
  return made
}
