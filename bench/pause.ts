// How long do outputs wait while a task saves a million sessions that have all changed?
import { crowdDefaults } from './harness/crowd.ts'
import type { Gaps } from './harness/gaps.ts'
import { inChild } from './harness/in-child.ts'
import type { Question } from './harness/report.ts'
import type { PauseAnswer, PauseOrder } from './harness/run-pause.ts'
import type { RawGapsOrder } from './harness/run-raw-gaps.ts'
import { crowdInput, roundFolder } from './harness/workload.ts'

const USERS = 1_000_000
const QUICK_USERS = 250_000
const RATE = 20_000
const BEFORE_SECONDS = 10
const QUICK_BEFORE_SECONDS = 4

export const pause: Question = {
  name: 'pause',
  asks: 'the longest gap between two commits of a partition while it checkpoints 1,000,000 changed sessions; 20,000 events/s',
  async run({ quick, folder, note }) {
    const shape = { ...crowdDefaults, users: quick ? QUICK_USERS : USERS, rounds: 1, partitions: 1 }
    const beforeSeconds = quick ? QUICK_BEFORE_SECONDS : BEFORE_SECONDS
    note(
      `${whole(shape.users)} changed sessions of one partition, ${whole(RATE)} events/s; ${beforeSeconds} s without a checkpoint, to compare with`,
    )
    const order = { folder: roundFolder(await crowdInput(shape, note), `${folder}/data`), shape, rate: RATE, beforeSeconds }
    const told = await inChild<PauseOrder, PauseAnswer>('run-pause', order)
    note(
      `a checkpoint of ${whole(told.changed)} users and ${whole(told.checkpointBytes / 1e6)} MB in ${told.checkpointSeconds.toFixed(1)} s, ${told.during.count} commits meanwhile`,
    )
    const { commits, load, checkpointBytes, checkpointSeconds: seconds } = told
    const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`
    note(
      `raw: ${whole(commits.perSecond)} commits/s of ${kilobytes(commits.bytes)}, ${whole(load.perSecond)}/s of ${kilobytes(load.bytes)} for the load, and the checkpoint's bytes`,
    )
    const raw = await inChild<RawGapsOrder, Gaps>('run-raw-gaps', { folder: `${folder}/data`, seconds, commits, load, checkpointBytes })
    return [
      { name: 'longest-gap', value: told.during.longest, unit: 'ms between two commits, checkpoint under way', atMost: 100 },
      { name: 'raw-longest-gap', value: raw.longest, unit: 'ms, the same bytes as often, without the engine' },
      { name: 'raw-gap-p99', value: raw.p99, unit: 'ms' },
      { name: 'changed', value: told.changed, unit: 'users in the checkpoint', atLeast: shape.users },
      { name: 'gap-p99', value: told.during.p99, unit: 'ms' },
      { name: 'gap-of-begin', value: told.beginMs, unit: 'ms, the one in which it began' },
      { name: 'begin', value: told.beginCallMs, unit: 'ms, its begin alone' },
      { name: 'gap-of-end', value: told.endMs, unit: 'ms, the one in which it ended' },
      { name: 'longest-gap-after', value: told.after.longest, unit: 'ms, while its changes move into the table of places' },
      { name: 'longest-gap-without', value: told.before.longest, unit: 'ms, before it' },
      { name: 'gap-p99-without', value: told.before.p99, unit: 'ms' },
      { name: 'checkpoint', value: told.checkpointSeconds, unit: 's' },
    ]
  },
}

const whole = (value: number) => Math.round(value).toLocaleString('en-GB')
