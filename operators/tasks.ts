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

/** Adds the session's tasks, in the order of their first events, to the columns of a fold that counts them. Which of the tasks that are open
 *  behind the last event have been abandoned, the number of those incidents tells: they are given up oldest first. */
export function tasks<R extends SessionMetrics>(to: SessionFold<R>, { withinMs, gapMs }: TaskOptions): SessionFold<R & SessionTasks> {
  // Written anew by each session, column by column: a list for each task was a quarter of what a lane left to the collector.
  const types: Sym[] = []
  const starts: number[] = []
  const ends: number[] = []
  const outcomes: TaskOutcome[] = []
  let count = 0
  /** Those under way, oldest first. */
  const open: number[] = []
  let opened = 0
  let abandoned = 0
  // Not a variable: each time in one would be an object.
  const lastMs = new Float64Array(1)

  const add = (type: Sym, startMs: number, endMs: number, outcome: TaskOutcome) => {
    types[count] = type
    starts[count] = startMs
    ends[count] = endMs
    outcomes[count] = outcome
    return count++
  }
  /** Ends the task at a place among those under way. */
  const end = (at: number, endMs: number, outcome: TaskOutcome) => {
    ends[open[at]] = endMs
    outcomes[open[at]] = outcome
    opened--
    for (; at < opened; at++) open[at] = open[at + 1]
  }
  const abandon = (endMs: number) => {
    end(0, endMs, 'abandoned')
    abandoned++
  }
  return {
    name: `${to.name}, tasks`,
    reads: [...to.reads, 'taskType', 'success'],
    begin() {
      to.begin()
      count = opened = abandoned = 0
    },
    onEvent(event) {
      to.onEvent(event)
      const type = event.type
      if (type !== 'task_started' && type !== 'task_completed') {
        if (opened > 0) lastMs[0] = event.timeMs
        return
      }
      const at = event.timeMs
      while (opened > 0 && starts[open[0]] + withinMs < at) abandon(starts[open[0]] + withinMs)
      lastMs[0] = at
      if (type === 'task_started') {
        if (opened === OPEN_TASKS_MAX) abandon(at)
        open[opened++] = add(event.taskType, at, 0, 'open')
      } else {
        const outcome = event.success === false ? 'failed' : 'completed'
        let found = opened - 1
        while (found >= 0 && types[open[found]] !== event.taskType) found--
        if (found < 0) add(event.taskType, 0, at, outcome)
        else end(found, at, outcome)
      }
    },
    row(text, incidents) {
      for (let left = opened > 0 ? incidents('abandoned_task') - abandoned : 0; left > 0 && opened > 0; left--) {
        const dueMs = starts[open[0]] + withinMs
        abandon(dueMs <= lastMs[0] + gapMs ? dueMs : lastMs[0])
      }
      const row = to.row(text, incidents) as R & SessionTasks
      const all = new Array<Task>(count)
      for (let i = 0; i < count; i++) all[i] = [text(types[i]), starts[i], ends[i], outcomes[i]]
      row.tasks = all
      return row
    },
  }
}
