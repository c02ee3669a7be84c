// One lane with one partition, in which one organisation floods in every second window: how long the patterns of the others take.
//
// The log that the lane's capacity is measured with is the same traffic: the same organisations in the same proportion, visits of as many events, as many
// of them at a time. What the load of the windows sends goes on where it ended.
import { setTimeout as sleep } from 'node:timers/promises'
import { type CrowdShape, orgsEvenly } from './crowd.ts'
import { answer } from './in-child.ts'
import { INCIDENTS, openLive, preciseNow } from './live.ts'
import { appender, DueEvents, type LoadStream } from './live-load.ts'
import { openLog } from './workload.ts'

export interface IsolationOrder {
  /** Without anything. */
  folder: string
  /** Its organisations, in one partition; its users do not matter. */
  shape: CrowdShape
  /** Visitors of a victim at a time. */
  visitors: number
  /** In the log before; what comes then has about as many per visitor and second. */
  events: number
  /** The flood has so many times the events and visitors of one victim, and all together so much of what the lane can do. */
  times: number
  share: number
  /** Windows without and with the flood, in turn; the first two are not measured. */
  windows: number
  windowMs: number
}

export interface IsolationAnswer {
  /** Events per second that the lane did while it worked through the log. */
  capacity: number
  victimRate: number
  floodRate: number
  /** Of each victim's pattern: its window, and ms until it was read. */
  window: number[]
  ms: number[]
  /** Patterns that were completed, and of them read. */
  patterns: number
  read: number
  /** The longest that an event waited to be appended. */
  appendMs: number
  /** In the windows: checkpoints that finished, users that left memory and came back. */
  checkpoints: number
  evictions: number
  loads: number
  /** At the end. */
  users: number
}

const LAST_MS = 10_000
/** Patterns among a victim's events: one in so many. */
const EVENTS_PER_PATTERN = 12
/** What is due at a window's start may wait behind what the one before left. */
const SKIP_MS = 250
/** Of the log before: what is due in so many ms is a commit. */
const COMMIT_MS = 10

await answer(async ({ folder, shape, visitors, events, times, share, windows, windowMs }: IsolationOrder): Promise<IsolationAnswer> => {
  const victims = shape.orgs - 1
  const flood = orgsEvenly(shape.orgs, shape.partitions)[0]
  const streamsOf = (victimRate: number, begun?: readonly number[]): LoadStream[] => {
    const rate = victimRate * victims
    const patterns = Math.floor(rate / EVENTS_PER_PATTERN)
    return [
      { rate, orgs: [1, shape.orgs], patterns, everySecondMs: 0, visitors, begun: begun?.[0] },
      { rate: victimRate * times, orgs: [0, 1], patterns: 0, everySecondMs: windowMs, visitors: visitors * times, begun: begun?.[1] },
    ]
  }
  const always = (begun?: readonly number[]) => streamsOf(visitors, begun).map((stream) => ({ ...stream, everySecondMs: 0 }))
  const filled = await fill(folder, shape, always(), events)
  const live = await openLive({ folder, partitions: 1, sinks: false, lanes: 1 })
  await live.ready
  // Events are appended meanwhile, as they will be: that takes of the machine what a lane by itself would have.
  const meanwhile = await live.load({ shape, streams: always(filled), fromMs: preciseNow(), shiftMs: 0, seed: 5 })
  const reached = async (position: number) => {
    for (;;) {
      const [task] = await live.stats()
      if (task && task.position >= position) return { position: task.position, ms: preciseNow() }
      await sleep(5)
    }
  }
  // The second half: the first is for the compiler.
  const from = await reached(events / 2)
  const to = await reached(events)
  const { begun } = await meanwhile.stop()
  await live.settle()
  const capacity = ((to.position - from.position) / (to.ms - from.ms)) * 1000
  const victimRate = Math.max(1, Math.floor((capacity * share) / (times + victims)))
  const reader = await live.read(INCIDENTS, 'rage_click')
  const [before] = await live.stats()
  const fromMs = preciseNow() + 300
  const load = await live.load({ shape, streams: streamsOf(victimRate, begun), fromMs, shiftMs: 0, seed: 4 })
  await sleep(fromMs + windows * windowMs - preciseNow())
  const { patterns, latestMs } = await load.stop()
  const [after] = await live.stats()
  let { lastAt, org, readMs } = await reader.take()
  const unread = () => patterns - org.filter((name) => name !== flood).length
  for (const untilMs = preciseNow() + LAST_MS; preciseNow() < untilMs && unread() > 0; ) {
    await sleep(50)
    const more = await reader.take()
    lastAt = [...lastAt, ...more.lastAt]
    org = [...org, ...more.org]
    readMs = [...readMs, ...more.readMs]
  }
  const window: number[] = []
  const ms: number[] = []
  for (const [i, dueMs] of lastAt.entries()) {
    const since = dueMs - fromMs
    // So many events of so few users are now and then a rage click.
    if (org[i] === flood) continue
    if (since < 2 * windowMs || since >= windows * windowMs || since % windowMs < SKIP_MS) continue
    window.push(Math.floor(since / windowMs))
    ms.push(readMs[i] - dueMs)
  }
  return {
    capacity,
    victimRate,
    floodRate: victimRate * times,
    window,
    ms,
    patterns,
    read: patterns - unread(),
    appendMs: latestMs,
    checkpoints: after.checkpoints - before.checkpoints,
    evictions: after.evictions - before.evictions,
    loads: after.loads - before.loads,
    users: after.users,
  }
})

/** Appends about so many events that were due before now; returns what each stream had begun. */
async function fill(folder: string, shape: CrowdShape, streams: readonly LoadStream[], events: number): Promise<number[]> {
  const forMs = (events / streams.reduce((sum, { rate }) => sum + rate, 0)) * 1000
  const log = await openLog(folder, 'load')
  const append = await appender(log)
  const toMs = preciseNow()
  const due = new DueEvents({ shape, streams, fromMs: toMs - forMs, shiftMs: 0, seed: 3 })
  for (let ms = toMs - forMs + COMMIT_MS; ms < toMs; ms += COMMIT_MS) await append(due.take(ms))
  await log.close()
  return due.begun
}
