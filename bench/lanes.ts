// What does a second lane add, of what a second thread can add on this machine at all?

import { shareOut } from '../services/process/share-out.ts'
import { cached } from './harness/cache.ts'
import { checked } from './harness/checked.ts'
import { inChild } from './harness/in-child.ts'
import { median } from './harness/median.ts'
import type { Question } from './harness/report.ts'
import type { LanesAnswer, LanesOrder } from './harness/run-lanes.ts'
import { allPartitions, checkpointBytesFor, inputs, RUN_IN_EVENTS, roundFolder } from './harness/workload.ts'

const EVENTS = 5_000_000
const QUICK_EVENTS = 500_000
/** Of the log, before the measurement: in quick ones less, so that they stay quick. */
const QUICK_RUN_IN_EVENTS = 150_000
const ROUNDS = 5

export const lanes: Question = {
  name: 'lanes',
  asks: 'two lanes against one, as a share of what two JSON.parse loops reach against one',
  async run({ quick, folder, note }) {
    const wanted = quick ? QUICK_EVENTS : EVENTS
    const runInEvents = quick ? QUICK_RUN_IN_EVENTS : RUN_IN_EVENTS
    const events = wanted + runInEvents
    const runIn = runInEvents / events
    const checkpointBytes = checkpointBytesFor(wanted)
    note(
      `${wanted.toLocaleString('en-GB')} events after ${runInEvents.toLocaleString('en-GB')} unmeasured ones, checkpointBytes ${checkpointBytes.toLocaleString('en-GB')}, ${ROUNDS} rounds`,
    )
    const [{ measured, short }, answer] = await Promise.all([inputs(events, note), cached('answer', events, note)])
    const both = shareOut(measured.partitionBytes, 2)
    const percent = (share: number[]) =>
      Math.round((100 * share.reduce((sum, at) => sum + measured.partitionBytes[at], 0)) / measured.bytes)
    note(`two threads: partitions ${both.map((share) => `${share.join(' ')} (${percent(share)} % of the bytes)`).join(' and ')}`)
    const measure = (does: LanesOrder['does'], shares: number[][], settle: boolean) => {
      const warmUps = shares.map((_, thread) => roundFolder(short, `${folder}/warm-up-${thread}`))
      const order: LanesOrder = { does, folder: roundFolder(measured, `${folder}/round`), warmUps, shares, checkpointBytes, runIn, settle }
      return inChild<LanesOrder, LanesAnswer>('run-lanes', order)
    }
    const gains = { parse: [] as number[], lane: [] as number[] }
    const checkpoints: number[] = []
    for (let round = 1; round <= ROUNDS; round++) {
      for (const does of ['parse', 'lane'] as const) {
        // Who goes first changes. The last round ends with two lanes, whose outputs are completed and compared.
        const early = round % 2 === 0 ? await measure(does, both, false) : undefined
        const one = await measure(does, [allPartitions], false)
        const two = early ?? (await measure(does, both, does === 'lane' && round === ROUNDS))
        gains[does].push(one.seconds / two.seconds)
        if (does === 'lane') checkpoints.push(one.checkpoints, two.checkpoints)
      }
      note(`round ${round}: two parse loops ${gains.parse.at(-1)!.toFixed(2)} ×, two lanes ${gains.lane.at(-1)!.toFixed(2)} ×`)
    }
    return [
      { name: 'two-over-one', value: median(gains.lane) / median(gains.parse), unit: 'of what parse loops gain', atLeast: 0.85 },
      { name: 'checkpoints', value: Math.min(...checkpoints), unit: 'finished per round', atLeast: 2 },
      await checked('topics', [`${folder}/round`], answer, note),
      { name: 'two-lanes', value: median(gains.lane), unit: '× one lane' },
      { name: 'two-parse-loops', value: median(gains.parse), unit: '× one loop' },
      { name: 'events', value: wanted, unit: 'events per round' },
    ]
  },
}
