// Tasks of a session: each with its times and how it ended. Folded when the session fires. Definition: docs/events.md.
import { OPEN_TASKS_MAX } from './abandoned-tasks.ts'
import type { SessionFold, Sym } from './contract.ts'
import type { SessionMetrics } from './session-metrics.ts'

export type TaskOutcome = 'open' | 'completed' | 'failed' | 'abandoned'
/** Type, start and end in ms (0: not seen, or not yet), outcome. */
export type Task = [type: string, startedAt: number, endedAt: number, outcome: TaskOutcome]
export interface SessionTasks {
  tasks: readonly Task[]
}

export interface TaskOptions {
  /** The time of abandoned tasks (abandoned-tasks.ts), ms. */
  withinMs: number
  /** The window's gap, ms: a session is over so long after its last event. */
  gapMs: number
}

const NONE: readonly Task[] = []

/** Adds the session's tasks, in the order of their first events, to the columns of a fold that counts them. Which of the tasks that are open
 *  behind the last event have been abandoned, the number of those incidents tells: they are given up oldest first. */
export function tasks<R extends SessionMetrics>(to: SessionFold<R>, { withinMs, gapMs }: TaskOptions): SessionFold<R & SessionTasks> {
  let all: Task[] = []
  const open: { type: Sym; task: Task }[] = []
  let abandoned = 0
  let lastMs = 0
  const abandon = (at: number) => {
    const [{ task }] = open.splice(0, 1)
    task[2] = at
    task[3] = 'abandoned'
    abandoned++
  }
  return {
    name: `${to.name}, tasks`,
    reads: [...to.reads, 'taskType', 'success'],
    begin() {
      to.begin()
      if (all.length === 0) return
      all = []
      open.length = 0
      abandoned = 0
    },
    onEvent(event) {
      to.onEvent(event)
      const type = event.type
      if (type !== 'task_started' && type !== 'task_completed') {
        if (open.length > 0) lastMs = event.timeMs
        return
      }
      const at = event.timeMs
      while (open.length > 0 && open[0].task[1] + withinMs < at) abandon(open[0].task[1] + withinMs)
      lastMs = at
      if (type === 'task_started') {
        if (open.length === OPEN_TASKS_MAX) abandon(at)
        const task: Task = [event.text(event.taskType), at, 0, 'open']
        all.push(task)
        open.push({ type: event.taskType, task })
      } else {
        const outcome = event.success === false ? 'failed' : 'completed'
        const found = open.findLastIndex(({ type }) => type === event.taskType)
        if (found < 0) all.push([event.text(event.taskType), 0, at, outcome])
        else {
          const [{ task }] = open.splice(found, 1)
          task[2] = at
          task[3] = outcome
        }
      }
    },
    row(text, incidents) {
      for (let left = open.length > 0 ? incidents('abandoned_task') - abandoned : 0; left > 0 && open.length > 0; left--) {
        const dueMs = open[0].task[1] + withinMs
        abandon(dueMs <= lastMs + gapMs ? dueMs : lastMs)
      }
      const row = to.row(text, incidents) as R & SessionTasks
      row.tasks = all.length === 0 ? NONE : all
      return row
    },
  }
}
