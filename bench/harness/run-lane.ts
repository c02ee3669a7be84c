// One measured lane, in a process of its own, after a short unmeasured one that the compiler needs: a lane runs for weeks, not for a second.
import { answer } from './in-child.ts'
import { type LaneOrder, runLane } from './lane-once.ts'

await answer(async ({ warmUp, ...order }: LaneOrder & { warmUp: string }) => {
  await runLane({ ...order, folder: warmUp, checkpointBytes: 2 << 20, settle: true })
  return runLane(order)
})
