// The measured baseline, in a process of its own, after a short unmeasured one (see run-lane.ts).

import { answer, type Cost, measuring } from './in-child.ts'
import { parseAll } from './parse-once.ts'
import { allPartitions, openLog } from './workload.ts'

export interface ParseAnswer extends Cost {
  rows: number
}

await answer(async ({ folder, warmUp }: { folder: string; warmUp: string }): Promise<ParseAnswer> => {
  await parse(warmUp)
  return parse(folder)
})

async function parse(folder: string): Promise<ParseAnswer> {
  global.gc?.()
  const end = measuring()
  const log = await openLog(folder, 'lane-0')
  const rows = await parseAll(log, allPartitions)
  const cost = end()
  await log.close()
  return { ...cost, rows }
}
