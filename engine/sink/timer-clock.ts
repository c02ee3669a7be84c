// The sinks' clock in production: the machine's.
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { SinkClock } from './contract.ts'

export const timerClock: SinkClock = {
  nowMs: () => Date.now(),
  sleep: (ms, cut) => setTimeout(ms, undefined, { signal: cut }).catch(() => {}),
  breathe: () => setImmediate(),
}
