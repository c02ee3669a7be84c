// What does a lane with a million open sessions hold in memory, and does it grow with the keys that it has ever seen?
import { defaults } from '../config/index.ts'
import { crowdDefaults, eventsOf } from './harness/crowd.ts'
import { inChild } from './harness/in-child.ts'
import type { LaneOrder } from './harness/lane-once.ts'
import type { Figure, Question } from './harness/report.ts'
import type { MemoryAnswer } from './harness/run-memory.ts'
import { crowdInput, roundFolder } from './harness/workload.ts'

const USERS = 1_000_000
const KEYS = 10_000_000
const QUICK_USERS = 150_000
const QUICK_KEYS = 600_000
const MB = 1e6

export const memory: Question = {
  name: 'memory',
  asks: 'RssAnon of a lane with 1,000,000 open sessions, cache as shipped; and with 10,000,000 keys seen',
  async run({ quick, folder, note }) {
    const users = quick ? QUICK_USERS : USERS
    const keys = quick ? QUICK_KEYS : KEYS
    const open = { ...crowdDefaults, users }
    const seen = { ...open, before: keys - users }
    const checkpointBytes = Math.round((users / USERS) * defaults.engine.checkpointBytes)
    note(
      `${whole(users)} open sessions of ${open.rounds} events, then the same after ${whole(keys - users)} other users; checkpointBytes ${whole(checkpointBytes)}`,
    )
    const run = async (shape: typeof open, name: string): Promise<MemoryAnswer> => {
      const input = await crowdInput(shape, note)
      const order = { checkpointBytes, exactlyOnce: true, settle: false, folder: roundFolder(input, `${folder}/${name}`) }
      const answer = await inChild<LaneOrder, MemoryAnswer>('run-memory', order)
      if (answer.open !== users * open.rounds) throw new Error(`${answer.open} events were in open sessions, not ${users * open.rounds}`)
      note(
        `${name}: at most ${whole(answer.peakBytes / MB)} MB, ${whole(answer.rows / answer.wallSeconds)} events/s, ${answer.loads} loads, ${answer.evictions} evictions, ${answer.checkpoints} checkpoints`,
      )
      return answer
    }
    const one = await run(open, 'open')
    const many = await run(seen, 'seen')
    return [
      { name: 'open-1m', value: one.peakBytes / MB, unit: `MB RssAnon at most, ${whole(users)} open sessions`, atMost: 1000 },
      {
        name: 'open-1m-rate',
        value: one.rows / one.wallSeconds,
        unit: 'events/s in the same run',
        atLeast: 60_000,
      },
      { name: 'seen-10m', value: many.peakBytes / one.peakBytes, unit: `× that with ${whole(keys)} keys seen`, atMost: 1.1 },
      { name: 'checkpoints', value: Math.min(one.checkpoints, many.checkpoints), unit: 'finished per run', atLeast: 2 },
      { name: 'seen-10m-peak', value: many.peakBytes / MB, unit: 'MB RssAnon at most' },
      { name: 'before', value: one.beforeBytes / MB, unit: 'MB RssAnon of the process before it began' },
      { name: 'loads', value: one.loads, unit: 'sessions read back from the state store' },
      { name: 'state', value: one.stateBytes / MB, unit: 'MB of records in the cache at the end' },
      { name: 'events', value: eventsOf(open), unit: 'events' },
    ] satisfies Figure[]
  },
}

const whole = (value: number) => Math.round(value).toLocaleString('en-GB')
