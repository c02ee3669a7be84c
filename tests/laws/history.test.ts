// History that changes behind what was emitted: each correction reaches sessions, incidents, tasks and every tile, whose sums are worked out
// by hand here, and recounted by the evaluator after each event.
import { describe, expect, test } from 'vitest'
import type { EventType, WireEvent } from '../../model/event.ts'
import type { TileRow } from '../../model/rows.ts'
import { differences, recordsOf, runInMemory } from '../oracle/in-memory.ts'

const DAY = 1_790_035_200_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE

let nextId = 0
const event = (minute: number, type: EventType, more: Partial<WireEvent> = {}): WireEvent => ({
  orgId: 'org',
  productId: 'shop',
  userId: 'ada',
  eventId: `e${nextId++}`,
  type,
  ts: DAY + minute * MINUTE,
  ...more,
})
const view = (minute: number, screen: string) => event(minute, 'screen_view', { screen })
/** Moves the watermark to about the minute without touching ada's sessions. */
const clock = (minute: number) => event(minute, 'custom', { userId: 'clock' })

type Cells = Record<string, Record<string, number>>
const CELL = ['hour', 'day', 'task_type', 'screen', 'element', 'kind', 'screens'] as const
/** Cells of a tile that are not 0, without the clock's: times as hours since the day began. */
function cells(events: readonly WireEvent[], tile: string): Cells {
  const sums: Cells = {}
  const { epochs } = runInMemory(events, { rows: () => 1 })
  for (const row of recordsOf<TileRow>(epochs, 'events.tiles')) {
    if (row.tile !== tile) continue
    const name = CELL.flatMap((column) => {
      const value = row[column]
      return value === undefined
        ? []
        : [typeof value === 'number' ? `${(value - DAY) / HOUR}h` : Array.isArray(value) ? value.join('>') : value]
    }).join(' ')
    const own = (sums[name] ??= {})
    for (const [column, value] of Object.entries(row))
      if (typeof value === 'number' && column !== 'hour' && column !== 'day') own[column] = (own[column] ?? 0) + value
  }
  for (const own of Object.values(sums)) for (const column of Object.keys(own)) if (own[column] === 0) delete own[column]
  return Object.fromEntries(Object.entries(sums).filter(([, own]) => Object.keys(own).length > 0))
}

/** Everything is recounted after each event, for some cuts of epochs. */
function expectRecounts(events: readonly WireEvent[]) {
  for (let count = 1; count <= events.length; count++)
    for (const rows of [1, 3, Number.POSITIVE_INFINITY])
      expect(differences(events.slice(0, count), { rows: () => rows }), `after ${count} events, ${rows} in an epoch`).toEqual([])
}

describe('a correction reaches every table', () => {
  test('a late completion of a task that was abandoned in a closed session', () => {
    const before = [view(0, '/a'), event(1, 'task_started', { taskType: 'buy', screen: '/a' }), clock(40)]
    const after = [...before, event(5, 'task_completed', { taskType: 'buy' })]
    expectRecounts(after)
    expect(cells(before, 'task_types')).toEqual({ '0h buy': { started: 1, abandoned: 1 } })
    expect(cells(after, 'task_types')).toEqual({ '0h buy': { started: 1, completed: 1, duration_ms: 4 * MINUTE } })
    expect(cells(before, 'hotspots')).toEqual({
      '0h /a  ': { sessions: 1, views: 1 },
      '0h /a buy abandoned_task': { incidents: 1, events: 1 },
    })
    expect(cells(after, 'hotspots')).toEqual({ '0h /a  ': { sessions: 1, views: 1 } })
    expect(cells(before, 'flows')).toEqual({ '0h buy /a': { sessions: 1, duration_ms: MINUTE } })
    expect(cells(after, 'flows')).toEqual({ '0h buy /a': { sessions: 1, completed: 1, duration_ms: 5 * MINUTE } })
    expect(cells(before, 'overview')['0h']).toMatchObject({ sessions: 1, events: 2, tasks_abandoned: 1, frustration: 2913 })
    expect(cells(after, 'overview')).toEqual({
      '0h': { sessions: 1, events: 3, duration_ms: 5 * MINUTE, tasks_started: 1, tasks_completed: 1, efficiency: 10_000 },
    })
  })

  test('an event that joins two closed sessions', () => {
    const before = [view(-20, '/a'), view(30, '/b'), clock(65)]
    const after = [...before, view(5, '/c')]
    expectRecounts(after)
    expect(cells(before, 'flows')).toEqual({ '-24h  /a': { sessions: 1 }, '0h  /b': { sessions: 1 } })
    expect(cells(after, 'flows')).toEqual({ '-24h  /a>/c>/b': { sessions: 1, duration_ms: 50 * MINUTE } })
    expect(Object.keys(cells(before, 'overview'))).toEqual(['-1h', '0h'])
    expect(cells(after, 'overview')).toEqual({ '-1h': { sessions: 1, events: 3, duration_ms: 50 * MINUTE, efficiency: 10_000 } })
    expect(cells(after, 'hotspots')).toEqual({
      '-24h /a  ': { sessions: 1, views: 1 },
      '-24h /b  ': { sessions: 1, views: 1 },
      '-24h /c  ': { sessions: 1, views: 1 },
    })
  })

  test('an earlier first event gives a closed session another id, hour and day', () => {
    const before = [view(10, '/a'), clock(45)]
    const after = [...before, view(-10, '/z')]
    expectRecounts(after)
    expect(cells(before, 'overview')).toEqual({ '0h': { sessions: 1, events: 1, efficiency: 10_000 } })
    expect(cells(after, 'overview')).toEqual({ '-1h': { sessions: 1, events: 2, duration_ms: 20 * MINUTE, efficiency: 10_000 } })
  })

  test('an event that breaks a backtrack takes it back', () => {
    const second = 1 / 60
    const before = [view(0, '/a'), view(5 * second, '/b'), view(10 * second, '/a'), clock(2)]
    const after = [...before, view(7 * second, '/c')]
    expectRecounts(after)
    expect(cells(before, 'hotspots')).toEqual({ '0h /a  backtrack': { incidents: 1, events: 3 } })
    expect(cells(after, 'hotspots')).toEqual({})
    expect(cells([...after, clock(40)], 'hotspots')).toEqual({
      '0h /a  ': { sessions: 1, views: 2 },
      '0h /b  ': { sessions: 1, views: 1 },
      '0h /c  ': { sessions: 1, views: 1 },
    })
  })

  test('a closed session that is open again counts no more, and once when it closes again', () => {
    const before = [view(0, '/a'), clock(35)]
    const open = [...before, view(20, '/b')]
    const after = [...open, clock(60)]
    expectRecounts(after)
    expect(cells(before, 'flows')).toEqual({ '0h  /a': { sessions: 1 } })
    expect(cells(open, 'flows')).toEqual({})
    expect(cells(after, 'flows')).toEqual({ '0h  /a>/b': { sessions: 1, duration_ms: 20 * MINUTE } })
  })

  test('a burst of clicks that goes on adds its clicks to the cell of the burst, once', () => {
    const click = (ms: number) => event(ms / MINUTE, 'click', { screen: '/a', element: 'b' })
    const events = [click(0), click(100), click(200), click(300), click(400), clock(10)]
    expectRecounts(events)
    expect(cells(events.slice(0, 3), 'hotspots')).toEqual({ '0h /a b rage_click': { incidents: 1, events: 3 } })
    expect(cells(events, 'hotspots')).toEqual({ '0h /a b rage_click': { incidents: 1, events: 5 } })
  })
})

test('what an epoch adds to a cell is one record, and what cancels out is none', () => {
  const users = Array.from({ length: 20 }, (_, n) => event(0, 'screen_view', { screen: '/a', userId: `u${n}` }))
  const { epochs } = runInMemory([...users, clock(40)], { rows: (epoch) => (epoch === 1 ? 20 : 1) })
  expect(recordsOf<TileRow>(epochs, 'events.tiles')).toMatchObject([
    { tile: 'overview', sessions: 20, events: 20 },
    { tile: 'hotspots', screen: '/a', sessions: 20, views: 20 },
    { tile: 'flows', screens: ['/a'], sessions: 20 },
  ])
  const order = ['tile', 'org_id', 'product_id', 'day', 'task_type', 'screens', 'sessions', 'completed', 'duration_ms']
  expect(Object.keys(recordsOf<TileRow>(epochs, 'events.tiles')[2])).toEqual(order)
})

test('open sessions and their snapshots add nothing', () => {
  const events = [view(0, '/a'), view(10, '/b'), view(20, '/c')]
  const { epochs } = runInMemory(events, { rows: () => 1 })
  expect(recordsOf(epochs, 'events.sessionized').length).toBeGreaterThan(1)
  expect(recordsOf(epochs, 'events.tiles')).toEqual([])
})
