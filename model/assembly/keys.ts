// The keys of an event, told apart. AssemblyScript: see scan.ts.
//
// A key is told apart by its first two bytes, then compared whole, its closing quote included, in little-endian words. The answers are
// constants behind branches, not entries of a table: so the scanner's position waits for no load.

// The fields as the scanner numbers them: the string columns as in FIELD of model/batch.ts, then the others. A field's bit is 1 << number.
export const ORG: i32 = 0
export const PRODUCT: i32 = 1
export const USER: i32 = 2
export const EVENT_ID: i32 = 3
export const SCREEN: i32 = 4
export const ELEMENT: i32 = 5
export const NAME: i32 = 6
export const TASK_TYPE: i32 = 7
export const TASK_LABEL: i32 = 8
export const CONTEXT: i32 = 9
export const PROPERTIES: i32 = 10
export const ANONYMOUS: i32 = 11
export const EVENT_TYPE: i32 = 12
export const TS: i32 = 13
export const RECEIVED_AT: i32 = 14
export const X: i32 = 15
export const Y: i32 = 16
export const SUCCESS: i32 = 17
export const UNKNOWN: i32 = 18

/** By a key's first two bytes: one of the fields that begin so, plus 1. */
const FIRST = memory.data(65536)
store<u8>(FIRST + 0x726f, ORG + 1)
store<u8>(FIRST + 0x7270, PRODUCT + 1)
store<u8>(FIRST + 0x7375, USER + 1)
store<u8>(FIRST + 0x7665, EVENT_ID + 1)
store<u8>(FIRST + 0x6373, SCREEN + 1)
store<u8>(FIRST + 0x6c65, ELEMENT + 1)
store<u8>(FIRST + 0x616e, NAME + 1)
store<u8>(FIRST + 0x6174, TASK_TYPE + 1)
store<u8>(FIRST + 0x6f63, CONTEXT + 1)
store<u8>(FIRST + 0x6e61, ANONYMOUS + 1)
store<u8>(FIRST + 0x7974, EVENT_TYPE + 1)
store<u8>(FIRST + 0x7374, TS + 1)
store<u8>(FIRST + 0x6572, RECEIVED_AT + 1)
store<u8>(FIRST + 0x2278, X + 1)
store<u8>(FIRST + 0x2279, Y + 1)
store<u8>(FIRST + 0x7573, SUCCESS + 1)

/** The field whose key stands at p (behind the opening quote), and the key's length with its closing quote in the bits from 8 on. */
// @ts-ignore: decorator
@inline
export function fieldAt(p: usize): i32 {
  switch (<i32>load<u8>(FIRST + <usize>load<u16>(p))) {
    case ORG + 1: // orgI d"
      return load<u32>(p) == 0x4967726f && load<u16>(p, 4) == 0x2264 ? ORG | (6 << 8) : UNKNOWN
    case PRODUCT + 1: // productI d", properti ies"
      if (load<u64>(p) == 0x49746375646f7270 && load<u16>(p, 8) == 0x2264) return PRODUCT | (10 << 8)
      return load<u64>(p) == 0x69747265706f7270 && load<u32>(p, 7) == 0x22736569 ? PROPERTIES | (11 << 8) : UNKNOWN
    case USER + 1: // user rId"
      return load<u32>(p) == 0x72657375 && load<u32>(p, 3) == 0x22644972 ? USER | (7 << 8) : UNKNOWN
    case EVENT_ID + 1: // eventId"
      return load<u64>(p) == 0x226449746e657665 ? EVENT_ID | (8 << 8) : UNKNOWN
    case SCREEN + 1: // scre een"
      return load<u32>(p) == 0x65726373 && load<u32>(p, 3) == 0x226e6565 ? SCREEN | (7 << 8) : UNKNOWN
    case ELEMENT + 1: // element"
      return load<u64>(p) == 0x22746e656d656c65 ? ELEMENT | (8 << 8) : UNKNOWN
    case NAME + 1: // name "
      return load<u32>(p) == 0x656d616e && load<u8>(p, 4) == 0x22 ? NAME | (5 << 8) : UNKNOWN
    case TASK_TYPE + 1: // taskType ", taskLabe l"
      if (load<u64>(p) == 0x657079546b736174 && load<u8>(p, 8) == 0x22) return TASK_TYPE | (9 << 8)
      return load<u64>(p) == 0x6562614c6b736174 && load<u16>(p, 8) == 0x226c ? TASK_LABEL | (10 << 8) : UNKNOWN
    case CONTEXT + 1: // context"
      return load<u64>(p) == 0x22747865746e6f63 ? CONTEXT | (8 << 8) : UNKNOWN
    case ANONYMOUS + 1: // anonymou sId"
      return load<u64>(p) == 0x756f6d796e6f6e61 && load<u32>(p, 8) == 0x22644973 ? ANONYMOUS | (12 << 8) : UNKNOWN
    case EVENT_TYPE + 1: // type "
      return load<u32>(p) == 0x65707974 && load<u8>(p, 4) == 0x22 ? EVENT_TYPE | (5 << 8) : UNKNOWN
    case TS + 1: // "
      return load<u8>(p, 2) == 0x22 ? TS | (3 << 8) : UNKNOWN
    case RECEIVED_AT + 1: // received dAt"
      return load<u64>(p) == 0x6465766965636572 && load<u32>(p, 7) == 0x22744164 ? RECEIVED_AT | (11 << 8) : UNKNOWN
    case X + 1:
      return X | (2 << 8)
    case Y + 1:
      return Y | (2 << 8)
    case SUCCESS + 1: // success"
      return load<u64>(p) == 0x2273736563637573 ? SUCCESS | (8 << 8) : UNKNOWN
    default:
      return UNKNOWN
  }
}

/** The code of the event type written at s (indexes of EVENT_TYPES), or -1. */
export function typeAt(s: usize, length: i32): i32 {
  const first = load<u32>(s)
  switch (length) {
    case 5: // clic k", erro r"
      if (first == 0x63696c63) return load<u16>(s, 4) == 0x226b ? 2 : -1
      return first == 0x6f727265 && load<u16>(s, 4) == 0x2272 ? 4 : -1
    case 6: // cust tom"
      return first == 0x74737563 && load<u32>(s, 3) == 0x226d6f74 ? 3 : -1
    case 11: // screen_v iew"
      return load<u64>(s) == 0x765f6e6565726373 && load<u32>(s, 8) == 0x22776569 ? 0 : -1
    case 12: // task_sta arted
      return load<u64>(s) == 0x6174735f6b736174 && load<u32>(s, 8) == 0x64657472 ? 1 : -1
    case 14: // task_com completed (from byte 6 on: ompleted)
      return load<u64>(s) == 0x6d6f635f6b736174 && load<u64>(s, 6) == 0x646574656c706d6f ? 5 : -1
    default:
      return -1
  }
}
