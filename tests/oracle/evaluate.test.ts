// Hand-made cases: the answers are worked out by hand from docs/events.md, rule by rule, boundaries on both sides.
import { describe, expect, test } from 'vitest'
import type { EventType, WireEvent } from '../../model/event.ts'
import { trafficEvents } from '../../services/traffic/traffic.ts'
import { evaluate, type Forgotten, type IdleAdvance, type LogRecord, type OracleSettings, oracleDefaults } from './evaluate.ts'
import { hashText } from './hash.ts'
import { shuffleWithin, withDelays, withDuplicates } from './shuffle.ts'

let nextId = 0
const event = (ts: number, type: EventType = 'custom', more: Partial<WireEvent> = {}): WireEvent => ({
  orgId: 'org',
  productId: 'shop',
  userId: 'ada',
  eventId: `e${nextId++}`,
  type,
  ts,
  ...more,
})
const click = (ts: number, element = 'b', more: Partial<WireEvent> = {}) => event(ts, 'click', { element, screen: '/s', ...more })
const view = (ts: number, screen?: string, more: Partial<WireEvent> = {}) => event(ts, 'screen_view', { screen, ...more })
/** Moves the watermark of org/shop to ts − allowedDisorderMs without touching ada's sessions. */
const tick = (ts: number) => event(ts, 'custom', { userId: 'clock' })

/** Small round numbers: gap 100, no disorder allowed, 1,000 to correct. */
const rage = { ...oracleDefaults.rage, withinMs: 10 }
const small: Partial<OracleSettings> = { gapMs: 100, allowedDisorderMs: 0, correctionMs: 1000, rage, backtrackMs: 50 }
function run(events: (WireEvent | IdleAdvance | Forgotten)[], settings: Partial<OracleSettings> = {}) {
  const records = events.map((it, offset): LogRecord | IdleAdvance | Forgotten => ('type' in it ? { partition: 2, offset, event: it } : it))
  const answer = evaluate(records, { ...small, ...settings })
  return {
    ...answer,
    adas: [...answer.sessions.values()].filter((row) => row.user_id === 'u:ada').sort((a, b) => a.started_at - b.started_at),
    found: [...answer.incidents.values()].sort((a, b) => a.first_at - b.first_at),
    org: answer.counters.get('org')!,
  }
}
const spans = (rows: { started_at: number; ended_at: number }[]) => rows.map((row) => [row.started_at, row.ended_at])

describe('sessions', () => {
  test('neighbours gapMs apart belong together, one ms more does not', () => {
    expect(spans(run([event(0), event(100), event(201)]).adas)).toEqual([
      [0, 100],
      [201, 201],
    ])
  })

  test('are of one org, product and kind of user id', () => {
    const kinds = [{}, { orgId: 'org2' }, { productId: 'p2' }, { userId: 'bob' }, { userId: undefined, anonymousId: 'ada' }]
    const { sessions } = run(kinds.map((more) => event(5, 'custom', more)))
    expect([...sessions.values()].map((row) => row.user_id).sort()).toEqual(['a:ada', 'u:ada', 'u:ada', 'u:ada', 'u:bob'])
  })

  test('userId wins over anonymousId, and an empty one is absent', () => {
    expect([...run([event(5, 'custom', { anonymousId: 'x' })]).sessions.values()][0].user_id).toBe('u:ada')
    expect([...run([event(5, 'custom', { userId: '', anonymousId: 'x' })]).sessions.values()][0].user_id).toBe('a:x')
  })

  test('an event between two joins them under the id of the first', () => {
    const { adas } = run([event(0, 'custom', { eventId: 'first' }), event(150), event(75)])
    expect(spans(adas)).toEqual([[0, 150]])
    expect(adas[0].session_id).toBe(hashText(`org\0shop\0u:ada\0${'0'}\0${hashText('first')}`))
  })

  test('an earlier first event renames its session; equal times are ordered by type, then by the hash of the id', () => {
    const idOf = (eventId: string, ts: number) => hashText(`org\0shop\0u:ada\0${ts}\0${hashText(eventId)}`)
    expect(run([event(50, 'click', { eventId: 'a' }), event(20, 'click', { eventId: 'b' })]).adas[0].session_id).toBe(idOf('b', 20))
    const types: EventType[] = ['task_completed', 'error', 'custom', 'click', 'task_started', 'screen_view']
    for (let n = 1; n <= types.length; n++) {
      const events = types.slice(0, n).map((type) => event(7, type, { eventId: type }))
      expect(run(events).adas[0].session_id).toBe(idOf(types[n - 1], 7))
    }
    const smallest = ['a', 'b', 'c', 'd'].sort((a, b) => (hashText(a) < hashText(b) ? -1 : 1))[0]
    expect(run(['a', 'b', 'c', 'd'].map((eventId) => event(7, 'click', { eventId }))).adas[0].session_id).toBe(idOf(smallest, 7))
  })

  test('a session is closed when the watermark is past last + gap, not at it', () => {
    expect(run([event(0), tick(100)]).adas[0].closed).toBe(0)
    expect(run([event(0), tick(101)]).adas[0].closed).toBe(1)
    expect(run([event(0), tick(101)], { allowedDisorderMs: 1 }).adas[0].closed).toBe(0)
  })

  test('one that was closed is open again when an event makes it reach beyond the watermark', () => {
    expect(run([event(0), tick(150), event(60)]).adas.map((row) => row.closed)).toEqual([0])
    expect(run([event(0), tick(150), event(40)]).adas.map((row) => row.closed)).toEqual([1])
  })

  test('closeAll closes them, and an idle actor is moved on by what its epochs recorded', () => {
    expect(run([event(0)], { closeAll: true }).adas[0].closed).toBe(1)
    expect(run([event(0), { orgId: 'org', productId: 'shop', watermark: 101 }]).adas[0].closed).toBe(1)
    expect(run([event(0), { orgId: 'org', productId: 'other', watermark: 101 }]).adas[0].closed).toBe(0)
  })

  test('metrics', () => {
    const { adas } = run([
      view(0, '/a'),
      view(1, '/a'),
      view(2),
      view(3, '/a'),
      view(4, '/b'),
      view(5, '/a'),
      event(6, 'click', { screen: '/never' }),
      event(7, 'task_started'),
      event(8, 'task_completed'),
      event(9, 'task_completed', { success: true }),
      event(10, 'task_completed', { success: false }),
      event(11, 'error'),
      event(100),
    ])
    expect(adas).toEqual([
      {
        org_id: 'org',
        product_id: 'shop',
        user_id: 'u:ada',
        session_id: adas[0].session_id,
        closed: 0,
        cut: 0,
        started_at: 0,
        ended_at: 100,
        duration_ms: 100,
        event_count: 13,
        click_count: 1,
        unique_screens: 2,
        rage_clicks: 0,
        backtracks: 1,
        dead_clicks: 0,
        tasks_started: 1,
        tasks_completed: 2,
        tasks_failed: 1,
        tasks_abandoned: 0,
        tasks: [
          ['', 7, 8, 'completed'],
          ['', 0, 9, 'completed'],
          ['', 0, 10, 'failed'],
        ],
        error_count: 1,
        screen_sequence: ['/a', '/b', '/a'],
        context_switches: 0,
        frustration_score: 0.537,
        efficiency_score: 0.4995,
      },
    ])
  })

  test('the screen sequence has at most 64 screens, the count of distinct ones no bound', () => {
    const [row] = run(Array.from({ length: 70 }, (_, i) => view(i, `/${i}`))).adas
    expect(row.screen_sequence).toEqual(Array.from({ length: 64 }, (_, i) => `/${i}`))
    expect(row.unique_screens).toBe(70)
  })
})

describe('late and duplicate', () => {
  test('ts = watermark − correctionMs is accepted, one ms less is late', () => {
    const { late, org, adas } = run([tick(2000), event(1000), event(999)])
    expect(late).toEqual([{ partition: 2, offset: 2, reason: 'late', watermark: 2000 }])
    expect(spans(adas)).toEqual([[1000, 1000]])
    expect(org).toEqual({ accepted: 3, closed: 1, open: 1, duplicates: 0, late: 1, capLate: 0 })
  })

  test('the watermark moves after the row, is one per actor, and duplicates move it too', () => {
    expect(run([event(0), event(90_000)]).late.length).toBe(0)
    expect(run([tick(90_000), event(0, 'custom', { productId: 'p2' })]).late.length).toBe(0)
    const twice = run([event(0, 'custom', { eventId: 'x' }), event(90, 'custom', { eventId: 'x' }), tick(0), event(0)], {
      correctionMs: 80,
    })
    expect(twice.duplicates).toEqual([{ partition: 2, offset: 1 }])
    expect(twice.late.map(({ offset }) => offset)).toEqual([2, 3])
  })

  test('late is asked before duplicate', () => {
    const { late, duplicates } = run([event(0, 'custom', { eventId: 'x' }), tick(1001), event(0, 'custom', { eventId: 'x' })])
    expect([late.length, duplicates.length]).toEqual([1, 0])
  })

  test('an id already in a session that the event falls into or joins is a duplicate, whatever its content; the first counts', () => {
    const { adas, duplicates } = run([
      click(0, 'b', { eventId: 'x' }),
      view(50, '/other', { eventId: 'x' }),
      view(100, '/other', { eventId: 'x' }),
      view(101, '/other', { eventId: 'x' }),
    ])
    expect(duplicates.map(({ offset }) => offset)).toEqual([1, 2])
    expect(spans(adas)).toEqual([
      [0, 0],
      [101, 101],
    ])
    expect(adas.map((row) => row.click_count)).toEqual([1, 0])
  })

  test('the id is looked for on both sides', () => {
    const events = [event(0), event(150, 'custom', { eventId: 'x' }), event(75, 'custom', { eventId: 'x' })]
    expect(run(events).duplicates.length).toBe(1)
    expect(spans(run(events).adas)).toEqual([
      [0, 0],
      [150, 150],
    ])
  })

  test('the same id of another user or product is none', () => {
    const x = { eventId: 'x' }
    const { duplicates } = run([
      event(0, 'custom', x),
      event(0, 'custom', { ...x, userId: 'bob' }),
      event(0, 'custom', { ...x, productId: 'p' }),
    ])
    expect(duplicates.length).toBe(0)
  })

  test('a session that joined two with one id each keeps both events: nothing is taken back', () => {
    const { adas, duplicates } = run([event(0, 'custom', { eventId: 'x' }), event(150, 'custom', { eventId: 'x' }), event(75)])
    expect(adas.map((row) => row.event_count)).toEqual([3])
    expect(duplicates.length).toBe(0)
  })
})

describe('caps', () => {
  test('an event more than sessionMaxMs after the first begins a new piece, flagged on the one before', () => {
    const events = [event(0), event(90), event(180), event(270), event(271)]
    const { adas } = run(events, { sessionMaxMs: 270 })
    expect(adas.map((row) => [row.started_at, row.ended_at, row.cut])).toEqual([
      [0, 270, 1],
      [271, 271, 0],
    ])
  })

  test('a piece holds at most sessionEventsMax events', () => {
    const { adas } = run(
      [0, 1, 2, 3, 4, 5, 6].map((ts) => event(ts)),
      { sessionEventsMax: 3 },
    )
    expect(adas.map((row) => [row.started_at, row.event_count, row.cut])).toEqual([
      [0, 3, 1],
      [3, 3, 1],
      [6, 1, 0],
    ])
  })

  test('a piece before a cut is closed when the watermark is past the first event behind it, not at it', () => {
    const events = [event(0), event(1), event(2)]
    expect(run(events, { sessionEventsMax: 2 }).adas.map((row) => row.closed)).toEqual([0, 0])
    expect(run([...events, tick(3)], { sessionEventsMax: 2 }).adas.map((row) => row.closed)).toEqual([1, 0])
  })

  test('before a cut that is not final an event moves the cut; before a final one it is late', () => {
    const events = [event(0), event(10), event(20)]
    const moved = run([...events, event(5)], { sessionEventsMax: 2 })
    expect(spans(moved.adas)).toEqual([
      [0, 5],
      [10, 20],
    ])
    const late = run([...events, tick(21), event(5)], { sessionEventsMax: 2 })
    expect(spans(late.adas)).toEqual([
      [0, 10],
      [20, 20],
    ])
    expect(late.late).toEqual([{ partition: 2, offset: 4, reason: 'cap', watermark: 21 }])
    expect(late.org).toEqual({ accepted: 5, closed: 2, open: 2, duplicates: 0, late: 0, capLate: 1 })
  })

  test('an event that would join from before is late too; one that is too far before is a session of its own', () => {
    const events = [event(200), event(210), event(220), tick(221)]
    expect(run([...events, event(100)], { sessionEventsMax: 2 }).org.capLate).toBe(1)
    expect(spans(run([...events, event(99)], { sessionEventsMax: 2 }).adas)).toEqual([
      [99, 99],
      [200, 210],
      [220, 220],
    ])
  })

  test('it is late before it is a duplicate, and after the cut it has its place', () => {
    const events = [event(0, 'custom', { eventId: 'x' }), event(10), event(20), tick(21)]
    const { org, adas } = run([...events, event(0, 'custom', { eventId: 'x' }), event(20, 'error'), event(15)], { sessionEventsMax: 2 })
    expect(org).toEqual({ accepted: 7, closed: 2, open: 3, duplicates: 0, late: 0, capLate: 2 })
    expect(adas.map((row) => row.event_count)).toEqual([2, 2])
  })

  test('where an event ties with the first behind a final cut, the order of ties decides', () => {
    const events = [event(0), event(10), event(20, 'click'), tick(21)]
    expect(run([...events, event(20, 'screen_view')], { sessionEventsMax: 2 }).org.capLate).toBe(1)
    expect(run([...events, event(20, 'error')], { sessionEventsMax: 2 }).org.capLate).toBe(0)
  })

  test('a duplicate is looked for in the pieces that the event is within gapMs of', () => {
    const events = [event(0, 'custom', { eventId: 'x' }), event(90), event(180), event(270)]
    const near = run([...events, event(190, 'custom', { eventId: 'x' })], { sessionEventsMax: 2 })
    expect(near.duplicates.length).toBe(1)
    const far = run([...events, event(191, 'custom', { eventId: 'x' })], { sessionEventsMax: 2 })
    expect(far.duplicates.length).toBe(0)
  })
})

describe('rage clicks', () => {
  const bursts = (events: WireEvent[], settings: Partial<OracleSettings> = {}) =>
    run(events, settings).found.map((row) => [row.first_at, row.last_at, row.count])

  test('three within rage.withinMs, the bound included', () => {
    expect(bursts([click(0), click(4), click(10)])).toEqual([[0, 10, 3]])
    expect(bursts([click(0), click(4), click(11)])).toEqual([])
    expect(bursts([click(0), click(4)])).toEqual([])
  })

  test('it begins with the click that is two before the one that fires, and grows while the chain goes on', () => {
    expect(bursts([click(0), click(9), click(15), click(19), click(29), click(39)])).toEqual([[9, 39, 5]])
    expect(bursts([click(0), click(1), click(2), click(12), click(23)])).toEqual([[0, 12, 4]])
  })

  test('a chain is broken by a longer pause, another element, and a click without one; not by other events', () => {
    expect(bursts([click(0), click(1), click(2, 'c'), click(3)])).toEqual([])
    expect(bursts([click(0), click(1), click(2, ''), click(3)])).toEqual([])
    expect(bursts([click(0, ''), click(1, ''), click(2, '')])).toEqual([])
    expect(bursts([click(0), view(1, '/x'), event(2, 'error'), click(3), click(4)])).toEqual([[0, 4, 3]])
  })

  test('one incident per chain; another chain on the same element is another', () => {
    expect(bursts([0, 1, 2, 3, 4, 5, 6].map((ts) => click(ts)))).toEqual([[0, 6, 7]])
    expect(bursts([click(0), click(1), click(2), click(13), click(14), click(15)])).toEqual([
      [0, 2, 3],
      [13, 15, 3],
    ])
    expect(bursts([click(0), click(1), click(2), click(3, 'c'), click(4), click(5), click(6)])).toEqual([
      [0, 2, 3],
      [4, 6, 3],
    ])
  })

  test('it is of one session', () => {
    expect(bursts([click(0), click(1), click(2)], { sessionEventsMax: 2 })).toEqual([])
  })

  test('is open until the chain breaks, a later event, the watermark at last + T, or the close', () => {
    const open = (events: WireEvent[], settings = {}) => run(events, { allowedDisorderMs: 60, ...settings }).found[0].open
    const burst = [click(0), click(1), click(2)]
    expect(open(burst)).toBe(1)
    expect(open([...burst, click(3, 'c')])).toBe(0)
    expect(open([...burst, click(3, '')])).toBe(0)
    expect(open([...burst, event(12)])).toBe(1)
    expect(open([...burst, event(13)])).toBe(0)
    expect(open([...burst, tick(71)])).toBe(1)
    expect(open([...burst, tick(72)])).toBe(0)
    expect(open(burst, { closeAll: true })).toBe(0)
  })

  test('its row', () => {
    const { found, adas } = run([click(0, 'b', { eventId: 'x' }), view(1, '/elsewhere'), click(2, 'b', { screen: '/elsewhere' }), click(3)])
    expect(found).toEqual([
      {
        org_id: 'org',
        product_id: 'shop',
        user_id: 'u:ada',
        incident_id: hashText(`org\0shop\0u:ada\0rage_click\0default\0${'0'}\0${hashText('x')}`),
        session_id: adas[0].session_id,
        kind: 'rage_click',
        profile: 'default',
        open: 1,
        screen: '/s',
        element: 'b',
        count: 3,
        first_at: 0,
        last_at: 3,
        evidence: [
          [2, 0],
          [2, 2],
          [2, 3],
        ],
      },
    ])
    expect(adas[0].rage_clicks).toBe(1)
  })

  test('evidence has at most 64 clicks', () => {
    const [row] = run(Array.from({ length: 80 }, (_, ts) => click(ts))).found
    expect(row.count).toBe(80)
    expect(row.evidence).toEqual(Array.from({ length: 64 }, (_, offset) => [2, offset]))
  })
})

describe('backtracks', () => {
  const found = (events: WireEvent[]) => run(events).found.map((row) => [row.first_at, row.last_at, row.screen])

  test('A, B, A within backtrackMs, the bound included', () => {
    expect(found([view(0, '/a'), view(10, '/b'), view(50, '/a')])).toEqual([[0, 50, '/a']])
    expect(found([view(0, '/a'), view(10, '/b'), view(51, '/a')])).toEqual([])
    expect(found([view(0, '/a'), view(10, '/b'), view(20, '/c')])).toEqual([])
  })

  test('repeats count once, from their first view; views without a screen do not count', () => {
    expect(found([view(0, '/a'), view(5, '/a'), view(10, '/b'), view(52, '/a')])).toEqual([])
    expect(found([view(0, '/a'), view(10), view(20, '/a'), view(30, '/b'), view(31, '/b'), view(40, '/a'), view(60, '/a')])).toEqual([
      [0, 40, '/a'],
    ])
    expect(found([view(0, '/a'), view(10), view(20, '/a')])).toEqual([])
  })

  test('A, B, A, B are two', () => {
    expect(found([view(0, '/a'), view(10, '/b'), view(20, '/a'), view(30, '/b')])).toEqual([
      [0, 20, '/a'],
      [10, 30, '/b'],
    ])
  })

  test('its row: the evidence is every view with a screen from the first entry to the third', () => {
    const events = [view(0, '/a', { eventId: 'x' }), view(1, '/a'), click(2), view(3), view(4, '/b'), view(5, '/a'), view(6, '/a')]
    const { found: rows, adas } = run(events)
    expect(rows).toEqual([
      {
        org_id: 'org',
        product_id: 'shop',
        user_id: 'u:ada',
        incident_id: hashText(`org\0shop\0u:ada\0backtrack\0default\0${'0'}\0${hashText('x')}`),
        session_id: adas[0].session_id,
        kind: 'backtrack',
        profile: 'default',
        open: 0,
        screen: '/a',
        element: '',
        count: 3,
        first_at: 0,
        last_at: 5,
        evidence: [
          [2, 0],
          [2, 1],
          [2, 4],
          [2, 5],
        ],
      },
    ])
    expect(adas[0].backtracks).toBe(1)
  })
})

describe('generated traffic', () => {
  const events = [...trafficEvents({ seed: 4, events: 40_000, users: 300, orgs: 3, duplicates: 0, disorder: 0 })]
  const records = events.map((it, offset): LogRecord => ({ partition: 0, offset, event: it }))
  const timeOf = (record: LogRecord) => (record.event as WireEvent).ts as number
  const plain = evaluate(records)

  test('gives the same answer in any order of arrival within the correction time', () => {
    for (let seed = 1; seed <= 3; seed++) {
      const shuffled = evaluate(shuffleWithin(records, timeOf, 3_600_000, seed))
      expect(shuffled.sessions).toEqual(plain.sessions)
      expect(shuffled.incidents).toEqual(plain.incidents)
      expect(shuffled.counters).toEqual(plain.counters)
    }
    expect(evaluate(withDelays(records, timeOf, 0.05, 3_600_000, 1)).sessions).toEqual(plain.sessions)
  })

  test('gives the same answer with duplicates, which are counted', () => {
    const twice = evaluate(withDuplicates(records, 0.1, 50, 1))
    expect(twice.sessions).toEqual(plain.sessions)
    expect(twice.incidents).toEqual(plain.incidents)
    const total = [...twice.counters.values()].reduce((sum, counters) => sum + counters.duplicates, 0)
    expect(total).toBe(twice.duplicates.length)
    expect(total).toBeGreaterThan(3500)
  })

  test('a user that is forgotten begins anew: all that it had is gone, what comes later is not, others notice nothing', () => {
    const first = event(0)
    const bob = event(10, 'custom', { userId: 'bob' })
    const { adas, sessions, org, forgotten } = run([
      first,
      event(50),
      bob,
      { orgId: 'org', productId: 'shop', forgotten: 'u:ada' },
      first,
      event(90),
    ])
    expect(spans(adas)).toEqual([[0, 90]])
    expect(adas[0].event_count).toBe(2)
    expect(sessions.size).toBe(2)
    expect([org.accepted, org.open + org.closed, org.duplicates, forgotten]).toEqual([5, 3, 0, 2])
  })

  test('adds up: accepted = closed + open + duplicates + late + capLate, per org; the sessions hold what was accepted', () => {
    const delayed = withDelays(withDuplicates(records, 0.05, 50, 2), timeOf, 0.02, 5_000_000, 3)
    const { counters, sessions, late } = evaluate(delayed, { sessionEventsMax: 20 })
    let inSessions = 0
    for (const { accepted, closed, open, duplicates, late: tooLate, capLate } of counters.values()) {
      expect(closed + open + duplicates + tooLate + capLate).toBe(accepted)
      inSessions += closed + open
    }
    expect([...sessions.values()].reduce((sum, row) => sum + row.event_count, 0)).toBe(inSessions)
    expect(late.filter(({ reason }) => reason === 'late').length).toBeGreaterThan(100)
    expect(late.filter(({ reason }) => reason === 'cap').length).toBeGreaterThan(10)
  })
})
