// Steps over one JSON value without making anything of it, and proves on the way that it is valid JSON: the grammar of numbers, literals,
// strings and escapes, nesting up to NESTING_MAX, no forbidden key (model/event.ts) at any depth. AssemblyScript: see scan.ts.
// Owns why it gives up; never decides what that means for the record.
import { DEEP, ESCAPE, FORBIDDEN_KEY, NESTED } from './reasons'
import { BACKSLASH, endOfText, isDigit, QUOTE, skipSpace } from './text'

const NESTING_MAX: i32 = 32

/** Why skipValue or skipKey gave up: a reason. */
export let gaveUp: i32 = 0

/** From a key's opening quote to behind its colon; 0 where it gives up. */
export function skipKey(p: usize): usize {
  gaveUp = NESTED
  if (load<u8>(p) != 34) return 0
  const key = p + 1
  p = endOfText(key)
  const c = load<u8>(p)
  if (c != QUOTE) {
    if (c == BACKSLASH) gaveUp = ESCAPE
    return 0
  }
  const length = p - key
  if (length == 9) {
    const word = load<u64>(key)
    const last = load<u8>(key, 8)
    // __proto_ _, prototyp e
    if ((word == 0x5f6f746f72705f5f && last == 95) || (word == 0x7079746f746f7270 && last == 101)) {
      gaveUp = FORBIDDEN_KEY
      return 0
    }
  } else if (length == 11 && load<u64>(key) == 0x63757274736e6f63 && load<u32>(key, 7) == 0x726f7463) {
    gaveUp = FORBIDDEN_KEY // construc ctor
    return 0
  }
  p = skipSpace(p + 1)
  return load<u8>(p) == 58 ? p + 1 : 0
}

/** Behind the value that begins at p; 0 where it gives up. Proves on the way that it is valid JSON. */
export function skipValue(p: usize): usize {
  let depth: i32 = 0
  let objects: u32 = 0 // bit d: the container at depth d + 1 is an object
  while (true) {
    p = skipSpace(p)
    const c = load<u8>(p)
    if (c == 34) p = skipString(p + 1)
    else if (c == 123 || c == 91) {
      if (depth == NESTING_MAX) {
        gaveUp = DEEP
        return 0
      }
      p = skipSpace(p + 1)
      if (load<u8>(p) != c + 2) {
        if (c == 123) {
          objects |= 1 << depth
          p = skipKey(p)
          if (p == 0) return 0
        } else objects &= ~(1 << depth)
        depth++
        continue
      }
      p++
    } else if (c == 116) p = load<u32>(p) == 0x65757274 ? p + 4 : 0
    else if (c == 110) p = load<u32>(p) == 0x6c6c756e ? p + 4 : 0
    else if (c == 102) p = load<u32>(p, 1) == 0x65736c61 ? p + 5 : 0
    else p = skipNumber(p)
    if (p == 0) {
      gaveUp = NESTED
      return 0
    }
    while (true) {
      if (depth == 0) return p
      p = skipSpace(p)
      const isObject = (objects >> (depth - 1)) & 1
      const next = load<u8>(p)
      if (next == 44) {
        p++
        if (isObject) {
          p = skipKey(skipSpace(p))
          if (p == 0) return 0
        }
        break
      }
      if (next != <u8>(isObject ? 125 : 93)) {
        gaveUp = NESTED
        return 0
      }
      p++
      depth--
    }
  }
}

/** From behind a string's opening quote to behind its closing one. */
function skipString(p: usize): usize {
  while (true) {
    p = endOfText(p)
    const c = load<u8>(p)
    if (c == QUOTE) return p + 1
    if (c != BACKSLASH) return 0
    const escaped = load<u8>(++p)
    if (escaped == 117) {
      for (let i: usize = 1; i <= 4; i++) {
        const hex = <u32>load<u8>(p + i)
        if (!isDigit(hex) && (hex | 32) - 97 > 5) return 0
      }
      p += 4
    } else if (
      // `"` `\` `/` b f n r t
      escaped != 34 &&
      escaped != 92 &&
      escaped != 47 &&
      escaped != 98 &&
      escaped != 102 &&
      escaped != 110 &&
      escaped != 114 &&
      escaped != 116
    )
      return 0
    p++
  }
}

function skipNumber(p: usize): usize {
  if (load<u8>(p) == 45) p++
  if (load<u8>(p) == 48) p++
  else {
    if (!isDigit(load<u8>(p))) return 0
    while (isDigit(load<u8>(p))) p++
  }
  if (load<u8>(p) == 46) {
    if (!isDigit(load<u8>(++p))) return 0
    while (isDigit(load<u8>(p))) p++
  }
  if ((load<u8>(p) | 32) == 101) {
    p++
    const sign = load<u8>(p)
    if (sign == 43 || sign == 45) p++
    if (!isDigit(load<u8>(p))) return 0
    while (isDigit(load<u8>(p))) p++
  }
  return p
}
