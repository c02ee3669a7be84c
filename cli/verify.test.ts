// packmill verify as its users meet it: on a folder as it should be, on one whose table somebody has changed, and beside packmill up.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drainPending, Session } from 'chdb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Verification } from '../services/process/verify.ts'
import { packmill, startPackmill } from './packmill-process.fake.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-verify-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const DAY = '2026-03-02'
const OPEN_ONLY = /^Nothing was judged: all [\d,]+ sessions are open\.\n {2}.* packmill import FILE --close /m
const verify = (...args: string[]) => packmill(folder, ['verify', '--data', 'd', ...args])
const json = (...args: string[]) => JSON.parse(verify('--json', ...args).out) as Verification

test('traffic of an hour, shuffled and doubled as it is; then damage that somebody did to the table', async () => {
  expect(packmill(folder, ['traffic', '--events', '30000', '--users', '800', '--data', 'd']).code).toBe(0)
  const well = verify()
  expect(well, well.err).toMatchObject({ code: 0, out: expect.stringMatching(/^The tables hold what the events make\.$/m) })
  expect(well.out).toMatch(new RegExp(`^${DAY} +[\\d,]{3,} +[\\d,]{5,} `, 'm'))
  const before = json('--day', DAY)
  expect(before.days.length).toBeGreaterThan(1)
  const sessions = before.days.reduce((sum, one) => sum + one.sessions, 0)
  expect(sessions).toBeGreaterThan(100)

  const engine = new Session(join(folder, 'd', 'analytics', 'engine'))
  const victims = engine
    .query(
      'SELECT session_id FROM sessions WHERE closed = 1 AND event_count > 3 AND click_count > 1 ORDER BY session_id LIMIT 3 FORMAT TSV',
    )
    .trim()
    .split('\n')
  expect(victims).toHaveLength(3)
  const change = (id: string, changes: string) =>
    engine.query(
      `INSERT INTO fact_sessions SELECT * REPLACE(version + 1 AS version, ${changes}) FROM fact_sessions FINAL WHERE session_id = '${id}'`,
    )
  change(victims[0]!, 'event_count + 1 AS event_count')
  change(victims[1]!, 'click_count - 1 AS click_count')
  change(victims[2]!, '1 AS deleted')
  engine.close()
  await drainPending()

  const damaged = verify('--day', DAY)
  expect(damaged.code).toBe(1)
  expect(damaged.out).toMatch(/^3 differences:$/m)
  expect(damaged.out).toMatch(new RegExp(`^differs +${victims[0]} .* event_count (\\d+) → \\d+$`, 'm'))
  expect(damaged.out).toMatch(new RegExp(`^differs +${victims[1]} .* click_count (\\d+) → \\d+$`, 'm'))
  // Nothing in the table says what its id was: it is that of its user and its first event.
  expect(damaged.out).toMatch(new RegExp(`^missing +${victims[2]} `, 'm'))
  const { different, differences } = json('--day', DAY)
  expect([different, differences.map(({ sessionIds }) => sessionIds[0]).sort()]).toEqual([3, victims])
}, 200_000)

test('beside packmill up, through it', async () => {
  const running = startPackmill(folder, ['up', '--data', 'beside', '--no-http'])
  try {
    await running.says(/ up: /)
    expect(packmill(folder, ['traffic', '--events', '3000', '--out', 'beside.jsonl']).code).toBe(0)
    const beside = (...args: string[]) => packmill(folder, ['verify', '--data', 'beside', ...args])
    const put = (...args: string[]) => packmill(folder, ['import', 'beside.jsonl', '--data', 'beside', ...args])
    expect(put().code).toBe(0)
    // A few minutes: no session is over yet, and an answer about none must not read like one about all.
    expect(beside()).toMatchObject({ code: 0, out: expect.stringMatching(OPEN_ONLY) })
    expect(put('--close').code).toBe(0)
    const { code, out, err } = beside()
    expect(code, `${out}${err}`).toBe(0)
    expect(out).toContain('The tables hold what the events make.')
    const orgsOf = (...args: string[]) => (JSON.parse(beside('--json', ...args).out) as Verification).days.map(({ org }) => org)
    const orgs = orgsOf()
    expect(new Set(orgs).size).toBeGreaterThan(1)
    expect(orgsOf('--org', orgs[0]!)).toEqual(orgs.filter((org) => org === orgs[0]))
    expect(beside('--day', '2026-03-01').out).toBe('There are no events and no sessions of that time.\n')
  } finally {
    running.child.kill('SIGTERM')
    await running.ended
  }
}, 100_000)

test('what makes no sense is refused', () => {
  expect(verify('--day', 'monday')).toMatchObject({ code: 2, err: expect.stringContaining('as in 2026-03-02') })
  expect(verify('--day', '2026-02-30T01:00:00Z').code).toBe(2)
  expect(verify('--from', '2026-13-01')).toMatchObject({ code: 2, err: expect.stringContaining('a day or a time') })
  expect(verify('--day', DAY, '--from', DAY)).toMatchObject({ code: 2, err: expect.stringContaining('exclude each other') })
  expect(verify('--from', '2026-03-03', '--to', DAY)).toMatchObject({ code: 2, err: expect.stringContaining('must be before') })
  expect(packmill(folder, ['verify', '--data', 'nowhere'])).toMatchObject({ code: 1, err: expect.stringMatching(/^NO_DATA: /m) })
})
