// Whether a series of measurements is flat: the rule, and nothing of what is measured. Pure.
//
// The first third of the time is warm-up: what is kept for minutes is not yet full. Of the rest, a series is flat where all of this holds:
// 1. the medians of its first and its last third differ by less than the limit;
// 2. so does that of its last tenth, by less than twice the limit: what has just begun to grow has not reached the median of a third;
// 3. its trend (Theil–Sen: the median of the slopes between any two points, which neither spikes nor teeth of a saw can turn) is less than the limit per hour.
// Fewer than MINIMUM points tell nothing, and that is no answer.

export interface Point {
  /** Seconds since the beginning. */
  atS: number
  value: number
}

export interface Limit {
  /** Of the first third's median, 0 … 1. */
  share: number
  /** Less than this is no difference, in the unit of the values. */
  least: number
  /** What falls is as well as flat. */
  mayFall: boolean
}

export interface Verdict {
  is: 'flat' | 'not flat' | 'too short'
  /** Medians of the thirds of what is judged, and of its last tenth. */
  first: number
  middle: number
  last: number
  tenth: number
  /** In the unit of the values. */
  perHour: number
  /** In words; none where it is flat. */
  reasons: string[]
}

export const WARM_UP = 1 / 3
/** Ten minutes of points of ten seconds. */
export const MINIMUM = 60
const HOUR_S = 3600

/** What is judged of a series: without the warm-up. `lengthS`: of the whole time. */
export const judged = (points: readonly Point[], lengthS: number): Point[] =>
  points.filter(({ atS, value }) => atS > lengthS * WARM_UP && Number.isFinite(value))

export function verdict(points: readonly Point[], lengthS: number, limit: Limit): Verdict {
  const kept = judged(points, lengthS)
  const part = (from: number, to: number) =>
    median(kept.slice(Math.floor(kept.length * from), Math.ceil(kept.length * to)).map(({ value }) => value))
  const [first, second, last, tenth] = [part(0, 1 / 3), part(1 / 3, 2 / 3), part(2 / 3, 1), part(0.9, 1)]
  const perHour = trend(kept) * HOUR_S
  const numbers = { first, middle: second, last, tenth, perHour }
  if (kept.length < MINIMUM)
    return { is: 'too short', ...numbers, reasons: [`${kept.length} points after the warm-up, ${MINIMUM} are needed`] }
  const most = Math.max(limit.share * Math.abs(first), limit.least)
  const isOver = (change: number, times = 1) => (limit.mayFall ? change : Math.abs(change)) >= most * times
  const percent = (change: number) => `${((Math.abs(change) / Math.abs(first)) * 100).toFixed(1)} %`
  const above = (change: number) => `${percent(change)} ${change >= 0 ? 'above' : 'below'}`
  const reasons = [
    ...(isOver(last - first) ? [`the last third is ${above(last - first)} the first`] : []),
    ...(isOver(tenth - first, 2) ? [`the last tenth is ${above(tenth - first)} the first third`] : []),
    ...(isOver(perHour) ? [`the trend is ${perHour >= 0 ? '+' : '−'}${percent(perHour)} per hour`] : []),
  ]
  return { is: reasons.length === 0 ? 'flat' : 'not flat', ...numbers, reasons }
}

/** Per second; 0 of fewer than two points. */
function trend(points: readonly Point[]): number {
  const slopes: number[] = []
  for (const [at, { atS, value }] of points.entries())
    for (const later of points.slice(at + 1)) if (later.atS > atS) slopes.push((later.value - value) / (later.atS - atS))
  return slopes.length === 0 ? 0 : median(slopes)
}

/** The middle of the values; between the two where there are two. NaN of none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN
  const sorted = Float64Array.from(values).sort()
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}
