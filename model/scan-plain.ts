// The hot path of the product: newline-ended JSON records into the columns of an EventBatch, in one pass over the bytes.
//
// Owns what "plain" means: it takes a record only where it can prove it a valid event, makes no string and allocates nothing per event.
// Never rejects: what it cannot prove it declines, with a reason, and parse-event.ts decides.
//
// Invariants that the caller keeps:
// 1. [from … limit) ends with a newline and SLACK readable bytes follow. A raw newline ends every loop here (no valid record holds one),
//    so none runs out of the block; words read beyond a string's end are masked.
// 2. The bytes are valid UTF-8.
// 3. spans and hash of all rows from batch.count on are 0: absent fields are never written.

import type { EventBatch } from './batch.ts'
import { ANONYMOUS_ID, FIELD, FIELD_COUNT, NO_INT, SUCCESS_ABSENT, SUCCESS_FALSE, SUCCESS_TRUE, USER_ID } from './batch.ts'
import {
  EVENT_BYTES_MAX,
  EVENT_ID_CHARS_MAX,
  KEY_STRING_BYTES_MAX,
  PROPERTIES_BYTES_MAX,
  STRING_BYTES_MAX,
  TS_MAX,
  TS_MIN,
} from './event.ts'
import { fallbackReason } from './fallback-reasons.ts'
import { HASH_SLACK, HASH32_FACTOR, HASH32_SEED, h128, hash32End, hash128View } from './hash.ts'
import { SKIP_ESCAPED_KEY, SKIP_FORBIDDEN_KEY, SKIP_TOO_DEEP, skipKey, skipSpace, skipValue } from './skip-value.ts'

/** Readable bytes behind the records (invariant 1). */
export const SLACK = HASH_SLACK

const STRUCTURE = fallbackReason('structure')
const LARGE = fallbackReason('large')
const ESCAPE = fallbackReason('escape')
const CONTROL = fallbackReason('control')
const DUPLICATE = fallbackReason('duplicate')
const FORBIDDEN_KEY = fallbackReason('forbidden-key')
const NESTED = fallbackReason('nested')
const DEEP = fallbackReason('deep')
const VALUE = fallbackReason('value')
const NUMBER = fallbackReason('number')
const TIME = fallbackReason('time')
const TYPE = fallbackReason('type')
const LENGTH = fallbackReason('length')
const MISSING = fallbackReason('missing')

// The fields as scanPlain numbers them: the string columns as in FIELD, then the others. A field's bit is 1 << number.
const ORG = FIELD.org
const PRODUCT = FIELD.product
const USER = FIELD.user
const EVENT_ID = FIELD.eventId
const SCREEN = FIELD.screen
const ELEMENT = FIELD.element
const NAME = FIELD.name
const TASK_TYPE = FIELD.taskType
const TASK_LABEL = FIELD.taskLabel
const CONTEXT = FIELD.context
const PROPERTIES = FIELD.properties
const ANONYMOUS = 11
const EVENT_TYPE = 12
const TS = 13
const RECEIVED_AT = 14
const X = 15
const Y = 16
const SUCCESS = 17
const UNKNOWN = 18

const STRINGS = 0x1bff // bits of the fields whose value is a string
/** Bits of the string fields whose hash the `hash` column holds. */
export const HASHED = [ORG, PRODUCT, USER, SCREEN, ELEMENT, TASK_TYPE, CONTEXT].reduce<number>((mask, field) => mask | (1 << field), 0)
const REQUIRED_AT_DOOR = (1 << PRODUCT) | (1 << USER) | (1 << EVENT_TYPE) | (1 << TS)
const REQUIRED = REQUIRED_AT_DOOR | (1 << ORG) | (1 << EVENT_ID)

const BYTES_MAX = new Int32Array(UNKNOWN).fill(STRING_BYTES_MAX)
for (const field of [ORG, PRODUCT, USER, ANONYMOUS]) BYTES_MAX[field] = KEY_STRING_BYTES_MAX
BYTES_MAX[EVENT_ID] = EVENT_ID_CHARS_MAX // in bytes: an id of fewer characters but more bytes is not plain

/** Where scanPlain stopped, and why: the index of a reason, or -1 where all was plain or the rows were full. One object, reused. */
const stopped = { at: 0, why: -1 }

/**
 * Appends the records of batch.bytes[from … limit) as rows while they are plain; the first that is not is left to the caller. Row r gets the
 * offset base + r. `atDoor`: orgId and eventId are not required. The answer is valid until the next call.
 */
export function scanPlain(batch: EventBatch, from: number, limit: number, base: number, atDoor: boolean): typeof stopped {
  const required = atDoor ? REQUIRED_AT_DOOR : REQUIRED
  const { bytes, offset, start, end, ts, receivedAt, type, userKind, success, x, y, id, spans, hash } = batch
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const rows = start.length
  let row = batch.count
  let p = from
  let record = p
  let why = -1
  records: for (; p < limit && row < rows; row++) {
    record = p
    let seen = 0 // bits of the fields that stand in the record
    let have = 0 // bits of those that are not empty
    const rowSpan = row * (FIELD_COUNT * 2)
    ts[row] = receivedAt[row] = 0
    let rowX = NO_INT
    let rowY = NO_INT
    let rowSuccess = SUCCESS_ABSENT
    let rowType = 0
    if (bytes[p] !== 123) p = skipSpace(bytes, p)
    if (bytes[p] !== 123) {
      why = STRUCTURE
      break
    }
    for (;;) {
      p++ // over the brace or comma
      if (bytes[p] !== 34) p = skipSpace(bytes, p)
      if (bytes[p] !== 34) {
        why = STRUCTURE
        break records
      }
      // The key: told apart by its first two bytes, then compared whole, closing quote included. Little-endian words.
      const key = p + 1
      let field = UNKNOWN
      switch (view.getUint16(key, true)) {
        case 0x7665: // ev entId"
          if (view.getInt32(key + 2, true) === 0x49746e65 && view.getUint16(key + 6, true) === 0x2264) {
            field = EVENT_ID
            p = key + 8
          }
          break
        case 0x726f: // or gId"
          if (view.getInt32(key + 2, true) === 0x22644967) {
            field = ORG
            p = key + 6
          }
          break
        case 0x7270: // pr oductId" operties"
          if (view.getInt32(key + 2, true) === 0x6375646f && view.getInt32(key + 6, true) === 0x22644974) {
            field = PRODUCT
            p = key + 10
          } else if (view.getInt32(key + 2, true) === 0x7265706f && view.getInt32(key + 6, true) === 0x73656974 && bytes[key + 10] === 34) {
            field = PROPERTIES
            p = key + 11
          }
          break
        case 0x7375: // us erId"
          if (view.getInt32(key + 2, true) === 0x64497265 && bytes[key + 6] === 34) {
            field = USER
            p = key + 7
          }
          break
        case 0x7974: // ty pe"
          if (view.getInt32(key, true) === 0x65707974 && bytes[key + 4] === 34) {
            field = EVENT_TYPE
            p = key + 5
          }
          break
        case 0x7374: // ts "
          if (bytes[key + 2] === 34) {
            field = TS
            p = key + 3
          }
          break
        case 0x6373: // sc reen"
          if (view.getInt32(key + 2, true) === 0x6e656572 && bytes[key + 6] === 34) {
            field = SCREEN
            p = key + 7
          }
          break
        case 0x6c65: // el ement"
          if (view.getInt32(key + 2, true) === 0x6e656d65 && view.getUint16(key + 6, true) === 0x2274) {
            field = ELEMENT
            p = key + 8
          }
          break
        case 0x2278: // x"
          field = X
          p = key + 2
          break
        case 0x2279: // y"
          field = Y
          p = key + 2
          break
        case 0x6572: // re ceivedAt"
          if (view.getInt32(key + 2, true) === 0x76696563 && view.getInt32(key + 6, true) === 0x74416465 && bytes[key + 10] === 34) {
            field = RECEIVED_AT
            p = key + 11
          }
          break
        case 0x616e: // na me"
          if (view.getInt32(key, true) === 0x656d616e && bytes[key + 4] === 34) {
            field = NAME
            p = key + 5
          }
          break
        case 0x6174: // ta skType" skLabel"
          if (view.getInt32(key + 2, true) === 0x79546b73 && view.getInt32(key + 5, true) === 0x22657079) {
            field = TASK_TYPE
            p = key + 9
          } else if (view.getInt32(key + 2, true) === 0x614c6b73 && view.getInt32(key + 6, true) === 0x226c6562) {
            field = TASK_LABEL
            p = key + 10
          }
          break
        case 0x7573: // su ccess"
          if (view.getInt32(key + 2, true) === 0x73656363 && view.getUint16(key + 6, true) === 0x2273) {
            field = SUCCESS
            p = key + 8
          }
          break
        case 0x6f63: // co ntext"
          if (view.getInt32(key + 2, true) === 0x7865746e && view.getUint16(key + 6, true) === 0x2274) {
            field = CONTEXT
            p = key + 8
          }
          break
        case 0x6e61: // an onymousId"
          if (
            view.getInt32(key + 2, true) === 0x6d796e6f &&
            view.getInt32(key + 6, true) === 0x4973756f &&
            view.getUint16(key + 10, true) === 0x2264
          ) {
            field = ANONYMOUS
            p = key + 12
          }
          break
      }
      if (field === UNKNOWN) {
        p = skipKey(bytes, key - 1)
        if (p < 0) {
          why = skipReason(p)
          break records
        }
        p-- // to its colon
      }
      if (bytes[p] !== 58) {
        p = skipSpace(bytes, p)
        if (bytes[p] !== 58) {
          why = STRUCTURE
          break records
        }
      }
      let c = bytes[++p]
      if (c <= 32) {
        p = skipSpace(bytes, p)
        c = bytes[p]
      }
      const bit = 1 << field
      if ((seen & bit) !== 0) {
        why = DUPLICATE
        break records
      }
      if (c === 34 && (bit & STRINGS) !== 0) {
        // To the closing quote, four bytes at a time, hashing on the way (the steps of hash32). `mark` has the high bit of the first byte that is
        // a quote, a backslash or a control character; marks above that one may be false.
        const s = ++p
        let h = HASH32_SEED
        let word = 0
        let mark = 0
        for (;;) {
          word = view.getInt32(p, true)
          mark = (((word ^ 0x02020202) - 0x21212121) | ((word ^ 0x5c5c5c5c) - 0x01010101)) & ~word & 0x80808080
          if (mark !== 0) break
          h = Math.imul(h ^ word, HASH32_FACTOR)
          h = (h << 13) | (h >>> 19)
          p += 4
        }
        const restBits = (31 - Math.clz32(mark & -mark)) & ~7
        p += restBits >> 3
        c = bytes[p]
        if (c !== 34) {
          why = c === 92 ? ESCAPE : CONTROL
          break records
        }
        const length = p - s
        p++
        seen |= bit
        if (length !== 0) {
          if (length > BYTES_MAX[field]) {
            why = LENGTH
            break records
          }
          if (field === EVENT_TYPE) {
            rowType = typeAt(view, s, length)
            if (rowType < 0) {
              why = TYPE
              break records
            }
            have |= bit
          } else {
            let column = field
            if (field === ANONYMOUS) column = USER
            if (field !== ANONYMOUS || (have & (1 << USER)) === 0) {
              const at = rowSpan + column * 2
              spans[at] = s
              spans[at + 1] = length
              if (field === EVENT_ID) {
                hash128View(view, s, length)
                const at = row * 4
                id[at] = h128[0]
                id[at + 1] = h128[1]
                id[at + 2] = h128[2]
                id[at + 3] = h128[3]
              } else if (((1 << column) & HASHED) !== 0)
                hash[row * FIELD_COUNT + column] = hash32End(h, word & ((1 << restBits) - 1), length)
            }
            have |= bit
          }
        }
      } else if (field === UNKNOWN) {
        p = skipValue(bytes, p)
        if (p < 0) {
          why = skipReason(p)
          break records
        }
      } else if (c === 110) {
        if (view.getInt32(p, true) !== 0x6c6c756e) {
          why = VALUE
          break records
        }
        seen |= bit
        p += 4
      } else if (field === TS) {
        if (!timeAt(view, p, ts, row)) {
          why = TIME
          break records
        }
        seen |= bit
        have |= bit
        p += 13
      } else if (field === X || field === Y) {
        const negative = c === 45
        if (negative) c = bytes[++p]
        const first = p
        let value = 0
        for (; c >= 48 && c <= 57; c = bytes[++p]) value = (value * 10 + c - 48) | 0
        const digits = p - first
        // Nine digits fit 31 bits. A leading zero and −0 are left to JSON.parse.
        if (digits === 0 || digits > 9 || (bytes[first] === 48 && (digits > 1 || negative)) || c === 46 || (c | 32) === 101) {
          why = NUMBER
          break records
        }
        if (negative) value = -value
        if (field === X) rowX = value
        else rowY = value
        seen |= bit
      } else if (field === RECEIVED_AT) {
        if (!timeAt(view, p, receivedAt, row)) {
          why = NUMBER
          break records
        }
        seen |= bit
        p += 13
      } else if (field === SUCCESS) {
        const word = view.getInt32(p, true)
        if (word === 0x65757274) {
          rowSuccess = SUCCESS_TRUE
          p += 4
        } else if (word === 0x736c6166 && bytes[p + 4] === 101) {
          rowSuccess = SUCCESS_FALSE
          p += 5
        } else {
          why = VALUE
          break records
        }
        seen |= bit
      } else if (field === PROPERTIES && c === 123) {
        const s = p
        p = skipValue(bytes, p)
        if (p < 0) {
          why = skipReason(p)
          break records
        }
        if (p - s > PROPERTIES_BYTES_MAX) {
          why = LENGTH
          break records
        }
        spans[rowSpan + PROPERTIES * 2] = s
        spans[rowSpan + PROPERTIES * 2 + 1] = p - s
        seen |= bit
      } else {
        why = VALUE
        break records
      }
      c = bytes[p]
      if (c <= 32) {
        p = skipSpace(bytes, p)
        c = bytes[p]
      }
      if (c === 44) continue
      if (c === 125) break
      why = STRUCTURE
      break records
    }
    p++
    if (bytes[p] !== 10) {
      p = skipSpace(bytes, p)
      if (bytes[p] !== 10) {
        why = STRUCTURE
        break
      }
    }
    if ((have & (1 << ANONYMOUS)) !== 0) {
      userKind[row] = (have & (1 << USER)) !== 0 ? USER_ID : ANONYMOUS_ID
      have |= 1 << USER
    } else userKind[row] = USER_ID
    if ((have & required) !== required) {
      why = MISSING
      break
    }
    if (p - record > EVENT_BYTES_MAX) {
      why = LARGE
      break
    }
    if ((have & (1 << EVENT_ID)) === 0) id.fill(0, row * 4, row * 4 + 4)
    offset[row] = base + row
    start[row] = record
    end[row] = p
    type[row] = rowType
    success[row] = rowSuccess
    x[row] = rowX
    y[row] = rowY
    p++
  }
  if (why >= 0) clearRow(batch, row)
  batch.count = row
  stopped.at = why >= 0 ? record : p
  stopped.why = why
  return stopped
}

function clearRow(batch: EventBatch, row: number): void {
  batch.spans.fill(0, row * FIELD_COUNT * 2, (row + 1) * FIELD_COUNT * 2)
  batch.hash.fill(0, row * FIELD_COUNT, (row + 1) * FIELD_COUNT)
}

function skipReason(answer: number): number {
  if (answer === SKIP_TOO_DEEP) return DEEP
  if (answer === SKIP_FORBIDDEN_KEY) return FORBIDDEN_KEY
  return answer === SKIP_ESCAPED_KEY ? ESCAPE : NESTED
}

/** The code of the type written at s (indexes of EVENT_TYPES), or -1. */
function typeAt(view: DataView, s: number, length: number): number {
  const first = view.getInt32(s, true)
  const last = view.getInt32(s + length - 4, true)
  switch (length) {
    case 5: // clic lick, erro rror
      if (first === 0x63696c63) return last === 0x6b63696c ? 2 : -1
      return first === 0x6f727265 && last === 0x726f7272 ? 4 : -1
    case 6: // cust stom
      return first === 0x74737563 && last === 0x6d6f7473 ? 3 : -1
    case 11: // scre en_v view
      return first === 0x65726373 && view.getInt32(s + 4, true) === 0x765f6e65 && last === 0x77656976 ? 0 : -1
    case 12: // task _sta rted
      return first === 0x6b736174 && view.getInt32(s + 4, true) === 0x6174735f && last === 0x64657472 ? 1 : -1
    case 14: // task _com plet eted
      if (first !== 0x6b736174 || view.getInt32(s + 4, true) !== 0x6d6f635f) return -1
      return view.getInt32(s + 8, true) === 0x74656c70 && last === 0x64657465 ? 5 : -1
    default:
      return -1
  }
}

/**
 * An integer of 13 digits (ms since 2001-09-09) at p into a column; false where it is anything else or out of range. What follows is not
 * looked at but for being no number. Into the column, because a number of this size that a function returns is an object.
 */
function timeAt(view: DataView, p: number, column: Float64Array, row: number): boolean {
  const a = view.getInt32(p, true)
  const b = view.getInt32(p + 4, true)
  const c = view.getInt32(p + 8, true)
  const last = view.getUint8(p + 12) - 48
  const next = view.getUint8(p + 13)
  if ((notDigits(a) | notDigits(b) | notDigits(c)) !== 0 || (a & 0xff) === 48 || last < 0 || last > 9) return false
  if ((next >= 48 && next <= 57) || next === 46 || (next | 32) === 101) return false
  const ms = (fourDigits(a) * 10_000 + fourDigits(b)) * 100_000 + (fourDigits(c) * 10 + last)
  column[row] = ms
  return ms >= TS_MIN && ms < TS_MAX
}
/** 0 where all four bytes are digits. */
const notDigits = (word: number) => ((word & 0xf0f0f0f0) ^ 0x30303030) | (((word + 0x06060606) & 0xf0f0f0f0) ^ 0x30303030)
/** Four digits as a number: neighbours into pairs, pairs into one, by multiplication. */
const fourDigits = (word: number) => {
  const pairs = (Math.imul(word & 0x0f0f0f0f, 2561) >>> 8) & 0x00ff00ff
  return Math.imul(pairs, 6553601) >>> 16
}
