// One of several threads that work at the same time: a lane, or a loop of JSON.parse, over its share of the partitions.
// Warms up, says that it is ready, and does the measured work when all are.
import { parentPort, workerData } from 'node:worker_threads'
import type { SharedLog } from '../../stores/log/shared-log.ts'
import { runLane } from './lane-once.ts'
import { parseAll } from './parse-once.ts'
import { allPartitions, openLog } from './workload.ts'

export interface ThreadOrder {
  does: 'lane' | 'parse'
  folder: string
  warmUp: string
  shared: SharedLog
  writer: string
  partitions: number[]
  checkpointBytes: number
}

const { does, folder, warmUp, shared, writer, partitions, checkpointBytes } = workerData as ThreadOrder
await work(warmUp)
parentPort!.postMessage('ready')
parentPort!.once('message', () => {
  work(folder, { shared, writer }, partitions).then(
    () => parentPort!.postMessage('done'),
    (error: unknown) => {
      throw error
    },
  )
})

async function work(folder: string, member?: { shared: SharedLog; writer: string }, partitions?: number[]): Promise<void> {
  if (does === 'lane') {
    await runLane({ folder, member, partitions, checkpointBytes, exactlyOnce: true, settle: member === undefined })
    return
  }
  const log = await openLog(folder, member?.writer ?? 'lane-0', member?.shared)
  await parseAll(log, partitions ?? allPartitions)
  await log.close()
}
