// The hot path of the product: newline-ended JSON records into columns, in one pass over the bytes.
//
// AssemblyScript: TypeScript's syntax over the machine's types. `npm run assembly` compiles this folder into ../scanner-module.ts, which
// is what runs; a test holds both together. It is here and not in TypeScript because only WebAssembly looks at 16 bytes at once.
//
// Owns what "plain" means: it takes a record only where it can prove it a valid event. Never rejects: what it cannot prove it declines, with a
// reason, and parse-event.ts decides. Limits are those of model/event.ts; a test goes to each.
//
// Invariants that the caller (scan-plain.ts) keeps:
// 1. [from … limit) ends with a newline and 32 readable bytes follow. A raw newline ends every loop here, so none runs out of the block.
// 2. The bytes are valid UTF-8.
import { hash32, hash128 } from './hash'
import {
  ANONYMOUS,
  CONTEXT,
  ELEMENT,
  EVENT_ID,
  EVENT_TYPE,
  fieldAt,
  ORG,
  PRODUCT,
  PROPERTIES,
  RECEIVED_AT,
  SCREEN,
  SUCCESS,
  TASK_TYPE,
  TS,
  typeAt,
  UNKNOWN,
  USER,
  X,
  Y,
} from './keys'
import { CONTROL, DUPLICATE, ESCAPE, LARGE, LENGTH, MISSING, NUMBER, STRUCTURE, TIME, TYPE, VALUE } from './reasons'
import { gaveUp, skipKey, skipValue } from './skip'
import { areDigits, BACKSLASH, continuesNumber, digitsBefore, eightDigits, endOfText, isDigit, QUOTE, skipSpace } from './text'

const FIELDS: usize = 11
const NO_INT: i32 = -0x80000000
/** Bits of the fields whose value is a string. */
const STRINGS: i32 = 0x1bff
/** Bits of the string fields whose hash the column `hashes` holds. */
const HASHED: i32 = (1 << ORG) | (1 << PRODUCT) | (1 << USER) | (1 << SCREEN) | (1 << ELEMENT) | (1 << TASK_TYPE) | (1 << CONTEXT) | (1 << ANONYMOUS)
const EVENT_BYTES_MAX: i32 = 65536
const PROPERTIES_BYTES_MAX: i32 = 32768
const TS_MAX: i64 = 7258118400000
/** Of the string fields, by number. */
const BYTES_MAX = memory.data<i32>([256, 256, 256, 64, 8192, 8192, 8192, 8192, 8192, 8192, 0, 256, 8192])

/** What the last scan did: rows there are now, where it stopped, and the reason why, or -1. */
const ANSWER = memory.data(12, 16)
let why: i32 = -1

// The columns, widest first; laid out by the number of rows.
let offsets: usize = 0
let times: usize = 0
let received: usize = 0
let ids: usize = 0
let spans: usize = 0
let hashes: usize = 0
let starts: usize = 0
let ends: usize = 0
let xs: usize = 0
let ys: usize = 0
let types: usize = 0
let userKinds: usize = 0
let successes: usize = 0

export function answerAt(): usize {
  return ANSWER
}

/** Lays the columns out for `rows` rows, a multiple of 16: where they begin. They lie in the order of scan-plain.ts, without gaps. */
export function layOut(rows: usize): usize {
  offsets = (__heap_base + 15) & ~15
  times = offsets + rows * 8
  received = times + rows * 8
  ids = received + rows * 8
  spans = ids + rows * 16
  hashes = spans + rows * (FIELDS * 8)
  starts = hashes + rows * (FIELDS * 4)
  ends = starts + rows * 4
  xs = ends + rows * 4
  ys = xs + rows * 4
  types = ys + rows * 4
  userKinds = types + rows
  successes = userKinds + rows
  return offsets
}

/** The plain records of [from … limit) into rows from `firstRow` on, up to `rows`; positions in columns are those here plus delta. */
export function scan(from: usize, limit: usize, delta: i32, base: f64, firstRow: i32, rows: i32, required: i32): void {
  let p = from
  let row = firstRow
  why = -1
  while (p < limit && row < rows) {
    const end = scanRecord(p, delta, <usize>row, required)
    if (end == 0) break
    store<f64>(offsets + <usize>row * 8, base + <f64>row)
    p = end + 1
    row++
  }
  store<i32>(ANSWER, row)
  store<usize>(ANSWER, p, 4)
  store<i32>(ANSWER, why, 8)
}

// @ts-ignore: decorator
@inline
function decline(reason: i32): usize {
  why = reason
  return 0
}

/** One record into a row: the position of its newline, or 0 where it is declined. */
function scanRecord(record: usize, delta: i32, row: usize, required: i32): usize {
  let p = record
  let seen: i32 = 0
  let have: i32 = 0
  const rowSpans = spans + row * (FIELDS * 8)
  const rowHashes = hashes + row * (FIELDS * 4)
  const zero = i64x2.splat(0)
  v128.store(rowSpans, zero)
  v128.store(rowSpans, zero, 16)
  v128.store(rowSpans, zero, 32)
  v128.store(rowSpans, zero, 48)
  v128.store(rowSpans, zero, 64)
  store<i64>(rowSpans, 0, 80)
  v128.store(rowHashes, zero)
  v128.store(rowHashes, zero, 16)
  v128.store(rowHashes, zero, 28)
  store<f64>(times + row * 8, 0)
  store<f64>(received + row * 8, 0)
  let rowX = NO_INT
  let rowY = NO_INT
  let rowSuccess: i32 = 0
  let rowType: i32 = 0
  if (load<u8>(p) != 123) {
    p = skipSpace(p)
    if (load<u8>(p) != 123) return decline(STRUCTURE)
  }
  while (true) {
    p++ // over the brace or comma
    if (load<u8>(p) != 34) {
      p = skipSpace(p)
      if (load<u8>(p) != 34) return decline(STRUCTURE)
    }
    p++
    const key = fieldAt(p)
    const field = key & 0xff
    const bit = 1 << field
    if (field == UNKNOWN) {
      p = skipKey(p - 1)
      if (p == 0) return decline(gaveUp)
      p-- // to its colon
    } else p += key >> 8
    if (load<u8>(p) != 58) {
      p = skipSpace(p)
      if (load<u8>(p) != 58) return decline(STRUCTURE)
    }
    let c: i32 = load<u8>(++p)
    if (c <= 32) {
      p = skipSpace(p)
      c = load<u8>(p)
    }
    if ((seen & bit) != 0) return decline(DUPLICATE)
    if (field == UNKNOWN) {
      p = skipValue(p)
      if (p == 0) return decline(gaveUp)
    } else if (c == QUOTE && (bit & STRINGS) != 0) {
      const s = ++p
      p = endOfText(p)
      c = load<u8>(p)
      if (c != 34) return decline(c == 92 ? ESCAPE : CONTROL)
      const length = <i32>(p - s)
      p++
      seen |= bit
      if (length != 0) {
        if (length > load<i32>(BYTES_MAX + (<usize>field << 2))) return decline(LENGTH)
        if (field == EVENT_TYPE) {
          rowType = typeAt(s, length)
          if (rowType < 0) return decline(TYPE)
        } else if (field != ANONYMOUS || (have & (1 << USER)) == 0) {
          const column = <usize>(field == ANONYMOUS ? USER : field)
          store<i32>(rowSpans + column * 8, <i32>s + delta)
          store<i32>(rowSpans + column * 8, length, 4)
          if (field == EVENT_ID) hash128(s, length, ids + row * 16)
          else if ((bit & HASHED) != 0) store<i32>(rowHashes + column * 4, hash32(s, length))
        }
        have |= bit
      }
    } else if (c == 110) {
      if (load<u32>(p) != 0x6c6c756e) return decline(VALUE)
      seen |= bit
      p += 4
    } else if (field == TS || field == RECEIVED_AT) {
      const a = load<u64>(p)
      const b = load<u64>(p, 8)
      const last = (b << 24) | 0x303030
      const ms: i64 = eightDigits(a) * 100000 + eightDigits(last)
      if (
!areDigits(a) || !areDigits(last) || (a & 0xff) == 48 || continuesNumber(<u32>(b >> 40) & 0xff) || ms >= TS_MAX
      ) return decline(field == TS ? TIME : NUMBER)
      if (field == TS) {
        store<f64>(times + row * 8, <f64>ms)
        have |= bit
      } else store<f64>(received + row * 8, <f64>ms)
      seen |= bit
      p += 13
    } else if (field == X || field == Y) {
      const negative = c == 45
      if (negative) p++
      const word = load<u64>(p)
      let digits = digitsBefore(word)
      let value = digits == 0 ? 0 : <i32>eightDigits(word << <u64>(64 - digits * 8))
      if (digits == 8) {
        const ninth = <u32>load<u8>(p, 8)
        if (isDigit(ninth)) {
          value = value * 10 + ninth - 48
          digits = 9
        }
      }
      const zeroFirst = (word & 0xff) == 48
      p += digits
      // Nine digits fit 31 bits. A leading zero and -0 are left to JSON.parse.
      if (digits == 0 || (zeroFirst && (digits > 1 || negative)) || continuesNumber(load<u8>(p))) return decline(NUMBER)
      if (negative) value = -value
      if (field == X) rowX = value
      else rowY = value
      seen |= bit
    } else if (field == SUCCESS) {
      const word = load<u32>(p)
      if (word == 0x65757274) {
        rowSuccess = 2
        p += 4
      } else if (word == 0x736c6166 && load<u8>(p, 4) == 101) {
        rowSuccess = 1
        p += 5
      } else return decline(VALUE)
      seen |= bit
    } else if (field == PROPERTIES && c == 123) {
      const s = p
      p = skipValue(p)
      if (p == 0) return decline(gaveUp)
      const length = <i32>(p - s)
      if (length > PROPERTIES_BYTES_MAX) return decline(LENGTH)
      store<i32>(rowSpans, <i32>s + delta, PROPERTIES * 8)
      store<i32>(rowSpans, length, PROPERTIES * 8 + 4)
      seen |= bit
    } else return decline(VALUE)
    c = load<u8>(p)
    if (c == 44) continue
    if (c <= 32) {
      p = skipSpace(p)
      c = load<u8>(p)
      if (c == 44) continue
    }
    if (c == 125) break
    return decline(STRUCTURE)
  }
  p++
  if (load<u8>(p) != 10) {
    p = skipSpace(p)
    if (load<u8>(p) != 10) return decline(STRUCTURE)
  }
  let userKind: i32 = 0
  if ((have & (1 << ANONYMOUS)) != 0) {
    userKind = (have & (1 << USER)) != 0 ? 0 : 1
    have |= (1 << USER)
  }
  if ((have & required) != required) return decline(MISSING)
  if (<i32>(p - record) > EVENT_BYTES_MAX) return decline(LARGE)
  if ((have & (1 << EVENT_ID)) == 0) v128.store(ids + row * 16, i64x2.splat(0))
  store<i32>(starts + row * 4, <i32>record + delta)
  store<i32>(ends + row * 4, <i32>p + delta)
  store<i32>(xs + row * 4, rowX)
  store<i32>(ys + row * 4, rowY)
  store<u8>(types + row, rowType)
  store<u8>(userKinds + row, userKind)
  store<u8>(successes + row, rowSuccess)
  return p
}
