// Makes a failing run smaller: fewer events, fewer lives, fewer faults, as long as the same invariant does not hold. What is left out changes all that
// follows (the schedule is drawn from the same dice), so each step is a run of its own; what does not fail any more is put back.
import type { Cut } from './cut.ts'
import type { Plant } from './plant.ts'
import { SeedFailed, simulate } from './simulate.ts'

export interface ShrinkBounds {
  /** Runs, and their time altogether: what has been reached by then is the answer. */
  runs: number
  ms: number
  nowMs?: () => number
}

const BOUNDS: ShrinkBounds = { runs: 120, ms: 60_000 }
/** Below so many there is nothing to be seen. */
const EVENTS_MIN = 4

/** The smallest failure that was found. `make`: a plant may keep count, so each run has a new one. */
export async function shrink(seed: number, failed: SeedFailed, make: () => Plant = () => ({}), bounds = BOUNDS): Promise<SeedFailed> {
  const { nowMs = () => performance.now() } = bounds
  const untilMs = nowMs() + bounds.ms
  let best = failed
  let runs = 0
  const isOver = () => runs >= bounds.runs || nowMs() >= untilMs
  /** Takes the cut where it fails alike. */
  const take = async (change: Partial<Cut>): Promise<boolean> => {
    if (isOver()) return false
    runs++
    try {
      await simulate(seed, make(), { ...best.cut, ...change }, failed.ground)
      return false
    } catch (error) {
      if (!(error instanceof SeedFailed)) throw error
      if (error.violation.invariant !== failed.violation.invariant) return false
      best = error
      return true
    }
  }
  const without = (...names: string[]) => take({ without: new Set([...best.cut.without, ...names]) })

  for (let before: SeedFailed | undefined; before !== best && !isOver(); ) {
    before = best
    for (let lives = 0; lives < best.lives && !(await take({ lives })); lives++);
    for (const kind of new Set([...best.faults.map(({ kind }) => kind), 'poisonRecords', 'killsInEviction', 'cutsElsewhere']))
      if (!best.cut.without.has(kind)) await without(kind)
    for (const share of [2, 4 / 3]) {
      let events = Math.floor(Math.min(best.cut.events, best.events) / share)
      while (events >= EVENTS_MIN && (await take({ events }))) events = Math.floor(events / share)
    }
    // From the last one on: what came first decides all that follows. Halves of them, then one by one.
    for (let size = best.faults.length >> 1; size >= 1; size >>= 1)
      for (let end = best.faults.length; end > 0 && !isOver(); end -= size) {
        const numbers = best.faults.slice(Math.max(0, end - size), end).map(({ number }) => `${number}`)
        if (numbers.length > 0 && (await without(...numbers))) end = Math.min(end, best.faults.length + size)
      }
  }
  return best
}

/** The message of a failed seed: its smallest failure first, then the seed itself. */
export async function shrunkMessage(seed: number, failed: SeedFailed, make?: () => Plant, bounds?: ShrinkBounds): Promise<string> {
  const small = await shrink(seed, failed, make, bounds)
  if (small === failed) return failed.message
  const { events, faults } = failed
  return [
    small.message,
    `That is what is left of ${events} events and ${faults.length} faults. All of it: npm run simulate -- --seeds 1 --from ${seed}${failed.ground === 'kafka' ? ' --kafka' : ''}`,
  ].join('\n')
}
