// Task types: what became of the tasks of closed sessions, by type and by the hour in which they began. Definition: docs/events.md.
import type { Tile } from './contract.ts'
import type { SessionTasks } from './tasks.ts'

const HOUR_MS = 3_600_000

/** A task whose start was not seen counts in the hour of its completion, and not as started. */
export const taskTypes = (): Tile<SessionTasks> => ({
  name: 'task_types',
  cell: ['hour', 'task_type'],
  sums: ['started', 'completed', 'failed', 'abandoned', 'duration_ms'],
  onSession({ tasks }, add) {
    for (const [type, startedAt, endedAt, outcome] of tasks) {
      const hour = Math.floor((startedAt || endedAt) / HOUR_MS) * HOUR_MS
      const is = (one: string) => (outcome === one ? 1 : 0)
      const isDone = startedAt > 0 && (outcome === 'completed' || outcome === 'failed')
      add([hour, type], [startedAt > 0 ? 1 : 0, is('completed'), is('failed'), is('abandoned'), isDone ? endedAt - startedAt : 0])
    }
  },
})
