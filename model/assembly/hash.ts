// The hashes of model/hash.ts, to the bit; a test compares them. AssemblyScript: see scan.ts.

const SEEDS = memory.data<u32>([0x1e3779b9, 0x3c6ef372, 0x5a266d2b, 0x78dde6e4], 16)
const FACTORS = memory.data<u32>([0x2c9277b5, 0x5bd1e995, 0x85ebca6b, 0xc2b2ae35], 16)
/** Read from MASKS + 16 - n: n bytes of 255, then zeros. */
const MASKS = memory.data<u8>(
  [255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  16,
)

/** hash32 of model/hash.ts. Reads up to 16 bytes from p on, whatever the length. */
// @ts-ignore: decorator
@inline
export function hash32(p: usize, length: i32): i32 {
  let lanes = v128.load(SEEDS)
  const factors = v128.load(FACTORS)
  let rest = length
  while (rest > 16) {
    lanes = i32x4.mul(v128.xor(lanes, v128.load(p)), factors)
    lanes = v128.xor(lanes, i32x4.shr_u(lanes, 15))
    p += 16
    rest -= 16
  }
  const last = v128.and(v128.load(p), v128.load(MASKS + 16 - <usize>rest))
  lanes = i32x4.mul(v128.xor(lanes, last), factors)
  lanes = v128.xor(lanes, i32x4.shr_u(lanes, 15))
  lanes = i32x4.mul(lanes, factors)
  lanes = i32x4.add(lanes, i8x16.shuffle(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7))
  let h: u32 = i32x4.extract_lane(lanes, 0) + i32x4.extract_lane(lanes, 1) + length
  h ^= h >> 15
  h *= 0x2c1b3c6d
  h ^= h >> 13
  return h == 0 ? 1 : h
}

const C1: u32 = 0x239b961b
const C2: u32 = 0xab0e9789
const C3: u32 = 0x38b34ae5
const C4: u32 = 0xa1e38b93

// @ts-ignore: decorator
@inline
function mix(k: u32, a: u32, r: u32, b: u32): u32 {
  return rotl<u32>(k * a, r) * b
}
// @ts-ignore: decorator
@inline
function fmix(h: u32): u32 {
  h ^= h >> 16
  h *= 0x85ebca6b
  h ^= h >> 13
  h *= 0xc2b2ae35
  return h ^ (h >> 16)
}

/** hash128 of model/hash.ts, four words into `into`. Reads up to 15 bytes behind the text. */
export function hash128(p: usize, length: i32, into: usize): void {
  let h1: u32 = 0
  let h2: u32 = 0
  let h3: u32 = 0
  let h4: u32 = 0
  const end = p + (length & ~15)
  for (; p < end; p += 16) {
    h1 ^= mix(load<u32>(p), C1, 15, C2)
    h1 = (rotl<u32>(h1, 19) + h2) * 5 + 0x561ccd1b
    h2 ^= mix(load<u32>(p, 4), C2, 16, C3)
    h2 = (rotl<u32>(h2, 17) + h3) * 5 + 0x0bcaa747
    h3 ^= mix(load<u32>(p, 8), C3, 17, C4)
    h3 = (rotl<u32>(h3, 15) + h4) * 5 + 0x96cd1c35
    h4 ^= mix(load<u32>(p, 12), C4, 18, C1)
    h4 = (rotl<u32>(h4, 13) + h1) * 5 + 0x32ac3b17
  }
  const rest = length & 15
  const mask: u32 = (1 << ((rest & 3) << 3)) - 1
  if (rest > 12) h4 ^= mix(load<u32>(p, 12) & mask, C4, 18, C1)
  if (rest > 8) h3 ^= mix(load<u32>(p, 8) & (rest < 12 ? mask : -1), C3, 17, C4)
  if (rest > 4) h2 ^= mix(load<u32>(p, 4) & (rest < 8 ? mask : -1), C2, 16, C3)
  if (rest > 0) h1 ^= mix(load<u32>(p) & (rest < 4 ? mask : -1), C1, 15, C2)
  h1 ^= length
  h2 ^= length
  h3 ^= length
  h4 ^= length
  h1 += h2 + h3 + h4
  h2 += h1
  h3 += h1
  h4 += h1
  h1 = fmix(h1)
  h2 = fmix(h2)
  h3 = fmix(h3)
  h4 = fmix(h4)
  h1 += h2 + h3 + h4
  store<u32>(into, h1)
  store<u32>(into, h2 + h1, 4)
  store<u32>(into, h3 + h1, 8)
  store<u32>(into, h4 + h1, 12)
}

