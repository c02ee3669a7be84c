// Abandoned tasks: started and not completed within a time, nor before the session was over. Definition: docs/events.md.
import { type Emit, fold } from './contract.ts'

export interface AbandonedTaskOptions {
  /** From the start of the task, ms. A completion at exactly this time counts. */
  withinMs: number
}
export const abandonedTaskDefaults: AbandonedTaskOptions = { withinMs: 900_000 }

/** Tasks that one session has under way at a time; whoever starts another has given up the oldest. */
export const OPEN_TASKS_MAX = 8

/** Emits `abandoned_task` at start + withinMs, or when the session is over. Remembers the open tasks, oldest first; forgets with the session. */
export const abandonedTasks = ({ withinMs }: AbandonedTaskOptions = abandonedTaskDefaults) =>
  fold({
    name: 'abandoned-tasks',
    stateVersion: 1,
    reads: ['screen', 'taskType'],
    types: ['task_started', 'task_completed'],
    state: {
      open: 'u8',
      startMs: ['time', OPEN_TASKS_MAX],
      index: ['index', OPEN_TASKS_MAX],
      type: ['symbol', OPEN_TASKS_MAX],
      screen: ['symbol', OPEN_TASKS_MAX],
    },
    onEvent(tasks, event, emit) {
      if (event.type === 'task_started') {
        if (tasks.open === OPEN_TASKS_MAX) giveUp(tasks, 0, event.timeMs, emit)
        const at = tasks.open++
        tasks.startMs.set(at, event.timeMs)
        tasks.index.set(at, event.index)
        tasks.type.set(at, event.taskType)
        tasks.screen.set(at, event.screen)
      } else {
        // The latest of its type: who begins anew and gets it done has left the first attempt.
        let at = tasks.open - 1
        while (at >= 0 && tasks.type.at(at) !== event.taskType) at--
        if (at >= 0) remove(tasks, at)
      }
    },
    nextTimerMs: (tasks) => (tasks.open > 0 ? tasks.startMs.at(0) + withinMs : Number.POSITIVE_INFINITY),
    onTimer(tasks, nowMs, emit) {
      while (tasks.open > 0 && tasks.startMs.at(0) + withinMs <= nowMs) giveUp(tasks, 0, nowMs, emit)
    },
    onClose(tasks, emit, lastMs, cut) {
      // Behind a cap the session goes on under another id: what becomes of the task is not seen here.
      while (tasks.open > 0)
        if (cut) remove(tasks, 0)
        else giveUp(tasks, 0, lastMs, emit)
    },
  })

interface Slots {
  at(index: number): number
  set(index: number, value: number): void
}
interface Tasks {
  open: number
  startMs: Slots
  index: Slots
  type: Slots
  screen: Slots
}

function giveUp(tasks: Tasks, at: number, nowMs: number, emit: Emit): void {
  const first = tasks.index.at(at)
  emit.incident({
    kind: 'abandoned_task',
    profile: 'default',
    open: false,
    screen: tasks.screen.at(at),
    element: tasks.type.at(at),
    count: 1,
    firstMs: tasks.startMs.at(at),
    lastMs: nowMs,
    first,
    last: first,
    of: 'task_started',
  })
  remove(tasks, at)
}

/** Those behind it move up: they stay in the order of their starts. Free slots are 0, so that no symbol of a past task is kept alive. */
function remove(tasks: Tasks, from: number): void {
  tasks.open--
  for (const field of [tasks.startMs, tasks.index, tasks.type, tasks.screen]) {
    for (let at = from; at < tasks.open; at++) field.set(at, field.at(at + 1))
    field.set(tasks.open, 0)
  }
}
