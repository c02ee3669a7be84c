// Cases by hand, through the engine. Laws: tests/laws. Against the evaluator, and with mistakes planted: tests/oracle.
import { expect, test } from 'vitest'
import type { EventType, WireEvent } from '../model/event.ts'
import { finalRows } from '../tests/oracle/in-memory.ts'

let ids = 0
const at = (ts: number, type: EventType, more: Partial<WireEvent> = {}): WireEvent => ({
  orgId: 'o',
  productId: 'p',
  userId: 'ada',
  eventId: `e${ids++}`,
  type,
  ts,
  screen: '/s',
  ...more,
})
const click = (ts: number, element = 'b') => at(ts, 'click', { element })
const clock = (ts: number) => at(ts, 'custom', { userId: 'clock' })
const on = { enabled: true, withinMs: 2500 }
const run = (events: WireEvent[], deadClicks = on, settings = {}) =>
  finalRows(events, { settings: { allowedDisorderMs: 0, deadClicks, ...settings }, rows: () => 1 })
const times = (events: WireEvent[], settings = {}) => run(events, on, settings).incidents.map((row) => [row.first_at, row.last_at])

test('a click is dead when nothing of the session follows within 2,500 ms, the bound included', () => {
  expect(times([click(0), at(2500, 'custom')])).toEqual([])
  expect(times([click(0), at(2501, 'custom')])).toEqual([[0, 0]])
  for (const type of ['screen_view', 'click', 'error', 'task_started'] as const) expect(times([click(0), at(1000, type)])).toEqual([])
})
test('what other users do does not count, but moves the watermark', () => {
  expect(times([click(0), clock(2499)])).toEqual([])
  expect(times([click(0), clock(2500)])).toEqual([[0, 0]])
})
test('another event of the same millisecond counts, in whatever order', () => {
  expect(times([at(0, 'screen_view'), click(0), clock(9000)])).toEqual([])
  expect(times([click(0), at(0, 'error'), clock(9000)])).toEqual([])
  expect(times([click(0), click(0), clock(9000)])).toEqual([])
})
test('an event that comes late, but belongs into that time, takes it back', () => {
  expect(times([click(0), clock(9000), at(1000, 'screen_view')])).toEqual([])
  expect(times([click(0), clock(9000), at(3000, 'screen_view')])).toEqual([[0, 0]])
})
test('where a session ends within that time, nobody knows', () => {
  expect(times([click(0), clock(9000)], { gapMs: 2000 })).toEqual([])
  expect(times([click(0), at(1, 'custom'), clock(9000)], { sessionEventsMax: 2 })).toEqual([])
})
test('it is looked for only where asked for, and counts in its session', () => {
  const events = [click(0), at(5000, 'custom')]
  expect(run(events, { enabled: false, withinMs: 2500 })).toMatchObject({ incidents: [], sessions: [{ dead_clicks: 0 }] })
  expect(run(events)).toMatchObject({
    incidents: [{ kind: 'dead_click', profile: 'default', open: 0, screen: '/s', element: 'b', count: 1, evidence: [[0, 0]] }],
    sessions: [{ dead_clicks: 1 }],
  })
})
