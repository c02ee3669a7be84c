// Threads that share the input's partitions, in a process of their own: seconds from when all are ready to when the last is done.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { answer, YOUNG_MB } from './in-child.ts'
import type { ThreadOrder } from './lanes-thread.ts'
import { shareLog } from './workload.ts'

export interface LanesOrder {
  does: ThreadOrder['does']
  folder: string
  /** One per thread. */
  warmUps: string[]
  /** Partitions by thread. */
  shares: number[][]
  checkpointBytes: number
}

await answer(async ({ does, folder, warmUps, shares, checkpointBytes }: LanesOrder): Promise<{ seconds: number }> => {
  const writers = shares.map((_, thread) => `lane-${thread}`)
  const shared = await shareLog(folder, writers)
  const workers = shares.map((partitions, thread) => {
    const workerData: ThreadOrder = { does, folder, warmUp: warmUps[thread], shared, writer: writers[thread], partitions, checkpointBytes }
    return new Worker(new URL('./lanes-thread.ts', import.meta.url), { workerData, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } })
  })
  // Rejects where a thread throws.
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  const start = performance.now()
  for (const worker of workers) worker.postMessage('go')
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  return { seconds: (performance.now() - start) / 1000 }
})
