// Cases by hand, through the engine. Laws: tests/laws. Against the evaluator, and with mistakes planted: tests/oracle.
import { describe, expect, test } from 'vitest'
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
  ...more,
})
const start = (ts: number, taskType?: string, more = {}) => at(ts, 'task_started', { taskType, screen: '/cart', ...more })
const done = (ts: number, taskType?: string, more = {}) => at(ts, 'task_completed', { taskType, ...more })
/** Moves the watermark to ts. */
const clock = (ts: number) => at(ts, 'custom', { userId: 'clock' })
const small = { abandonMs: 1000, gapMs: 5000, allowedDisorderMs: 0, correctionMs: 60_000 }
const run = (events: WireEvent[], settings = {}) => {
  const { sessions, incidents } = finalRows(events, { settings: { ...small, ...settings }, rows: () => 1 })
  return { incidents, ada: sessions.filter((row) => row.user_id === 'u:ada') }
}
const spans = (events: WireEvent[], settings = {}) => run(events, settings).incidents.map((row) => [row.element, row.first_at, row.last_at])

describe('a task is abandoned', () => {
  test('when its time is over: an event behind it shows it, or the watermark gets there; it counts in its session', () => {
    expect(spans([start(0, 'buy'), at(1001, 'click')])).toEqual([['buy', 0, 1000]])
    expect(spans([start(0, 'buy'), clock(1000)])).toEqual([['buy', 0, 1000]])
    expect(spans([start(0, 'buy'), clock(999)])).toEqual([])
    expect(run([start(0, 'buy'), clock(1000)]).ada[0].tasks_abandoned).toBe(1)
  })
  test('not when it was completed or failed by then, the bound included', () => {
    expect(spans([start(0, 'buy'), done(1000, 'buy'), clock(3000)])).toEqual([])
    expect(spans([start(0, 'buy'), done(900, 'buy', { success: false }), clock(3000)])).toEqual([])
    expect(spans([start(0, 'buy'), done(1001, 'buy')])).toEqual([['buy', 0, 1000]])
  })
  test('when its session is over before its time is, at the last event', () => {
    expect(spans([start(0, 'buy'), at(70, 'click'), clock(171)], { gapMs: 100 })).toEqual([['buy', 0, 70]])
    expect(spans([start(0, 'buy'), at(70, 'click'), clock(170)], { gapMs: 100 })).toEqual([])
  })
  test('not by a cap, unless its time was over before', () => {
    const capped = { sessionEventsMax: 2 }
    expect(spans([start(0, 'buy'), at(1, 'click'), at(2, 'click'), clock(3000)], capped)).toEqual([])
    expect(spans([start(0, 'buy'), at(1, 'click'), at(1500, 'click'), clock(3000)], capped)).toEqual([['buy', 0, 1000]])
  })
  test('and found is its start: screen, evidence, one', () => {
    expect(run([at(0, 'click'), start(1, 'buy'), clock(2000)]).incidents).toMatchObject([
      { kind: 'abandoned_task', profile: 'default', open: 0, screen: '/cart', element: 'buy', count: 1, evidence: [[0, 1]] },
    ])
  })
})

describe('a completion', () => {
  test('is of the latest open task of its type', () => {
    expect(spans([start(0, 'buy'), start(100, 'buy'), done(200, 'buy'), clock(3000)])).toEqual([['buy', 0, 1000]])
    expect(spans([start(0, 'buy'), start(100, 'find'), done(200, 'buy'), clock(3000)])).toEqual([['find', 100, 1100]])
    expect(spans([start(0), start(100, 'find'), done(200), clock(3000)])).toEqual([['find', 100, 1100]])
  })
  test('of no open task changes nothing', () => {
    expect(spans([done(0, 'buy'), start(100, 'buy'), done(200, 'find'), clock(3000)])).toEqual([['buy', 100, 1100]])
  })
  test('that arrives afterwards but belongs before takes it back; one that belongs afterwards does not', () => {
    const events = [start(0, 'buy'), clock(2000)]
    expect(spans(events).length).toBe(1)
    expect(spans([...events, done(1000, 'buy')])).toEqual([])
    expect(spans([...events, done(1001, 'buy')]).length).toBe(1)
  })
})

test('two tasks of one millisecond are two; the ninth open one pushes out the oldest', () => {
  expect(spans([start(0, 'buy'), start(0, 'buy'), clock(3000)]).length).toBe(2)
  const nine = Array.from({ length: 9 }, (_, i) => start(i, `t${i}`))
  expect(spans([...nine, ...nine.slice(1).map(({ taskType }, i) => done(500 + i, taskType)), clock(3000)])).toEqual([['t0', 0, 8]])
})
