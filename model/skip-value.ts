// Steps over one JSON value without making anything of it, and proves on the way that it is valid JSON: the grammar of numbers,
// literals, strings and escapes, nesting up to NESTING_MAX, no forbidden key at any depth. Bytes are taken to be valid UTF-8
// and to hold a newline somewhere behind the value (no valid value holds one, so the walk ends there at the latest).
// Owns the negative answers below; never decides what they mean for the record.

import { NESTING_MAX } from './event.ts'

export const SKIP_MALFORMED = -1
export const SKIP_TOO_DEEP = -2
export const SKIP_FORBIDDEN_KEY = -3
/** A key with an escape: what it says is not known without decoding it. */
export const SKIP_ESCAPED_KEY = -4

/** Keys that no object of an event may have: parsed and merged carelessly they reach the prototype of every object. */
export const FORBIDDEN_KEYS: readonly string[] = ['__proto__', 'constructor', 'prototype']

const FORBIDDEN = FORBIDDEN_KEYS.map((key) => Uint8Array.from(key, (char) => char.charCodeAt(0)))

/** Is the text bytes[pos … pos + length) one of FORBIDDEN_KEYS? */
function isForbiddenKey(bytes: Uint8Array, pos: number, length: number): boolean {
  if (length !== 9 && length !== 11) return false
  for (const key of FORBIDDEN) {
    if (key.length !== length) continue
    let i = 0
    while (i < length && bytes[pos + i] === key[i]) i++
    if (i === length) return true
  }
  return false
}

/** The first position at or behind p that is no space, tab or carriage return. A newline ends a record, so it is no space here. */
export function skipSpace(bytes: Uint8Array, p: number): number {
  while (bytes[p] === 32 || bytes[p] === 9 || bytes[p] === 13) p++
  return p
}

/** The position behind the value that begins at p, or one of the negative answers. */
export function skipValue(bytes: Uint8Array, p: number): number {
  let depth = 0
  let objects = 0 // bit d: the container at depth d + 1 is an object
  for (;;) {
    p = skipSpace(bytes, p)
    const c = bytes[p]
    if (c === 34) p = skipString(bytes, p + 1)
    else if (c === 123 || c === 91) {
      if (depth === NESTING_MAX) return SKIP_TOO_DEEP
      const isObject = c === 123
      p = skipSpace(bytes, p + 1)
      if (bytes[p] !== c + 2) {
        if (isObject) {
          objects |= 1 << depth
          p = skipKey(bytes, p)
          if (p < 0) return p
        } else objects &= ~(1 << depth)
        depth++
        continue
      }
      p++
    } else if (c === 116) p = bytes[p + 1] === 114 && bytes[p + 2] === 117 && bytes[p + 3] === 101 ? p + 4 : SKIP_MALFORMED
    else if (c === 110) p = bytes[p + 1] === 117 && bytes[p + 2] === 108 && bytes[p + 3] === 108 ? p + 4 : SKIP_MALFORMED
    else if (c === 102)
      p = bytes[p + 1] === 97 && bytes[p + 2] === 108 && bytes[p + 3] === 115 && bytes[p + 4] === 101 ? p + 5 : SKIP_MALFORMED
    else p = skipNumber(bytes, p)
    if (p < 0) return p
    for (;;) {
      if (depth === 0) return p
      p = skipSpace(bytes, p)
      const isObject = (objects >>> (depth - 1)) & 1
      const next = bytes[p]
      if (next === 44) {
        p++
        if (isObject) {
          p = skipKey(bytes, skipSpace(bytes, p))
          if (p < 0) return p
        }
        break
      }
      if (next !== (isObject ? 125 : 93)) return SKIP_MALFORMED
      p++
      depth--
    }
  }
}

/** From a key's opening quote to behind its colon; or a negative answer. */
export function skipKey(bytes: Uint8Array, p: number): number {
  if (bytes[p] !== 34) return SKIP_MALFORMED
  const key = ++p
  let c = bytes[p]
  while (c !== 34) {
    if (c === 92) return SKIP_ESCAPED_KEY
    if (c < 32) return SKIP_MALFORMED
    c = bytes[++p]
  }
  if (isForbiddenKey(bytes, key, p - key)) return SKIP_FORBIDDEN_KEY
  p = skipSpace(bytes, p + 1)
  return bytes[p] === 58 ? p + 1 : SKIP_MALFORMED
}

/** From behind a string's opening quote to behind its closing one. */
function skipString(bytes: Uint8Array, p: number): number {
  for (;;) {
    const c = bytes[p]
    if (c === 34) return p + 1
    if (c < 32) return SKIP_MALFORMED
    if (c === 92) {
      const escaped = bytes[++p]
      if (escaped === 117) {
        for (let i = 1; i <= 4; i++) if (!isHexDigit(bytes[p + i])) return SKIP_MALFORMED
        p += 4
      } else if (!isEscape(escaped)) return SKIP_MALFORMED
    }
    p++
  }
}

const isHexDigit = (c: number) => (c >= 48 && c <= 57) || ((c | 32) >= 97 && (c | 32) <= 102)
/** `"` `\` `/` b f n r t */
const isEscape = (c: number) => c === 34 || c === 92 || c === 47 || c === 98 || c === 102 || c === 110 || c === 114 || c === 116
const isDigit = (c: number) => c >= 48 && c <= 57

function skipNumber(bytes: Uint8Array, p: number): number {
  if (bytes[p] === 45) p++
  if (bytes[p] === 48) p++
  else {
    if (!isDigit(bytes[p])) return SKIP_MALFORMED
    while (isDigit(bytes[p])) p++
  }
  if (bytes[p] === 46) {
    if (!isDigit(bytes[++p])) return SKIP_MALFORMED
    while (isDigit(bytes[p])) p++
  }
  if ((bytes[p] | 32) === 101) {
    p++
    if (bytes[p] === 43 || bytes[p] === 45) p++
    if (!isDigit(bytes[p])) return SKIP_MALFORMED
    while (isDigit(bytes[p])) p++
  }
  return p
}
