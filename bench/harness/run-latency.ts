// A process with a crowd's sessions open, and how long after it was due each pattern is read from the topic, and is a row.
import { setTimeout as sleep } from 'node:timers/promises'
import { type CrowdShape, crowdEndMs } from './crowd.ts'
import { answer } from './in-child.ts'
import { INCIDENTS, openLive, preciseNow } from './live.ts'

export interface LatencyOrder {
  /** From roundFolder, with the crowd in its log. */
  folder: string
  shape: CrowdShape
  rate: number
  patterns: number
  warmUpSeconds: number
  seconds: number
}

export interface LatencyAnswer {
  /** Of each pattern that was due in the measured time: seconds since it began, and ms until it was read, and until it was a row (NaN: never). */
  second: number[]
  readMs: number[]
  rowMs: number[]
  /** Patterns that were due, events appended, the longest that one waited to be appended. */
  patterns: number
  events: number
  appendMs: number
  /** Sessions' events that are open, checkpoints that finished meanwhile, and reads from the state store. */
  open: number
  checkpoints: number
  loads: number
  filledSeconds: number
}

/** What is on its way at the end is waited for so long. */
const LAST_MS = 20_000
const POLL_MS = 100
/** Rows are looked for so often: a row counts as late as the look that finds it. */
const ROWS_POLL_MS = 200

await answer(async ({ folder, shape, rate, patterns, warmUpSeconds, seconds }: LatencyOrder): Promise<LatencyAnswer> => {
  const started = performance.now()
  const live = await openLive({ folder, partitions: shape.partitions, sinks: true })
  await live.ready
  await live.settle()
  const filledSeconds = (performance.now() - started) / 1000
  const reader = await live.read(INCIDENTS, 'rage_click')
  // A sink writes each partition's rows in the order of their offsets: what is there already is not asked for again, which would be the dearest of all queries.
  const seen = await Promise.all(
    Array.from({ length: shape.partitions }, async (_, partition) => (await live.log.bounds({ topic: INCIDENTS, partition })).end - 1),
  )
  const fromMs = preciseNow() + 500
  // Event time goes on where the crowd's ended.
  const shiftMs = Math.floor(crowdEndMs(shape) - fromMs)
  const before = await live.stats()
  const load = await live.load({
    shape,
    streams: [{ rate, orgs: [0, shape.orgs], patterns, everySecondMs: 0 }],
    fromMs,
    shiftMs,
    seed: 2,
  })
  const rows: { dueMs: number; seenMs: number }[] = []
  let polling = true
  const polled = (async () => {
    while (polling) {
      const found = await live.sinks!.query<{ at: number; partition: number; offset: number }>(
        `SELECT toUnixTimestamp64Milli(last_at) AS at, partition, offset FROM fact_incidents WHERE kind = 'rage_click' AND version = 1 AND offset > [${seen.join()}][partition + 1]`,
      )
      const seenMs = preciseNow()
      for (const { at, partition, offset } of found) {
        rows.push({ dueMs: Number(at) - shiftMs, seenMs })
        seen[partition] = Math.max(seen[partition], Number(offset))
      }
      await sleep(ROWS_POLL_MS)
    }
  })()
  const firstMs = fromMs + warmUpSeconds * 1000
  const lastMs = firstMs + seconds * 1000
  await sleep(lastMs - preciseNow())
  const { events, patterns: completed, latestMs } = await load.stop()
  const after = await live.stats()
  let read = await reader.take()
  for (const untilMs = preciseNow() + LAST_MS; preciseNow() < untilMs && (read.lastAt.length < completed || rows.length < completed); ) {
    await sleep(POLL_MS)
    const more = await reader.take()
    read = { lastAt: [...read.lastAt, ...more.lastAt], org: [], readMs: [...read.readMs, ...more.readMs] }
  }
  polling = false
  await polled
  const sum = (list: typeof after, of: (task: (typeof after)[number]) => number) => list.reduce((total, task) => total + of(task), 0)
  const measured = read.lastAt
    .map((at, i) => ({ dueMs: at - shiftMs, ms: read.readMs[i] - (at - shiftMs) }))
    .filter(({ dueMs }) => dueMs >= firstMs && dueMs < lastMs)
  const asRows = rows.filter(({ dueMs }) => dueMs >= firstMs && dueMs < lastMs)
  return {
    second: measured.map(({ dueMs }) => Math.floor((dueMs - firstMs) / 1000)),
    readMs: measured.map(({ ms }) => ms),
    rowMs: asRows.map(({ dueMs, seenMs }) => seenMs - dueMs),
    patterns: completed,
    events,
    appendMs: latestMs,
    open: sum(after, ({ open }) => open),
    checkpoints: sum(after, ({ checkpoints }) => checkpoints) - sum(before, ({ checkpoints }) => checkpoints),
    loads: sum(after, ({ loads }) => loads) - sum(before, ({ loads }) => loads),
    filledSeconds,
  }
})
