// One of several threads that work at the same time: a lane, or a loop of JSON.parse, over its share of the partitions.
// Warms up, says that it is ready, and does the measured work when all are.
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import type { SharedLog } from '../../stores/log/shared-log.ts'
import { runLane } from './lane-once.ts'
import { parseAll } from './parse-once.ts'
import { allPartitions, openLog } from './workload.ts'

export interface ThreadOrder {
  does: 'lane' | 'parse'
  folder: string
  warmUp: string
  member: { shared: SharedLog; writer: string }
  partitions: number[]
  checkpointBytes: number
  settle: boolean
}

/** `checkpoints`: a lane's, with `measured`. */
export interface ThreadSays {
  type: 'ready' | 'measured' | 'ended'
  checkpoints?: number
}

const port = parentPort!
const say = (message: ThreadSays) => port.postMessage(message)
const order = workerData as ThreadOrder
await (order.does === 'lane' ? lane() : parse())
say({ type: 'ended' })

async function lane(): Promise<void> {
  const { folder, warmUp, member, partitions, checkpointBytes, settle } = order
  await runLane({ folder: warmUp, checkpointBytes: 2 << 20, exactlyOnce: true, settle: true })
  await ready()
  const measured = (checkpoints: number) => say({ type: 'measured', checkpoints })
  await runLane({ folder, member, partitions, checkpointBytes, exactlyOnce: true, settle }, measured)
}

async function parse(): Promise<void> {
  const { folder, warmUp, member, partitions } = order
  const short = await openLog(warmUp, 'lane-0')
  await parseAll(short, allPartitions)
  await short.close()
  await ready()
  const log = await openLog(folder, member.writer, member.shared)
  await parseAll(log, partitions)
  say({ type: 'measured' })
  await log.close()
}

async function ready(): Promise<void> {
  say({ type: 'ready' })
  await once(port, 'message')
}
