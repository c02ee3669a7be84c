// Context switches: how often the area of the product changes in a session. Folded when the session fires. Definition: docs/events.md.
import type { SessionFold } from './contract.ts'

export interface ContextSwitches {
  context_switches: number
}

/** Adds the count to the columns of another fold of the session. Keeps nothing. */
export const contextSwitches = <R extends object>(to: SessionFold<R>): SessionFold<R & ContextSwitches> => ({
  name: `${to.name}, context-switches`,
  reads: [...to.reads, 'context'],
  run(events, text, incidents) {
    let last = 0
    let switches = 0
    events.forEach((event) => {
      const context = event.context
      if (context === 0 || context === last) return
      if (last !== 0) switches++
      last = context
    })
    const row = to.run(events, text, incidents) as R & ContextSwitches
    row.context_switches = switches
    return row
  },
})
