// One task on this thread, a load on another: when each commit of it was durable, while it saves a crowd's sessions that have all changed.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { defaults } from '../../config/index.ts'
import { Lane } from '../../engine/lane/lane.ts'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import { PartitionTask } from '../../engine/lane/task.ts'
import type { Log } from '../../engine/log/contract.ts'
import { systemClock } from '../../engine/time/clock.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { type CrowdShape, crowdEndMs } from './crowd.ts'
import { type Gaps, gapsOf, type Reached, told } from './gaps.ts'
import { answer } from './in-child.ts'
import { preciseNow } from './live.ts'
import type { LoadOrder } from './live-load.ts'
import type { RawCommits } from './run-raw-gaps.ts'
import { clickstreamDefaults, LINEAGE, openLog, shareLog, TOPIC } from './workload.ts'

export interface PauseOrder {
  /** From roundFolder, with a crowd of one partition in its log. */
  folder: string
  shape: CrowdShape
  rate: number
  /** Without a checkpoint, to compare with; then the checkpoint begins. */
  beforeSeconds: number
}

export interface PauseAnswer {
  before: Gaps
  /** From its begin to its end. */
  during: Gaps
  /** From then until the store has nothing left to do: the changes moved into its table, files that nobody needs removed. */
  after: Gaps
  /** The gap in which the checkpoint began, and that in which it ended. */
  beginMs: number
  endMs: number
  /** The begin alone, on the clock: nothing else runs on the thread meanwhile. */
  beginCallMs: number
  checkpointSeconds: number
  checkpointBytes: number
  /** Users that it wrote. */
  changed: number
  open: number
  /** Of the time from its begin to its end, for the raw baseline: commits of the task, and of the load. */
  commits: RawCommits
  load: RawCommits
}

/** So long after the checkpoint's end, if the store still has something to do. */
const AFTER_MAX_MS = 30_000

await answer(async ({ folder, shape, rate, beforeSeconds }: PauseOrder): Promise<PauseAnswer> => {
  const shared = await shareLog(folder, ['lane-0', 'load'])
  const log = await openLog(folder, 'lane-0', shared)
  const topology = clickstream(clickstreamDefaults())
  const state = join(folder, 'state', LINEAGE, `${topology.name}-0`)
  await realFiles.makeFolder(state)
  const store = await openCheckpointStore({ files: realFiles, folder: state })
  const { epochBytes, epochMs } = defaults.engine
  // The checkpoint begins when it is told to, with all that changed since the start: neither the cache's bound nor the input's begins it.
  const never = Number.MAX_SAFE_INTEGER
  const options = {
    lineage: LINEAGE,
    code: 'bench',
    partition: 0,
    epochBytes,
    checkpointBytes: never,
    cacheBytes: never,
    exactlyOnce: true,
  }
  const commits: Reached[] = []
  const committed: { outputBytes: number; receipt: unknown }[] = []
  const watched: Log = {
    claim: async (name, input, again) => {
      const claim = await log.claim(name, input, again)
      const commit = claim.commit.bind(claim)
      claim.commit = async (what) => {
        // Their buffers are filled again once they are committed.
        const outputBytes = what.outputs.reduce((sum, { bytes }) => sum + bytes.length, 0)
        await commit(what)
        commits.push([preciseNow(), what.receipt!.to])
        committed.push({ outputBytes, receipt: what.receipt })
      }
      return claim as never
    },
    reader: (at) => log.reader(at),
    bounds: (at) => log.bounds(at),
    need: (consumer, at, from) => log.need(consumer, at, from),
    changed: () => log.changed(),
    close: () => log.close(),
  }
  const task = new PartitionTask({ ...options, stage: sessionStage(topology) }, watched, store)
  let beginCallMs = 0
  let beganMs = Number.POSITIVE_INFINITY
  let written = 0
  let changed = 0
  const begin = store.begin.bind(store)
  store.begin = (header) => {
    const file = begin(header)
    const put = file.put.bind(file)
    file.put = (key, value, index) => {
      if (value.length > 0) changed++
      put(key, value, index)
    }
    const finish = file.finish.bind(file)
    file.finish = async () => {
      await finish()
      written = file.bytes
    }
    return file
  }
  const tend = task.tend.bind(task)
  let wanted = false
  let idleMs = Number.POSITIVE_INFINITY
  let endedMs = Number.POSITIVE_INFINITY
  task.tend = async () => {
    if (wanted) {
      wanted = false
      beganMs = preciseNow()
      ;(task as unknown as { beginCheckpoint(): void }).beginCheckpoint()
      beginCallMs = preciseNow() - beganMs
    }
    const had = task.checkpoints
    const more = await tend()
    if (task.checkpoints > had) endedMs = preciseNow()
    if (!more && endedMs < idleMs && idleMs === Number.POSITIVE_INFINITY) idleMs = preciseNow()
    return more
  }
  let stopped: unknown
  const lane = new Lane({
    tasks: [task],
    log: watched,
    clock: systemClock,
    epochMs,
    live: true,
    onStopped: (_, error) => {
      stopped = error
    },
  })
  await lane.open()
  const running = lane.run()
  const { end } = await log.bounds({ topic: TOPIC, partition: 0 })
  await lane.drain(new Map([[0, end]]), { snapshots: false, close: false })
  const fromMs = preciseNow()
  const streams = [{ rate, orgs: [0, shape.orgs] as const, patterns: 0, everySecondMs: 0 }]
  const order: LoadOrder = { shared, folder, shape, streams, fromMs, shiftMs: Math.floor(crowdEndMs(shape) - fromMs), seed: 3 }
  const load = new Worker(new URL('./live-load.ts', import.meta.url), { workerData: order })
  load.on('error', (error) => {
    stopped = error
  })
  // A second for the load to come.
  await sleep(1000)
  const startMs = preciseNow()
  await sleep(beforeSeconds * 1000)
  wanted = true
  while (stopped === undefined && endedMs === Number.POSITIVE_INFINITY) await sleep(10)
  const untilMs = preciseNow() + AFTER_MAX_MS
  while (stopped === undefined && idleMs === Number.POSITIVE_INFINITY && preciseNow() < untilMs) await sleep(10)
  const overMs = preciseNow()
  if (stopped !== undefined) throw stopped
  const { arrivals, inputBytes } = await loadEnds(load)
  lane.stop()
  await load.terminate()
  void running
  const input = arrivals.map(([atMs, events]): Reached => [atMs, end + events])
  const gaps = gapsOf(commits, input)
  const between = (from: number, to: number): number[] =>
    gaps.flatMap(({ fromMs, toMs }) => (toMs > from && fromMs < to ? [toMs - fromMs] : []))
  const during = told(between(beganMs, endedMs))
  if (during.count === 0) throw new Error('nothing was committed while the checkpoint was under way')
  const over = (ms: number) => Math.max(0, ...between(ms, ms))
  const seconds = (endedMs - beganMs) / 1000
  const meanwhile = <T>(of: readonly T[], when: readonly Reached[]) => of.filter((_, i) => when[i][0] > beganMs && when[i][0] <= endedMs)
  const own = meanwhile(committed, commits)
  const came = meanwhile(arrivals, arrivals)
  return {
    before: told(between(startMs, beganMs - 1)),
    during,
    after: told(between(endedMs, Math.min(idleMs, overMs))),
    beginMs: over(beganMs),
    endMs: over(endedMs),
    beginCallMs,
    checkpointSeconds: seconds,
    checkpointBytes: written,
    changed,
    open: task.stats.open,
    commits: {
      perSecond: own.length / seconds,
      bytes: mean(own.map(({ outputBytes, receipt }) => outputBytes + JSON.stringify(receipt).length)),
    },
    load: { perSecond: came.length / seconds, bytes: Math.round(inputBytes / arrivals.length) },
  }
})

/** Resolves with what it has appended, and when. */
function loadEnds(load: Worker): Promise<{ arrivals: Reached[]; inputBytes: number }> {
  return new Promise((resolve, reject) => {
    load.on('message', (said: { type: string; arrivals: Reached[]; inputBytes: number }) => said.type === 'stopped' && resolve(said))
    load.on('error', reject)
    load.postMessage('stop')
  })
}

function mean(values: readonly number[]): number {
  return Math.round(values.reduce((sum, value) => sum + value, 0) / values.length)
}
