// The measured baseline, in a process of its own, after a short unmeasured one (see run-lane.ts).

import { answer, type Cost, measuring } from './in-child.ts'
import { parseAll } from './parse-once.ts'
import { allPartitions, gated, openLog } from './workload.ts'

export interface ParseAnswer extends Cost {
  rows: number
}

await answer(async ({ folder, warmUp, runIn = 0 }: { folder: string; warmUp: string; runIn?: number }): Promise<ParseAnswer> => {
  await parse(warmUp, 0)
  return parse(folder, runIn)
})

/** Measured from the share `runIn` of the log on (see lane-once.ts). */
async function parse(folder: string, runIn: number): Promise<ParseAnswer> {
  global.gc?.()
  const log = await openLog(folder, 'lane-0')
  const gate = await gated(log, runIn)
  const from: number[] = []
  await parseAll(gate, allPartitions, from)
  gate.open()
  const end = measuring()
  const rows = await parseAll(gate, allPartitions, from)
  const cost = end()
  await log.close()
  return { ...cost, rows }
}
