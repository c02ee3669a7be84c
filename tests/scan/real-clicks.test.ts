// The scanner over the real clicks: the values of JSON.parse on every line.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import {
  type EventBatch,
  FIELD,
  FIELD_COUNT,
  type FieldName,
  NO_INT,
  SUCCESS_ABSENT,
  SUCCESS_FALSE,
  SUCCESS_TRUE,
} from '../../model/batch.ts'
import { EVENT_TYPES, type WireEvent } from '../../model/event.ts'
import { newBatch, resetBatch, scanBlock } from '../../model/scan.ts'
import { needs, realDataPath } from '../require.ts'

const path = realDataPath('human-tasks.jsonl.gz')

describe.runIf(needs('the real clicks', path, 'put human-tasks.jsonl.gz there'))('the real clicks', () => {
  test('134,297 lines, each with the values of JSON.parse; only escaped text falls back', () => {
    const bytes = gunzipSync(readFileSync(path))
    const lines = bytes.toString().trimEnd().split('\n')
    const batch = newBatch()
    resetBatch(batch, bytes)
    scanBlock(batch, 0, bytes.length, 0)
    expect([batch.count, lines.length, batch.errors.size]).toEqual([134_297, 134_297, 0])
    const wrong = lines.flatMap((line, row) => {
      const [scanned, parsed] = [JSON.stringify(scannedEvent(batch, row)), JSON.stringify(parsedEvent(JSON.parse(line)))]
      return scanned === parsed ? [] : [{ row, scanned, parsed }]
    })
    expect(wrong.slice(0, 5)).toEqual([])
    expect(batch.fallbackRows).toBe(lines.filter((line) => line.includes('\\')).length)
  })
})

const parsedEvent = (event: WireEvent) => [
  [event.orgId, event.productId, event.userId, event.eventId, event.type, event.ts],
  [event.screen ?? '', event.element ?? '', event.taskType ?? '', event.taskLabel ?? ''],
  [event.x ?? null, event.y ?? null, event.success ?? null],
]

const scannedEvent = (batch: EventBatch, row: number) => {
  const text = (name: FieldName) => {
    const at = (row * FIELD_COUNT + FIELD[name]) * 2
    return Buffer.from(batch.bytes.buffer, batch.bytes.byteOffset + batch.spans[at], batch.spans[at + 1]).toString()
  }
  const int = (value: number) => (value === NO_INT ? null : value)
  return [
    [text('org'), text('product'), text('user'), text('eventId'), EVENT_TYPES[batch.type[row]], batch.ts[row]],
    [text('screen'), text('element'), text('taskType'), text('taskLabel')],
    [int(batch.x[row]), int(batch.y[row]), { [SUCCESS_ABSENT]: null, [SUCCESS_FALSE]: false, [SUCCESS_TRUE]: true }[batch.success[row]]],
  ]
}
