// Recounts of small worlds that can be counted by hand, in the real analytics store; then planted damage, of each kind that has a name.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../config/index.ts'
import { type Embedded, openEmbedded } from './embedded.ts'
import { type Verification, type VerifyOptions, verify } from './verify.ts'

const START = Date.UTC(2026, 2, 2, 10)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

let folder: string
let embedded: Embedded | undefined
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-verify-'))
})
afterEach(async () => {
  await embedded?.stop()
  embedded = undefined
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface World {
  embedded: Embedded
  lines(events: readonly object[]): Promise<void>
  verify(options?: Partial<VerifyOptions>): Promise<Verification>
}

async function world(name: string, set: readonly string[] = []): Promise<World> {
  const { config } = loadConfig({ folder, data: join(folder, name), environment: {}, set })
  embedded = await openEmbedded({ config, version: 'test', live: false, onNotice: () => undefined })
  const own = embedded
  return {
    embedded: own,
    async lines(events) {
      const text = events.map((event) => `${JSON.stringify(event)}\n`).join('')
      const result = await own.import(chunks(Buffer.from(text)), { onReject: (_line, _bytes, reason) => expect.fail(reason.message) })
      expect(result.accepted).toBe(events.length)
    },
    verify: (options) =>
      verify({
        window: config.clickstream,
        lineage: 'main',
        org: undefined,
        expiredMs: 0,
        query: (sql) => own.query(sql),
        settle: () => own.settle({ snapshots: false, close: false }),
        isLive: false,
        ...options,
      }),
  }
}

async function* chunks(bytes: Uint8Array) {
  yield bytes
}

let ids = 0
const event = (userId: string, ms: number, fields: object = {}) => ({
  ...{ orgId: 'acme', productId: 'shop', eventId: `e${++ids}`, userId, type: 'click', element: `b${ids}`, ts: START + ms },
  ...fields,
})
/** Moves the clock of its product past everything. */
const later = (ms = 5 * HOUR) => event('clock', ms)
const unjudged = { open: 0, unsure: 0, long: 0, expired: 0 }

test('sessions, events, clicks of a day, by product; a gap of exactly gapMs joins; duplicates count once, late events not; the last session is open', async () => {
  const { lines, verify } = await world('counts')
  const twice = event('u', 1_000)
  await lines([
    event('u', 0, { type: 'screen_view', screen: '/a' }),
    twice,
    twice,
    event('u', 1_000 + 30 * MINUTE, { type: 'task_started', taskType: 't' }),
    event('u', 1_001 + 60 * MINUTE),
    // The same id a day later is another event.
    { ...twice, ts: START + DAY },
    event('v', 0, { orgId: 'other', type: 'task_completed', taskType: 't', success: false }),
    event('clock', 5 * HOUR, { orgId: 'other' }),
    // Too late: it is in events_late, and in no session.
    event('late', 0),
    event('clock', DAY + 5 * HOUR),
  ])
  const { days, different } = await verify()
  expect(different).toBe(0)
  const same = (sessions: number, events: number, clicks: number) => ({
    ...{ sessions, events, clicks, tableSessions: sessions, tableEvents: events, tableClicks: clicks },
  })
  expect(days).toEqual([
    { day: '2026-03-02', org: 'acme', product: 'shop', ...same(2, 4, 2), unjudged },
    { day: '2026-03-02', org: 'other', product: 'shop', ...same(1, 1, 0), unjudged: { ...unjudged, open: 1 } },
    { day: '2026-03-03', org: 'acme', product: 'shop', ...same(1, 1, 1), unjudged: { ...unjudged, open: 1 } },
  ])
  // Part of it: by time, by organisation, and in many parts, which adds up to the same.
  expect((await verify({ fromMs: START + 30 * MINUTE, toMs: START + DAY })).days).toEqual([
    { day: '2026-03-02', org: 'acme', product: 'shop', ...same(1, 1, 1), unjudged },
    { day: '2026-03-02', org: 'other', product: 'shop', ...same(0, 0, 0), unjudged: { ...unjudged, open: 1 } },
  ])
  expect((await verify({ org: 'other' })).days).toEqual([days[1]])
  expect((await verify({ partEvents: 1 })).days).toEqual(days)
})

test('a session over midnight is of the day in which it began, with all of its events', async () => {
  const { lines, verify } = await world('midnight')
  const midnight = 14 * HOUR
  await lines([event('u', midnight - MINUTE), event('u', midnight + MINUTE), event('u', midnight + 20 * MINUTE), later(DAY)])
  expect((await verify({ fromMs: START, toMs: START + midnight })).days).toMatchObject([{ day: '2026-03-02', sessions: 1, events: 3 }])
  expect((await verify({ fromMs: START + midnight, toMs: START + midnight + DAY })).days).toMatchObject([
    { day: '2026-03-03', sessions: 0 },
  ])
})

test('runs that caps have cut are compared as runs; what SQL cannot know is not judged', async () => {
  const { lines, verify } = await world('caps', ['clickstream.sessionEventsMax=3', 'clickstream.sessionMaxMs=2h'])
  const again = event('unsure', 0)
  await lines([
    // Of the two times only one counts, by the order in which they came.
    again,
    { ...again, ts: START + MINUTE },
    ...[0, 1, 2, 3, 4, 5, 6].map((i) => event('many', i * MINUTE)),
    ...[0, 25, 50, 75, 100, 125, 150].map((minutes) => event('long', minutes * MINUTE)),
    later(),
  ])
  const { days, different } = await verify()
  expect(different).toBe(0)
  expect(days).toMatchObject([{ sessions: 2, events: 14, tableEvents: 14, unjudged: { unsure: 1, open: 1 } }])
  // Counted without the caps, their pieces are sessions that there should not be.
  const without = await verify({ window: { gapMs: 30 * MINUTE, allowedDisorderMs: MINUTE, sessionMaxMs: DAY, sessionEventsMax: 10_000 } })
  expect(without.differences.map(({ user, what, values }) => [user, what, values.pieces])).toEqual([
    ['u:long', 'cut', [1, 3]],
    ['u:many', 'cut', [1, 3]],
  ])
})

test('events that came shuffled, corrected a closed session and joined two: what is in the tables in the end is what is counted', async () => {
  const { lines, verify } = await world('shuffled')
  await lines([event('u', 0), event('u', 50 * MINUTE), later(82 * MINUTE)])
  await lines([event('u', 25 * MINUTE, { type: 'error' }), event('w', 55 * MINUTE), event('w', 51 * MINUTE), later()])
  const { days, different } = await verify()
  expect(different).toBe(0)
  expect(days).toMatchObject([{ sessions: 3, events: 6, unjudged: { open: 1 } }])
})

test('planted damage: each kind is found, by the session and with what differs', async () => {
  const { embedded, lines, verify } = await world('damaged')
  const burst = [0, 100, 200].map((ms) => event('rage', ms, { element: 'same' }))
  const gone = event('gone', 0, { type: 'screen_view', screen: '/' })
  await lines([
    ...burst,
    gone,
    ...['less', 'more', 'moved', 'open', 'fine'].flatMap((user) => [event(user, 0), event(user, MINUTE)]),
    later(),
  ])
  expect(await verify()).toMatchObject({ different: 0 })
  const rows = await embedded.query<{ user_id: string; session_id: string }>('SELECT user_id, session_id FROM sessions')
  const idOf = (user: string) => rows.find(({ user_id }) => user_id === `u:${user}`)!.session_id
  // What nobody can do through packmill: the query that verify reads is given other tables.
  const damaged: VerifyOptions['query'] = (sql) =>
    embedded.query(
      sql
        .replaceAll('FROM sessions AS s', `FROM (${PLANTED}) AS s`)
        .replaceAll(/FROM sessions WHERE/g, `FROM (${PLANTED}) WHERE`)
        .replaceAll('FROM incidents', "FROM (SELECT * FROM incidents WHERE user_id != 'u:rage')"),
    )
  const PLANTED = `SELECT * REPLACE(event_count - (user_id = 'u:less') AS event_count, started_at + toIntervalSecond(user_id = 'u:moved') AS started_at,
    if(user_id = 'u:open', 0, closed) AS closed) FROM (SELECT *, variant FROM fact_sessions FINAL WHERE deleted = 0)
    WHERE user_id != 'u:gone'`
  const found = await verify({ query: damaged })
  const startedAt = new Date(START).toISOString()
  const own = { org: 'acme', product: 'shop', startedAt }
  expect(found.different).toBe(found.differences.length)
  expect(found.differences.sort((a, b) => (`${a.user} ${a.what}` < `${b.user} ${b.what}` ? -1 : 1))).toEqual([
    { ...own, user: 'u:gone', sessionIds: [idOf('gone')], what: 'missing', values: { event_count: [1, 0], unique_screens: [1, 0] } },
    { ...own, user: 'u:less', sessionIds: [idOf('less')], what: 'differs', values: { event_count: [2, 1] } },
    {
      ...own,
      user: 'u:moved',
      sessionIds: [idOf('moved')],
      what: 'extra',
      startedAt: new Date(START + 1_000).toISOString(),
      values: expect.anything(),
    },
    { ...own, user: 'u:moved', sessionIds: [idOf('moved')], what: 'missing', values: expect.anything() },
    { ...own, user: 'u:open', sessionIds: [idOf('open')], what: 'not closed', values: {} },
    { ...own, user: 'u:rage', sessionIds: [idOf('rage')], what: 'incidents', values: { rage_click: [0, 1] } },
  ])
  expect(found.days).toMatchObject([{ sessions: 7, tableSessions: 6, events: 14, tableEvents: 12 }])
})

test('beside a process that takes events: what differs in one look only is none; what stays is one', async () => {
  const { embedded, lines, verify } = await world('moving')
  await lines([event('u', 0), event('v', 0), later()])
  let looks = 0
  /** Of the first look the table lags behind. */
  const query: VerifyOptions['query'] = (sql) => {
    if (sql.includes('WITH')) looks++
    return embedded.query(
      sql.replaceAll(/FROM sessions WHERE/g, `FROM sessions WHERE user_id != 'u:u' AND ${looks === 1 ? "user_id != 'u:v'" : 'true'} AND`),
    )
  }
  const found = await verify({ query, isLive: true })
  expect(looks).toBe(3)
  expect(found).toMatchObject({ different: 1, differences: [{ user: 'u:u', what: 'missing' }] })
})

test('what retention has begun to delete is not judged', async () => {
  const { lines, verify } = await world('expired')
  await lines([event('u', 0), later()])
  const found = await verify({ expiredMs: Date.now() + DAY })
  expect(found).toMatchObject({ different: 0, days: [{ sessions: 0, unjudged: { expired: 2 } }] })
})
