// What does exactly-once cost? The lane against the same lane that stores its offset every 10 s, without receipts and checkpoints.
import { inChild } from './harness/in-child.ts'
import type { LaneAnswer } from './harness/lane-once.ts'
import { median } from './harness/median.ts'
import type { Question } from './harness/report.ts'
import { checkpointBytesFor, makeInput, roundFolder, WARM_UP_EVENTS } from './harness/workload.ts'

const EVENTS = 5_000_000
const QUICK_EVENTS = 500_000
const ROUNDS = 5

export const exactlyOnce: Question = {
  name: 'exactly-once',
  asks: 'the lane against the same without receipts and checkpoints, its offset stored every 10 s',
  async run({ quick, folder, note }) {
    const events = quick ? QUICK_EVENTS : EVENTS
    const checkpointBytes = checkpointBytesFor(events)
    note(`${events.toLocaleString('en-GB')} events, checkpointBytes ${checkpointBytes.toLocaleString('en-GB')}, ${ROUNDS} rounds`)
    const input = await makeInput(`${folder}/measured`, events)
    const short = await makeInput(`${folder}/short`, WARM_UP_EVENTS)
    const measured = { with: [] as LaneAnswer[], without: [] as LaneAnswer[] }
    for (let round = 1; round <= ROUNDS; round++) {
      // Who goes first changes, so that what the disk still does for the one before is shared out.
      const order = round % 2 === 1 ? (['without', 'with'] as const) : (['with', 'without'] as const)
      for (const way of order) {
        const settings = { checkpointBytes, exactlyOnce: way === 'with', settle: false }
        const folders = { folder: roundFolder(input, 'round'), warmUp: roundFolder(short, 'round') }
        measured[way].push(await inChild('run-lane', { ...settings, ...folders }))
      }
      note(
        `round ${round}: with ${measured.with.at(-1)!.cpuSeconds.toFixed(2)} s of CPU, without ${measured.without.at(-1)!.cpuSeconds.toFixed(2)} s`,
      )
    }
    const cpu = (way: keyof typeof measured) => median(measured[way].map(({ cpuSeconds }) => cpuSeconds))
    const wall = (way: keyof typeof measured) => median(measured[way].map(({ wallSeconds }) => wallSeconds))
    return [
      { name: 'with-over-without', value: cpu('without') / cpu('with'), unit: '× the events per CPU second', atLeast: 0.8 },
      { name: 'with-over-without-wall', value: wall('without') / wall('with'), unit: '× the events per second' },
      { name: 'with', value: (cpu('with') / events) * 1e6, unit: 'µs CPU per event' },
      { name: 'without', value: (cpu('without') / events) * 1e6, unit: 'µs CPU per event' },
      {
        name: 'checkpoints',
        value: Math.min(...measured.with.map(({ checkpoints }) => checkpoints)),
        unit: 'finished per round',
        atLeast: 2,
      },
      { name: 'events', value: events, unit: 'events per round' },
    ]
  },
}
