// The overview: what closed sessions amount to, by the hour in which they began. Definition: docs/events.md.
import type { ContextSwitches } from './context-switches.ts'
import type { Tile } from './contract.ts'
import type { Scores } from './scores.ts'
import type { SessionMetrics } from './session-metrics.ts'

const HOUR_MS = 3_600_000
/** Scores have four decimals: their sums are integers, so that what is added can be taken away again to the last digit. */
const SCORE_PARTS = 10_000

export const overview = (): Tile<SessionMetrics & ContextSwitches & Scores> => ({
  name: 'overview',
  cell: ['hour'],
  sums: [
    'sessions',
    'events',
    'clicks',
    'duration_ms',
    'rage_clicks',
    'backtracks',
    'dead_clicks',
    'tasks_started',
    'tasks_completed',
    'tasks_failed',
    'tasks_abandoned',
    'errors',
    'context_switches',
    'frustration',
    'efficiency',
  ],
  onSession(row, add) {
    add(
      [Math.floor(row.started_at / HOUR_MS) * HOUR_MS],
      [
        1,
        row.event_count,
        row.click_count,
        row.ended_at - row.started_at,
        row.rage_clicks,
        row.backtracks,
        row.dead_clicks,
        row.tasks_started,
        row.tasks_completed,
        row.tasks_failed,
        row.tasks_abandoned,
        row.error_count,
        row.context_switches,
        Math.round(row.frustration_score * SCORE_PARTS),
        Math.round(row.efficiency_score * SCORE_PARTS),
      ],
    )
  },
})
