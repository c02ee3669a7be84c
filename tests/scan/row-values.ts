// A row of a batch as plain values, named as expected-event.ts names them, with every column checked against the others on the way.
import { expect } from 'vitest'
import {
  ANONYMOUS_ID,
  type EventBatch,
  FIELD,
  FIELD_COUNT,
  type FieldName,
  NO_INT,
  SUCCESS_ABSENT,
  SUCCESS_TRUE,
} from '../../model/batch.ts'
import { EVENT_TYPES } from '../../model/event.ts'
import { h128, hash32, hash128 } from '../../model/hash.ts'
import { INVALID } from '../../model/scan.ts'
import type { Values } from './expected-event.ts'

const HASHED: readonly FieldName[] = ['org', 'product', 'user', 'screen', 'element', 'taskType', 'context']

/** The values of row r, or null where it is no event; then it must have its error, and nothing else. */
export function rowValues(batch: EventBatch, row: number): Values | null {
  const values: Values = {}
  for (const [name, field] of Object.entries(FIELD) as [FieldName, number][]) {
    const at = row * FIELD_COUNT + field
    const [pos, length] = [batch.spans[at * 2], batch.spans[at * 2 + 1]]
    const wantedHash = length > 0 && HASHED.includes(name) ? hash32(batch.bytes, pos, length) : 0
    if (batch.hash[at] !== wantedHash) throw new Error(`the hash of ${name} is ${batch.hash[at]}, not ${wantedHash}`)
    if (length > 0) values[name] = Buffer.from(batch.bytes.subarray(pos, pos + length)).toString()
    else if (pos !== 0) throw new Error(`${name} is absent at position ${pos}, not 0`)
  }
  const id = row * 4
  if (values.eventId === undefined) h128.fill(0)
  else hash128(batch.bytes, batch.spans[(row * FIELD_COUNT + FIELD.eventId) * 2], batch.spans[(row * FIELD_COUNT + FIELD.eventId) * 2 + 1])
  expect([...batch.id.subarray(id, id + 4)]).toEqual([...h128])

  if (batch.receivedAt[row] !== 0) values.receivedAt = batch.receivedAt[row]
  if (batch.x[row] !== NO_INT) values.x = batch.x[row]
  if (batch.y[row] !== NO_INT) values.y = batch.y[row]
  if (batch.success[row] !== SUCCESS_ABSENT) values.success = batch.success[row] === SUCCESS_TRUE
  if (batch.type[row] === INVALID) {
    expect(batch.errors.get(row)?.message).toMatch(/./)
    expect({ ...values, ts: batch.ts[row], userKind: batch.userKind[row] }).toEqual({ ts: 0, userKind: 0 })
    return null
  }
  expect(batch.errors.has(row)).toBe(false)
  values.user = `${batch.userKind[row] === ANONYMOUS_ID ? 'a' : 'u'}:${values.user}`
  values.type = EVENT_TYPES[batch.type[row]]
  values.ts = batch.ts[row]
  if (values.properties !== undefined) values.properties = JSON.parse(values.properties as string)
  return values
}
