// Flows: how many closed sessions went which way through the screens, by the tasks that they had and by day. Definition: docs/events.md.
import type { Tile } from './contract.ts'
import type { SessionMetrics } from './session-metrics.ts'
import type { SessionTasks } from './tasks.ts'

const DAY_MS = 86_400_000

/** A session counts once for each type of task in it, or for the type '' where it has none. */
export const flows = (): Tile<SessionMetrics & SessionTasks> => ({
  name: 'flows',
  cell: ['day', 'task_type', 'screens'],
  sums: ['sessions', 'completed', 'duration_ms'],
  onSession({ started_at, ended_at, screen_sequence, tasks }, add) {
    const day = Math.floor(started_at / DAY_MS) * DAY_MS
    const durationMs = ended_at - started_at
    if (tasks.length < 2) {
      const [type, , , outcome] = tasks[0] ?? ['']
      add([day, type, screen_sequence], [1, outcome === 'completed' ? 1 : 0, durationMs])
      return
    }
    const types = new Map<string, boolean>()
    for (const [type, , , outcome] of tasks) types.set(type, outcome === 'completed' || types.get(type) === true)
    for (const [type, isCompleted] of types) add([day, type, screen_sequence], [1, isCompleted ? 1 : 0, durationMs])
  },
})
