// Looks for the first seed that finds a planted bug.
import { NO_CUT } from '../cut.ts'
import { SeedFailed, simulate } from '../simulate.ts'
import type { Invariant } from '../violation.ts'
import type { PlantedBug } from './planted.ts'

/** Undefined where none of the seeds does. */
export async function findPlanted(bug: PlantedBug, from: number, seeds: number): Promise<{ seed: number; as: Invariant } | undefined> {
  for (let seed = from; seed < from + seeds; seed++) {
    const as = await foundAs(bug, seed)
    if (as) return { seed, as }
  }
  return undefined
}

/** What the seed finds it as, or undefined. */
export async function foundAs({ make, ground }: PlantedBug, seed: number): Promise<Invariant | undefined> {
  try {
    await simulate(seed, make(), NO_CUT, ground)
    return undefined
  } catch (error) {
    if (error instanceof SeedFailed) return error.violation.invariant
    throw error
  }
}
