// A crowd that comes back, for `scale`: sessions of as many events whatever the number of users, organisations and partitions.
//
// Cohorts of at most cohortUsers come one after the other, each user with two events a minute apart; a cohort's sessions are over when the
// next but one comes, and when all have come they come again. So that what is open at a time is bounded, and what has been seen is not.
import { CROWD_START_MS, type CrowdBlock, type CrowdShape, CrowdWriter, ROUND_MS } from './crowd.ts'

export const COHORT_USERS = 100_000
const EVENTS = 2
/** From one cohort's begin to the next one's: longer than the gap that ends a session. */
const COHORT_MS = 48 * ROUND_MS

/** `shape.rounds`: events of each user, a multiple of two. */
export function* returningBlocks(shape: CrowdShape, every = 8192): Generator<CrowdBlock[]> {
  const { users, rounds } = shape
  const writer = new CrowdWriter(shape)
  let cohorts = 0
  for (let visit = 0; visit < rounds / EVENTS; visit++)
    for (let first = 0; first < users; first += COHORT_USERS, cohorts++) {
      const size = Math.min(COHORT_USERS, users - first)
      for (let event = 0; event < EVENTS; event++)
        for (let place = 0; place < size; place++) {
          // A stride without a factor of any power of ten: another order than that of their numbers.
          const user = first + ((place * 7919 + event) % size)
          const ms = CROWD_START_MS + cohorts * COHORT_MS + event * ROUND_MS + Math.floor((place / size) * ROUND_MS)
          writer.add(user, visit * EVENTS + event, ms)
          if (writer.waiting === every) yield writer.take()
        }
    }
  if (writer.waiting > 0) yield writer.take()
}
