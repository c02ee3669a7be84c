// What do the settings do that decide how much is taken at once? One at a time, the others at their defaults.
import { availableParallelism } from 'node:os'
import { defaults } from '../config/index.ts'
import { BATCH_BYTES } from '../services/process/line-decoder.ts'
import { shareOut } from '../services/process/share-out.ts'
import { inChild } from './harness/in-child.ts'
import type { LaneAnswer, LaneOrder } from './harness/lane-once.ts'
import { median } from './harness/median.ts'
import { recut } from './harness/recut.ts'
import type { Figure, Question, Run } from './harness/report.ts'
import type { LanesAnswer, LanesOrder } from './harness/run-lanes.ts'
import type { PacedAnswer, PacedOrder } from './harness/run-paced.ts'
import type { SinkAnswer, SinkOrder } from './harness/run-sink.ts'
import { checkpointBytesFor, type Input, inputs, PARTITIONS, RUN_IN_EVENTS, roundFolder } from './harness/workload.ts'

const KB = 1 << 10
const MB = 1 << 20

interface Sizes {
  events: number
  /** Of the log, before the measurement. */
  runInEvents: number
  rounds: number
  paced: { eventsPerSecond: number; seconds: number }
  epochMs: readonly number[]
  epochBytes: readonly number[]
  blockBytes: readonly number[]
  lanes: readonly number[]
  batchBytes: readonly number[]
}

const FULL: Sizes = {
  events: 2_000_000,
  runInEvents: RUN_IN_EVENTS,
  rounds: 3,
  paced: { eventsPerSecond: 20_000, seconds: 10 },
  epochMs: [2, 5, 10, 20, 50, 100, 200, 500],
  epochBytes: [256 * KB, MB, 2 * MB, 4 * MB, 8 * MB, 16 * MB],
  blockBytes: [4 * KB, 16 * KB, 64 * KB, 256 * KB, 512 * KB, 2 * MB],
  lanes: [1, 2, 4],
  batchBytes: [MB, 4 * MB, 16 * MB, 64 * MB, 256 * MB],
}
const QUICK: Sizes = {
  events: 250_000,
  runInEvents: 50_000,
  rounds: 1,
  paced: { eventsPerSecond: 20_000, seconds: 2 },
  epochMs: [5, 20, 100],
  epochBytes: [MB, 4 * MB, 16 * MB],
  blockBytes: [16 * KB, 512 * KB],
  lanes: [1, 2],
  batchBytes: [4 * MB, 64 * MB],
}

/** What is swept → what it is by default. Journal blocks are no setting: here is what those of an import have on average. */
export const SWEPT = {
  epochMs: defaults.engine.epochMs,
  epochBytes: defaults.engine.epochBytes,
  blockBytes: BATCH_BYTES / PARTITIONS,
  lanes: Math.min(PARTITIONS, defaults.engine.lanes || availableParallelism()),
  batchBytes: defaults.sink.batchBytes,
}

type Factor = keyof typeof SWEPT
const figure = (name: string, factor: Factor, setting: number, value: number, unit: string): Figure => ({
  name: `${name}(${factor}=${setting})`,
  value,
  unit,
})

export const sweep: Question = {
  name: 'sweep',
  asks: 'epochMs, bytes of an epoch and of a block, lanes, bytes of a sink batch: one at a time around the defaults (reported)',
  async run(run) {
    const { quick, note } = run
    const sizes = quick ? QUICK : FULL
    const { events, runInEvents, rounds, paced } = sizes
    note(
      `${events.toLocaleString('en-GB')} events after ${runInEvents.toLocaleString('en-GB')} unmeasured ones, ${rounds} rounds; at a steady rate ${paced.eventsPerSecond.toLocaleString('en-GB')}/s for ${paced.seconds} s`,
    )
    const all = await inputs(events + runInEvents, note)
    const figures: Figure[] = []
    for (const part of [epochMs, epochBytes, blockBytes, lanes, batchBytes]) figures.push(...(await part(run, sizes, all)))
    return [...figures, { name: 'events', value: events, unit: 'events per round' }]
  },
}

type Inputs = { measured: Input; short: Input }

/** Rounds over all settings, so that what else the machine does meets all alike; per setting the median. */
async function medians(
  settings: readonly number[],
  rounds: number,
  measure: (setting: number) => Promise<number>,
): Promise<[number, number][]> {
  const values = settings.map(() => [] as number[])
  for (let round = 0; round < rounds; round++) for (const [at, setting] of settings.entries()) values[at].push(await measure(setting))
  return settings.map((setting, at) => [setting, median(values[at])])
}

async function epochMs({ folder, note }: Run, sizes: Sizes, { measured, short }: Inputs): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const setting of sizes.epochMs) {
    const folders = {
      source: roundFolder(measured, `${folder}/source`),
      warmUp: roundFolder(short, `${folder}/warm-up`),
      folder: roundFolder(undefined, `${folder}/round`),
    }
    const { medianMs, p99Ms, cpuMicros } = await inChild<PacedOrder, PacedAnswer>('run-paced', {
      ...folders,
      ...sizes.paced,
      epochMs: setting,
    })
    note(`epochMs ${setting}: median ${medianMs.toFixed(1)} ms, ${cpuMicros.toFixed(1)} µs of CPU per event`)
    figures.push(
      figure('latency', 'epochMs', setting, medianMs, 'ms from due to committed, median'),
      figure('latency-p99', 'epochMs', setting, p99Ms, 'ms from due to committed'),
      figure('cpu', 'epochMs', setting, cpuMicros, 'µs CPU per event'),
    )
  }
  return figures
}

/** Events per second of one lane over this input. */
async function laneRate({ folder }: Run, { events, runInEvents }: Sizes, input: Input, short: Input, epochBytes?: number): Promise<number> {
  const folders = { folder: roundFolder(input, `${folder}/lane`), warmUp: roundFolder(short, `${folder}/warm-up`) }
  const runIn = runInEvents / (events + runInEvents)
  const { rows, wallSeconds } = await inChild<LaneOrder & { warmUp: string }, LaneAnswer>('run-lane', {
    ...folders,
    checkpointBytes: checkpointBytesFor(events),
    exactlyOnce: true,
    epochBytes,
    runIn,
    settle: false,
  })
  return rows / wallSeconds
}

async function epochBytes(run: Run, sizes: Sizes, { measured, short }: Inputs): Promise<Figure[]> {
  // An epoch has at least a block of each partition: small ones, so that the setting decides.
  const input = await recut(measured, `${run.folder}/recut`, Math.min(...sizes.epochBytes) / 4)
  const rates = await medians(sizes.epochBytes, sizes.rounds, async (setting) => {
    const rate = await laneRate(run, sizes, input, short, setting)
    run.note(`epochBytes ${setting.toLocaleString('en-GB')}: ${Math.round(rate).toLocaleString('en-GB')} events/s`)
    return rate
  })
  return rates.map(([setting, rate]) => figure('rate', 'epochBytes', setting, rate, 'events/s'))
}

async function blockBytes(run: Run, sizes: Sizes, { measured, short }: Inputs): Promise<Figure[]> {
  const rates = await medians(sizes.blockBytes, sizes.rounds, async (setting) => {
    const input = await recut(measured, `${run.folder}/recut`, setting)
    const rate = await laneRate(run, sizes, input, short)
    run.note(`blockBytes ${setting.toLocaleString('en-GB')}: ${Math.round(rate).toLocaleString('en-GB')} events/s`)
    return rate
  })
  return rates.map(([setting, rate]) => figure('rate', 'blockBytes', setting, rate, 'events/s'))
}

async function lanes({ folder, note }: Run, { lanes, rounds, events, runInEvents }: Sizes, { measured, short }: Inputs): Promise<Figure[]> {
  const rates = await medians(lanes, rounds, async (setting) => {
    const shares = shareOut(measured.partitionBytes, setting)
    const { seconds } = await inChild<LanesOrder, LanesAnswer>('run-lanes', {
      does: 'lane',
      folder: roundFolder(measured, `${folder}/round`),
      warmUps: shares.map((_, thread) => roundFolder(short, `${folder}/warm-up-${thread}`)),
      shares,
      checkpointBytes: checkpointBytesFor(events),
      runIn: runInEvents / (events + runInEvents),
      settle: false,
    })
    note(`lanes ${setting}: ${Math.round(events / seconds).toLocaleString('en-GB')} events/s`)
    return events / seconds
  })
  return rates.map(([setting, rate]) => figure('rate', 'lanes', setting, rate, 'events/s'))
}

async function batchBytes({ folder, note }: Run, sizes: Sizes, { measured, short }: Inputs): Promise<Figure[]> {
  const rows = new Map<number, number>()
  const rates = await medians(sizes.batchBytes, sizes.rounds, async (setting) => {
    const folders = { folder: roundFolder(measured, `${folder}/round`), warmUp: roundFolder(short, `${folder}/warm-up`) }
    const answer = await inChild<SinkOrder, SinkAnswer>('run-sink', { ...folders, batchBytes: setting })
    rows.set(setting, answer.rows / answer.writes)
    const rate = answer.rows / answer.wallSeconds
    note(`batchBytes ${setting.toLocaleString('en-GB')}: ${answer.writes} writes, ${Math.round(rate).toLocaleString('en-GB')} rows/s`)
    return rate
  })
  return rates.flatMap(([setting, rate]) => [
    figure('rate', 'batchBytes', setting, rate, 'rows/s'),
    figure('rows', 'batchBytes', setting, rows.get(setting)!, 'rows per batch'),
  ])
}
