// Rage clicks: N clicks on one element within T. A click elsewhere, or a longer pause, ends the burst. Definition: docs/events.md.
import { fold } from './contract.ts'

export interface RageClickOptions {
  /** Clicks that make a burst, 2 … 16. */
  clicks: number
  /** The first and last of them are at most this far apart, and so is each click from the one before, ms. */
  withinMs: number
}
export const rageClickDefaults: RageClickOptions = { clicks: 3, withinMs: 1000 }

/** Emits `rage_click` (open) with the N-th click and with each further one, and a last time when the burst has ended. Forgets with the session. */
export const rageClicks = ({ clicks, withinMs }: RageClickOptions = rageClickDefaults) =>
  fold({
    name: 'rage-clicks',
    stateVersion: 1,
    reads: ['screen', 'element'],
    state: {
      element: 'symbol',
      lastMs: 'time',
      /** Clicks of the chain; click i of it is at i % clicks in the three arrays. */
      chain: 'u32',
      ms: ['time', clicks],
      index: ['index', clicks],
      screens: ['symbol', clicks],
      /** The incident, once it has fired (count > 0). */
      count: 'u32',
      firstMs: 'time',
      first: 'index',
      last: 'index',
      screen: 'symbol',
      open: 'bool',
    },
    onEvent(burst, event, emit) {
      if (event.type !== 'click') return
      const at = event.timeMs
      const element = event.element
      if (element !== burst.element || at - burst.lastMs > withinMs) {
        if (burst.open) end(burst, emit)
        burst.element = element
        burst.chain = 0
        burst.count = 0
      }
      if (element === 0) return
      burst.lastMs = at
      const slot = burst.chain % clicks
      burst.ms.set(slot, at)
      burst.index.set(slot, event.index)
      burst.screens.set(slot, event.screen)
      burst.chain++
      if (burst.count > 0) {
        burst.count++
      } else {
        const oldest = burst.chain % clicks
        if (burst.chain < clicks || at - burst.ms.at(oldest) > withinMs) return
        burst.count = clicks
        burst.firstMs = burst.ms.at(oldest)
        burst.first = burst.index.at(oldest)
        burst.screen = burst.screens.at(oldest)
      }
      burst.last = event.index
      burst.open = true
      report(burst, emit)
    },
    nextTimerMs: (burst) => (burst.open ? burst.lastMs + withinMs : Number.POSITIVE_INFINITY),
    onTimer: (burst, _nowMs, emit) => end(burst, emit),
    onClose(burst, emit) {
      if (burst.open) end(burst, emit)
    },
  })

interface Burst {
  element: number
  screen: number
  count: number
  firstMs: number
  lastMs: number
  first: number
  last: number
  open: boolean
}
type Emit = Parameters<ReturnType<typeof rageClicks>['onEvent']>[2]

const end = (burst: Burst, emit: Emit) => {
  burst.open = false
  report(burst, emit)
}

const report = (burst: Burst, emit: Emit) =>
  emit.incident({
    kind: 'rage_click',
    profile: 'default',
    open: burst.open,
    screen: burst.screen,
    element: burst.element,
    count: burst.count,
    firstMs: burst.firstMs,
    lastMs: burst.lastMs,
    first: burst.first,
    last: burst.last,
    of: 'click',
  })
