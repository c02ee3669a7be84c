// How long after an event completes a pattern can a consumer read the incident, and how long after is it a row?
import { crowdDefaults } from './harness/crowd.ts'
import { inChild } from './harness/in-child.ts'
import { percentile } from './harness/percentile.ts'
import type { Question } from './harness/report.ts'
import type { LatencyAnswer, LatencyOrder } from './harness/run-latency.ts'
import { crowdInput, roundFolder } from './harness/workload.ts'

const RATE = 20_000
const PATTERNS = 200
const USERS = 1_000_000
const QUICK_USERS = 100_000
const SECONDS = 60
const QUICK_SECONDS = 12
const WARM_UP_SECONDS = 15
const QUICK_WARM_UP_SECONDS = 5

export const latency: Question = {
  name: 'latency',
  asks: 'from when the event that completes a pattern is due to when its incident is read, and is a row; 20,000 events/s',
  async run({ quick, folder, note }) {
    const shape = { ...crowdDefaults, users: quick ? QUICK_USERS : USERS, rounds: 1 }
    const seconds = quick ? QUICK_SECONDS : SECONDS
    const warmUpSeconds = quick ? QUICK_WARM_UP_SECONDS : WARM_UP_SECONDS
    note(
      `${whole(RATE)} events/s for ${seconds} s after ${warmUpSeconds} s, ${whole(shape.users)} sessions open, ${PATTERNS} patterns per second`,
    )
    const input = await crowdInput(shape, note)
    const order = { folder: roundFolder(input, `${folder}/data`), shape, rate: RATE, patterns: PATTERNS, warmUpSeconds, seconds }
    const told = await inChild<LatencyOrder, LatencyAnswer>('run-latency', order)
    note(
      `filled in ${told.filledSeconds.toFixed(0)} s; ${whole(told.events)} events, ${told.checkpoints} checkpoints, ${told.loads} loads, appended at most ${whole(told.appendMs)} ms late`,
    )
    const perSecond = Array.from({ length: seconds }, (_, second) => told.readMs.filter((_, i) => told.second[i] === second))
    const worst = Math.max(...perSecond.map((values) => percentile(values, 0.99)))
    const due = seconds * PATTERNS
    return [
      { name: 'incident-p99', value: percentile(told.readMs, 0.99), unit: 'ms from due to read', atMost: 100 },
      { name: 'row-p99', value: percentile(told.rowMs, 0.99), unit: 'ms from due to a row', atMost: 2000 },
      // What was due while it began or ended may fall on either side.
      { name: 'unread', value: Math.max(0, due - told.readMs.length - 2), unit: `of ${whole(due)} incidents were not read`, atMost: 0 },
      { name: 'no-row', value: Math.max(0, due - told.rowMs.length - 2), unit: `of ${whole(due)} incidents were no row`, atMost: 0 },
      { name: 'incident-median', value: percentile(told.readMs, 0.5), unit: 'ms' },
      { name: 'incident-worst-second', value: worst, unit: 'ms, p99 of the worst second' },
      { name: 'incident-worst', value: Math.max(...told.readMs), unit: 'ms' },
      { name: 'row-median', value: percentile(told.rowMs, 0.5), unit: 'ms' },
      { name: 'checkpoints', value: told.checkpoints, unit: 'finished meanwhile' },
      { name: 'sessions', value: shape.users, unit: 'sessions open' },
    ]
  },
}

const whole = (value: number) => Math.round(value).toLocaleString('en-GB')
