// Unseeded hashes of bytes: identity of events (128 bit), interning and partitioning (32 bit).
// murmur3 x86: the same answer on every machine, run and version; nothing that leaves the engine depends on a seed.

/** Where hash128 leaves its four words. Read them before the next call. */
export const h128 = new Uint32Array(4)

const rotl = (x: number, r: number) => (x << r) | (x >>> (32 - r))
const C1 = 0x239b961b
const C2 = 0xab0e9789
const C3 = 0x38b34ae5
const C4 = 0xa1e38b93
const mix = (k: number, a: number, r: number, b: number) => Math.imul(rotl(Math.imul(k, a), r), b)
const fmix = (h: number) => {
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** How many bytes behind the text `hash128View` may read (and ignore). */
export const HASH_SLACK = 16

/**
 * MurmurHash3_x86_128 of length bytes at pos, left in `h128`, in words of four bytes: up to HASH_SLACK bytes behind the text are
 * read and ignored, so they must exist. Source: Austin Appleby's public-domain definition.
 */
export function hash128View(view: DataView, pos: number, length: number, seed = 0): void {
  let h1 = seed
  let h2 = seed
  let h3 = seed
  let h4 = seed
  const end = pos + (length & ~15)
  let i = pos
  for (; i < end; i += 16) {
    h1 ^= mix(view.getInt32(i, true), C1, 15, C2)
    h1 = (Math.imul(rotl(h1, 19) + h2, 5) + 0x561ccd1b) | 0
    h2 ^= mix(view.getInt32(i + 4, true), C2, 16, C3)
    h2 = (Math.imul(rotl(h2, 17) + h3, 5) + 0x0bcaa747) | 0
    h3 ^= mix(view.getInt32(i + 8, true), C3, 17, C4)
    h3 = (Math.imul(rotl(h3, 15) + h4, 5) + 0x96cd1c35) | 0
    h4 ^= mix(view.getInt32(i + 12, true), C4, 18, C1)
    h4 = (Math.imul(rotl(h4, 13) + h1, 5) + 0x32ac3b17) | 0
  }
  const rest = length & 15
  // Of the last word only the text's own bytes count.
  const mask = (1 << ((rest & 3) << 3)) - 1
  if (rest > 12) h4 ^= mix(view.getInt32(i + 12, true) & mask, C4, 18, C1)
  if (rest > 8) h3 ^= mix(view.getInt32(i + 8, true) & (rest < 12 ? mask : -1), C3, 17, C4)
  if (rest > 4) h2 ^= mix(view.getInt32(i + 4, true) & (rest < 8 ? mask : -1), C2, 16, C3)
  if (rest > 0) h1 ^= mix(view.getInt32(i, true) & (rest < 4 ? mask : -1), C1, 15, C2)
  h1 ^= length
  h2 ^= length
  h3 ^= length
  h4 ^= length
  h1 = (h1 + h2 + h3 + h4) | 0
  h2 = (h2 + h1) | 0
  h3 = (h3 + h1) | 0
  h4 = (h4 + h1) | 0
  h1 = fmix(h1)
  h2 = fmix(h2)
  h3 = fmix(h3)
  h4 = fmix(h4)
  h1 = (h1 + h2 + h3 + h4) | 0
  h128[0] = h1
  h128[1] = h2 + h1
  h128[2] = h3 + h1
  h128[3] = h4 + h1
}

const scratch = new Uint8Array(1024)
const scratchView = new DataView(scratch.buffer)

/** MurmurHash3_x86_128 of bytes[pos … pos + length), left in `h128`. */
export function hash128(bytes: Uint8Array, pos: number, length: number, seed = 0): void {
  // Copied to where whole words can be read behind the text.
  const copy = length <= scratch.length - HASH_SLACK ? scratch : new Uint8Array(length + HASH_SLACK)
  for (let i = 0; i < length; i++) copy[i] = bytes[pos + i]
  hash128View(copy === scratch ? scratchView : new DataView(copy.buffer), 0, length, seed)
}

const SEEDS32 = [0x1e3779b9, 0x3c6ef372, 0x5a266d2b, 0x78dde6e4]
const FACTORS32 = [0x2c9277b5, 0x5bd1e995, 0x85ebca6b, 0xc2b2ae35]

/**
 * A fast 32-bit hash of a short string, for tables that compare the bytes afterwards. Never 0. Four lanes of words side by side, 16 bytes at a
 * time, zeros behind the end: what the scanner's WebAssembly does in one register.
 */
export function hash32(bytes: Uint8Array, pos: number, length: number): number {
  let sum = 0
  const end = pos + length
  for (let lane = 0; lane < 4; lane++) {
    const factor = FACTORS32[lane]
    let h = SEEDS32[lane]
    let i = pos + lane * 4
    do {
      let word = 0
      for (let k = Math.min(end, i + 4) - 1; k >= i; k--) word = (word << 8) | bytes[k]
      h = Math.imul(h ^ word, factor)
      h ^= h >>> 15
      i += 16
    } while (i - lane * 4 < end)
    sum += Math.imul(h, factor)
  }
  let h = (sum + length) | 0
  h ^= h >>> 15
  h = Math.imul(h, 0x2c1b3c6d)
  h ^= h >>> 13
  return h >>> 0 || 1
}

/** Kafka's default partitioner (murmur2 of the key's bytes, as the Java client computes it) over `partitions`. */
export function kafkaPartition(key: Uint8Array, partitions: number): number {
  const m = 0x5bd1e995
  const length = key.length
  let h = 0x9747b28c ^ length
  let i = 0
  for (; i + 4 <= length; i += 4) {
    let k = key[i] | (key[i + 1] << 8) | (key[i + 2] << 16) | (key[i + 3] << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  const rest = length & 3
  if (rest === 3) h ^= key[i + 2] << 16
  if (rest >= 2) h ^= key[i + 1] << 8
  if (rest >= 1) h = Math.imul(h ^ key[i], m)
  h ^= h >>> 13
  h = Math.imul(h, m)
  h ^= h >>> 15
  return (h & 0x7fffffff) % partitions
}

/** a += b modulo 2^128; word 0 is the lowest. */
export function addTo(a: Uint32Array, b: Uint32Array): void {
  let carry = 0
  for (let i = 0; i < 4; i++) {
    const sum = a[i] + b[i] + carry
    a[i] = sum
    carry = sum > 0xffff_ffff ? 1 : 0
  }
}

const hexBytes = Buffer.alloc(16)

/** Four words as 32 lower-case hex digits. */
export function hex128(words: ArrayLike<number>): string {
  for (let i = 0; i < 4; i++) {
    const word = words[i]
    hexBytes[i * 4] = word >>> 24
    hexBytes[i * 4 + 1] = word >>> 16
    hexBytes[i * 4 + 2] = word >>> 8
    hexBytes[i * 4 + 3] = word
  }
  return hexBytes.toString('hex')
}
