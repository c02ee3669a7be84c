// Dead clicks: nothing follows a click, no other screen and no other event of the session. Definition: docs/events.md.
import { fold } from './contract.ts'

export interface DeadClickOptions {
  /** An event at most this long after the click is its effect, or shows that the user went on, ms. */
  withinMs: number
}
export const deadClickDefaults: DeadClickOptions = { withinMs: 2500 }

/** Emits `dead_click` when the time is over. Remembers the latest event, if it is a click; forgets with the session. */
export const deadClicks = ({ withinMs }: DeadClickOptions = deadClickDefaults) =>
  fold({
    name: 'dead-clicks',
    stateVersion: 1,
    reads: ['screen', 'element'],
    state: {
      lastMs: 'time',
      /** The latest event is a click, and nothing else is in its millisecond. */
      waits: 'bool',
      index: 'index',
      screen: 'symbol',
      element: 'symbol',
    },
    onEvent(click, event) {
      const at = event.timeMs
      click.waits = event.type === 'click' && (event.index === 0 || at !== click.lastMs)
      click.lastMs = at
      if (!click.waits) return
      click.index = event.index
      click.screen = event.screen
      click.element = event.element
    },
    nextTimerMs: (click) => (click.waits ? click.lastMs + withinMs : Number.POSITIVE_INFINITY),
    onTimer(click, _nowMs, emit) {
      click.waits = false
      emit.incident({
        kind: 'dead_click',
        profile: 'default',
        open: false,
        screen: click.screen,
        element: click.element,
        count: 1,
        firstMs: click.lastMs,
        lastMs: click.lastMs,
        first: click.index,
        last: click.index,
        of: 'click',
      })
    },
  })
