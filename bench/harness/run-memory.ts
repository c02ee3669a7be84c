// One lane over a crowd, and the memory that it takes meanwhile.
import { answer } from './in-child.ts'
import { type LaneAnswer, type LaneOrder, runLane } from './lane-once.ts'
import { samplingMemory } from './memory-of.ts'

export interface MemoryAnswer extends LaneAnswer {
  /** RssAnon at its largest, bytes, and before the lane began. */
  peakBytes: number
  beforeBytes: number
}

await answer(async (order: LaneOrder): Promise<MemoryAnswer> => {
  const sampling = samplingMemory()
  const beforeBytes = sampling.now()
  let peakBytes = 0
  const lane = await runLane(order, {
    onMeasured() {
      peakBytes = sampling.end()
    },
  })
  return { ...lane, peakBytes, beforeBytes }
})
