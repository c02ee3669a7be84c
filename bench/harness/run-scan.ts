// Reading and scanning alone, in a process of its own, after a short unmeasured run (see run-lane.ts).
import { defaults } from '../../config/index.ts'
import { newBatch, resetBatch, scanBlock } from '../../model/scan.ts'
import { answer, type Cost, measuring } from './in-child.ts'
import { allPartitions, openLog, TOPIC } from './workload.ts'

export interface ScanAnswer extends Cost {
  rows: number
  fallbackRows: number
}

await answer(async ({ folder, warmUp, scans }: { folder: string; warmUp: string; scans: boolean }): Promise<ScanAnswer> => {
  await run(warmUp, scans)
  return run(folder, scans)
})

/** `scans`: false to read only. */
async function run(folder: string, scans: boolean): Promise<ScanAnswer> {
  global.gc?.()
  const end = measuring()
  const log = await openLog(folder, 'lane-0')
  const batch = newBatch()
  let rows = 0
  for (const partition of allPartitions) {
    const reader = log.reader({ topic: TOPIC, partition })
    for (let from = 0; ; ) {
      const { bytes, blocks, next } = await reader.read(from, defaults.engine.epochBytes)
      if (blocks.length === 0) break
      resetBatch(batch, bytes)
      for (const { pos, length, baseOffset, count } of blocks) {
        if (scans) scanBlock(batch, pos, length, baseOffset, from)
        rows += count
      }
      from = next
    }
    reader.close()
  }
  const cost = end()
  await log.close()
  return { ...cost, rows, fallbackRows: batch.fallbackRows }
}
