// Bytes as text: where strings end, what digits say. AssemblyScript, as all of this folder: see scan.ts.
//
// A raw newline ends every walk: no valid value holds one.

const QUOTES = memory.data<u8>([34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34], 16)
const BACKSLASHES = memory.data<u8>([92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92], 16)
const CONTROLS = memory.data<u8>([31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31], 16)

export const QUOTE: u32 = 34
export const BACKSLASH: u32 = 92

/** The first quote, backslash or control character at or behind p. Reads up to 15 bytes more. */
// @ts-ignore: decorator
@inline
export function endOfText(p: usize): usize {
  while (true) {
    const v = v128.load(p)
    const textMarks = v128.or(i8x16.eq(v, v128.load(QUOTES)), i8x16.eq(v, v128.load(BACKSLASHES)))
    const marks = i8x16.bitmask(v128.or(textMarks, i8x16.le_u(v, v128.load(CONTROLS))))
    if (marks != 0) return p + <usize>ctz(marks)
    p += 16
  }
}

/** The first position at or behind p that is no space, tab or carriage return. A newline ends a record, so it is no space here. */
// @ts-ignore: decorator
@inline
export function skipSpace(p: usize): usize {
  let c = load<u8>(p)
  while (c == 32 || c == 9 || c == 13) c = load<u8>(++p)
  return p
}

// @ts-ignore: decorator
@inline
export function isDigit(c: u32): bool {
  return c - 48 < 10
}

/** What behind a whole number makes it another one: a digit, a dot, an e. */
// @ts-ignore: decorator
@inline
export function continuesNumber(c: u32): bool {
  return isDigit(c) || c == 46 || (c | 32) == 101
}

/** Are all eight bytes digits? */
// @ts-ignore: decorator
@inline
export function areDigits(w: u64): bool {
  return ((w & 0xf0f0f0f0f0f0f0f0) | (((w + 0x0606060606060606) & 0xf0f0f0f0f0f0f0f0) >> 4)) == 0x3333333333333333
}

/** How many of the eight bytes, from the first on, are digits. */
// @ts-ignore: decorator
@inline
export function digitsBefore(w: u64): i32 {
  const odd = w ^ 0x3030303030303030
  // A carry of the sum reaches later bytes only, and the first mark is what counts.
  const marks = ((odd + 0x7676767676767676) | odd) & 0x8080808080808080
  return <i32>(ctz(marks) >> 3) // ctz(0) is 64
}

/** Eight digits (or zero bytes) as a number: neighbours into pairs, pairs into fours, fours into one, by multiplication. */
// @ts-ignore: decorator
@inline
export function eightDigits(w: u64): i64 {
  w = ((w & 0x0f0f0f0f0f0f0f0f) * 2561) >> 8
  w = ((w & 0x00ff00ff00ff00ff) * 6553601) >> 16
  return <i64>(((w & 0x0000ffff0000ffff) * 42949672960001) >> 32)
}
