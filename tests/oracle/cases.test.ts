// The cases of docs/events.md, "What late, doubled and joining events do", by their names, through the engine. Each one is also compared with the evaluator.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { EpochComputer } from '../../engine/lane/epoch.ts'
import type { EpochInputs } from '../../engine/lane/receipt.ts'
import type { EventType, WireEvent } from '../../model/event.ts'
import { HASH_SLACK } from '../../model/hash.ts'
import type { IncidentRow, SessionRow } from '../../model/rows.ts'
import { newBatch, resetBatch, scanBlock } from '../../model/scan.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { settings as defaults, differences, finalRows, recordsOf, runInMemory } from './in-memory.ts'

const MINUTE = 60_000
const own = { allowedDisorderMs: 0 }
const at = (ts: number, type: EventType, more: Partial<WireEvent> = {}): WireEvent => ({
  orgId: 'o',
  productId: 'p',
  userId: 'ada',
  eventId: `${type} ${ts}`,
  type,
  ts,
  screen: '/s',
  ...more,
})
const click = (ts: number) => at(ts, 'click', { element: 'b' })
const clock = (ts: number) => at(ts, 'custom', { userId: 'clock' })
/** Each event in an epoch of its own: what was emitted before has left when the next one arrives. */
function run(events: WireEvent[], settings = {}) {
  const options = { settings: { ...own, ...settings }, rows: () => 1 }
  expect(differences(events, options)).toEqual([])
  const { epochs, computer } = runInMemory(events, options)
  const ofAda = <R extends { user_id: string }>(rows: R[]) => rows.filter((row) => row.user_id === 'u:ada')
  const final = finalRows(events, options)
  return {
    sessions: ofAda(final.sessions),
    incidents: ofAda(final.incidents),
    allSessions: ofAda(recordsOf<SessionRow>(epochs, 'events.sessionized')),
    allIncidents: ofAda(recordsOf<IncidentRow>(epochs, 'events.incidents')),
    late: recordsOf<{ reason: string; offset: number }>(epochs, 'events.late'),
    counters: computer.actors.list[0].counters,
  }
}

/** Columns that differ between a session with a click and an error, and one without events. */
const OF_NOTHING = { click_count: 0, error_count: 0, frustration_score: 0, efficiency_score: 1 }

const cases: Record<string, () => void> = {
  'out of order'() {
    const inOrder = run([click(0), click(500), click(1000)])
    const shuffled = run([click(0), click(1000), click(500)])
    expect(shuffled.sessions).toMatchObject([{ started_at: 0, ended_at: 1000, event_count: 3, rage_clicks: 1 }])
    expect(shuffled.incidents).toMatchObject([{ kind: 'rage_click', count: 3, first_at: 0, last_at: 1000 }])
    expect(shuffled.incidents[0].incident_id).toBe(inOrder.incidents[0].incident_id)
    expect(shuffled.sessions[0].session_id).toBe(inOrder.sessions[0].session_id)
  },

  'duplicate of a closed session'() {
    const { allSessions, counters } = run([click(0), clock(31 * MINUTE), click(0)])
    expect(allSessions).toMatchObject([{ version: 1, closed: 1, event_count: 1 }])
    expect(counters.duplicates).toBe(1)
  },

  'an event that joins two'() {
    const { sessions, allSessions } = run([click(0), click(50 * MINUTE), clock(81 * MINUTE), click(25 * MINUTE)])
    expect(sessions).toMatchObject([{ started_at: 0, ended_at: 50 * MINUTE, event_count: 3, closed: 1 }])
    const first = allSessions.find((row) => row.started_at === 0)!
    const second = allSessions.find((row) => row.started_at === 50 * MINUTE && row.deleted === 1)!
    expect(sessions[0].session_id).toBe(first.session_id)
    expect(second.replaced_by).toBe(first.session_id)
  },

  'an event that joins an open session'() {
    const events = [click(0), click(50 * MINUTE), at(56 * MINUTE, 'error')]
    const open = run(events).allSessions.find((row) => row.started_at === 50 * MINUTE)!
    expect(open).toMatchObject({ version: 1, closed: 0, event_count: 2, click_count: 1, error_count: 1, screen_sequence: [] })
    const { sessions, allSessions } = run([...events, click(25 * MINUTE)])
    expect(sessions).toMatchObject([{ started_at: 0, ended_at: 56 * MINUTE, event_count: 4, closed: 0, click_count: 3 }])
    const deleted = allSessions.find((row) => row.session_id === open.session_id && row.deleted === 1)!
    expect(deleted).toMatchObject({ version: 2, replaced_by: sessions[0].session_id, started_at: 50 * MINUTE, event_count: 2 })
    // Of a snapshot its times and its count are known still; its other columns are those of a session without events.
    expect(deleted).toEqual({ ...open, version: 2, deleted: 1, replaced_by: sessions[0].session_id, received_at: 0, ...OF_NOTHING })
  },

  'late completion of an abandoned task'() {
    const task = { taskType: 'buy' }
    const before = [at(0, 'task_started', task), clock(20 * MINUTE)]
    expect(run(before).sessions).toMatchObject([{ tasks_completed: 0, tasks_abandoned: 1 }])
    const { sessions, incidents, allIncidents } = run([...before, at(5 * MINUTE, 'task_completed', task)])
    expect(allIncidents.map(({ kind, version, deleted }) => [kind, version, deleted])).toEqual([
      ['abandoned_task', 1, 0],
      ['abandoned_task', 2, 1],
    ])
    expect(incidents).toEqual([])
    expect(sessions).toMatchObject([{ tasks_completed: 1, tasks_abandoned: 0, frustration_score: 0 }])
  },

  'a completion later than its time'() {
    const task = { taskType: 'buy' }
    const { sessions, incidents } = run([at(0, 'task_started', task), clock(20 * MINUTE), at(16 * MINUTE, 'task_completed', task)])
    expect(incidents).toMatchObject([{ kind: 'abandoned_task', element: 'buy', first_at: 0, last_at: 15 * MINUTE, version: 1 }])
    expect(sessions).toMatchObject([{ tasks_completed: 1, tasks_abandoned: 1 }])
  },

  cap() {
    const events = [at(0, 'task_started'), click(10), click(20), click(30), clock(40), click(5)]
    const { sessions, incidents, late } = run(events, { sessionEventsMax: 3 })
    expect(sessions).toMatchObject([
      { started_at: 0, event_count: 3, cut: 1, closed: 1, tasks_started: 1, tasks_abandoned: 0 },
      { started_at: 30, event_count: 1, cut: 0, closed: 0 },
    ])
    expect(incidents.filter(({ kind }) => kind === 'abandoned_task')).toEqual([])
    expect(late).toMatchObject([{ reason: 'cap', offset: 5 }])
  },

  'idle then older'() {
    const { pipeline } = clickstream({ ...defaults, ...own })
    const computer = new EpochComputer(pipeline, { lineage: 'test', code: 'test', partition: 0 })
    let offset = 0
    const epoch = (events: WireEvent[], inputs: EpochInputs) => {
      const bytes = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join('') + ' '.repeat(HASH_SLACK))
      const batch = newBatch()
      resetBatch(batch, bytes, bytes.length - HASH_SLACK)
      if (events.length > 0) scanBlock(batch, 0, bytes.length - HASH_SLACK, offset)
      computer.route(batch, 0)
      const from = offset
      offset += events.length
      return recordsOf<SessionRow>([computer.compute(offset + 1, from, offset, batch, inputs, undefined)], 'events.sessionized')
    }
    const hour = 60 * MINUTE
    expect(epoch([click(hour)], { now: 1000, atEnd: true })).toEqual([])
    // The actor is idle for the gap and the timeout: processing time alone closes the session.
    expect(epoch([], { now: 1000 + 30 * MINUTE + 1001, atEnd: true })).toMatchObject([{ version: 1, closed: 1, event_count: 1 }])
    // Behind the watermark, which idle time has moved on: it belongs, and closes nothing and opens nothing.
    const belongs = epoch([click(hour + MINUTE)], { now: 40 * MINUTE, atEnd: true })
    expect(belongs).toMatchObject([{ version: 2, closed: 1, event_count: 2 }])
    const [before] = epoch([click(hour - MINUTE)], { now: 81 * MINUTE, atEnd: true }).filter((row) => row.deleted === 0)
    expect(before).toMatchObject({ closed: 1, event_count: 3, started_at: hour - MINUTE })
    expect(epoch([click(0)], { now: 82 * MINUTE, atEnd: true })).toEqual([])
    expect(computer.actors.list[0].counters).toMatchObject({ accepted: 4, late: 1, closed: 3 })
  },
}

describe('what late, doubled and joining events do', () => {
  for (const [name, check] of Object.entries(cases)) test(name, check)

  test('every case of docs/events.md is here, and no other', () => {
    const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'events.md'), 'utf8')
    const table = page
      .slice(page.indexOf('## What late, doubled'))
      .split('\n')
      .filter((line) => line.startsWith('| '))
    const names = table.slice(2).map((line) => line.split('|')[1].trim())
    expect(names).toEqual(Object.keys(cases))
  })
})
