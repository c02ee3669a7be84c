// Generated lines at a rate: as many as the clock allows, a little at a time. Owns the waiting.
import type { Traffic } from '../services/traffic/traffic.ts'

const CHUNK_EVENTS_MAX = 1_000
/** How often lines come: shorter than anybody notices. */
const TICK_MS = 20

/** The traffic's chunks; at most `eventsPerSecond` where it is given, else as fast as they are taken. */
export async function* paced(
  traffic: Traffic,
  eventsPerSecond: number | undefined,
  { nowMs = () => performance.now(), sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)) } = {},
): AsyncGenerator<Uint8Array> {
  const startMs = nowMs()
  for (;;) {
    let allowed = CHUNK_EVENTS_MAX
    if (eventsPerSecond !== undefined) {
      const due = Math.floor(((nowMs() - startMs) / 1000) * eventsPerSecond) - traffic.truth.lines
      if (due < 1) {
        await sleep(Math.max(TICK_MS, 1000 / eventsPerSecond))
        continue
      }
      allowed = Math.min(due, CHUNK_EVENTS_MAX)
    }
    const chunk = traffic.nextChunk(allowed)
    if (!chunk) return
    yield chunk
    // Making is pure computation: without a pause nothing else of this thread would run.
    if (eventsPerSecond === undefined) await new Promise<void>((resolve) => setImmediate(resolve))
  }
}
