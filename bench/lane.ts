// How fast is one lane, all operators, exactly once, against a loop that does nothing but JSON.parse the same events?
import type { CheckAnswer } from './harness/check.ts'
import { inChild } from './harness/in-child.ts'
import type { LaneAnswer } from './harness/lane-once.ts'
import { median } from './harness/median.ts'
import type { Figure, Question } from './harness/report.ts'
import type { ParseAnswer } from './harness/run-parse.ts'
import { checkpointBytesFor, makeInput, roundFolder, WARM_UP_EVENTS } from './harness/workload.ts'

const ROUNDS = 5
const EVENTS = 5_000_000
const QUICK_EVENTS = 1_000_000

export const lane: Question = {
  name: 'lane',
  asks: 'one lane from log to committed epochs and checkpoints, against JSON.parse of the same events',
  async run({ quick, folder, note }) {
    const events = quick ? QUICK_EVENTS : EVENTS
    const checkpointBytes = checkpointBytesFor(events)
    note(`${events.toLocaleString('en-GB')} events, checkpointBytes ${checkpointBytes.toLocaleString('en-GB')}, ${ROUNDS} rounds`)
    let measured = () => {}
    const checked = inChild<unknown, CheckAnswer>(
      'check',
      { events, folder: `${folder}/lane` },
      new Promise((resolve) => (measured = resolve)),
    )
    checked.catch(() => undefined)
    const input = await makeInput(`${folder}/measured`, events)
    const short = await makeInput(`${folder}/short`, WARM_UP_EVENTS)
    const lanes: LaneAnswer[] = []
    const parses: ParseAnswer[] = []
    for (let round = 1; round <= ROUNDS; round++) {
      parses.push(await inChild('run-parse', { folder: roundFolder(input, 'parse'), warmUp: roundFolder(short, 'parse') }))
      const order = { checkpointBytes, exactlyOnce: true, settle: round === ROUNDS }
      lanes.push(await inChild('run-lane', { ...order, folder: roundFolder(input, '../lane'), warmUp: roundFolder(short, 'lane') }))
      note(`round ${round}: parse ${parses.at(-1)!.cpuSeconds.toFixed(2)} s of CPU, lane ${lanes.at(-1)!.cpuSeconds.toFixed(2)} s`)
    }
    measured()
    const { differences, sessions, incidents } = await checked
    for (const difference of differences) note(difference)
    note(`${sessions} sessions and ${incidents} incidents compared with the evaluator's`)
    const cpu = median(lanes.map(({ cpuSeconds }) => cpuSeconds))
    const parse = median(parses.map(({ cpuSeconds }) => cpuSeconds))
    const figures: Figure[] = [
      { name: 'lane-over-json-parse', value: parse / cpu, unit: '×', atLeast: 1 },
      { name: 'checkpoints', value: Math.min(...lanes.map(({ checkpoints }) => checkpoints)), unit: 'finished per round', atLeast: 2 },
      { name: 'differences', value: differences.length, unit: 'from the evaluator', atMost: 0 },
      { name: 'lane', value: (cpu / events) * 1e6, unit: 'µs CPU per event' },
      { name: 'json-parse', value: (parse / events) * 1e6, unit: 'µs CPU per event' },
      { name: 'lane-rate', value: events / median(lanes.map(({ wallSeconds }) => wallSeconds)), unit: 'events/s' },
      { name: 'events', value: events, unit: 'events per round' },
      { name: 'bytes', value: input.bytes / events, unit: 'bytes per event in the log' },
    ]
    return figures
  },
}
