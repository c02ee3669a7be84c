// One of several threads that work at the same time: a lane, or a loop of JSON.parse, over its share of the partitions.
// Warms up, does the unmeasured part of the log, says that it is ready, and does the measured part when all are.
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import type { SharedLog } from '../../stores/log/shared-log.ts'
import { runLane } from './lane-once.ts'
import { parseAll } from './parse-once.ts'
import { allPartitions, gated, openLog } from './workload.ts'

export interface ThreadOrder {
  does: 'lane' | 'parse'
  folder: string
  warmUp: string
  member: { shared: SharedLog; writer: string }
  partitions: number[]
  checkpointBytes: number
  /** The share of the log (0 … 1) that is done before the measurement begins. */
  runIn: number
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
  const { folder, warmUp, member, partitions, checkpointBytes, runIn, settle } = order
  await runLane({ folder: warmUp, checkpointBytes: 2 << 20, exactlyOnce: true, settle: true })
  const onMeasured = (checkpoints: number) => say({ type: 'measured', checkpoints })
  await runLane({ folder, member, partitions, checkpointBytes, exactlyOnce: true, runIn, settle }, { onRunIn: ready, onMeasured })
}

async function parse(): Promise<void> {
  const { folder, warmUp, member, partitions, runIn } = order
  const short = await openLog(warmUp, 'lane-0')
  await parseAll(short, allPartitions)
  await short.close()
  const log = await openLog(folder, member.writer, member.shared)
  const gate = await gated(log, runIn)
  const from: number[] = []
  await parseAll(gate, partitions, from)
  await ready()
  gate.open()
  await parseAll(gate, partitions, from)
  say({ type: 'measured' })
  await log.close()
}

async function ready(): Promise<void> {
  say({ type: 'ready' })
  await once(port, 'message')
}
