// Session metrics: what a session amounts to. Folded when the session fires, because nobody waits for it before. Definitions: docs/events.md.
import type { SessionFold, Sym } from './contract.ts'

export interface SessionMetrics {
  click_count: number
  unique_screens: number
  rage_clicks: number
  backtracks: number
  dead_clicks: number
  tasks_started: number
  tasks_completed: number
  tasks_failed: number
  tasks_abandoned: number
  error_count: number
  screen_sequence: string[]
}

export const SCREEN_SEQUENCE_MAX = 64

/** Counts of a session's events by what they mean, and its screens in order (repeats collapsed, the first 64). */
export function sessionMetrics(): SessionFold<SessionMetrics> {
  let clicks = 0
  let started = 0
  let completed = 0
  let failed = 0
  let errors = 0
  let lastScreen = 0
  // Written anew by each session: lists made for each were most of what a run left to the collector.
  const known: Sym[] = []
  let screens = 0
  const sequence: Sym[] = []
  let steps = 0
  return {
    name: 'session-metrics',
    reads: ['screen', 'success'],
    begin() {
      clicks = started = completed = failed = errors = lastScreen = screens = steps = 0
    },
    onEvent(event) {
      switch (event.type) {
        case 'click':
          clicks++
          break
        case 'screen_view': {
          const screen = event.screen
          if (screen === 0 || screen === lastScreen) break
          lastScreen = screen
          if (steps < SCREEN_SEQUENCE_MAX) sequence[steps++] = screen
          let at = 0
          while (at < screens && known[at] !== screen) at++
          if (at === screens) known[screens++] = screen
          break
        }
        case 'task_started':
          started++
          break
        case 'task_completed':
          if (event.success === false) failed++
          else completed++
          break
        case 'error':
          errors++
          break
      }
    },
    row(text, incidents) {
      const texts = new Array<string>(steps)
      for (let i = 0; i < steps; i++) texts[i] = text(sequence[i])
      return {
        click_count: clicks,
        unique_screens: screens,
        rage_clicks: incidents('rage_click'),
        backtracks: incidents('backtrack'),
        dead_clicks: incidents('dead_click'),
        tasks_started: started,
        tasks_completed: completed,
        tasks_failed: failed,
        tasks_abandoned: incidents('abandoned_task'),
        error_count: errors,
        screen_sequence: texts,
      }
    },
  }
}
