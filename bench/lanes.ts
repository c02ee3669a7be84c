// What does a second lane add, of what a second thread can add on this machine at all?
import { inChild } from './harness/in-child.ts'
import { median } from './harness/median.ts'
import type { Question } from './harness/report.ts'
import type { LanesOrder } from './harness/run-lanes.ts'
import { allPartitions, checkpointBytesFor, makeInput, roundFolder, WARM_UP_EVENTS } from './harness/workload.ts'

const EVENTS = 5_000_000
const QUICK_EVENTS = 1_000_000
const ROUNDS = 5
const QUICK_ROUNDS = 3

export const lanes: Question = {
  name: 'lanes',
  asks: 'two lanes against one, as a share of what two JSON.parse loops reach against one',
  async run({ quick, folder, note }) {
    const events = quick ? QUICK_EVENTS : EVENTS
    const rounds = quick ? QUICK_ROUNDS : ROUNDS
    const checkpointBytes = checkpointBytesFor(events)
    note(`${events.toLocaleString('en-GB')} events, ${rounds} rounds`)
    const input = await makeInput(`${folder}/measured`, events)
    const short = await makeInput(`${folder}/short`, WARM_UP_EVENTS)
    const both = shareOut(input.partitionBytes)
    note(`partitions ${both.map((share) => share.join(' ')).join(' and ')}`)
    const measure = async (does: LanesOrder['does'], shares: number[][]) => {
      const warmUps = shares.map((_, thread) => roundFolder(short, `warm-${thread}`))
      const order: LanesOrder = { does, folder: roundFolder(input, 'round'), warmUps, shares, checkpointBytes }
      return (await inChild<LanesOrder, { seconds: number }>('run-lanes', order)).seconds
    }
    const laneGains: number[] = []
    const parseGains: number[] = []
    for (let round = 1; round <= rounds; round++) {
      parseGains.push((await measure('parse', [allPartitions])) / (await measure('parse', both)))
      laneGains.push((await measure('lane', [allPartitions])) / (await measure('lane', both)))
      note(`round ${round}: two parse loops ${parseGains.at(-1)!.toFixed(2)} ×, two lanes ${laneGains.at(-1)!.toFixed(2)} ×`)
    }
    return [
      { name: 'two-over-one', value: median(laneGains) / median(parseGains), unit: 'of what parse loops gain', atLeast: 0.85 },
      { name: 'two-lanes', value: median(laneGains), unit: '× one lane' },
      { name: 'two-parse-loops', value: median(parseGains), unit: '× one loop' },
      { name: 'events', value: events, unit: 'events per round' },
    ]
  },
}

/** Two shares of about equal bytes: the largest partition first, each to the smaller share. */
function shareOut(partitionBytes: readonly number[]): number[][] {
  const shares = [0, 1].map(() => ({ bytes: 0, partitions: [] as number[] }))
  for (const partition of [...allPartitions].sort((a, b) => partitionBytes[b] - partitionBytes[a])) {
    const share = shares[0].bytes <= shares[1].bytes ? shares[0] : shares[1]
    share.bytes += partitionBytes[partition]
    share.partitions.push(partition)
  }
  return shares.map(({ partitions }) => partitions)
}
