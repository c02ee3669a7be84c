// Context switches: how often the area of the product changes in a session. Folded when the session fires. Definition: docs/events.md.
import type { SessionFold } from './contract.ts'

export interface ContextSwitches {
  context_switches: number
}

/** Adds the count to the columns of another fold of the session. */
export function contextSwitches<R extends object>(to: SessionFold<R>): SessionFold<R & ContextSwitches> {
  let last = 0
  let switches = 0
  return {
    name: `${to.name}, context-switches`,
    reads: [...to.reads, 'context'],
    begin() {
      to.begin()
      last = switches = 0
    },
    onEvent(event) {
      to.onEvent(event)
      const context = event.context
      if (context === 0 || context === last) return
      if (last !== 0) switches++
      last = context
    },
    row(text, incidents) {
      const row = to.row(text, incidents) as R & ContextSwitches
      row.context_switches = switches
      return row
    },
  }
}
