// What a dead letter or a late record keeps of a record: all of it, or, of one that is too long, its beginning. As a JSON string a record grows up to sixfold, and
// topics take messages of 1 MiB: kept whole, a long one could not be committed, and its partition would stop at it at every start. Pure.
import { EVENT_BYTES_MAX } from './event.ts'
import { isTooLarge } from './parse-event.ts'
import { utf8Text } from './utf8.ts'

/** Less where a character would be cut. */
const BEGINNING_BYTES = 16 << 10
const MESSAGE_CHARS_MAX = 4_096
/** What a character of JavaScript takes in a JSON string, at most: \u0000. */
const JSON_BYTES_PER_CHAR = 6
/** As a JSON string: what is no longer than an event stays whole, whatever is in it. */
const JSON_BYTES_MAX = JSON_BYTES_PER_CHAR * EVENT_BYTES_MAX + 2

export interface Kept {
  record: string
  /** Bytes of the whole, where `record` is its beginning. */
  wholeBytes?: number
}

/** Of a record that should be an event: one that is longer than an event may be passes no door, so nothing is lost that could be put in again. */
export function keptRecord(bytes: Uint8Array, start: number, end: number): Kept {
  const whole = bytes.subarray(start, end)
  return isTooLarge(bytes, start, end) ? { record: beginning(whole), wholeBytes: whole.length } : { record: utf8Text(whole) }
}

/** Of a record of somebody's topology, which may be longer than an event. */
export function keptText(record: string): Kept {
  if (record.length * JSON_BYTES_PER_CHAR <= JSON_BYTES_MAX || Buffer.byteLength(JSON.stringify(record)) <= JSON_BYTES_MAX)
    return { record }
  const whole = Buffer.from(record)
  return { record: beginning(whole), wholeBytes: whole.length }
}

/** What was thrown may hold the record. */
export const keptMessage = (message: string): string =>
  message.length <= MESSAGE_CHARS_MAX ? message : `${message.slice(0, MESSAGE_CHARS_MAX).toWellFormed()}…`

function beginning(whole: Uint8Array): string {
  let end = BEGINNING_BYTES
  // A character has at most three bytes behind its first.
  while (end > BEGINNING_BYTES - 3 && (whole[end] & 0xc0) === 0x80) end--
  return utf8Text(whole.subarray(0, end))
}
