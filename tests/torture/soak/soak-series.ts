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
  /** Judged is the mean of so many seconds before each point: of what comes and goes in teeth. */
  meanOfS?: number
}

const MB = 1e6
/** Parts that merges have replaced lie in the folder until the analytics engine's cleaner comes, every few minutes. */
const CLEANER_S = 300
/** What grows slowly here would fill a disk or a memory in weeks: a tenth, either way. */
const KEPT: Limit = { share: 0.1, least: 0, mayFall: false }

export const JUDGED: readonly Judged[] = [
  {
    name: 'data folder',
    unit: 'MB',
    of: (sample) => (sample.logBytes + sample.stateBytes + sample.tableBytes) / MB,
    limit: KEPT,
    meanOfS: CLEANER_S,
  },
  { name: 'RssAnon', unit: 'MB', of: (sample) => sample.anonymousBytes / MB, limit: KEPT },
  // Others use the machine's cores, too.
  { name: 'incident latency, median', unit: 'ms', of: ({ medianMs }) => medianMs, limit: { share: 0.25, least: 5, mayFall: true } },
  { name: 'incident latency, p99', unit: 'ms', of: ({ p99Ms }) => p99Ms, limit: { share: 0.5, least: 20, mayFall: true } },
]

export const SHOWN: readonly Series[] = [
  { name: 'of the data folder: log', unit: 'MB', of: ({ logBytes }) => logBytes / MB },
  { name: 'state', unit: 'MB', of: ({ stateBytes }) => stateBytes / MB },
  { name: 'tables', unit: 'MB', of: ({ tableBytes }) => tableBytes / MB },
  { name: 'RSS', unit: 'MB', of: ({ residentBytes }) => residentBytes / MB },
  { name: 'of it by the analytics engine, as it counts', unit: 'MB', of: ({ engineBytes }) => engineBytes / MB },
  { name: 'incident in its table: age of the youngest row', unit: 'ms', of: ({ rowMs }) => rowMs },
  { name: 'sessions open', unit: '', of: ({ sessionsOpen }) => sessionsOpen },
  { name: 'users in memory', unit: '', of: ({ usersCached }) => usersCached },
  { name: 'CPU of the process', unit: 'cores', of: ({ cpu }) => cpu },
  { name: 'CPU of the load and of who looks', unit: 'cores', of: ({ ownCpu }) => ownCpu },
  { name: 'CPU of all on the machine', unit: 'cores', of: ({ machineCpu }) => machineCpu },
]

export function pointsOf({ of, meanOfS = 0 }: Series & Partial<Judged>, samples: readonly Sample[]): Point[] {
  const points = samples.map((sample) => ({ atS: sample.atS, value: of(sample) }))
  if (meanOfS === 0) return points
  let sum = 0
  let first = 0
  return points.map(({ atS, value }, at) => {
    sum += value
    while (points[first].atS <= atS - meanOfS) sum -= points[first++].value
    return { atS, value: sum / (at - first + 1) }
  })
}

export interface Answer extends Judged {
  verdict: Verdict
}

export const answers = (samples: readonly Sample[], minutes: number): Answer[] =>
  JUDGED.map((one) => ({ ...one, verdict: verdict(pointsOf(one, samples), minutes * 60, one.limit) }))
