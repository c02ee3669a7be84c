// The thread of run-paced's lane: goes on until all that is fed is committed, and says when each commit was durable.
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { defaults } from '../../config/index.ts'
import { Lane } from '../../engine/lane/lane.ts'
import type { Receipt } from '../../engine/lane/receipt.ts'
import type { Log } from '../../engine/log/contract.ts'
import { systemClock } from '../../engine/time/clock.ts'
import { trafficDefaults } from '../../services/traffic/traffic.ts'
import type { SharedLog } from '../../stores/log/shared-log.ts'
import { bound, openTasks, runLane } from './lane-once.ts'
import { openLog } from './workload.ts'

export interface PacedLaneOrder {
  folder: string
  warmUp: string
  member: { shared: SharedLog; writer: string }
  epochMs: number
}

/** First: ready. Then, when all is committed: the offset after each commit, and when it was durable (ms of the system's clock). */
export interface PacedLaneSays {
  commits?: { partition: number; to: number; atMs: number }[]
}

const port = parentPort!
const say = (message: PacedLaneSays) => port.postMessage(message)
const { folder, warmUp, member, epochMs } = workerData as PacedLaneOrder
const { checkpointBytes } = defaults.engine
await runLane({ folder: warmUp, checkpointBytes: 2 << 20, exactlyOnce: true, settle: true })

const log = await openLog(folder, member.writer, member.shared)
const commits: NonNullable<PacedLaneSays['commits']> = []
const timed: Log = {
  ...bound(log),
  claim: async (name, input, again) => {
    const claim = await log.claim<Receipt>(name, input, again)
    const commit = claim.commit.bind(claim)
    claim.commit = async (epoch) => {
      await commit(epoch)
      commits.push({ partition: input!.partition, to: epoch.receipt!.to, atMs: performance.timeOrigin + performance.now() })
    }
    return claim as never
  },
}
let stopped: unknown
const tasks = await openTasks({ folder, checkpointBytes, exactlyOnce: true }, timed)
// Live, which is what epochMs is for; at the time that the events are of, so that none is late where an actor has been idle.
const clock = { ...systemClock, now: () => trafficDefaults.startMs + performance.now() }
const lane = new Lane({ tasks, log: timed, clock, epochMs, live: true, onStopped: (_, error) => (stopped = error) })
await lane.open()
const running = lane.run()
say({})
const [ends] = (await once(port, 'message')) as [number[]]
await lane.drain(new Map(ends.entries()), { snapshots: false, close: false })
if (stopped !== undefined) throw stopped
say({ commits })
lane.stop()
await running
await log.close()
