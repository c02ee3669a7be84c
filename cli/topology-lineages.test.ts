// packmill topology replay and reset as their users meet them.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { folderMeta, writeMeta } from '../services/process/data-folder.ts'
import type { Verification } from '../services/process/verify.ts'
import { realFiles } from '../stores/files/real-files.ts'
import { openJournalLog } from '../stores/log/journal-log.ts'
import { prepareLog } from '../stores/log/prepare-log.ts'
import { packmill, startPackmill } from './packmill-process.fake.ts'
import { tablesOf } from './tables-of.fake.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-lineages-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const EARLY = Date.UTC(2026, 2, 2, 8)
const LATE = Date.UTC(2026, 2, 2, 9)
const run = (...args: string[]) => packmill(folder, args)
const json = <T>(...args: string[]): T => {
  const { code, out, err } = run(...args, '--json')
  expect(code, `${out}${err}`).toBe(0)
  return JSON.parse(out) as T
}
const SESSIONS = 'SELECT org_id, user_id, session_id, event_count, closed, lineage FROM sessions ORDER BY session_id'
type Session = { user_id: string; session_id: string; event_count: number; lineage: string }
const sessionsIn = (data: string) => tablesOf<Session>(resolve(folder, data), SESSIONS)
const replay = (data: string, from: string, lineage: string, ...more: string[]) =>
  run('topology', 'replay', 'clickstream', '--from', from, '--lineage', lineage, '--data', data, ...more)
const reset = (data: string, ...more: string[]) => run('topology', 'reset', 'clickstream', '--data', data, ...more)

/** Of 40 organisations: an hour after the first event, another, received later. */
const events = Array.from({ length: 40 }, (_, i) => {
  const event = { orgId: `org-${i}`, productId: 'shop', userId: 'u', type: 'click', element: 'x' }
  return [
    { ...event, eventId: `a${i}`, ts: EARLY, receivedAt: EARLY + i },
    { ...event, eventId: `b${i}`, ts: LATE, receivedAt: LATE + i },
  ]
}).flat()

beforeAll(() => {
  writeFileSync(join(folder, 'events.jsonl'), events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  expect(run('import', 'events.jsonl', '--data', 'live').code).toBe(0)
})

describe('replay', () => {
  test('of what was received since a time, as another lineage; live output stays as it is; broken off or done, the same goes on', async () => {
    const before = await sessionsIn('live')
    expect(before).toHaveLength(80)
    const first = replay('live', new Date(LATE + 10).toISOString(), 'later', '--json')
    expect(first.code, first.err).toBe(0)
    const data = join(folder, 'live', 'lineages', 'later')
    expect(JSON.parse(first.out)).toEqual({ lineage: 'later', data, partitions: 8, records: 30, before: 0 })
    const found = 'SELECT count() AS n, any(lineage) AS lineage, toUnixTimestamp64Milli(min(received_at)) AS first FROM events_raw'
    expect(await tablesOf(data, found)).toEqual([{ n: 30, lineage: 'later', first: LATE + 10 }])
    expect(await sessionsIn('live')).toEqual(before)
    // As after an import: also those that are open, none of which is old enough for a snapshot of its own.
    expect(await sessionsIn(data)).toHaveLength(30)
    expect(JSON.parse(replay('live', new Date(LATE + 10).toISOString(), 'later', '--json').out)).toMatchObject({ records: 0, before: 30 })
    expect(replay('live', new Date(LATE + 11).toISOString(), 'later')).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /^LINEAGE_EXISTS: lineage later was begun from 2026-03-02T09:00:00\.010Z .*\n.*packmill topology reset clickstream --lineage later$/m,
      ),
    })
  }, 100_000)

  test('of everything, by other settings and in another number of partitions: the sessions that these make, and they verify', async () => {
    const wide = ['--set', 'log.partitions=3', '--set', 'clickstream.gapMs=2h']
    const done = replay('live', 'earliest', 'wide', ...wide)
    expect(done, done.err).toMatchObject({ code: 0, out: expect.stringContaining('80 events computed anew as lineage wide.') })
    const data = join(folder, 'live', 'lineages', 'wide')
    expect(JSON.parse(readFileSync(join(data, 'packmill.json'), 'utf8'))).toMatchObject({ partitions: 3, lineage: 'wide' })
    // Its tables would go on with sessions of two definitions, and nothing that is there would be computed by the new one.
    expect(replay('live', 'earliest', 'wide', ...wide.slice(0, 2), '--set', 'clickstream.rage.clicks=4')).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /^LINEAGE_EXISTS: lineage wide was begun with clickstream\.gapMs 7200000 \(now 1800000\), clickstream\.rage\.clicks 3 \(now 4\)\n/m,
      ),
    })
    const { days } = json<Verification>('verify', '--data', data, ...wide)
    expect(days.map(({ unjudged }) => unjudged.open).reduce((a, b) => a + b)).toBe(40)
    // The door chooses for the new number what it would have chosen.
    const spread = await tablesOf<{ partition: number; n: number }>(
      data,
      'SELECT partition, count() AS n FROM events_raw GROUP BY partition ORDER BY partition',
    )
    expect(spread.map(({ partition }) => partition)).toEqual([0, 1, 2])
    writeFileSync(
      join(folder, 'again.jsonl'),
      events
        .slice(0, 2)
        .map((event) => `${JSON.stringify(event)}\n`)
        .join(''),
    )
    expect(run('import', 'again.jsonl', '--data', data, ...wide).code).toBe(0)
    const places = "SELECT uniqExact(partition) AS n FROM events_raw WHERE org_id = 'org-0'"
    expect(await tablesOf(data, places)).toEqual([{ n: 1 }])
  }, 100_000)

  test('what makes no sense, or cannot be, is refused before anything is made', async () => {
    expect(replay('live', 'yesterday', 'x')).toMatchObject({ code: 2, err: expect.stringContaining('or earliest') })
    expect(run('topology', 'replay', 'clickstream', '--lineage', 'x')).toMatchObject({ code: 2, err: expect.stringContaining('--from') })
    expect(run('topology', 'replay', 'clicks', '--from', 'earliest', '--lineage', 'x')).toMatchObject({
      code: 2,
      err: expect.stringContaining('There is clickstream'),
    })
    expect(replay('nowhere', 'earliest', 'x')).toMatchObject({ code: 1, err: expect.stringContaining('NO_DATA') })
    expect(replay('live', 'earliest', 'main')).toMatchObject({ code: 1, err: expect.stringMatching(/^LINEAGE_LIVE: /m) })
    expect(replay('live', 'earliest', '../x')).toMatchObject({ code: 1, err: expect.stringMatching(/^LINEAGE_NAME: /m) })
    expect(replay('live', '2026-03-03', 'x')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^REPLAY_NOTHING: the newest event was received at 2026-03-02T09:/m),
    })
    expect(existsSync(join(folder, 'live', 'lineages', 'x'))).toBe(false)
    const up = startPackmill(folder, ['up', '--data', 'live', '--no-http'])
    try {
      await up.says(/ up: /)
      expect(replay('live', 'earliest', 'x')).toMatchObject({
        code: 1,
        err: expect.stringMatching(/^DATA_LOCKED: .*\n {2}Stop that process first/m),
      })
      expect(reset('live', '--yes')).toMatchObject({
        code: 1,
        err: expect.stringMatching(/^DATA_LOCKED: .*\n {2}Stop that process first/m),
      })
    } finally {
      up.child.kill('SIGTERM')
      await up.ended
    }
  }, 100_000)
})

describe('reset', () => {
  const copyOf = (name: string) => {
    cpSync(join(folder, 'live'), join(folder, name), { recursive: true })
    return name
  }
  const ids = async (data: string) => (await sessionsIn(data)).map(({ session_id, event_count }) => [session_id, event_count])

  test('lists what it would delete, and deletes it when told so; the next start computes the same anew, as often as wanted', async () => {
    const data = copyOf('reset')
    const before = await ids(data)
    const listed = reset(data)
    expect(listed.code).toBe(1)
    expect(listed.out).toMatch(
      /^would delete:\n {2}.*\/reset\/state .* state of open sessions\n {2}.*\/reset\/analytics .* all tables\n {2}.*\/reset\/log .* journals of what was computed/m,
    )
    expect(listed.out).toContain('80 events are in the log, and are computed anew.\n\nNothing was deleted: say --yes.')
    expect(await ids(data)).toEqual(before)
    for (const lineage of ['main-2', 'main-3']) {
      expect(reset(data, '--yes')).toMatchObject({ code: 0, out: expect.stringMatching(/^deletes:\n[\s\S]*Done\./) })
      expect(existsSync(join(folder, data, 'state', 'main'))).toBe(false)
      // The same file again is known: nothing comes in twice. It also asks for open sessions.
      expect(json('import', 'events.jsonl', '--data', data)).toMatchObject({ accepted: 0, before: 80 })
      expect(await ids(data)).toEqual(before)
      expect(new Set((await sessionsIn(data)).map((session) => session.lineage))).toEqual(new Set([lineage]))
      expect(await tablesOf(join(folder, data), 'SELECT count() AS n FROM events_raw')).toEqual([{ n: 80 }])
      expect(json<Verification>('verify', '--data', data)).toMatchObject({ different: 0 })
      expect(json<{ lag: { records: number }[] }>('lag', '--data', data).lag.filter(({ records }) => records > 0)).toEqual([])
    }
  }, 200_000)

  test('what is computed anew ends as an import does, with open sessions, whichever start comes to its end', async () => {
    const data = copyOf('anew')
    const before = await ids(data)
    expect(reset(data, '--yes').code).toBe(0)
    // Stopped as soon as it has answered.
    expect(run('sql', 'SELECT 1', '--data', data).code).toBe(0)
    expect(json<Verification>('verify', '--data', data)).toMatchObject({ different: 0 })
    expect(await ids(data)).toEqual(before)
    expect(folderMeta(join(folder, data))).not.toHaveProperty('isComputedAnew')
  }, 100_000)

  test('broken off, nothing starts before it has been finished', async () => {
    const data = copyOf('broken')
    const before = await ids(data)
    writeMeta(join(folder, data), { ...folderMeta(join(folder, data)), computed: 'main-2', isResetting: true })
    rmSync(join(folder, data, 'analytics'), { recursive: true })
    expect(run('sql', 'SELECT 1', '--data', data)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^RESET_UNFINISHED: .*\n.*reset clickstream --yes/m),
    })
    expect(reset(data, '--yes').code).toBe(0)
    expect(run('import', 'events.jsonl', '--data', data).code).toBe(0)
    expect(await ids(data)).toEqual(before)
  }, 100_000)

  test('a lineage, by its name', async () => {
    const data = copyOf('lineage')
    expect(replay(data, 'earliest', 'gone').code).toBe(0)
    expect(reset(data, '--lineage', 'gnoe', '--yes')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^LINEAGE_UNKNOWN: .*\n.*gone/m),
    })
    expect(reset(data, '--lineage', 'gone')).toMatchObject({ code: 1, out: expect.stringMatching(/lineages\/gone .* the lineage/) })
    expect(existsSync(join(folder, data, 'lineages', 'gone'))).toBe(true)
    expect(reset(data, '--lineage', 'gone', '--yes').code).toBe(0)
    expect(existsSync(join(folder, data, 'lineages', 'gone'))).toBe(false)
    expect(await sessionsIn(data)).toHaveLength(80)
  }, 100_000)
})

test('where retention has deleted what came first: a replay says from when all is there, a reset what it loses, and both work', async () => {
  const data = 'retained'
  const own = ['--data', data, '--set', 'log.journalBytes=1048576', '--set', 'log.partitions=2']
  expect(run('traffic', '--events', '20000', ...own).code).toBe(0)
  const log = join(folder, data, 'log')
  const shared = await prepareLog({ files: realFiles, folder: log, writers: ['main'] })
  const later = Date.now() + 86_400_000
  const retention = { topics: {}, others: { ms: 0, bytes: Number.POSITIVE_INFINITY } }
  const main = await openJournalLog({ files: realFiles, folder: log, writer: 'main', shared, nowMs: () => later, retention })
  // As sinks and tasks declare it some time after they have come so far. (How many blocks are in a file is a matter of time.)
  for (const { consumer, topic, partition } of main.consumers())
    await main.need(consumer, { topic, partition }, Math.max(0, (await main.bounds({ topic, partition })).end - 1))
  expect(await main.retain()).toBeGreaterThan(0)
  const starts = await Promise.all([0, 1].map(async (partition) => (await main.bounds({ topic: 'events.raw', partition })).start))
  await main.close()
  const missing = starts.reduce((sum, start) => sum + start, 0)
  expect(missing).toBeGreaterThan(0)
  const refused = replay(data, '2026-01-01', 'x', ...own)
  expect(refused).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^REPLAY_BEFORE_RETENTION: .* from (\S+) on\n {2}Say --from \1, or --from earliest/m),
  })
  const all = replay(data, 'earliest', 'x', '--json', ...own)
  expect(all.code, all.err).toBe(0)
  const { records } = JSON.parse(all.out) as { records: number }
  expect(records).toBeGreaterThan(0)
  expect(await tablesOf(join(folder, data), 'SELECT count() AS n FROM events_raw')).not.toEqual([{ n: records }])
  expect(reset(data, ...own.slice(2)).out).toContain(`${missing.toLocaleString('en-US')} older events are not in the log any more`)
  expect(reset(data, '--yes', ...own.slice(2)).code).toBe(0)
  expect(json('sql', 'SELECT count() AS n FROM events_raw', ...own)).toEqual([{ n: records }])
  expect(json<Verification>('verify', ...own)).toMatchObject({ different: 0 })
}, 200_000)
