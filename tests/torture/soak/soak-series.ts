// What of a soak must be flat, and what is shown beside it: each a series of the samples, with its unit. Measures nothing.
import { percentile } from '../../../bench/harness/percentile.ts'
import type { Sample } from './soak-sample.ts'
import { type Limit, type Point, type Verdict, verdict } from './soak-verdict.ts'

export interface Series {
  name: string
  unit: 'MB' | 'ms' | 'cores' | ''
  of(sample: Sample): number
}

export interface Judged extends Series {
  limit: Limit
  /** Each point is made of the samples of five minutes up to it. */
  over: 'mean' | 'quietest'
}

const MB = 1e6
/** Parts of tables that merges have replaced lie in the folder until the analytics engine's cleaner comes, every few minutes; memory goes up and down with collections. */
const OVER_S = 300
/** What others take of the machine adds to latency, now and then: the value that this share of the samples are at most is the process's own. */
const QUIETEST = 0.1
/** What grows slowly here would fill a disk or a memory in weeks: a tenth, either way. */
const KEPT: Limit = { share: 0.1, least: 0, mayFall: false }
const folder = ({ logBytes, stateBytes, tableBytes }: Sample) => (logBytes + stateBytes + tableBytes) / MB
const median = ({ medianMs }: Sample) => medianMs
const p99 = ({ p99Ms }: Sample) => p99Ms

export const JUDGED: readonly Judged[] = [
  { name: 'data folder', unit: 'MB', of: folder, limit: KEPT, over: 'mean' },
  { name: 'RssAnon', unit: 'MB', of: ({ anonymousBytes }) => anonymousBytes / MB, limit: KEPT, over: 'mean' },
  { name: 'incident latency, median', unit: 'ms', of: median, limit: { share: 0.25, least: 5, mayFall: true }, over: 'quietest' },
  { name: 'incident latency, p99', unit: 'ms', of: p99, limit: { share: 0.5, least: 20, mayFall: true }, over: 'quietest' },
]

export const SHOWN: readonly Series[] = [
  { name: 'incident latency, median', unit: 'ms', of: median },
  { name: 'incident latency, p99', unit: 'ms', of: p99 },
  { name: 'incident in its table: age of the youngest row', unit: 'ms', of: ({ rowMs }) => rowMs },
  { name: 'of the data folder: log', unit: 'MB', of: ({ logBytes }) => logBytes / MB },
  { name: 'state', unit: 'MB', of: ({ stateBytes }) => stateBytes / MB },
  { name: 'tables', unit: 'MB', of: ({ tableBytes }) => tableBytes / MB },
  { name: 'RSS', unit: 'MB', of: ({ residentBytes }) => residentBytes / MB },
  { name: 'of it by the analytics engine, as it counts', unit: 'MB', of: ({ engineBytes }) => engineBytes / MB },
  { name: 'sessions open', unit: '', of: ({ sessionsOpen }) => sessionsOpen },
  { name: 'users in memory', unit: '', of: ({ usersCached }) => usersCached },
  { name: 'CPU of the process', unit: 'cores', of: ({ cpu }) => cpu },
  { name: 'CPU of the load and of who looks', unit: 'cores', of: ({ ownCpu }) => ownCpu },
  { name: 'CPU of all on the machine', unit: 'cores', of: ({ machineCpu }) => machineCpu },
]

/** As they were measured. */
export const pointsOf = ({ of }: Series, samples: readonly Sample[]): Point[] =>
  samples.map((sample) => ({ atS: sample.atS, value: of(sample) }))

/** As they are judged. */
export function judgedPoints(series: Judged, samples: readonly Sample[]): Point[] {
  const points = pointsOf(series, samples)
  return points.map(({ atS }) => {
    const values = points.filter((point) => point.atS > atS - OVER_S && point.atS <= atS).map(({ value }) => value)
    const seen = values.filter((value) => Number.isFinite(value))
    const value = series.over === 'mean' ? seen.reduce((sum, one) => sum + one, 0) / seen.length : percentile(seen, QUIETEST)
    return { atS, value }
  })
}

export interface Answer extends Judged {
  verdict: Verdict
}

export const answers = (samples: readonly Sample[], minutes: number): Answer[] =>
  JUDGED.map((one) => ({ ...one, verdict: verdict(judgedPoints(one, samples), minutes * 60, one.limit) }))
