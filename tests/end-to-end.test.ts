// The whole of Packmill in one process on the real analytics engine: files in, sessions and incidents out by SQL, equal to the batch
// evaluator's answer. (Crashes are in tests/torture; each part for itself is tested beside its code.)
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../config/index.ts'
import type { WireEvent } from '../model/event.ts'
import { type Embedded, openEmbedded, type Stats } from '../services/process/embedded.ts'
import { trafficEvents } from '../services/traffic/traffic.ts'
import { shuffleWithin } from './oracle/shuffle.ts'
import { needs, realDataPath } from './require.ts'
import { type Answer, answerOf } from './torture/answer.ts'

let data: string
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'packmill-end-to-end-'))
})
afterEach(() => rmSync(data, { recursive: true, force: true }))

interface Run {
  answer: Answer
  stats: Stats
}

/** One process: imports the events, asks for open sessions, compares with all that was sent in this and earlier processes, stops. */
async function run(
  events: readonly WireEvent[],
  { set = [], before = [], close = false }: { set?: string[]; before?: readonly WireEvent[]; close?: boolean } = {},
  look: (embedded: Embedded) => Promise<void> = async () => undefined,
): Promise<Run> {
  const { config } = loadConfig({ data, set, environment: {} })
  const onNotice = (notice: object) => {
    if ('error' in notice) throw notice.error as Error
  }
  const embedded = await openEmbedded({ config, version: 'test', live: false, onNotice })
  try {
    const rejected: unknown[] = []
    const result = await embedded.import(chunks(events), { onReject: (line, _, reason) => rejected.push([line, reason]) })
    expect(rejected).toEqual([])
    expect(result).toMatchObject({ accepted: events.length, before: 0 })
    await embedded.settle({ snapshots: true, close })
    const answer = await answerOf(embedded, config, [...before, ...events], { closeAll: close })
    await look(embedded)
    return { answer, stats: await embedded.stats() }
  } finally {
    await embedded.stop()
  }
}

async function* chunks(events: readonly WireEvent[]): AsyncIterable<Uint8Array> {
  for (let from = 0; from < events.length; from += 5000) {
    yield Buffer.from(
      events
        .slice(from, from + 5000)
        .map((event) => `${JSON.stringify(event)}\n`)
        .join(''),
    )
  }
}

const path = realDataPath('human-tasks.jsonl.gz')
describe.runIf(needs('the real clicks', path, 'put human-tasks.jsonl.gz into the data folder beside the checkout'))('real clicks', () => {
  let events: WireEvent[]
  beforeAll(() => {
    events = gunzipSync(readFileSync(path))
      .toString('utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as WireEvent)
  })

  // Both orders for the one with most sessions, one for the others: those in both orders in memory, tests/laws/agree.real.test.ts.
  test.each([
    [1_800_000, 2952, ['in order']],
    [30_000, 2963, ['shuffled']],
    [5000, 10_331, ['in order', 'shuffled']],
  ])(
    'with gapMs %i they are %i sessions, lines %j (inside windows below correctionMs)',
    async (gapMs, count, orders) => {
      const set = [`clickstream.gapMs=${gapMs}`]
      const counts = async (embedded: Embedded) => {
        expect(
          await embedded.query('SELECT count() AS events, countIf(type = {type:String}) AS clicks FROM events', { type: 'click' }),
        ).toEqual([{ events: 134_297, clicks: 88_409 }])
        expect(
          await embedded.query('SELECT count() AS sessions, sum(event_count) AS events, sum(click_count) AS clicks FROM sessions'),
        ).toEqual([{ sessions: count, events: 134_297, clicks: 88_409 }])
      }
      const ids: string[][] = []
      for (const order of orders) {
        const lines = order === 'in order' ? events : shuffleWithin(events, ({ ts }) => ts as number, 3_599_999, gapMs)
        const { answer } = await run(lines, { set }, counts)
        expect(answer.differences).toEqual([])
        // All but the places of the events in the log.
        ids.push([...answer.evaluation.sessions.values()].map((row) => row.session_id).sort())
        rmSync(data, { recursive: true })
      }
      for (const own of ids) expect(own).toEqual(ids[0])
    },
    120_000,
  )
})

test('generated traffic with disorder, duplicates and late events, in two processes: the second goes on with sessions of the first', async () => {
  const all = [...trafficEvents({ seed: 17, events: 60_000, orgs: 4, users: 800, disorder: 0.05, lateBeyondDisorder: 0.01, late: 0.005 })]
  const [first, second] = [all.slice(0, 35_000), all.slice(35_000)]
  const set = ['log.partitions=4', 'engine.checkpointBytes=2MB']
  const open: string[] = []
  const before = await run(first, { set }, async (embedded) => {
    for (const { session_id } of await embedded.query<{ session_id: string }>('SELECT session_id FROM sessions WHERE closed = 0'))
      open.push(session_id)
  })
  expect(before.answer.differences).toEqual([])
  const after = await run(second, { set, before: first }, async (embedded) => {
    const [{ grown }] = await embedded.query<{ grown: number }>(
      'SELECT countIf(version > 1) AS grown FROM sessions WHERE has({open:Array(String)}, session_id)',
      { open },
    )
    expect(grown).toBeGreaterThan(20)
    // What was sent twice is in the log twice, and in the view once.
    const [{ twice, hidden }] = await embedded.query<{ twice: number; hidden: number }>(
      'SELECT count() - uniqExact(org_id, product_id, user_id, event_id) AS twice, twice - (count() - (SELECT count() FROM events)) AS hidden FROM events_raw',
    )
    expect(twice).toBeGreaterThan(2000)
    expect(hidden).toBe(0)
  })
  expect(after.answer.differences).toEqual([])
  const { evaluation } = after.answer
  expect(Math.min(evaluation.duplicates.length, evaluation.late.length, evaluation.incidents.size)).toBeGreaterThan(100)
  // The tasks' own counters say the same as the evaluator.
  const sum = (name: 'accepted' | 'open' | 'closed' | 'duplicates' | 'late') => after.stats.tasks.reduce((n, task) => n + task[name], 0)
  const expected = [...evaluation.counters.values()]
  const of = (name: keyof (typeof expected)[0]) => expected.reduce((n, counters) => n + counters[name], 0)
  expect({ accepted: sum('accepted'), open: sum('open'), closed: sum('closed'), duplicates: sum('duplicates'), late: sum('late') }).toEqual(
    {
      accepted: of('accepted'),
      open: of('open'),
      closed: of('closed'),
      duplicates: of('duplicates'),
      late: of('late') + of('capLate'),
    },
  )
}, 120_000)

test('an import that closes leaves no session open, and the same file given again adds nothing', async () => {
  const events = [...trafficEvents({ seed: 4, events: 10_000, orgs: 2, users: 100, late: 0.01 })]
  const { answer } = await run(events, { close: true }, async (embedded) => {
    expect(await embedded.query('SELECT count() AS open FROM sessions WHERE closed = 0')).toEqual([{ open: 0 }])
    const again = await embedded.import(chunks(events), { onReject: () => undefined })
    expect(again).toMatchObject({ accepted: events.length, before: events.length })
    expect(await embedded.query('SELECT count() AS events FROM events_raw')).toEqual([{ events: events.length }])
  })
  expect(answer.differences).toEqual([])
}, 60_000)
