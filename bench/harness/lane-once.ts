// One lane over the whole input: measured from opening its log to when it has nothing left to do.
// It does what a lane's thread does (services/process/lane-worker.ts) with the same parts, on this thread, and measures.
import { join } from 'node:path'
import { defaults } from '../../config/index.ts'
import { Lane } from '../../engine/lane/lane.ts'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import { PartitionTask } from '../../engine/lane/task.ts'
import type { Log } from '../../engine/log/contract.ts'
import { systemClock } from '../../engine/time/clock.ts'
import type { Topology } from '../../engine/topology/topology.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import type { SharedLog } from '../../stores/log/shared-log.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import type { ClickstreamSettings } from '../../topologies/clickstream.ts'
import { type Cost, measuring } from './in-child.ts'
import { allPartitions, clickstreamDefaults, gated, LINEAGE, openLog, TOPIC } from './workload.ts'

export interface LaneOrder {
  /** From roundFolder. */
  folder: string
  /** All of them, where not given. */
  partitions?: readonly number[]
  /** Where other threads have the same log open: what prepareLog gave, and this thread's name in it. */
  member?: { shared: SharedLog; writer: string }
  /** A module of bench/harness or topologies (its path from bench/harness), and its exported topology. */
  topology?: { module: string; export: string }
  checkpointBytes: number
  exactlyOnce: boolean
  /** The default, where not given. */
  epochBytes?: number
  /** Of each task; its share of the default among all partitions, where not given. */
  cacheBytes?: number
  /** The share of the log (0 … 1) that is done before the measurement begins. */
  runIn?: number
  /** Afterwards, unmeasured: open sessions as snapshots, as an import ends, so that all can be compared; and a clean stop. */
  settle: boolean
}

export interface LaneAnswer extends Cost {
  /** Measured ones. */
  rows: number
  epochs: number
  checkpoints: number
  users: number
  stateBytes: number
  /** Events in sessions that are open. */
  open: number
  /** Users read back from the state store, and users that left memory. */
  loads: number
  evictions: number
}

export interface LaneMoments {
  /** The unmeasured part is done: the measured one begins when this resolves. */
  onRunIn?(): Promise<void>
  /** The measured part is over; the rest follows. */
  onMeasured?(checkpoints: number): void
}

export async function runLane(order: LaneOrder, { onRunIn, onMeasured }: LaneMoments = {}): Promise<LaneAnswer> {
  const { folder, member, partitions = allPartitions, runIn = 0, settle } = order
  global.gc?.()

  let end = measuring()
  const log = await openLog(folder, member?.writer ?? 'lane-0', member?.shared)
  const gate = await gated(log, runIn, member ? allPartitions : partitions)
  if (runIn === 0) gate.open()
  const behindGate: Log = { ...bound(log), reader: gate.reader }
  const tasks = await openTasks(order, behindGate)
  let stopped: unknown
  let idle = () => {}
  // A lane waits for the log to change only when all it has read is committed, and its checkpoints and their upkeep are finished.
  const nothingLeft = new Promise<void>((resolve) => (idle = resolve))
  let isRunIn = runIn === 0
  let before = { rows: 0, checkpoints: 0 }
  const totals = () => ({
    rows: lane.stats.reduce((sum, { position }) => sum + position, 0),
    checkpoints: lane.stats.reduce((sum, { checkpoints }) => sum + checkpoints, 0),
  })
  const lane = new Lane({
    tasks,
    log: {
      ...behindGate,
      changed: async () => {
        if (!isRunIn) {
          isRunIn = true
          before = totals()
          await onRunIn?.()
          gate.open()
          end = measuring()
          return
        }
        idle()
        return log.changed()
      },
    },
    clock: systemClock,
    epochMs: defaults.engine.epochMs,
    live: false,
    onStopped: (_, error) => {
      stopped = error
      idle()
    },
  })
  await lane.open()
  const running = lane.run()
  await Promise.race([nothingLeft, running])
  const cost = end()

  if (stopped !== undefined) throw stopped
  const { stats } = lane
  const sum = (of: (task: (typeof stats)[number]) => number) => stats.reduce((total, task) => total + of(task), 0)
  onMeasured?.(sum(({ checkpoints }) => checkpoints))
  for (const { partition, position } of stats) {
    const { end } = await log.bounds({ topic: TOPIC, partition })
    if (position !== end) throw new Error(`partition ${partition} was committed to ${position} of ${end}`)
  }
  if (settle) {
    const ends = new Map(stats.map(({ partition, position }) => [partition, position]))
    await lane.drain(ends, { snapshots: true, close: false })
    lane.stop()
    await running
    await log.close()
  }
  return {
    ...cost,
    rows: sum(({ position }) => position) - before.rows,
    epochs: sum(({ epoch }) => epoch),
    checkpoints: sum(({ checkpoints }) => checkpoints) - before.checkpoints,
    users: sum(({ users }) => users),
    stateBytes: sum(({ stateBytes }) => stateBytes),
    open: sum(({ open }) => open),
    loads: sum(({ loads }) => loads),
    evictions: sum(({ evictions }) => evictions),
  }
}

/** The lane's tasks with their state stores. A warm-up before has the topology's module loaded. */
export async function openTasks(
  {
    folder,
    partitions = allPartitions,
    topology: wanted,
    checkpointBytes,
    exactlyOnce,
    epochBytes = defaults.engine.epochBytes,
    cacheBytes = defaults.engine.cacheBytes / allPartitions.length,
  }: Omit<LaneOrder, 'settle' | 'runIn'>,
  log: Log,
): Promise<PartitionTask[]> {
  const { module, export: name } = wanted ?? { module: '../../topologies/clickstream.ts', export: 'clickstream' }
  const imported = (await import(new URL(module, import.meta.url).href)) as Record<string, (settings: ClickstreamSettings) => Topology>
  const topology = imported[name](clickstreamDefaults())
  const stage = sessionStage(topology)
  const tasks: PartitionTask[] = []
  for (const partition of partitions) {
    const state = join(folder, 'state', LINEAGE, `${topology.name}-${partition}`)
    await realFiles.makeFolder(state)
    const store = await openCheckpointStore({ files: realFiles, folder: state })
    const options = { stage, lineage: LINEAGE, code: 'bench', partition, epochBytes, checkpointBytes, exactlyOnce }
    tasks.push(new PartitionTask({ ...options, cacheBytes }, log, store))
  }
  return tasks
}

export const bound = (log: Log): Log => ({
  claim: log.claim.bind(log),
  reader: log.reader.bind(log),
  bounds: log.bounds.bind(log),
  need: log.need.bind(log),
  changed: log.changed.bind(log),
  close: log.close.bind(log),
})
