// An operator of which nothing is seen outside: with it, or without, the state has another layout and the results are the same.
import { type Fold, fold } from '../../operators/contract.ts'

/** Reads a field that no other one does. Without timers, when users are due next does not hang on it. `more`: in place of its own. */
export const spareFold = (more: object = {}): Fold =>
  fold({
    name: 'spare',
    stateVersion: 1,
    reads: ['y'],
    state: { lastMs: 'time', seen: 'u32', element: 'symbol' },
    onEvent: (state, { timeMs, element }) => {
      state.seen++
      state.lastMs = timeMs
      state.element = element
    },
    ...more,
  }) as unknown as Fold
