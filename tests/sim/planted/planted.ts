// Planted bugs: what the engine would be with one rule of its protocol (docs/proof.md) broken. Each wraps what is shipped, in a test only,
// and must be found by the simulator. `seed` is the first that finds it, `as` what it is found as.
import type { Plant } from '../plant.ts'
import type { Ground } from '../simulate.ts'
import type { Invariant } from '../violation.ts'
import { plantedInEpochs } from './planted-in-epochs.ts'
import { plantedInOwnership } from './planted-in-ownership.ts'
import { plantedInSinks } from './planted-in-sinks.ts'
import { plantedOnKafka } from './planted-on-kafka.ts'

export interface PlantedBug {
  /** The protocol's number. */
  rule: number
  bug: string
  /** Made anew for each run: a bug may keep count. */
  make(): Plant
  seed: number
  as: Invariant
  /** Default: embedded. */
  ground?: Ground
}

export const plantedBugs: readonly PlantedBug[] = [...plantedInEpochs, ...plantedInOwnership, ...plantedInSinks, ...plantedOnKafka].sort(
  (a, b) => a.rule - b.rule,
)
