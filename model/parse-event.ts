// The slow, complete reading of one record: JSON.parse and a check of every field. The scanner hands over what it cannot
// prove plain; this decides, and says what is wrong in words. Where a key stands twice the last one counts, as in JSON.parse.
// Owns the accepted set and the messages; never touches columns.

import type { EventError } from './batch.ts'
import { ANONYMOUS_ID, NO_INT, SUCCESS_ABSENT, SUCCESS_FALSE, SUCCESS_TRUE, USER_ID } from './batch.ts'
import {
  EVENT_BYTES_MAX,
  EVENT_ID_CHARS_MAX,
  EVENT_TYPES,
  FORBIDDEN_KEYS,
  KEY_STRING_BYTES_MAX,
  NESTING_MAX,
  PROPERTIES_BYTES_MAX,
  STRING_BYTES_MAX,
  TS_MAX,
  TS_MIN,
} from './event.ts'
import { skipSpace } from './skip-space.ts'

/** The values of a record's columns. Absent strings are '', absent numbers as in EventBatch. */
export interface ParsedEvent {
  org: string
  product: string
  user: string
  userKind: number
  eventId: string
  type: number
  name: string
  ts: number
  receivedAt: number
  screen: string
  element: string
  x: number
  y: number
  taskType: string
  taskLabel: string
  success: number
  context: string
  /** Where the text of `properties` lies in the bytes, braces included; both 0 where absent. */
  propertiesStart: number
  propertiesEnd: number
}

class Rejection {
  readonly error: EventError
  constructor(code: EventError['code'], message: string, field?: string) {
    this.error = field === undefined ? { code, message } : { code, field, message }
  }
}

/**
 * Reads the record bytes[start … end), which is valid UTF-8. `atDoor`: orgId and eventId may be absent, the door puts them in.
 * Gives the event, or the error (with a `code`) that says which field is wrong and what is allowed.
 */
export function parseEvent(bytes: Uint8Array, start: number, end: number, atDoor: boolean): ParsedEvent | EventError {
  try {
    return read(bytes, start, end, atDoor)
  } catch (error) {
    if (error instanceof Rejection) return error.error
    throw error
  }
}

function read(bytes: Uint8Array, start: number, end: number, atDoor: boolean): ParsedEvent {
  if (isTooLarge(bytes, start, end))
    throw new Rejection('EVENT_TOO_LARGE', `an event has at most ${EVENT_BYTES_MAX} bytes of JSON, this one has ${end - start}`)
  const event = parseObject(bytes, start, end)
  const { propertiesStart, propertiesEnd } = walk(bytes, start, end)

  const userId = keyString(event, 'userId')
  const anonymousId = keyString(event, 'anonymousId')
  if (userId === '' && anonymousId === '')
    throw new Rejection('MISSING_FIELD', 'an event names its user: userId or anonymousId, a string that is not empty', 'userId')
  const parsed: ParsedEvent = {
    org: keyString(event, 'orgId'),
    product: required(keyString(event, 'productId'), 'productId'),
    user: userId || anonymousId,
    userKind: userId === '' ? ANONYMOUS_ID : USER_ID,
    eventId: eventId(event),
    type: type(event.type),
    name: string(event, 'name', STRING_BYTES_MAX),
    ts: time(event.ts),
    receivedAt: receivedAt(event.receivedAt),
    screen: string(event, 'screen', STRING_BYTES_MAX),
    element: string(event, 'element', STRING_BYTES_MAX),
    x: coordinate(event, 'x'),
    y: coordinate(event, 'y'),
    taskType: string(event, 'taskType', STRING_BYTES_MAX),
    taskLabel: string(event, 'taskLabel', STRING_BYTES_MAX),
    success: success(event.success),
    context: string(event, 'context', STRING_BYTES_MAX),
    propertiesStart: 0,
    propertiesEnd: 0,
  }
  if (!atDoor) {
    required(parsed.org, 'orgId')
    required(parsed.eventId, 'eventId')
  }
  if (!isAbsent(event.properties)) {
    if (typeof event.properties !== 'object' || Array.isArray(event.properties)) throw wrongType('properties', 'an object')
    if (propertiesEnd - propertiesStart > PROPERTIES_BYTES_MAX) throw tooLong('properties', `${PROPERTIES_BYTES_MAX} bytes of JSON`)
    parsed.propertiesStart = propertiesStart
    parsed.propertiesEnd = propertiesEnd
  }
  return parsed
}

/** A record may have EVENT_BYTES_MAX bytes, a carriage return before the line's end not counted. */
export const isTooLarge = (bytes: Uint8Array, start: number, end: number): boolean =>
  end - start > EVENT_BYTES_MAX && end - start - (bytes[end - 1] === 13 ? 1 : 0) > EVENT_BYTES_MAX

function parseObject(bytes: Uint8Array, start: number, end: number): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8'))
  } catch (error) {
    throw new Rejection('MALFORMED_JSON', `a record is one JSON object on one line: ${(error as Error).message.slice(0, 120)}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Rejection('NOT_AN_OBJECT', 'a record is a JSON object with the fields of an event')
  }
  return value as Record<string, unknown>
}

/** Over the text of a valid JSON object: refuses forbidden keys and deep nesting, also where a second key of the name hides them, and finds `properties`. */
function walk(bytes: Uint8Array, start: number, end: number): { propertiesStart: number; propertiesEnd: number } {
  let depth = 0
  let propertiesStart = 0
  let propertiesEnd = 0
  let inProperties = false
  for (let p = start; p < end; p++) {
    const c = bytes[p]
    if (c === 123 || c === 91) {
      if (++depth > NESTING_MAX + 1) throw new Rejection('NESTED_TOO_DEEP', `the value of a field is nested at most ${NESTING_MAX} deep`)
    } else if (c === 125 || c === 93) {
      if (--depth === 1 && inProperties) propertiesEnd = p + 1
    } else if (c === 44 && depth === 1) inProperties = false
    else if (c === 34) {
      const opening = p
      let isEscaped = false
      for (p++; bytes[p] !== 34; p++) {
        if (bytes[p] !== 92) continue
        isEscaped = true
        p++
      }
      const colon = skipSpace(bytes, p + 1)
      if (bytes[colon] !== 58) continue
      // Only `properties` (10) and the forbidden keys (9 and 11 characters) are looked for: no other is worth decoding.
      if (!isEscaped && (p - opening - 1 < 9 || p - opening - 1 > 11)) continue
      const key = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + opening, p + 1 - opening).toString('utf8')) as string
      if (FORBIDDEN_KEYS.includes(key)) {
        throw new Rejection('FORBIDDEN_KEY', `no object of an event may have a key ${FORBIDDEN_KEYS.join(', ')}; rename it`, key)
      }
      if (depth === 1 && key === 'properties') {
        inProperties = true
        propertiesStart = skipSpace(bytes, colon + 1)
      }
    }
  }
  return { propertiesStart, propertiesEnd }
}

const isAbsent = (value: unknown): value is undefined | null => value === undefined || value === null
const wrongType = (field: string, allowed: string) => new Rejection('WRONG_TYPE', `${field} is ${allowed}`, field)
const tooLong = (field: string, allowed: string) => new Rejection('TOO_LONG', `${field} has at most ${allowed}`, field)
const timeAllowed = 'an integer of milliseconds since 1970 and before the year 2200'

function required(value: string, field: string): string {
  if (value === '') throw new Rejection('MISSING_FIELD', `${field} is required: a string that is not empty`, field)
  return value
}

function string(event: Record<string, unknown>, field: string, bytesMax: number): string {
  const value = event[field]
  if (isAbsent(value)) return ''
  if (typeof value !== 'string') throw wrongType(field, 'a string')
  if (!value.isWellFormed())
    throw new Rejection('LONE_SURROGATE', `${field} has half of a surrogate pair (\\ud800 … \\udfff), which is no character`, field)
  if (Buffer.byteLength(value) > bytesMax) throw tooLong(field, `${bytesMax} bytes of UTF-8`)
  return value
}

function keyString(event: Record<string, unknown>, field: string): string {
  const value = string(event, field, KEY_STRING_BYTES_MAX)
  if (value.includes('\0')) throw new Rejection('FORBIDDEN_CHARACTER', `${field} may not contain the character NUL (\\u0000)`, field)
  return value
}

/** Characters are counted as Unicode code points. */
function eventId(event: Record<string, unknown>): string {
  const value = string(event, 'eventId', STRING_BYTES_MAX)
  if (value.length > EVENT_ID_CHARS_MAX && [...value].length > EVENT_ID_CHARS_MAX)
    throw tooLong('eventId', `${EVENT_ID_CHARS_MAX} characters`)
  return value
}

const typeAllowed = `one of ${EVENT_TYPES.join(', ')}`

function type(value: unknown): number {
  if (isAbsent(value)) throw new Rejection('MISSING_FIELD', `type is required: ${typeAllowed}`, 'type')
  if (typeof value !== 'string') throw wrongType('type', typeAllowed)
  const code = (EVENT_TYPES as readonly string[]).indexOf(value)
  if (code < 0) throw new Rejection('UNKNOWN_TYPE', `type is ${typeAllowed}`, 'type')
  return code
}

const isTime = (value: number) => Number.isInteger(value) && value >= TS_MIN && value < TS_MAX

const tsAllowed = `${timeAllowed}, or an ISO 8601 date and time with its zone (2025-01-31T12:00:00Z)`

function time(value: unknown): number {
  if (isAbsent(value)) throw new Rejection('MISSING_FIELD', `ts is required: ${tsAllowed}`, 'ts')
  if (typeof value !== 'number' && typeof value !== 'string') throw wrongType('ts', tsAllowed)
  const ms = typeof value === 'string' ? isoMs(value) : value
  if (!isTime(ms)) throw new Rejection('INVALID_TIME', `ts is ${tsAllowed}`, 'ts')
  return ms + 0 // −0 becomes 0
}

function receivedAt(value: unknown): number {
  if (isAbsent(value)) return 0
  if (typeof value !== 'number') throw wrongType('receivedAt', timeAllowed)
  if (!isTime(value)) throw new Rejection('INVALID_TIME', `receivedAt is ${timeAllowed}`, 'receivedAt')
  return value + 0
}

const ISO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d):(\d\d))$/
const MINUTE_MS = 60_000

/** ms since epoch of a strict ISO 8601 date and time with a zone, digits beyond the milliseconds cut off; NaN where it is none. */
function isoMs(text: string): number {
  const parts = ISO.exec(text)
  if (parts === null) return Number.NaN
  const [year, month, day, hour, minute, second, , , zoneHour, zoneMinute] = parts.slice(1).map((part) => Number(part ?? 0))
  // Date.UTC takes the years 0 … 99 for 1900 … 1999 and lets every part overflow into the next.
  if (year < 1969 || hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) return Number.NaN
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return Number.NaN
  const zoneMs = (zoneHour * 60 + zoneMinute) * MINUTE_MS * (parts[8] === '-' ? -1 : 1)
  return date.getTime() + Number((parts[7] ?? '').padEnd(3, '0').slice(0, 3)) - zoneMs
}

function coordinate(event: Record<string, unknown>, field: 'x' | 'y'): number {
  const value = event[field]
  if (isAbsent(value)) return NO_INT
  if (typeof value !== 'number' || !Number.isInteger(value) || Math.abs(value) > 0x7fff_ffff) {
    throw wrongType(field, 'an integer of CSS pixels between -2147483647 and 2147483647')
  }
  return value | 0
}

function success(value: unknown): number {
  if (isAbsent(value)) return SUCCESS_ABSENT
  if (typeof value !== 'boolean') throw wrongType('success', 'true or false')
  return value ? SUCCESS_TRUE : SUCCESS_FALSE
}
