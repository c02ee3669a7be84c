// A process that is killed: with a load by the clock from when it was spawned, it tells its parent how far it is, until then.
import { setTimeout as sleep } from 'node:timers/promises'
import type { CrowdShape } from './crowd.ts'
import { openLive, preciseNow } from './live.ts'

export interface ServerOrder {
  folder: string
  shape: CrowdShape
  rate: number
  /** When it was spawned, ms since epoch: the load is due from then on, as its senders do not know that it is down. */
  spawnedMs: number
  /** Event time minus due time. */
  shiftMs: number
  /** The first one also works through the crowd's log before its load begins. */
  fill: boolean
  checkpointBytes: number
}

export type FromServer =
  | { type: 'filled' }
  /** ms since it was spawned: its modules were loaded and the log in order; its tasks had recovered; it was ready. */
  | { type: 'ready'; openedMs: number; recoveredMs: number; readyMs: number }

const LOOK_MS = 10

const order = JSON.parse(process.argv[2]) as ServerOrder
const { folder, shape, rate, spawnedMs, shiftMs, checkpointBytes } = order
const say = (message: FromServer) => process.send!(message)
const live = await openLive({ folder, partitions: shape.partitions, sinks: false, checkpointBytes })
const openedMs = preciseNow() - spawnedMs
if (order.fill) {
  await live.ready
  await live.settle()
  say({ type: 'filled' })
}
const fromMs = order.fill ? preciseNow() : spawnedMs
const streams = [{ rate, orgs: [0, shape.orgs] as const, patterns: 0, everySecondMs: 0 }]
await live.load({ shape, streams, fromMs, shiftMs: Math.floor(shiftMs), seed: Math.floor(spawnedMs) })
let recoveredMs = Number.NaN
/** By partition, the epoch at which it was first seen to have recovered. */
const first = new Map<number, number>()
for (;;) {
  const stats = await live.stats()
  for (const { partition, epoch } of stats) if (!first.has(partition)) first.set(partition, epoch)
  const isAll = first.size === shape.partitions
  if (isAll && Number.isNaN(recoveredMs)) recoveredMs = preciseNow() - spawnedMs
  const lags = await Promise.all(
    stats.map(async ({ partition, position }) => (await live.log.bounds({ topic: 'events.raw', partition })).end - position),
  )
  const isNew = stats.every(({ partition, epoch }) => epoch > first.get(partition)!)
  if (isAll && isNew && lags.every((lag) => lag < rate / shape.partitions)) break
  await sleep(LOOK_MS)
}
say({ type: 'ready', openedMs, recoveredMs, readyMs: preciseNow() - spawnedMs })
// Until it is killed.
setInterval(() => undefined, 1 << 30)
