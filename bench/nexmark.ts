// How many of Nexmark's events does one core take, on the operators that anybody can write?
import { join } from 'node:path'
import { inChild } from './harness/in-child.ts'
import { median } from './harness/median.ts'
import type { Figure, Question } from './harness/report.ts'
import type { NexmarkAnswer, NexmarkOrder } from './harness/run-nexmark.ts'

const EVENTS = 2_000_000
const QUICK_EVENTS = 300_000
const WARM_UP = 100_000
const ROUNDS = 3
/** Per query at full size; a quick run has as many. */
const CHECKPOINTS = 3
/** Of JSON, about. */
const EVENT_BYTES = 120

export const nexmark: Question = {
  name: 'nexmark',
  asks: 'Nexmark q0, q1, q2, q11, q12 on the public operators, events per CPU second',
  async run({ quick, folder, note }) {
    const events = quick ? QUICK_EVENTS : EVENTS
    const rounds = quick ? 1 : ROUNDS
    const checkpointBytes = Math.floor((events * EVENT_BYTES) / CHECKPOINTS)
    note(`${events.toLocaleString('en-GB')} events after ${WARM_UP.toLocaleString('en-GB')} unmeasured ones, ${rounds} rounds`)
    const figures: Figure[] = []
    let differences = 0
    let checkpoints = Number.POSITIVE_INFINITY
    for (const query of ['q0', 'q1', 'q2', 'q11', 'q12']) {
      const answers: NexmarkAnswer[] = []
      for (let round = 1; round <= rounds; round++) {
        const order = { query, folder: join(folder, `${query}-${round}`), events, warmUp: WARM_UP, checkpointBytes }
        answers.push(await inChild<NexmarkOrder, NexmarkAnswer>('run-nexmark', order))
      }
      const rate = median(answers.map(({ cpuSeconds }) => events / cpuSeconds))
      note(
        `${query}: ${Math.round(rate).toLocaleString('en-GB')} events per CPU second, ${answers[0].records.toLocaleString('en-GB')} records out`,
      )
      figures.push({ name: query, value: rate, unit: 'events/s per core', ...(query === 'q11' && { atLeast: 50_000 }) })
      differences += answers.reduce((sum, one) => sum + one.differences, 0)
      checkpoints = Math.min(checkpoints, ...answers.map((one) => one.checkpoints))
    }
    return [
      ...figures,
      { name: 'differences', value: differences, unit: 'records, against the oracle', atMost: 0 },
      { name: 'checkpoints', value: checkpoints, unit: 'finished per round', atLeast: 2 },
    ]
  },
}
