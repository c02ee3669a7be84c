// A partition that has nothing to do goes round now and then all the same: only then is it noticed that its checkpoint is due by its age (checkpoint-age.ts).
import type { Lane } from '../../engine/lane/lane.ts'
import type { Clock } from '../../engine/time/clock.ts'

export const ROUND_EVERY_MS = 600_000

/** Resolves when the signal comes. */
export async function goRound(lane: Pick<Lane, 'drain'>, partition: number, clock: Clock, signal: AbortSignal): Promise<void> {
  const nothing = new Map([[partition, 0]])
  for (;;) {
    await clock.sleep(ROUND_EVERY_MS, signal)
    if (signal.aborted) return
    // A lane that stops meanwhile tells others so.
    await lane.drain(nothing, { snapshots: false, close: false }).catch(() => undefined)
  }
}
