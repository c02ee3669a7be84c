import { expect, test } from 'vitest'
import { receivedAt } from './received-at.ts'

test.each([
  ['as the door writes it', '{"orgId":"o","receivedAt":12}', 12],
  ['in the middle', '{"receivedAt":12,"orgId":"o"}', 12],
  ['a row by its column', '{"received_at":12,"x":1}', 12],
  ['what speaks of a record, by that', JSON.stringify({ record: '{"receivedAt":12}', reason: 'late' }), 12],
  ['none', '{"orgId":"o"}', undefined],
  ['none: 0, as a replay into other partitions writes it', '{"orgId":"o","receivedAt":0}', undefined],
  ['none: 0 in the middle', '{"receivedAt":0,"orgId":"o"}', undefined],
  ['what is no JSON', 'receivedAt', undefined],
])('%s', (_, text, ms) => {
  expect(receivedAt(text)).toBe(ms)
})
