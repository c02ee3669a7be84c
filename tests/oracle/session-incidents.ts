// The backtracks, abandoned tasks and dead clicks of one session, by plain loops over arrays. Straight from docs/events.md; shares no code with the operators.
import type { IncidentAnswer, Kept, Piece } from './session-rows.ts'

/** An incident without the ids that its session and user give it. */
export interface Found extends Pick<IncidentAnswer, 'kind' | 'profile' | 'open' | 'screen' | 'element' | 'count' | 'last_at'> {
  first: Kept
  /** All of it: a row holds the first 64. */
  evidence: Kept[]
}

const OPEN_TASKS_MAX = 8
const whole = { profile: 'default', open: 0 } as const

export function backtracksOf(piece: Piece, withinMs: number): Found[] {
  const found: Found[] = []
  const views = piece.events.filter((event) => event.type === 'screen_view' && event.screen !== '')
  /** Positions in `views` where the screen changes. */
  const entries = views.map((_, at) => at).filter((at) => at === 0 || views[at].screen !== views[at - 1].screen)
  for (let i = 2; i < entries.length; i++) {
    const first = views[entries[i - 2]]
    const third = views[entries[i]]
    if (first.screen !== third.screen || third.ts - first.ts > withinMs) continue
    const evidence = views.slice(entries[i - 2], entries[i] + 1)
    found.push({ ...whole, kind: 'backtrack', screen: first.screen, element: '', count: 3, first, last_at: third.ts, evidence })
  }
  return found
}

/** A task, and how it ended: at 0 where it has not. */
export interface FoundTask {
  start: Kept | undefined
  type: string
  endedAt: number
  outcome: 'open' | 'completed' | 'failed' | 'abandoned'
}

export const abandonedTasksOf = (piece: Piece, watermark: number, withinMs: number): Found[] =>
  tasksOf(piece, watermark, withinMs).flatMap(({ start, outcome, endedAt }) => {
    if (outcome !== 'abandoned' || !start) return []
    const { screen, taskType: element } = start
    return [{ ...whole, kind: 'abandoned_task', screen, element, count: 1, first: start, last_at: endedAt, evidence: [start] }]
  })

/** In the order of their first events. A completion that meets no open task of its type is one whose start nobody saw. */
export function tasksOf({ events, closed, cut, overMs }: Piece, watermark: number, withinMs: number): FoundTask[] {
  const found: FoundTask[] = []
  let open: Kept[] = []
  const end = (start: Kept, endedAt: number, outcome: FoundTask['outcome']) => {
    open = open.filter((other) => other !== start)
    Object.assign(found.find((task) => task.start === start)!, { endedAt, outcome })
  }
  const abandon = (task: Kept, at: number) => end(task, at, 'abandoned')
  for (const event of events) {
    for (const task of open) if (task.ts + withinMs < event.ts) abandon(task, task.ts + withinMs)
    if (event.type === 'task_started') {
      if (open.length === OPEN_TASKS_MAX) abandon(open[0], event.ts)
      open.push(event)
      found.push({ start: event, type: event.taskType, endedAt: 0, outcome: 'open' })
    }
    if (event.type === 'task_completed') {
      const done = open.findLast((task) => task.taskType === event.taskType)
      const outcome = event.success === false ? 'failed' : 'completed'
      if (done) end(done, event.ts, outcome)
      else found.push({ start: undefined, type: event.taskType, endedAt: event.ts, outcome })
    }
  }
  for (const task of open) {
    const due = task.ts + withinMs
    if (due <= watermark && due <= overMs) abandon(task, due)
    else if (closed && !cut) abandon(task, events[events.length - 1].ts)
  }
  return found
}

export function deadClicksOf({ events, overMs }: Piece, watermark: number, withinMs: number): Found[] {
  const dead = events.filter((event, at) => {
    if (event.type !== 'click' || events[at - 1]?.ts === event.ts) return false
    const due = event.ts + withinMs
    const next = events[at + 1]
    return next ? next.ts > due : due <= watermark && due <= overMs
  })
  return dead.map((click): Found => {
    const { screen, element } = click
    return { ...whole, kind: 'dead_click', screen, element, count: 1, first: click, last_at: click.ts, evidence: [click] }
  })
}
