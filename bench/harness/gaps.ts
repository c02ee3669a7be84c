// How long input waited for the next commit. A load that pauses is no pause of whoever works on it: time without input counts for nobody.
import { percentile } from './percentile.ts'

/** ms. */
export interface Gaps {
  longest: number
  p99: number
  count: number
}

/** When it was, and up to which position: of the input that is there, or of what is committed. */
export type Reached = readonly [atMs: number, to: number]

export interface Gap {
  fromMs: number
  toMs: number
}

/** Before each commit but the first: from the commit before it, or from when there was input beyond that one. None where there was nothing to commit. Both in order. */
export function gapsOf(commits: readonly Reached[], input: readonly Reached[]): Gap[] {
  const gaps: Gap[] = []
  let next = 0
  for (let i = 1; i < commits.length; i++) {
    const [beforeMs, to] = commits[i - 1]
    while (next < input.length && input[next][1] <= to) next++
    if (next === input.length) break
    const fromMs = Math.max(beforeMs, input[next][0])
    if (fromMs < commits[i][0]) gaps.push({ fromMs, toMs: commits[i][0] })
  }
  return gaps
}

/** Of none: there was nothing to do. */
export function told(lengths: readonly number[]): Gaps {
  if (lengths.length === 0) return { longest: 0, p99: 0, count: 0 }
  return { longest: percentile(lengths, 1), p99: percentile(lengths, 0.99), count: lengths.length }
}
