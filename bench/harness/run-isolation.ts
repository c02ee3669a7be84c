// One lane with one partition, in which one organisation floods in every second window: how long the patterns of the others take.
import { setTimeout as sleep } from 'node:timers/promises'
import { type CrowdShape, crowdEndMs, orgsEvenly } from './crowd.ts'
import { answer } from './in-child.ts'
import { INCIDENTS, openLive, preciseNow } from './live.ts'
import type { LoadStream } from './live-load.ts'

export interface IsolationOrder {
  /** From roundFolder: the crowd's events in one partition. */
  folder: string
  shape: CrowdShape
  /** The flood has so many times the events of one victim, and all together so much of what the lane can do. */
  times: number
  share: number
  /** Windows without and with the flood, in turn; the first two are not measured. */
  windows: number
  windowMs: number
}

export interface IsolationAnswer {
  /** Events per second that the lane did while it worked through the crowd. */
  capacity: number
  victimRate: number
  floodRate: number
  /** Of each victim's pattern: its window, and ms until it was read. */
  window: number[]
  ms: number[]
  patterns: number
}

const LAST_MS = 10_000
/** Patterns among a victim's events: one in so many. */
const EVENTS_PER_PATTERN = 6
/** What is due at a window's start may wait behind what the one before left. */
const SKIP_MS = 250

await answer(async ({ folder, shape, times, share, windows, windowMs }: IsolationOrder): Promise<IsolationAnswer> => {
  const victims = shape.orgs - 1
  const flood = orgsEvenly(shape.orgs, shape.partitions)[0]
  const live = await openLive({ folder, partitions: 1, sinks: false, lanes: 1 })
  await live.ready
  // The second half: the first is for the compiler.
  const half = (await live.log.bounds({ topic: 'events.raw', partition: 0 })).end / 2
  let halfMs = Number.NaN
  let atHalf = 0
  const watching = (async () => {
    for (;;) {
      const [task] = await live.stats()
      if (task && task.position >= half) {
        atHalf = task.position
        halfMs = preciseNow()
        return
      }
      await sleep(5)
    }
  })()
  await live.settle()
  await watching
  const capacity = ((half * 2 - atHalf) / (preciseNow() - halfMs)) * 1000
  const victimRate = Math.floor((capacity * share) / (times + victims))
  const victimsRate = Math.max(1, victimRate) * victims
  const floodRate = Math.max(1, victimRate) * times
  const reader = await live.read(INCIDENTS, 'rage_click')
  const fromMs = preciseNow() + 300
  const shiftMs = Math.floor(crowdEndMs(shape) - fromMs)
  const streams: LoadStream[] = [
    { rate: victimsRate, orgs: [1, shape.orgs], patterns: Math.floor(victimsRate / EVENTS_PER_PATTERN), everySecondMs: 0 },
    { rate: floodRate, orgs: [0, 1], patterns: 0, everySecondMs: windowMs },
  ]
  const load = await live.load({ shape, streams, fromMs, shiftMs, seed: 4 })
  await sleep(fromMs + windows * windowMs - preciseNow())
  const { patterns } = await load.stop()
  let { lastAt, org, readMs } = await reader.take()
  for (const untilMs = preciseNow() + LAST_MS; preciseNow() < untilMs && org.filter((name) => name !== flood).length < patterns; ) {
    await sleep(50)
    const more = await reader.take()
    lastAt = [...lastAt, ...more.lastAt]
    org = [...org, ...more.org]
    readMs = [...readMs, ...more.readMs]
  }
  const window: number[] = []
  const ms: number[] = []
  for (const [i, at] of lastAt.entries()) {
    const dueMs = at - shiftMs
    const since = dueMs - fromMs
    // So many events of so few users are now and then a rage click.
    if (org[i] === flood) continue
    if (since < 2 * windowMs || since >= windows * windowMs || since % windowMs < SKIP_MS) continue
    window.push(Math.floor(since / windowMs))
    ms.push(readMs[i] - dueMs)
  }
  return { capacity, victimRate, floodRate, window, ms, patterns }
})
