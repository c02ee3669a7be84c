// Backtracks: A, B, A in a session's collapsed screen views, within a time. Definition: docs/events.md.
import { fold } from './contract.ts'

export interface BacktrackOptions {
  /** From the first to the third screen, ms. */
  withinMs: number
}
export const backtrackDefaults: BacktrackOptions = { withinMs: 20_000 }

/** Emits `backtrack` with the view that returns. Remembers the last two entries; forgets with the session. */
export const backtracks = ({ withinMs }: BacktrackOptions = backtrackDefaults) =>
  fold({
    name: 'backtracks',
    stateVersion: 1,
    reads: ['screen'],
    types: ['screen_view'],
    state: {
      /** The entry before the last, and the last: screen, time and index of its first view. */
      screenA: 'symbol',
      msA: 'time',
      indexA: 'index',
      screenB: 'symbol',
      msB: 'time',
      indexB: 'index',
    },
    onEvent(trail, event, emit) {
      const screen = event.screen
      if (screen === 0 || screen === trail.screenB) return
      const at = event.timeMs
      if (screen === trail.screenA && at - trail.msA <= withinMs) {
        emit.incident({
          kind: 'backtrack',
          profile: 'default',
          open: false,
          screen,
          element: 0,
          count: 3,
          firstMs: trail.msA,
          lastMs: at,
          first: trail.indexA,
          last: event.index,
          of: 'screen_view',
        })
      }
      trail.screenA = trail.screenB
      trail.msA = trail.msB
      trail.indexA = trail.indexB
      trail.screenB = screen
      trail.msB = at
      trail.indexB = event.index
    },
  })
