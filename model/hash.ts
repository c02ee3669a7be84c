// Unseeded hashes of bytes: identity of events (128 bit), interning and partitioning (32 bit).
// murmur3 x86: the same answer on every machine, run and version; nothing that leaves the engine depends on a seed.

/** Where hash128 leaves its four words. Read them before the next call. */
export const h128 = new Uint32Array(4)

const rotl = (x: number, r: number) => (x << r) | (x >>> (32 - r))
const fmix = (h: number) => {
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** MurmurHash3_x86_128 of bytes[pos … pos + length), left in `h128`. Source: Austin Appleby's public-domain definition. */
export function hash128(bytes: Uint8Array, pos: number, length: number, seed = 0): void {
  let h1 = seed, h2 = seed, h3 = seed, h4 = seed
  const c1 = 0x239b961b, c2 = 0xab0e9789, c3 = 0x38b34ae5, c4 = 0xa1e38b93
  const end = pos + (length & ~15)
  let i = pos
  for (; i < end; i += 16) {
    let k1 = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)
    let k2 = bytes[i + 4] | (bytes[i + 5] << 8) | (bytes[i + 6] << 16) | (bytes[i + 7] << 24)
    let k3 = bytes[i + 8] | (bytes[i + 9] << 8) | (bytes[i + 10] << 16) | (bytes[i + 11] << 24)
    let k4 = bytes[i + 12] | (bytes[i + 13] << 8) | (bytes[i + 14] << 16) | (bytes[i + 15] << 24)
    k1 = Math.imul(rotl(Math.imul(k1, c1), 15), c2)
    h1 = (Math.imul(rotl(h1 ^ k1, 19) + h2, 5) + 0x561ccd1b) | 0
    k2 = Math.imul(rotl(Math.imul(k2, c2), 16), c3)
    h2 = (Math.imul(rotl(h2 ^ k2, 17) + h3, 5) + 0x0bcaa747) | 0
    k3 = Math.imul(rotl(Math.imul(k3, c3), 17), c4)
    h3 = (Math.imul(rotl(h3 ^ k3, 15) + h4, 5) + 0x96cd1c35) | 0
    k4 = Math.imul(rotl(Math.imul(k4, c4), 18), c1)
    h4 = (Math.imul(rotl(h4 ^ k4, 13) + h1, 5) + 0x32ac3b17) | 0
  }
  const tail = length & 15
  if (tail) {
    let k1 = 0, k2 = 0, k3 = 0, k4 = 0
    for (let t = tail - 1; t >= 0; t--) {
      const b = bytes[i + t] << ((t & 3) * 8)
      if (t >= 12) k4 |= b
      else if (t >= 8) k3 |= b
      else if (t >= 4) k2 |= b
      else k1 |= b
    }
    if (tail > 12) h4 ^= Math.imul(rotl(Math.imul(k4, c4), 18), c1)
    if (tail > 8) h3 ^= Math.imul(rotl(Math.imul(k3, c3), 17), c4)
    if (tail > 4) h2 ^= Math.imul(rotl(Math.imul(k2, c2), 16), c3)
    h1 ^= Math.imul(rotl(Math.imul(k1, c1), 15), c2)
  }
  h1 ^= length; h2 ^= length; h3 ^= length; h4 ^= length
  h1 = (h1 + h2 + h3 + h4) | 0
  h2 = (h2 + h1) | 0; h3 = (h3 + h1) | 0; h4 = (h4 + h1) | 0
  h1 = fmix(h1); h2 = fmix(h2); h3 = fmix(h3); h4 = fmix(h4)
  h1 = (h1 + h2 + h3 + h4) | 0
  h2 = (h2 + h1) | 0; h3 = (h3 + h1) | 0; h4 = (h4 + h1) | 0
  h128[0] = h1; h128[1] = h2; h128[2] = h3; h128[3] = h4
}

/** A fast 32-bit hash of a short string for tables that compare the bytes afterwards. Never 0. */
export function hash32(bytes: Uint8Array, pos: number, length: number): number {
  let h = length ^ 0x9e3779b9
  const end = pos + length
  for (let i = pos; i < end; i++) h = Math.imul(h ^ bytes[i], 0x01000193)
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
