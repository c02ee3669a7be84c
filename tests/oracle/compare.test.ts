import { expect, test } from 'vitest'
import type { WireEvent } from '../../model/event.ts'
import { compareIncidents, compareSessions } from './compare.ts'
import { evaluate } from './evaluate.ts'

const click = (eventId: string, ts: number): WireEvent => ({
  orgId: 'o',
  productId: 'p',
  userId: 'me',
  eventId,
  ts,
  type: 'click',
  element: 'b',
  screen: '/s',
})
const events = [click('a', 0), click('b', 100), click('c', 200), click('d', 10_000_000)]
const { sessions, incidents } = evaluate(events.map((event, offset) => ({ partition: 3, offset, event })))
const sessionRows = [...sessions.values()].map((row) => ({ ...row, version: 1, deleted: 0, replaced_by: '', received_at: 5 }))
const incidentRows = [...incidents.values()].map((row) => ({ ...row, version: 1, deleted: 0, received_at: 5 }))

test('rows that are the answer give no difference, whatever their version, time of receipt and position', () => {
  expect(sessionRows.length).toBe(2)
  expect(incidentRows.length).toBe(1)
  expect(compareSessions(sessionRows, sessions)).toEqual([])
  expect(
    compareSessions(
      sessionRows.map((row) => ({ ...row, version: 7, received_at: 9, partition: 1, offset: 4 })),
      sessions,
    ),
  ).toEqual([])
  expect(compareIncidents(incidentRows, incidents)).toEqual([])
})

test('numbers that a store gives as text are equal; other texts, null and missing fields are not', () => {
  const asText = sessionRows.map((row) => ({ ...row, started_at: String(row.started_at), closed: row.closed === 1 }))
  expect(compareSessions(asText, sessions)).toEqual([])
  expect(compareSessions([{ ...sessionRows[0], started_at: '' }, sessionRows[1]], sessions)[0]).toContain('started_at is ""')
  expect(compareSessions([{ ...sessionRows[0], started_at: null }, sessionRows[1]], sessions).length).toBe(1)
  expect(compareSessions([{ ...sessionRows[0], cut: undefined }, sessionRows[1]], sessions).length).toBe(1)
})

test('the largest version counts, wherever it stands, and a deleted one is not there', () => {
  const wrong = { ...sessionRows[0], event_count: 99 }
  expect(compareSessions([{ ...sessionRows[0], version: 2 }, wrong, sessionRows[1]], sessions)).toEqual([])
  expect(compareSessions([sessionRows[0], { ...wrong, version: 2 }, sessionRows[1]], sessions)[0]).toContain(
    'event_count is 99, expected 3',
  )
  expect(compareSessions([...sessionRows, { ...sessionRows[0], version: 2, deleted: 1 }], sessions)[0]).toContain('is deleted')
  const other = { ...sessionRows[0], session_id: 'x' }
  expect(compareSessions([...sessionRows, other], sessions)[0]).toContain('session x should not be there')
  expect(compareSessions([...sessionRows, other, { ...other, version: 2, deleted: 1 }], sessions)).toEqual([])
})

test('every difference of evidence is seen: another offset, another order, one too few', () => {
  const [row] = incidentRows
  for (const evidence of [
    [
      [3, 0],
      [3, 1],
      [3, 9],
    ],
    [
      [3, 1],
      [3, 0],
      [3, 2],
    ],
    [
      [3, 0],
      [3, 1],
    ],
  ]) {
    expect(compareIncidents([{ ...row, evidence }], incidents)[0]).toContain('evidence')
  }
})

test('open sessions may be stale or missing where the caller says so, closed ones never', () => {
  const [closed, open] = sessionRows
  expect([closed.closed, open.closed]).toEqual([1, 0])
  expect(compareSessions([closed], sessions, { open: 'stale' })).toEqual([])
  expect(compareSessions([closed, { ...open, event_count: 0 }], sessions, { open: 'stale' })).toEqual([])
  expect(compareSessions([closed], sessions).length).toBe(1)
  expect(compareSessions([open], sessions, { open: 'stale' }).length).toBe(1)
  expect(compareSessions([...sessionRows, { ...open, session_id: 'gone' }], sessions, { open: 'stale' }).length).toBe(1)
})

test('of all versions each is there once, without holes', () => {
  const [first, second] = sessionRows
  const all = { allVersions: true }
  expect(compareSessions([first, { ...first, version: 2 }, second], sessions, all)).toEqual([])
  expect(compareSessions([first, first, second], sessions, all)[0]).toContain('versions are 1, 1')
  expect(compareSessions([first, { ...first, version: 3 }, second], sessions, all)[0]).toContain('versions are 1, 3')
})

test('the first ten differences are named, the rest counted', () => {
  const rows = Array.from({ length: 15 }, (_, at) => ({ ...sessionRows[0], session_id: `x${at}` }))
  const found = compareSessions([...sessionRows, ...rows], sessions)
  expect(found.length).toBe(11)
  expect(found[10]).toBe('… and 5 more')
})
