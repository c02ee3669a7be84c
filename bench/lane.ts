// How fast is one lane, all operators, exactly once, against a loop that does nothing but JSON.parse the same events?
import { cached } from './harness/cache.ts'
import { checked } from './harness/checked.ts'
import { inChild } from './harness/in-child.ts'
import type { LaneAnswer } from './harness/lane-once.ts'
import { median } from './harness/median.ts'
import type { Question } from './harness/report.ts'
import type { ParseAnswer } from './harness/run-parse.ts'
import { checkpointBytesFor, inputs, RUN_IN_EVENTS, roundFolder } from './harness/workload.ts'

const ROUNDS = 5
const EVENTS = 5_000_000
const QUICK_EVENTS = 1_000_000
/** Fewer than it takes to compile all: the quick figure is a little lower. */
const QUICK_RUN_IN_EVENTS = 150_000

export const lane: Question = {
  name: 'lane',
  asks: 'one lane from log to committed epochs and checkpoints, against JSON.parse of the same events',
  async run({ quick, folder, note }) {
    const measured = quick ? QUICK_EVENTS : EVENTS
    const runInEvents = quick ? QUICK_RUN_IN_EVENTS : RUN_IN_EVENTS
    const events = measured + runInEvents
    const runIn = runInEvents / events
    const checkpointBytes = checkpointBytesFor(measured)
    note(
      `${measured.toLocaleString('en-GB')} events after ${runInEvents.toLocaleString('en-GB')} unmeasured ones, checkpointBytes ${checkpointBytes.toLocaleString('en-GB')}, ${ROUNDS} rounds`,
    )
    const [{ measured: input, short }, answer] = await Promise.all([inputs(events, note), cached('answer', events, note)])
    const lanes: LaneAnswer[] = []
    const parses: ParseAnswer[] = []
    const both = {
      parse: async () => {
        const folders = { folder: roundFolder(input, `${folder}/parse`), warmUp: roundFolder(short, `${folder}/warm-up`), runIn }
        parses.push(await inChild('run-parse', folders))
      },
      lane: async (settle: boolean) => {
        const folders = { folder: roundFolder(input, `${folder}/lane`), warmUp: roundFolder(short, `${folder}/warm-up`) }
        lanes.push(await inChild('run-lane', { checkpointBytes, exactlyOnce: true, runIn, settle, ...folders }))
      },
    }
    for (let round = 1; round <= ROUNDS; round++) {
      // Who goes first changes; the last round's outputs are completed, unmeasured, and compared.
      if (round % 2 === 1) await both.parse()
      await both.lane(round === ROUNDS)
      if (round % 2 === 0) await both.parse()
      note(`round ${round}: parse ${parses.at(-1)!.cpuSeconds.toFixed(2)} s of CPU, lane ${lanes.at(-1)!.cpuSeconds.toFixed(2)} s`)
    }
    // Where the unmeasured part ends depends on the cut of the blocks, for the lane and the loop alike.
    const { rows } = lanes[0]
    for (const each of [...lanes, ...parses]) if (each.rows !== rows) throw new Error(`a round did ${each.rows} events, not ${rows}`)
    const cpu = median(lanes.map(({ cpuSeconds }) => cpuSeconds))
    const parse = median(parses.map(({ cpuSeconds }) => cpuSeconds))
    const ratios = lanes.map(({ cpuSeconds }, round) => parses[round].cpuSeconds / cpuSeconds)
    return [
      { name: 'lane-over-json-parse', value: parse / cpu, unit: '×', atLeast: 1 },
      { name: 'checkpoints', value: Math.min(...lanes.map(({ checkpoints }) => checkpoints)), unit: 'finished per round', atLeast: 2 },
      await checked('topics', [`${folder}/lane`], answer, note),
      { name: 'lowest-round', value: Math.min(...ratios), unit: '×' },
      { name: 'highest-round', value: Math.max(...ratios), unit: '×' },
      { name: 'lane', value: (cpu / rows) * 1e6, unit: 'µs CPU per event' },
      { name: 'json-parse', value: (parse / rows) * 1e6, unit: 'µs CPU per event' },
      { name: 'lane-rate', value: rows / median(lanes.map(({ wallSeconds }) => wallSeconds)), unit: 'events/s' },
      { name: 'events', value: rows, unit: 'events per round' },
      { name: 'bytes', value: input.bytes / events, unit: 'bytes per event in the log' },
    ]
  },
}
