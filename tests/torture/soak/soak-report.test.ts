import { expect, test } from 'vitest'
import { soakChart } from './soak-chart.ts'
import { soakReport } from './soak-report.ts'
import type { SoakRun } from './soak-run.ts'
import type { Sample } from './soak-sample.ts'
import { answers, JUDGED, judgedPoints } from './soak-series.ts'

const MINUTES = 60
const sample = (n: number): Sample => ({
  ...{ atS: (n + 1) * 10, logBytes: 300e6, stateBytes: 100e6, tableBytes: 200e6, tables: { events_raw: 70e6, fact_flows: 1e6 + n * 1e4 } },
  ...{ anonymousBytes: 800e6, residentBytes: 1000e6, engineBytes: 90e6, incidents: 200, medianMs: 21, p99Ms: 60, worstMs: 90, rowMs: 700 },
  ...{
    sessionsOpen: 8000,
    usersCached: 40_000,
    checkpoints: n,
    cpu: 0.5,
    ownCpu: 0.1,
    machineCpu: 0.8,
    cores: 2,
    events: n * 10_000,
    lateMs: 20,
  },
})
const run = (change: (sample: Sample, n: number) => Partial<Sample> = () => ({})): SoakRun => ({
  samples: Array.from({ length: MINUTES * 6 }, (_, n) => ({ ...sample(n), ...change(sample(n), n) })),
  load: { sent: 3_600_000, accepted: 3_600_000, rejected: 0, again: 0, patterns: 72_000, latestMs: 5, isOver: true },
  ...{ differences: [], read: 72_000, sessionsLooked: 2400, startedAt: '2026-03-02T09:30:00.000Z', folder: '/nowhere' },
  options: { minutes: MINUTES, rate: 1000, patterns: 20 },
})
const page = (of: SoakRun) => soakReport({ run: of, chart: 'soak.svg', machine: '2 × a processor', commit: 'abc1234' })

test('all is flat: the page says so, with the numbers', () => {
  const text = page(run())
  expect(text).toContain('Flat: data folder; RssAnon; incident latency, median; incident latency, p99. Its counts are right.')
  expect(text).toMatch(/\| data folder +\| +600 MB \| +600 MB \| +600 MB \| +600 MB \| +\+0 MB \| 10 % +\| flat +\|/)
  expect(text).toMatch(/\| incident latency, p99 +\| +60 ms .*\| 50 %, at least 20 ms \| flat/)
  expect(text).toMatch(/\| fact_flows +\| +2.2 MB \| +4.59 MB \|/)
  expect(text).toMatch(/3,600,000 events were sent \(1,000 a second\), 3,600,000 accepted,\s0 rejected/)
  expect(text).toContain('![data folder, memory and latency over the time](soak.svg)')
  expect(text).toContain('2 × a processor; commit abc1234')
  expect(text).not.toContain('/nowhere')
})

test('memory grows and a count is wrong: the page says both, and why', () => {
  const text = page({ ...run((_, n) => ({ anonymousBytes: 800e6 + n * 1e6 })), differences: ['dead letters: 1, expected 0'] })
  expect(text).toContain(
    'Flat: data folder; incident latency, median; incident latency, p99. **Not flat**: RssAnon. Its counts are **wrong**.',
  )
  expect(text).toMatch(
    /\| RssAnon .*\| \*\*not flat\*\*: the last third is 1\d\.\d % above the first, .*the trend is \+\d\d\.\d % per hour/,
  )
  expect(text).toContain('**No**: dead letters: 1, expected 0')
})

test('teeth of a few minutes do not make the data folder grow, and their growth does', () => {
  const [folder] = JUDGED
  const teeth = (of: number) => run(({ tableBytes }, n) => ({ tableBytes: tableBytes + (n % 27) * 1e7 * (1 + (n / 360) * of) }))
  expect(page(teeth(0))).toMatch(/\| data folder .*\| flat/)
  expect(page(teeth(2))).toMatch(/\| data folder .*\| \*\*not flat/)
  // The mean of the last five minutes, and of as many as there are.
  const points = judgedPoints(folder, run((_, n) => ({ logBytes: n * 1e6, stateBytes: 0, tableBytes: 0 })).samples)
  expect([points[0].value, points[1].value, points[100].value]).toEqual([0, 0.5, 85.5])
})

test('latency: judged where others left room on the machine, and where they seldom did there is no answer', () => {
  const found = (latency: (n: number) => number, othersCpu: (n: number) => number) =>
    answers(
      run(({ cpu, ownCpu }, n) => ({ medianMs: latency(n), p99Ms: latency(n) * 4, machineCpu: cpu + ownCpu + othersCpu(n) })).samples,
      MINUTES,
    )
      .filter(({ unit }) => unit === 'ms')
      .map(({ verdict }) => verdict.is)
  const often = (n: number) => (n % 2 === 0 ? 0.1 : 1.4)
  const growing = (n: number) => 20 + n / 20
  expect(found((n) => (n % 2 === 0 ? 20 : 100 + n), often)).toEqual(['flat', 'flat'])
  expect(found(growing, often)).toEqual(['not flat', 'not flat'])
  expect(found((n) => 20 + (n > 330 ? 300 : 0), often)).toEqual(['not flat', 'not flat'])
  expect(found(growing, (n) => (n % 9 === 0 ? 0.1 : 1.4))).toEqual(['too short', 'too short'])
  expect(page(run(({ cpu, ownCpu }, n) => ({ machineCpu: cpu + ownCpu + often(n) })))).toContain(
    "25 % of the machine's cores (120 of 240 here)",
  )
  // The process's own are no excuse.
  const own = run((_, n) => ({ cpu: 0.5 + n / 300, machineCpu: 0.7 + n / 300, medianMs: growing(n), p99Ms: growing(n) })).samples
  expect(answers(own, MINUTES).find(({ unit }) => unit === 'ms')!.verdict.is).toBe('not flat')
})

test('the plot has the three, the warm-up, and where it was measured', () => {
  const { samples } = run()
  const svg = soakChart({ samples, minutes: MINUTES, machine: '2 × a processor; commit abc1234' })
  expect(svg === soakChart({ samples, minutes: MINUTES, machine: '2 × a processor; commit abc1234' })).toBe(true)
  for (const text of [
    'Data folder (MB)',
    'Memory (MB)',
    'incident was read (ms)',
    'warm-up',
    'RssAnon',
    'p99',
    '2 × a processor; commit abc1234',
  ])
    expect(svg).toContain(text)
  expect(svg.startsWith('<svg')).toBe(true)
  expect(svg).not.toContain('NaN')
})
