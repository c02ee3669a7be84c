// What does a flood in one organisation cost the others in its partition?
import { crowdDefaults } from './harness/crowd.ts'
import { inChild } from './harness/in-child.ts'
import { median } from './harness/median.ts'
import { percentile } from './harness/percentile.ts'
import type { Question } from './harness/report.ts'
import type { IsolationAnswer, IsolationOrder } from './harness/run-isolation.ts'
import { roundFolder } from './harness/workload.ts'

const ORGS = 16
const TIMES = 100
/** Of the lane's capacity, all together. */
const SHARE = 0.5
/** Of a victim at a time: of all organisations 115,000. */
const VISITORS = 1000
/** So many that the lane checkpoints several times while its capacity is measured. */
const EVENTS = 2_500_000
const QUICK_EVENTS = 1_250_000
const WINDOW_MS = 4000
const WINDOWS = 32
const QUICK_WINDOWS = 8

export const isolation: Question = {
  name: 'isolation',
  asks: 'p99 from due to read of 15 organisations beside one with 100 × the events in the same partition, against without it',
  async run({ quick, folder, note }) {
    const windows = quick ? QUICK_WINDOWS : WINDOWS
    note(`${windows - 2} windows of ${WINDOW_MS / 1000} s, in turn without and with the flood, after 2 that are not measured`)
    const told = await inChild<IsolationOrder, IsolationAnswer>('run-isolation', {
      folder: roundFolder(undefined, `${folder}/data`),
      shape: { ...crowdDefaults, users: 0, rounds: 0, orgs: ORGS, partitions: 1 },
      visitors: VISITORS,
      events: quick ? QUICK_EVENTS : EVENTS,
      times: TIMES,
      share: SHARE,
      windows,
      windowMs: WINDOW_MS,
    })
    const p99 = (window: number) =>
      percentile(
        told.ms.filter((_, i) => told.window[i] === window),
        0.99,
      )
    const pairs = Array.from({ length: (windows - 2) / 2 }, (_, pair) => ({ alone: p99(2 + pair * 2), beside: p99(3 + pair * 2) }))
    note(
      `the lane does ${whole(told.capacity)} events/s; a victim sends ${whole(told.victimRate)}, the flood ${whole(told.floodRate)}; p99 alone and beside: ${pairs.map(({ alone, beside }) => `${alone.toFixed(0)} ${beside.toFixed(0)}`).join(', ')} ms`,
    )
    note(
      `${told.checkpoints} checkpoints, ${whole(told.evictions)} users left memory and ${whole(told.loads)} came back, of ${whole(told.users)}; appended at most ${whole(told.appendMs)} ms late`,
    )
    return [
      {
        name: 'victims-p99-ratio',
        value: median(pairs.map(({ alone, beside }) => beside / alone)),
        unit: `× beside the flood, median of ${pairs.length} pairs`,
        atMost: 1.5,
      },
      { name: 'unread', value: told.patterns - told.read, unit: `of ${whole(told.patterns)} incidents were not read`, atMost: 0 },
      { name: 'victims-p99-alone', value: percentile(ofWindows(told, 0), 0.99), unit: 'ms' },
      { name: 'victims-p99-beside', value: percentile(ofWindows(told, 1), 0.99), unit: 'ms' },
      {
        name: 'victims-median-ratio',
        value: percentile(ofWindows(told, 1), 0.5) / percentile(ofWindows(told, 0), 0.5),
        unit: '× of the medians',
      },
      { name: 'capacity', value: told.capacity, unit: 'events/s of the lane' },
      { name: 'patterns', value: told.ms.length, unit: 'measured' },
    ]
  },
}

const ofWindows = ({ ms, window }: IsolationAnswer, odd: 0 | 1) => ms.filter((_, i) => window[i] % 2 === odd)
const whole = (value: number) => Math.round(value).toLocaleString('en-GB')
