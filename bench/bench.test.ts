// The bench's door: what it prints, saves and ends with. Questions are asked with sizes of no meaning, and nothing is timed.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { EVENT_TYPES } from '../model/event.ts'
import { kafkaPartition } from '../model/hash.ts'
import { chart } from './harness/chart.ts'
import { type CrowdShape, crowdBlocks, crowdDefaults, crowdEndMs, orgsEvenly } from './harness/crowd.ts'
import { figuresPage } from './harness/figures-page.ts'
import { DueEvents, StreamPlan, VISIT_EVENTS } from './harness/live-load.ts'
import { median } from './harness/median.ts'
import { percentile } from './harness/percentile.ts'
import type { Figure, Question } from './harness/report.ts'
import { keptIn, type Result, results } from './harness/results.ts'
import { returningBlocks } from './harness/returning.ts'
import { main, questions } from './main.ts'

let folder: string
let out: string[]
let err: string[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-bench-test-'))
  out = []
  err = []
  vi.spyOn(console, 'log').mockImplementation((text: string) => void out.push(text))
  vi.spyOn(console, 'error').mockImplementation((text: string) => void err.push(text))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

const asked = (name: string, figures: Figure[], seen: boolean[] = []): Question => ({
  name,
  asks: 'what a test wants to know',
  run: ({ quick, note }) => {
    seen.push(quick)
    note('3 events')
    return Promise.resolve(figures)
  },
})
const broken: Question = { name: 'broken', asks: 'nothing', run: () => Promise.reject(new Error('no disk')) }
const ran = (args: string[], ...known: Question[]) => main(args, { known, kept: keptIn(join(folder, 'results'), folder) })

const good: Figure = { name: 'rate', value: 123_456.789, unit: 'events/s', atLeast: 100_000 }
const reported: Figure = { name: 'cost', value: 1.23456, unit: 'µs' }
const few: Figure = { name: 'differences', value: 2, unit: 'rows', atMost: 0 }

describe('--json', () => {
  test('is question, commit, machine and figures, each with what it must be and whether it is, and nothing else', async () => {
    expect(await ran(['speed', '--json'], asked('speed', [good, reported, few]))).toBe(1)
    expect(out).toHaveLength(1)
    expect(JSON.parse(out[0]!)).toEqual({
      question: 'speed',
      commit: expect.stringMatching(/^([0-9a-f]{7,}\+?|unknown)$/),
      machine: expect.stringMatching(/^\d+ × .*, \d+ GB, .*, Node \d+/),
      figures: [
        { name: 'rate', value: 123_457, unit: 'events/s', atLeast: 100_000, holds: true },
        { name: 'cost', value: 1.235, unit: 'µs', holds: true },
        { name: 'differences', value: 2, unit: 'rows', atMost: 0, holds: false },
      ],
    })
  })

  test('is a line per question, and progress is not among them', async () => {
    expect(await ran(['all', '--json'], asked('a', [good]), asked('b', [reported]))).toBe(0)
    expect(out.map((line) => (JSON.parse(line) as Result).question)).toEqual(['a', 'b'])
    expect(err.join('\n')).toContain('a: 3 events')
  })
})

describe('the exit code', () => {
  test.each([
    ['0 where all hold', { ...good, value: 100_000 }, 0],
    ['1 below atLeast, however little', { ...good, value: 99_999.999 }, 1],
    ['0 at atMost', { ...few, value: 0 }, 0],
    ['1 above atMost', { ...few, value: 0.001 }, 1],
    ['1 where there is no number', { ...reported, value: Number.NaN }, 1],
  ])('is %s', async (_, figure, code) => {
    expect(await ran(['speed'], asked('speed', [figure]))).toBe(code)
    expect(out[0]).toContain(figure.name)
  })

  test('is 1 where a question could not be measured; the others are', async () => {
    expect(await ran(['all'], broken, asked('speed', [good]))).toBe(1)
    expect(err.join('\n')).toContain('broken could not be measured: Error: no disk')
    expect(out[0]).toMatch(/rate +123,457 +events\/s +at least 100,000 +holds/)
  })

  test.each([
    [['spede'], 'No question is named spede. There are speed, all and chart.'],
    [['speed', '--fast'], "Unknown option '--fast'"],
    [[], 'Which question?'],
    [['chart', 'speed'], 'chart goes alone'],
  ])('is 2 for %j, with what is wrong and what there is; nothing is measured', async (args, problem) => {
    const seen: boolean[] = []
    expect(await ran(args, asked('speed', [good], seen))).toBe(2)
    expect(err[0]).toContain(problem)
    expect(err[0]).toContain('Examples:')
    expect([out, seen]).toEqual([[], []])
  })
})

test('--help lists every question, with examples', async () => {
  expect(await main(['--help'])).toBe(0)
  for (const { name, asks } of questions) expect(out[0]).toContain(`${name.padEnd(14)}${asks}`)
  expect(out[0]).toMatch(/npm run bench -- lane --quick +#/)
})

test('every question is a file of bench/ with its name', () => {
  expect(questions.map(({ name }) => name).sort()).toEqual([
    'exactly-once',
    'import',
    'ingest',
    'isolation',
    'kafka',
    'kafka-latency',
    'kafka-log',
    'kafka-restart',
    'kafka-restore',
    'lane',
    'lanes',
    'latency',
    'memory',
    'nexmark',
    'operators',
    'pause',
    'recovery',
    'scale',
    'scan',
    'startup',
    'stores',
    'sweep',
  ])
  for (const { name } of questions) expect(readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8')).toContain(`name: '${name}'`)
})

test('--quick reaches the question', async () => {
  const seen: boolean[] = []
  await ran(['speed'], asked('speed', [good], seen))
  await ran(['speed', '--quick'], asked('speed', [good], seen))
  expect(seen).toEqual([false, true])
})

describe('--save', () => {
  test('keeps the result with machine, commit and time, also one that does not hold, and draws the chart', async () => {
    const lane = asked('lane', [{ name: 'lane-over-json-parse', value: 0.4, unit: '×', atLeast: 1 }])
    expect(await ran(['lane', '--quick', '--save', '--json'], lane)).toBe(1)
    const kept = JSON.parse(readFileSync(join(folder, 'results', 'lane.json'), 'utf8')) as Result
    expect(kept).toEqual({ ...(JSON.parse(out[0]!) as object), quick: true, measuredAt: expect.stringMatching(/^20\d\d-.*Z$/) })
    const drawn = readFileSync(join(folder, 'figures.svg'), 'utf8')
    expect(drawn).toContain('0.4 of at least 1')
    // What was measured elsewhere is said, not shown as if it were here.
    expect(drawn).toContain(kept.commit)
    expect(drawn).toContain('quick sizes')
    const page = readFileSync(join(folder, 'figures.md'), 'utf8')
    expect(page).toContain('(quick sizes) | `lane-over-json-parse`, × | 0.4 | at least 1 | **misses** |')
  })

  test('chart draws it again from what was saved, and says so where nothing was', async () => {
    expect(await ran(['chart'])).toBe(1)
    expect(err[0]).toContain('No results are saved')
    await ran(['lane', '--save'], asked('lane', [{ name: 'json-parse', value: 1.2, unit: 'µs CPU per event' }]))
    const first = readFileSync(join(folder, 'figures.svg'), 'utf8')
    rmSync(join(folder, 'figures.svg'))
    expect(await ran(['chart'])).toBe(0)
    expect(readFileSync(join(folder, 'figures.svg'), 'utf8')).toBe(first)
    expect(first).toContain('1.2 µs')
  })
})

test('the chart has a bar for what is saved, none for what is not, and a colour for what misses its bound', () => {
  const result = (question: string, figures: Figure[], holds: boolean): Result => ({
    question,
    commit: 'abc1234',
    machine: 'a machine',
    figures: figures.map((figure) => ({ ...figure, holds })),
    measuredAt: '2026-01-01T00:00:00.000Z',
    quick: false,
  })
  const rate = (value: number, holds: boolean) => chart([result('import', [{ ...good, name: 'import-rate', value }], holds)])
  expect(rate(200_000, true)).toMatch(/^<svg .*import, events\/s/s)
  expect(rate(200_000, true)).not.toContain('JSON.parse')
  expect(rate(200_000, true).includes('#d1605e')).toBe(false)
  expect(rate(90_000, false).includes('#d1605e')).toBe(true)
})

describe('the sweep', () => {
  const point = (name: string, value: number): Figure => ({ name, value, unit: 'events/s' })
  const swept = (...figures: Figure[]) => asked('sweep', figures)

  test('is drawn apart: a panel for each setting that was tried, with its default marked, and none for the others', async () => {
    const rates = [1, 4, 16].map((mb) => point(`rate(epochBytes=${mb << 20})`, 100_000 + mb))
    expect(await ran(['sweep', '--save'], swept(...rates))).toBe(0)
    const drawn = readFileSync(join(folder, 'sweep.svg'), 'utf8')
    for (const text of ['engine.epochBytes', '1 MB', '4 MB', '16 MB', 'default']) expect(drawn).toContain(text)
    expect(drawn).not.toContain('engine.lanes')
    expect(existsSync(join(folder, 'figures.svg'))).toBe(false)
  })

  test('says how many rows a batch of so many bytes has', async () => {
    const batch = [point(`rate(batchBytes=${64 << 20})`, 1), { name: `rows(batchBytes=${64 << 20})`, value: 150_000.2, unit: 'rows' }]
    await ran(['sweep', '--save'], swept(...batch))
    expect(readFileSync(join(folder, 'sweep.svg'), 'utf8')).toContain('150,000 rows')
  })

  test('marks no default where it was not tried', async () => {
    await ran(['sweep', '--save'], swept(point(`rate(epochBytes=${1 << 20})`, 1), point(`rate(epochBytes=${2 << 20})`, 2)))
    expect(readFileSync(join(folder, 'sweep.svg'), 'utf8')).not.toContain('default')
  })
})

test('the median is the middle, whatever the order, and the lower of two middles', () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])]).toEqual([2, 2, 7])
})

test('a percentile is a value that so large a share is at most', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
  expect([percentile(hundred, 0.5), percentile(hundred, 0.99), percentile(hundred, 1), percentile([7], 0.01)]).toEqual([50, 99, 100, 7])
  expect(percentile([], 0.5)).toBeNaN()
})

test('--save draws the plot of scale beside the chart, a point for each of its sizes', async () => {
  const figures = [10, 100].map((orgs) => ({ name: `orgs-${orgs}`, value: orgs / 8, unit: 'µs CPU per event' }))
  expect(await ran(['scale', '--save'], asked('scale', figures))).toBe(0)
  const drawn = readFileSync(join(folder, 'scale.svg'), 'utf8')
  expect(drawn).toMatch(/^<svg .*1\.25<.*12\.5</s)
  expect(drawn).toContain('organisations')
})

interface Line {
  orgId: string
  userId: string
  eventId: string
  type: (typeof EVENT_TYPES)[number]
  ts: number
}
const linesOf = (blocks: Iterable<{ partition: number; count: number; bytes: Uint8Array }[]>) =>
  [...blocks].flat().flatMap(({ partition, count, bytes }) => {
    const lines = new TextDecoder().decode(bytes).trimEnd().split('\n')
    expect(lines).toHaveLength(count)
    return lines.map((line) => ({ partition, event: JSON.parse(line) as Line }))
  })

describe('a crowd', () => {
  const shape: CrowdShape = { ...crowdDefaults, users: 640, orgs: 16, partitions: 4, before: 100 }
  const all = linesOf(crowdBlocks(shape, 500))
  const byUser = Map.groupBy(
    all.map(({ event }) => event),
    ({ userId }) => userId,
  )
  const open = [...byUser.values()].filter((events) => events.length > 1)

  test('has every user once a round, with all types, the last time in the last minute', () => {
    expect([all.length, byUser.size, open.length]).toEqual([640 * 8 + 100, 740, 640])
    for (const events of open) {
      expect(events).toHaveLength(8)
      expect(new Set(events.map(({ type }) => type))).toEqual(new Set(EVENT_TYPES))
      expect(crowdEndMs(shape) - events.at(-1)!.ts).toBeLessThanOrEqual(60_000)
    }
    expect(new Set(all.map(({ event }) => event.eventId)).size).toBe(all.length)
  })

  test('comes evenly: event times do not go back, and each partition has as many organisations', () => {
    const byTime = [...all].sort((a, b) => a.event.ts - b.event.ts)
    for (const partition of [0, 1, 2, 3]) {
      const own = all.filter((line) => line.partition === partition)
      expect(own).toEqual(byTime.filter((line) => line.partition === partition))
      expect(new Set(own.map(({ event }) => event.orgId)).size).toBe(4)
    }
    for (const { partition, event } of all) expect(kafkaPartition(new TextEncoder().encode(`${event.orgId}:shop`), 4)).toBe(partition)
  })

  test('is over, of those before it, when it begins', () => {
    const before = [...byUser.values()].filter((events) => events.length === 1).map(([{ ts }]) => ts)
    expect(Math.min(...open.map(([{ ts }]) => ts)) - Math.max(...before)).toBeGreaterThan(1_800_000)
  })

  test('that returns has sessions of two events, longer apart than the gap that ends one', () => {
    const returning = linesOf(returningBlocks({ ...shape, rounds: 6, before: 0, returning: true }, 500))
    for (const events of Map.groupBy(returning, ({ event }) => event.userId).values()) {
      const at = events.map(({ event }) => event.ts)
      const pauses = at.slice(1).map((ts, i) => ts - at[i] > 1_800_000)
      expect(pauses).toEqual([false, true, false, true, false])
    }
  })

  test('has names for any number of organisations', () => {
    expect(new Set(orgsEvenly(10, 8)).size).toBe(10)
    expect(orgsEvenly(3, 1)).not.toContain(undefined)
  })
})

describe('a load', () => {
  const shape: CrowdShape = { ...crowdDefaults, users: 6400 }
  const stream = { rate: 2000, orgs: [0, 64] as const, patterns: 20, everySecondMs: 0 }
  const plan = new StreamPlan(stream, shape)

  test('completes as many patterns a second as it says: three clicks of one user on one element, a tenth of a second apart', () => {
    const clicks = Array.from({ length: 10_000 }, (_, n) => ({ n, ...plan.event(n) })).filter(({ click }) => click > 0)
    const completed = clicks.filter(({ click }) => click === 3)
    expect(completed.length).toBeGreaterThanOrEqual(5 * 20 - 2 * 2)
    for (const { n, user, element } of completed) {
      const own = clicks.filter((other) => other.user === user && n - other.n < stream.rate && other.n <= n)
      expect(own.map((other) => [other.click, other.element])).toEqual([1, 2, 3].map((click) => [click, element]))
      expect((n - own[0].n) / stream.rate).toBeCloseTo(0.2, 2)
    }
  })

  test('has nobody else do what a pattern does: who clicks in one does nothing besides', () => {
    const events = Array.from({ length: 50_000 }, (_, n) => plan.event(n))
    const clicking = new Set(events.filter(({ click }) => click > 0).map(({ user }) => user))
    expect(events.filter(({ click, user }) => click === 0 && clicking.has(user))).toEqual([])
    expect(events.every(({ user }) => user >= 0 && user < shape.users)).toBe(true)
  })

  test('of visitors has so many at a time in each organisation, each with a visit, and goes on where one before it ended', () => {
    const visiting = { ...stream, orgs: [2, 5] as const, visitors: 40 }
    const own = (plan: StreamPlan, events: number) =>
      Array.from({ length: events }, (_, n) => plan.event(n)).filter(({ click }) => click === 0)
    const half = own(new StreamPlan(visiting, shape), 15_000)
    const all = [...half, ...own(new StreamPlan({ ...visiting, begun: half.length }, shape), 15_000)]
    const visits = Map.groupBy(all, ({ user }) => user)
    const whole = [...visits.values()].filter((events) => events.length === VISIT_EVENTS)
    expect(visits.size - whole.length).toBeLessThanOrEqual(2 * 3 * 40)
    expect(Math.max(...[...visits.values()].map((events) => events.length))).toBe(VISIT_EVENTS)
    for (const events of whole) expect(events.map(({ round }) => round)).toEqual(events.map((_, i) => events[0].round + i))
    // Between two events of one visitor each of the others there has one.
    const first = whole[100][0]
    const from = all.indexOf(first)
    const until = all.findIndex(({ user }, i) => i > from && user === first.user)
    expect(until - from).toBe(3 * 40)
    expect(new Set(all.slice(from, until).map(({ user }) => user)).size).toBe(3 * 40)
    expect(new Set(all.map(({ user }) => user % 64))).toEqual(new Set([2, 3, 4]))
  })

  test('keeps to its organisations and windows', () => {
    const flood = new StreamPlan({ rate: 1000, orgs: [3, 4], patterns: 0, everySecondMs: 500 }, shape)
    expect(new Set(Array.from({ length: 500 }, (_, n) => flood.event(n).user % 64))).toEqual(new Set([3]))
    expect([0, 499, 500, 999, 1000].map((ms) => flood.isOn(ms))).toEqual([false, false, true, true, false])
  })

  test('is what is due, once, also of a stream that pauses: what it would have sent in a pause it sends after it', () => {
    const one = { ...shape, partitions: 1, orgs: 64 }
    const flood = { rate: 1000, orgs: [3, 4] as const, patterns: 0, everySecondMs: 500, visitors: 10 }
    const due = new DueEvents({ shape: one, streams: [flood], fromMs: 10_000, shiftMs: 7, seed: 1 })
    const at = (nowMs: number) => linesOf([due.take(nowMs).map((block) => ({ ...block, bytes: new Uint8Array(block.bytes) }))])
    expect(at(10_500)).toEqual([])
    const sent = [...at(10_700), ...at(10_701), ...at(11_400), ...at(11_600)].map(({ event }) => event)
    expect(sent.map(({ ts }) => ts)).toEqual(
      [...Array(500).keys(), ...Array(100).keys()].map((ms, i) => 10_507 + ms + (i < 500 ? 0 : 1000)),
    )
    expect([due.events, due.begun]).toEqual([600, [600]])
    // Ten at a time, whatever the pause.
    expect(sent.map(({ userId }) => userId).slice(500, 510)).toHaveLength(new Set(sent.slice(500, 510).map(({ userId }) => userId)).size)
  })
})

test('docs/figures.md is what the saved results say (else: npm run bench -- chart)', () => {
  expect(readFileSync(results.page, 'utf8')).toBe(figuresPage(results.read(), questions))
})
