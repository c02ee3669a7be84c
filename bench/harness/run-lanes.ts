// Threads that share the input's partitions, in a process of their own: seconds from when all are ready to when the last is done.
import { Worker } from 'node:worker_threads'
import { LANE_LIMITS } from '../../services/process/lane-limits.ts'
import { answer } from './in-child.ts'
import type { ThreadOrder, ThreadSays } from './lanes-thread.ts'
import { shareLog } from './workload.ts'

export interface LanesOrder {
  does: ThreadOrder['does']
  folder: string
  /** One per thread. */
  warmUps: string[]
  /** Partitions by thread. */
  shares: number[][]
  checkpointBytes: number
  /** The share of the log (0 … 1) that is done before the measurement begins. */
  runIn: number
  /** Lanes: open sessions as snapshots afterwards, so that all can be compared; not measured. */
  settle: boolean
}

export interface LanesAnswer {
  seconds: number
  /** Finished by all lanes. */
  checkpoints: number
}

await answer(async ({ does, folder, warmUps, shares, checkpointBytes, runIn, settle }: LanesOrder): Promise<LanesAnswer> => {
  const writers = shares.map((_, thread) => `lane-${thread}`)
  const shared = await shareLog(folder, writers)
  const workers = shares.map((partitions, thread) => {
    const member = { shared, writer: writers[thread] }
    const workerData: ThreadOrder = { does, folder, warmUp: warmUps[thread], member, partitions, checkpointBytes, runIn, settle }
    return new Worker(new URL('./lanes-thread.ts', import.meta.url), { workerData, resourceLimits: LANE_LIMITS })
  })
  // Listened to from the beginning: one may say its last word while another is still waited for.
  const said = workers.map((worker) => {
    const ready = Promise.withResolvers<ThreadSays>()
    const measured = Promise.withResolvers<ThreadSays>()
    const ended = Promise.withResolvers<ThreadSays>()
    const words = { ready, measured, ended }
    worker.on('message', (message: ThreadSays) => words[message.type].resolve(message))
    worker.on('error', (error) => {
      for (const { reject } of Object.values(words)) reject(error)
    })
    return words
  })
  await Promise.all(said.map(({ ready }) => ready.promise))
  const start = performance.now()
  for (const worker of workers) worker.postMessage('go')
  const answers = await Promise.all(said.map(({ measured }) => measured.promise))
  const seconds = (performance.now() - start) / 1000
  await Promise.all(said.map(({ ended }) => ended.promise))
  return { seconds, checkpoints: answers.reduce((sum, { checkpoints = 0 }) => sum + checkpoints, 0) }
})
