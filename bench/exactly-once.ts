// What does exactly-once cost? The lane against the same lane that stores its offset every 10 s, without receipts and checkpoints.
import { cached } from './harness/cache.ts'
import { checked } from './harness/checked.ts'
import { inChild } from './harness/in-child.ts'
import type { LaneAnswer } from './harness/lane-once.ts'
import { median } from './harness/median.ts'
import type { Question } from './harness/report.ts'
import { checkpointBytesFor, inputs, RUN_IN_EVENTS, roundFolder } from './harness/workload.ts'

const EVENTS = 5_000_000
const QUICK_EVENTS = 1_000_000
const ROUNDS = 5
const QUICK_ROUNDS = 3

export const exactlyOnce: Question = {
  name: 'exactly-once',
  asks: 'the lane against the same without receipts and checkpoints, its offset stored every 10 s',
  async run({ quick, folder, note }) {
    const measured = quick ? QUICK_EVENTS : EVENTS
    const events = measured + RUN_IN_EVENTS
    const runIn = RUN_IN_EVENTS / events
    const checkpointBytes = checkpointBytesFor(measured)
    const rounds = quick ? QUICK_ROUNDS : ROUNDS
    note(
      `${measured.toLocaleString('en-GB')} events after ${RUN_IN_EVENTS.toLocaleString('en-GB')} unmeasured ones, checkpointBytes ${checkpointBytes.toLocaleString('en-GB')}, ${rounds} rounds`,
    )
    const [{ measured: input, short }, answer] = await Promise.all([inputs(events, note), cached('answer', events, note)])
    const answers = { with: [] as LaneAnswer[], without: [] as LaneAnswer[] }
    for (let round = 1; round <= rounds; round++) {
      // Who goes first changes, so that what the disk still does for the one before is shared out.
      const order = round % 2 === 1 ? (['without', 'with'] as const) : (['with', 'without'] as const)
      for (const way of order) {
        const settings = { checkpointBytes, exactlyOnce: way === 'with', runIn, settle: round === rounds }
        const folders = { folder: roundFolder(input, `${folder}/${way}`), warmUp: roundFolder(short, `${folder}/warm-up`) }
        answers[way].push(await inChild('run-lane', { ...settings, ...folders }))
      }
      const seconds = (way: keyof typeof answers) => answers[way].at(-1)!.cpuSeconds.toFixed(2)
      note(`round ${round}: with ${seconds('with')} s of CPU, without ${seconds('without')} s`)
    }
    const { rows } = answers.with[0]
    const cpu = (way: keyof typeof answers) => median(answers[way].map(({ cpuSeconds }) => cpuSeconds))
    const wall = (way: keyof typeof answers) => median(answers[way].map(({ wallSeconds }) => wallSeconds))
    const checkpoints = (way: keyof typeof answers) => answers[way].map((each) => each.checkpoints)
    return [
      { name: 'with-over-without', value: cpu('without') / cpu('with'), unit: '× the events per CPU second', atLeast: 0.8 },
      { name: 'checkpoints', value: Math.min(...checkpoints('with')), unit: 'finished per round', atLeast: 2 },
      { name: 'checkpoints-without', value: Math.max(...checkpoints('without')), unit: 'finished per round', atMost: 0 },
      await checked('topics', [`${folder}/with`, `${folder}/without`], answer, note),
      { name: 'with-over-without-wall', value: wall('without') / wall('with'), unit: '× the events per second' },
      { name: 'with', value: (cpu('with') / rows) * 1e6, unit: 'µs CPU per event' },
      { name: 'without', value: (cpu('without') / rows) * 1e6, unit: 'µs CPU per event' },
      { name: 'events', value: rows, unit: 'events per round' },
    ]
  },
}
