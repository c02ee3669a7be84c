// The text of a field's value in a record, replaced. For the few events that the door must change; never looks at what a value is.
import { skipSpace } from './skip-space.ts'

/**
 * A copy of the record (the text of a valid event, braces included) in which the value of its field `name`, of several the last, is `value`.
 * The record as it is where there is no such field.
 */
export function replaceValue(record: Uint8Array, name: string, value: string): Uint8Array {
  const { start, end } = lastValue(record, name)
  if (end === 0) return record
  return Buffer.concat([record.subarray(0, start), Buffer.from(value), record.subarray(end)])
}

/** Where it lies; both 0 where there is none. */
function lastValue(record: Uint8Array, name: string): { start: number; end: number } {
  const text = Buffer.from(record.buffer, record.byteOffset, record.length)
  const found = { start: 0, end: 0 }
  let isOpen = false
  let depth = 0
  for (let p = 0; p < record.length; p++) {
    const c = record[p]
    if (c === 123 || c === 91) depth++
    else if (c === 125 || c === 93) depth--
    if (isOpen && (depth === 0 || (depth === 1 && c === 44))) {
      found.end = p
      isOpen = false
    }
    if (c !== 34) continue
    const opening = p
    for (p++; record[p] !== 34; p++) if (record[p] === 92) p++
    if (depth !== 1) continue
    const colon = skipSpace(record, p + 1)
    if (record[colon] !== 58 || JSON.parse(text.toString('utf8', opening, p + 1)) !== name) continue
    found.start = skipSpace(record, colon + 1)
    isOpen = true
  }
  return found
}
