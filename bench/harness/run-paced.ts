// A lane that is fed at a steady rate, far below what it can do: from when an event is due until the epoch that has it is committed.
// Here: the feeder, as a door it appends and flushes what is due every few milliseconds. The lane is a thread of its own (paced-lane.ts).
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { LANE_LIMITS } from '../../services/process/lane-limits.ts'
import { answer, measuring } from './in-child.ts'
import type { PacedLaneOrder, PacedLaneSays } from './paced-lane.ts'
import { allPartitions, openLog, recordsOf, shareLog, TOPIC } from './workload.ts'

export interface PacedOrder {
  /** From roundFolder: where the records come from. */
  source: string
  folder: string
  warmUp: string
  epochMs: number
  eventsPerSecond: number
  /** Measured after one unmeasured second. */
  seconds: number
}

export interface PacedAnswer {
  medianMs: number
  p99Ms: number
  /** Of the whole process, feeder included. */
  cpuMicros: number
  events: number
}

/** The door commits about as often under load. */
const TURN_MS = 4
const UNMEASURED_SECONDS = 1

await answer(async ({ source, folder, warmUp, epochMs, eventsPerSecond, seconds }: PacedOrder): Promise<PacedAnswer> => {
  const events = (seconds + UNMEASURED_SECONDS) * eventsPerSecond
  const records = await recordsIn(source, events)
  const shared = await shareLog(folder, ['input', 'lane-0'])
  const workerData: PacedLaneOrder = { folder, warmUp, member: { shared, writer: 'lane-0' }, epochMs }
  const worker = new Worker(new URL('./paced-lane.ts', import.meta.url), {
    workerData,
    resourceLimits: LANE_LIMITS,
  })
  const next = async () => (await once(worker, 'message'))[0] as PacedLaneSays
  await next()
  const log = await openLog(folder, 'input', shared)
  const claim = await log.claim('feeder')

  /** Per partition: the offset after the records of a turn, and when they were due (ms of the system's clock). */
  const due: { to: number; count: number; atMs: number }[][] = allPartitions.map(() => [])
  const ends = allPartitions.map(() => 0)
  const startMs = performance.timeOrigin + performance.now()
  let cost = measuring()
  let isMeasured = false
  for (let fed = 0, epoch = 0; fed < events; ) {
    const nowMs = performance.timeOrigin + performance.now() - startMs
    if (!isMeasured && nowMs >= UNMEASURED_SECONDS * 1000) {
      isMeasured = true
      cost = measuring()
    }
    const upTo = Math.min(events, Math.floor((nowMs / 1000) * eventsPerSecond))
    const parts = Map.groupBy(records.slice(fed, upTo), ({ partition }) => partition)
    const outputs = [...parts].map(([partition, list]) => {
      ends[partition] += list.length
      due[partition].push({ to: ends[partition], count: list.length, atMs: startMs + (fed / eventsPerSecond) * 1000 })
      return { topic: TOPIC, partition, count: list.length, bytes: Buffer.from(list.map(({ record }) => `${record}\n`).join('')) }
    })
    fed = upTo
    if (outputs.length > 0) await claim.commit({ outputs, receipt: { epoch: ++epoch, to: fed } })
    const spentMs = performance.timeOrigin + performance.now() - startMs - nowMs
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, TURN_MS - spentMs)))
  }
  worker.postMessage(ends)
  const { commits } = await next()
  const { cpuSeconds } = cost()
  await log.close()

  // A turn's records waited for the first commit that reaches behind them; each counts with its turn's oldest.
  const latencies: number[] = []
  for (const partition of allPartitions) {
    const own = commits!.filter((commit) => commit.partition === partition)
    let at = 0
    for (const { to, count, atMs } of due[partition]) {
      while (own[at] !== undefined && own[at].to < to) at++
      if (own[at] === undefined) throw new Error(`partition ${partition} was not committed to ${to}`)
      if (atMs - startMs < UNMEASURED_SECONDS * 1000) continue
      for (let i = 0; i < count; i++) latencies.push(own[at].atMs - atMs)
    }
  }
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.floor((latencies.length - 1) * share)]
  const measured = seconds * eventsPerSecond
  return { medianMs: at(0.5), p99Ms: at(0.99), cpuMicros: (cpuSeconds * 1e6) / measured, events: latencies.length }
})

/** The first records of the log, of each partition in proportion to how many it has. */
async function recordsIn(folder: string, events: number): Promise<{ partition: number; record: string }[]> {
  const log = await openLog(folder, 'lane-0')
  const bounds = await Promise.all(allPartitions.map((partition) => log.bounds({ topic: TOPIC, partition })))
  const total = bounds.reduce((sum, { end }) => sum + end, 0)
  if (total < events) throw new Error(`the log has ${total} events, fewer than ${events}`)
  const places: { partition: number; record: string; at: number }[] = []
  for await (const { partition, offset, record } of recordsOf(log, TOPIC)) {
    const at = (offset + 0.5) / bounds[partition].end
    // As far into the log as is fed, and a little for what rounding leaves out.
    if (at < events / total + 0.001) places.push({ partition, record, at })
  }
  await log.close()
  return places.sort((a, b) => a.at - b.at).slice(0, events)
}
