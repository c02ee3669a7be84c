// Events as columns. One EventBatch owns the bytes of an epoch's records and the typed arrays that one scanning
// pass over them fills. A row is a number. Nothing here allocates per event; the arrays are reused from epoch to epoch.

import type { PlainScanner } from './scan-plain.ts'

/** String fields of a row, as indexes into `spans`. ORG…SCREEN order is fixed: code and tests refer to these names only. */
export const FIELD = {
  org: 0,
  product: 1,
  user: 2,
  eventId: 3,
  screen: 4,
  element: 5,
  name: 6,
  taskType: 7,
  taskLabel: 8,
  context: 9,
  /** The JSON text of `properties`, braces included. */
  properties: 10,
} as const
export type FieldName = keyof typeof FIELD
export const FIELD_COUNT = 11

/** Absent x or y. */
export const NO_INT = -0x8000_0000
/** Values of `success`. */
export const SUCCESS_ABSENT = 0
export const SUCCESS_FALSE = 1
export const SUCCESS_TRUE = 2
/** Values of `userKind`: which field named the user. `userId` wins over `anonymousId`. */
export const USER_ID = 0
export const ANONYMOUS_ID = 1

/**
 * Columns over bytes. Row r's record is bytes[start[r] … end[r]) (without the newline).
 * The string field f of row r is bytes[spans[(r * FIELD_COUNT + f) * 2] … + spans[… + 1]) (position, length in bytes);
 * absent: length 0 at position 0 (an empty string equals absent, on both scanning paths).
 * Decoded strings of fallback rows lie behind the records, in the same `bytes`: scanning may replace `bytes` by a larger copy, so
 * take it from the batch after scanning. A row that is no valid event has type 255 and absent fields.
 */
export interface EventBatch extends EventColumns {
  bytes: Uint8Array
  /** The first byte behind the records and the decoded strings: bytes from here on are free to be overwritten. */
  tail: number
  count: number
  /** Owns the columns. */
  scanner: PlainScanner
  /** Rows that are no valid event: row → error. Empty in practice. */
  errors: Map<number, EventError>
  /** How many rows each path decided, since the batch was made. */
  scannedRows: number
  fallbackRows: number
  /** The fallback rows by reason, indexed like FALLBACK_REASONS of model/fallback-reasons.ts. */
  fallbackReasons: Uint32Array
}

export interface EventColumns {
  offset: Float64Array
  start: Uint32Array
  end: Uint32Array
  ts: Float64Array
  /** ms since epoch; 0 = absent. */
  receivedAt: Float64Array
  /** Index into EVENT_TYPES; 255 = the row is not a valid event (see `errors`). */
  type: Uint8Array
  userKind: Uint8Array
  success: Uint8Array
  x: Int32Array
  y: Int32Array
  /** 128-bit hash of the event id's UTF-8 bytes: four words per row. */
  id: Uint32Array
  spans: Uint32Array
  /** 32-bit hash of each string field that identity or interning needs (org, product, user, screen, element, taskType, context): FIELD_COUNT per row, 0 where not computed. */
  hash: Uint32Array
}

/** Why a record is no event. `code` is stable, for people and programs; `message` names the field and the limit. */
export interface EventError {
  code:
    | 'INVALID_UTF8'
    | 'MALFORMED_JSON'
    | 'NOT_AN_OBJECT'
    | 'EVENT_TOO_LARGE'
    | 'NESTED_TOO_DEEP'
    | 'FORBIDDEN_KEY'
    | 'MISSING_FIELD'
    // Of lines that are no JSON (services/process/web-log.ts).
    | 'MALFORMED_LOG_LINE'
    | 'MALFORMED_REQUEST'
    // Of a line that an earlier import took before its newline was there.
    | 'LINE_GREW'
    | 'WRONG_TYPE'
    | 'TOO_LONG'
    | 'INVALID_TIME'
    | 'UNKNOWN_TYPE'
    | 'LONE_SURROGATE'
    | 'FORBIDDEN_CHARACTER'
    // Of records that somebody else put into the log (services/process/checked-stage.ts).
    | 'WRONG_PARTITION'
  field?: string
  message: string
}
