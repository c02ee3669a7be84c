// A log and a state store on a simulated disk, and partition tasks over them that a test drives by hand: no scheduler, no lane.
//
// TaskWorld is what survives a kill; open() gives the next process. Everything is awaited where it is called, so a kill happens between calls.

import type { Epoch } from '../../engine/lane/computer.ts'
import type { Receipt } from '../../engine/lane/receipt.ts'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import { PartitionTask, type TaskOptions } from '../../engine/lane/task.ts'
import type { Log } from '../../engine/log/contract.ts'
import type { StateStore } from '../../engine/state/store.ts'
import type { SessionPipeline, Topology } from '../../engine/topology/topology.ts'
import type { WireEvent } from '../../model/event.ts'
import { TOPICS } from '../../model/rows.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { localWaits } from '../../stores/log/shared-log.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import { type ClickstreamSettings, clickstream } from '../../topologies/clickstream.ts'
import { compareIncidents, compareSessions } from '../oracle/compare.ts'
import { settings as defaults } from '../oracle/in-memory.ts'
import { expected } from './expected.ts'
import { Observed, observedLog } from './observed-log.ts'
import { SimDisk, SimFiles } from './sim-files.ts'

export const RAW = { topic: TOPICS.raw, partition: 0 }
export const TASK = `task.main.clickstream.${TOPICS.raw}.0`

export class TaskWorld {
  disk = new SimDisk()
  readonly observed = new Observed()
  private files: SimFiles | undefined

  /** The next process; whatever was open before is dead. */
  async open(): Promise<TaskProcess> {
    this.files?.cut()
    const files = (this.files = new SimFiles(this.disk))
    const shared = await prepareLog({ files, folder: '/log', writers: ['main', 'lane', 'other'] })
    const waits = localWaits()
    const options = { files, folder: '/log', shared, waits, journalBytes: 4000, nowMs: () => 1_000_000 }
    const retention = { topics: {}, others: { ms: 0, bytes: 0 } }
    const logs: JournalLog[] = []
    for (const writer of shared.writers) logs.push(await openJournalLog({ ...options, writer, retention }))
    return new TaskProcess(this, files, logs)
  }

  loseState(): void {
    for (const path of [...this.disk.files.keys()]) if (path.startsWith('/state/')) this.disk.files.delete(path)
  }

  loseLog(): void {
    for (const path of [...this.disk.files.keys()]) if (path.startsWith('/log/')) this.disk.files.delete(path)
  }
}

export interface OneTaskOptions extends Partial<TaskOptions> {
  settings?: Partial<ClickstreamSettings>
  pipeline?: (pipeline: SessionPipeline) => SessionPipeline
  /** In place of the one on the disk. */
  store?: StateStore
}

export class TaskProcess {
  readonly main: JournalLog
  readonly lane: Log
  /** Another member that may claim what this process has. */
  readonly other: Log
  /** How many epochs the last recovery has computed again. */
  recomputed = 0
  private readonly files: SimFiles
  private readonly logs: JournalLog[]

  constructor(world: TaskWorld, files: SimFiles, logs: JournalLog[]) {
    this.files = files
    this.logs = logs
    this.main = logs[0]
    this.lane = observedLog(logs[1], world.observed)
    this.other = logs[2]
  }

  /** Appends records as one block. */
  async produce(records: readonly (WireEvent | string)[]): Promise<void> {
    const claim = await this.main.claim('producer')
    const lines = records.map((record) => `${typeof record === 'string' ? record : JSON.stringify(record)}\n`)
    const epoch = (claim.last?.epoch ?? 0) + 1
    const outputs = [{ ...RAW, count: lines.length, bytes: Buffer.from(lines.join('')) }]
    await claim.commit({ outputs, receipt: { epoch, to: epoch }, release: { receiptsThrough: epoch - 1, inputBefore: 0 } })
  }

  /** A task over the partition; not recovered yet. */
  async task(options: OneTaskOptions = {}, log: Log = this.lane): Promise<PartitionTask> {
    const { settings, pipeline, store: given, ...own } = options
    const store = given ?? (await openCheckpointStore({ files: this.files, folder: '/state/0', slackBytes: 0, filesMax: 2 }))
    const shipped = clickstream({ ...defaults, ...settings })
    const topology: Topology = pipeline ? { ...shipped, pipeline: pipeline(shipped.pipeline) } : shipped
    const bounds = { epochBytes: 2000, checkpointBytes: 1 << 30, cacheBytes: 1 << 30 }
    return new PartitionTask(
      { stage: sessionStage(topology), lineage: 'main', code: 'v1', partition: 0, exactlyOnce: true, ...bounds, ...own },
      log,
      store,
    )
  }

  /** A recovered task. */
  async recovered(options: OneTaskOptions = {}, nowMs = 0): Promise<PartitionTask> {
    const task = await this.task(options)
    this.recomputed = 0
    await task.recover(nowMs, (done) => void (done > 0 && this.recomputed++))
    return task
  }

  /** Records of a topic, parsed, and their offsets in order. */
  async records<T = Record<string, unknown>>(topic: string): Promise<T[]> {
    const reader = this.main.reader({ topic, partition: 0 })
    const records: T[] = []
    for (let next = 0; ; ) {
      const read = await reader.read(next, 1 << 20)
      if (read.blocks.length === 0) return records
      for (const { pos, length } of read.blocks)
        for (const line of Buffer.from(read.bytes.subarray(pos, pos + length))
          .toString()
          .trimEnd()
          .split('\n'))
          records.push(JSON.parse(line) as T)
      next = read.next
    }
  }

  async close(): Promise<void> {
    for (const log of this.logs) await log.close()
  }
}

/** Commits epochs until there is nothing to do, `epochs` at most; returns their receipts. */
export async function run(task: PartitionTask, { epochs = Infinity, nowMs }: { epochs?: number; nowMs?: number } = {}): Promise<Receipt[]> {
  const receipts: Receipt[] = []
  while (receipts.length < epochs) {
    const epoch: Epoch | undefined = await task.next(nowMs === undefined ? undefined : { nowMs })
    if (!epoch) break
    await task.commit(epoch)
    await task.tend()
    receipts.push(epoch.receipt)
  }
  return receipts
}

/** An epoch of its own that is asked for. */
export async function ask(task: PartitionTask, asked: { snapshots?: true; close?: true }): Promise<Receipt> {
  const epoch = (await task.next(undefined, asked))!
  await task.commit(epoch)
  await task.tend()
  return epoch.receipt
}

export const blocks = (events: readonly WireEvent[], rows: number) =>
  Array.from({ length: Math.ceil(events.length / rows) }, (_, n) => events.slice(n * rows, (n + 1) * rows))

/** A process of the world, and the events in its log, seven to a block. */
export async function produced(world: TaskWorld, events: readonly WireEvent[]): Promise<TaskProcess> {
  const process = await world.open()
  for (const block of blocks(events, 7)) await process.produce(block)
  return process
}

/** What the topics differ in from the evaluator's answer for the raw records and the receipts. */
export async function differences(world: TaskWorld, process: TaskProcess, settings: ClickstreamSettings): Promise<string[]> {
  const records = (await process.records(TOPICS.raw)).map((record, offset) => ({ offset, record: JSON.stringify(record) }))
  const answer = expected([{ records, receipts: world.observed.of(TASK) }], settings)
  return [
    ...compareSessions(await process.records(TOPICS.sessions), answer.sessions, { allVersions: true }),
    ...compareIncidents(await process.records(TOPICS.incidents), answer.incidents, { allVersions: true }),
  ]
}
