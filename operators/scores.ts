// Scores of a session: how frustrating it was, and how efficient, both in 0 … 1. Folded when the session fires. Definition: docs/events.md.
import type { ContextSwitches } from './context-switches.ts'
import type { SessionFold } from './contract.ts'
import type { SessionMetrics } from './session-metrics.ts'

/** What one of each signal weighs, ≥ 0. */
export interface ScoreWeights {
  rageClicks: number
  deadClicks: number
  backtracks: number
  contextSwitches: number
  tasksAbandoned: number
  tasksFailed: number
  errors: number
}
export interface ScoreOptions {
  frustration: ScoreWeights
  efficiency: ScoreWeights
}
export const scoreDefaults: ScoreOptions = {
  frustration: {
    rageClicks: 0.8,
    deadClicks: 0.2,
    backtracks: 0.3,
    contextSwitches: 0.05,
    tasksAbandoned: 0.6,
    tasksFailed: 0.5,
    errors: 0.4,
  },
  efficiency: {
    rageClicks: 0.2,
    deadClicks: 0.1,
    backtracks: 0.3,
    contextSwitches: 0.1,
    tasksAbandoned: 0.8,
    tasksFailed: 0.6,
    errors: 0.2,
  },
}

export interface Scores {
  frustration_score: number
  efficiency_score: number
}

/** Adds the scores to the columns of a fold that counts the signals. */
export function scores<R extends SessionMetrics & ContextSwitches>(
  to: SessionFold<R>,
  { frustration, efficiency }: ScoreOptions = scoreDefaults,
): SessionFold<R & Scores> {
  return {
    ...to,
    name: `${to.name}, scores`,
    row(text, incidents) {
      const row = to.row(text, incidents) as R & Scores
      row.frustration_score = risen(weigh(row, frustration))
      row.efficiency_score = fallen(weigh(row, efficiency))
      return row
    },
  }
}

const weigh = (row: SessionMetrics & ContextSwitches, weights: ScoreWeights): number =>
  row.rage_clicks * weights.rageClicks +
  row.dead_clicks * weights.deadClicks +
  row.backtracks * weights.backtracks +
  row.context_switches * weights.contextSwitches +
  row.tasks_abandoned * weights.tasksAbandoned +
  row.tasks_failed * weights.tasksFailed +
  row.error_count * weights.errors

/** To four decimals: what is stored and compared must not hang on the last bit of an exponential. */
const round = (score: number) => Math.round(score * 10_000) / 10_000
/** 2σ(sum) − 1, from 0 towards 1. */
const risen = (sum: number) => (sum === 0 ? 0 : round(2 / (1 + Math.exp(-sum)) - 1))
const fallen = (sum: number) => (sum === 0 ? 1 : round(2 - 2 / (1 + Math.exp(-sum))))
