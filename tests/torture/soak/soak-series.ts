// What of a soak must be flat, and what is shown beside it: each a series of the samples, with its unit. Measures nothing.
import type { Sample } from './soak-sample.ts'
import { type Limit, type Point, type Verdict, verdict } from './soak-verdict.ts'

export interface Series {
  name: string
  unit: 'MB' | 'ms' | 'cores' | ''
  of(sample: Sample): number
}

export interface Judged extends Series {
  limit: Limit
  /** Each point is the mean of the samples of so many seconds up to it; as it was measured where it is absent. */
  meanOfS?: number
}

const MB = 1e6
/** Parts of tables that merges have replaced lie in the folder until the analytics engine's cleaner comes, every few minutes; memory goes up and down with collections. */
const MEAN_OF_S = 300
/** Others may take this part of the cores; where they take more, latency is theirs and no number. What the process itself takes is no excuse. */
export const OTHERS_MOST = 0.25
/** What grows slowly here would fill a disk or a memory in weeks: a tenth, either way. */
const KEPT: Limit = { share: 0.1, least: 0, mayFall: false }
const folder = ({ logBytes, stateBytes, tableBytes }: Sample) => (logBytes + stateBytes + tableBytes) / MB
const median = ({ medianMs }: Sample) => medianMs
const p99 = ({ p99Ms }: Sample) => p99Ms
const others = ({ machineCpu, cpu, ownCpu }: Sample) => machineCpu - cpu - ownCpu
const undisturbed = (of: Series['of']) => (sample: Sample) => (others(sample) <= sample.cores * OTHERS_MOST ? of(sample) : Number.NaN)

export const JUDGED: readonly Judged[] = [
  { name: 'data folder', unit: 'MB', of: folder, limit: KEPT, meanOfS: MEAN_OF_S },
  { name: 'RssAnon', unit: 'MB', of: ({ anonymousBytes }) => anonymousBytes / MB, limit: KEPT, meanOfS: MEAN_OF_S },
  { name: 'incident latency, median', unit: 'ms', of: undisturbed(median), limit: { share: 0.25, least: 5, mayFall: true } },
  { name: 'incident latency, p99', unit: 'ms', of: undisturbed(p99), limit: { share: 0.5, least: 20, mayFall: true } },
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
  { name: 'CPU of others on the machine', unit: 'cores', of: others },
]

/** As they were measured. */
export const pointsOf = ({ of }: Series, samples: readonly Sample[]): Point[] =>
  samples.map((sample) => ({ atS: sample.atS, value: of(sample) }))

/** As they are judged. */
export function judgedPoints(series: Judged, samples: readonly Sample[]): Point[] {
  const points = pointsOf(series, samples)
  const { meanOfS } = series
  if (meanOfS === undefined) return points
  return points.map(({ atS }) => {
    const values = points.filter((point) => point.atS > atS - meanOfS && point.atS <= atS)
    return { atS, value: values.reduce((sum, { value }) => sum + value, 0) / values.length }
  })
}

export interface Answer extends Judged {
  verdict: Verdict
}

export const answers = (samples: readonly Sample[], minutes: number): Answer[] =>
  JUDGED.map((one) => ({ ...one, verdict: verdict(judgedPoints(one, samples), minutes * 60, one.limit) }))
