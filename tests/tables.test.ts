// Every table of the analytics store after history has changed: generated traffic, a task that is done after all, sessions that are joined and
// moved, and a backtrack that is none, in a second process. Tables are recounted by the evaluator (torture/answer.ts), the views by it here.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../config/index.ts'
import type { EventType, WireEvent } from '../model/event.ts'
import { type Embedded, openEmbedded } from '../services/process/embedded.ts'
import { trafficEvents } from '../services/traffic/traffic.ts'
import type { SessionAnswer } from './oracle/session-rows.ts'
import { type Answer, answerOf } from './torture/answer.ts'

let data: string
beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), 'packmill-tables-'))
})
afterAll(() => rmSync(data, { recursive: true, force: true }))

const DAY = 1_772_496_000_000
let nextId = 0
const event = (minute: number, type: EventType, more: Partial<WireEvent> = {}): WireEvent => ({
  orgId: 'hand',
  productId: 'shop',
  userId: 'ada',
  eventId: `hand-${nextId++}`,
  type,
  ts: DAY + minute * 60_000,
  ...more,
})
const view = (minute: number, screen: string, userId = 'ada') => event(minute, 'screen_view', { screen, userId })

const generated = [
  ...trafficEvents({ seed: 23, events: 24_000, orgs: 3, users: 300, disorder: 0.05, lateBeyondDisorder: 0.02, late: 0.005 }),
]
const before = [
  view(0, '/a'),
  event(1, 'task_started', { taskType: 'buy' }),
  event(2, 'task_started', { taskType: 'look' }),
  event(3, 'task_completed', { taskType: 'look', success: false }),
  event(4, 'task_completed', { taskType: 'pay' }),
  view(-20, '/a', 'joined'),
  view(30, '/b', 'joined'),
  view(10, '/a', 'moved'),
  view(0, '/a', 'back'),
  view(0.1, '/b', 'back'),
  view(0.2, '/a', 'back'),
  view(65, '/clock', 'clock'),
].sort((a, b) => Number(a.ts) - Number(b.ts))
const after = [event(5, 'task_completed', { taskType: 'buy' }), view(5, '/c', 'joined'), view(-10, '/z', 'moved'), view(0.15, '/c', 'back')]
const half = generated.length >> 1
const files = [
  [...generated.slice(0, half), ...before],
  [...after, ...generated.slice(half)],
]

async function run(file: number, look: (embedded: Embedded, answer: Answer) => Promise<void>): Promise<void> {
  const set = ['clickstream.correctionMs=10800000', 'log.partitions=3', 'engine.epochBytes=256KB', 'sink.intervalMs=50']
  const { config } = loadConfig({ data, set, environment: {} })
  const onNotice = (notice: object) => {
    if ('error' in notice) throw notice.error as Error
  }
  const embedded = await openEmbedded({ config, version: 'test', live: false, onNotice })
  try {
    const lines = files[file].map((one) => `${JSON.stringify(one)}\n`).join('')
    const rejected = (_: number, text: unknown) => {
      throw new Error(`rejected: ${String(text)}`)
    }
    await embedded.import(
      (async function* () {
        yield Buffer.from(lines)
      })(),
      { onReject: rejected },
    )
    await embedded.settle({ snapshots: true, close: false })
    const answer = await answerOf(embedded, config, files.slice(0, file + 1).flat())
    expect(answer.differences).toEqual([])
    await look(embedded, answer)
  } finally {
    await embedded.stop()
  }
}

const HAND = "org_id = 'hand' AND screen NOT IN ('/clock')"
const hotspotsSql = `SELECT concat(screen, ' ', element, ' ', kind) AS cell, sessions, views, incidents FROM screen_hotspots WHERE ${HAND} AND kind != '' ORDER BY cell`
const flowsSql = `SELECT toString(day) AS day, task_type, arrayStringConcat(screens, '>') AS way, sessions, completed FROM flows
  WHERE org_id = 'hand' ORDER BY day, task_type, way`

test('a correction reaches every table and view', async () => {
  await run(0, async (embedded) => {
    expect(await embedded.query(hotspotsSql)).toEqual([
      { cell: ' buy abandoned_task', sessions: 0, views: 0, incidents: 1 },
      { cell: '/a  backtrack', sessions: 0, views: 0, incidents: 1 },
    ])
    expect(await embedded.query(flowsSql)).toEqual([
      { day: '2026-03-02', task_type: '', way: '/a', sessions: 1, completed: 0 },
      { day: '2026-03-03', task_type: '', way: '/a', sessions: 1, completed: 0 },
      { day: '2026-03-03', task_type: '', way: '/a>/b>/a', sessions: 1, completed: 0 },
      { day: '2026-03-03', task_type: '', way: '/b', sessions: 1, completed: 0 },
      { day: '2026-03-03', task_type: 'buy', way: '/a', sessions: 1, completed: 0 },
      { day: '2026-03-03', task_type: 'look', way: '/a', sessions: 1, completed: 0 },
      { day: '2026-03-03', task_type: 'pay', way: '/a', sessions: 1, completed: 1 },
    ])
  })
  await run(1, async (embedded, answer) => {
    expect(await embedded.query(hotspotsSql)).toEqual([])
    expect(await embedded.query(flowsSql)).toEqual([
      { day: '2026-03-02', task_type: '', way: '/a>/c>/b', sessions: 1, completed: 0 },
      { day: '2026-03-02', task_type: '', way: '/z>/a', sessions: 1, completed: 0 },
      { day: '2026-03-03', task_type: '', way: '/a>/b>/c>/a', sessions: 1, completed: 0 },
      { day: '2026-03-03', task_type: 'buy', way: '/a', sessions: 1, completed: 1 },
      { day: '2026-03-03', task_type: 'look', way: '/a', sessions: 1, completed: 0 },
      { day: '2026-03-03', task_type: 'pay', way: '/a', sessions: 1, completed: 1 },
    ])
    expect(
      await embedded.query(`SELECT number, task_type, dateDiff('minute', toDateTime64('2026-03-03 00:00:00', 3, 'UTC'), started_at) AS start,
        dateDiff('minute', toDateTime64('2026-03-03 00:00:00', 3, 'UTC'), ended_at) AS end, outcome FROM task_events WHERE org_id = 'hand' ORDER BY number`),
    ).toEqual([
      { number: 1, task_type: 'buy', start: 1, end: 5, outcome: 'completed' },
      { number: 2, task_type: 'look', start: 2, end: 3, outcome: 'failed' },
      { number: 3, task_type: 'pay', start: null, end: 4, outcome: 'completed' },
    ])
    expect(
      await embedded.query(`SELECT task_type, toString(first_seen) AS first, toString(last_seen) AS last, started, completed, failed, abandoned
        FROM dim_task_types WHERE org_id = 'hand' ORDER BY task_type`),
    ).toEqual([
      { task_type: 'buy', first: '2026-03-03 00:00:00', last: '2026-03-03 00:00:00', started: 1, completed: 1, failed: 0, abandoned: 0 },
      { task_type: 'look', first: '2026-03-03 00:00:00', last: '2026-03-03 00:00:00', started: 1, completed: 0, failed: 1, abandoned: 0 },
      { task_type: 'pay', first: '2026-03-03 00:00:00', last: '2026-03-03 00:00:00', started: 0, completed: 1, failed: 0, abandoned: 0 },
    ])
    await recountViews(embedded, [...answer.evaluation.sessions.values()])
  })
}, 120_000)

/** Views of all orgs, against the evaluator's sessions. */
async function recountViews(embedded: Embedded, sessions: readonly SessionAnswer[]): Promise<void> {
  const closed = sessions.filter((session) => session.closed === 1)
  expect(closed.length).toBeGreaterThan(300)
  for (const [viewName, column, unitMs] of [
    ['overview_hourly', 'hour', 3_600_000],
    ['overview_daily', 'day', 86_400_000],
  ] as const) {
    const expected = [...Map.groupBy(closed, (row) => `${row.org_id} ${Math.floor(row.started_at / unitMs) * unitMs}`)]
      .map(([cell, own]) => ({
        cell,
        sessions: own.length,
        clicks: own.reduce((sum, row) => sum + row.click_count, 0),
        frustration: (own.reduce((sum, row) => sum + row.frustration_score, 0) / own.length).toFixed(6),
        efficiency: (own.reduce((sum, row) => sum + row.efficiency_score, 0) / own.length).toFixed(6),
      }))
      .sort((a, b) => (a.cell < b.cell ? -1 : 1))
    const rows = await embedded.query<{ cell: string; sessions: number; clicks: number; frustration: number; efficiency: number }>(
      `SELECT concat(org_id, ' ', toString(toUnixTimestamp64Milli(toDateTime64(${column}, 3, 'UTC')))) AS cell, sum(sessions) AS sessions, sum(clicks) AS clicks,
        any(frustration_score) AS frustration, any(efficiency_score) AS efficiency FROM ${viewName} GROUP BY cell ORDER BY cell`,
    )
    expect(rows.map((row) => ({ ...row, frustration: row.frustration.toFixed(6), efficiency: row.efficiency.toFixed(6) }))).toEqual(
      expected,
    )
  }
  const outcomes = Object.fromEntries(
    [
      ...Map.groupBy(
        sessions.flatMap(({ tasks }) => tasks),
        ([, , , outcome]) => outcome,
      ),
    ].map(([outcome, own]) => [outcome, own.length]),
  )
  const found = await embedded.query<{ outcome: string; n: number }>('SELECT outcome, count() AS n FROM task_events GROUP BY outcome')
  expect(Object.fromEntries(found.map(({ outcome, n }) => [outcome, n]))).toEqual(outcomes)
  expect(Object.keys(outcomes)).toEqual(expect.arrayContaining(['completed', 'failed', 'abandoned']))
  const [{ strange }] = await embedded.query<{ strange: number }>(
    'SELECT count() AS strange FROM flows WHERE variant NOT IN (SELECT variant FROM sessions WHERE closed = 1)',
  )
  expect(strange, 'variants of no session').toBe(0)
  const [{ seen }] = await embedded.query<{ seen: number }>("SELECT sum(sessions) AS seen FROM screen_hotspots WHERE kind = ''")
  expect(seen).toBe(closed.reduce((sum, { screen_sequence }) => sum + new Set(screen_sequence).size, 0))
}
