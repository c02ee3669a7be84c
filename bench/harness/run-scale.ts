// One lane over a crowd that comes back, of any number of partitions.
import { defaults } from '../../config/index.ts'
import type { CrowdShape } from './crowd.ts'
import { answer } from './in-child.ts'
import { type LaneAnswer, runLane } from './lane-once.ts'

export interface ScaleOrder {
  /** From roundFolder. */
  folder: string
  shape: CrowdShape
  /** Of all tasks together. */
  checkpointBytes: number
  runIn: number
}

await answer(({ folder, shape, checkpointBytes, runIn }: ScaleOrder): Promise<LaneAnswer> => {
  const partitions = Array.from({ length: shape.partitions }, (_, partition) => partition)
  return runLane({
    folder,
    partitions,
    checkpointBytes: Math.round(checkpointBytes / shape.partitions),
    cacheBytes: defaults.engine.cacheBytes / shape.partitions,
    exactlyOnce: true,
    runIn,
    settle: false,
  })
})
