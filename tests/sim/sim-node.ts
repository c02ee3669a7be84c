// One process of Packmill over what survives a crash: the log, one lane with all partitions, a producer, and a sink for each topic.
//
// World owns what survives (disk, state stores, tables, what was accepted); SimNode is one process's life over it, up to kill() or stop().
import { join } from 'node:path'
import { Lane } from '../../engine/lane/lane.ts'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import { PartitionTask } from '../../engine/lane/task.ts'
import type { Claim, Log, LogReceipt } from '../../engine/log/contract.ts'
import { sinkDefaults } from '../../engine/sink/contract.ts'
import { SinkTask } from '../../engine/sink/sink-task.ts'
import type { Topology } from '../../engine/topology/topology.ts'
import { TOPICS } from '../../model/rows.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import type { Retention } from '../../stores/log/retention.ts'
import { localWaits } from '../../stores/log/shared-log.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import { Observed, observedLog } from './observed-log.ts'
import type { Scheduler, SimProcess } from './scheduler.ts'
import { SimDisk, SimFiles } from './sim-files.ts'
import { SimKeyValueDisk } from './sim-key-value.ts'
import { type InsertFault, SimTable } from './sim-table.ts'

export interface NodeSettings {
  topology: Topology
  code: string
  live: boolean
  epochMs: number
  epochBytes: number
  checkpointBytes: number
  cacheBytes: number
  journalBytes: number
  retention: Retention
  sinks: boolean
}

export class World {
  readonly disk = new SimDisk()
  readonly keyValues: SimKeyValueDisk[]
  readonly tables = new Map(Object.values(TOPICS).map((topic) => [topic as string, new SimTable()]))
  readonly observed = new Observed()
  /** Per partition, what clients have to send, in order. */
  readonly toSend: readonly (readonly string[])[]
  /** Partitions that stopped, and sinks: never, unless a test wants it. */
  readonly stopped: { what: string; error: unknown }[] = []
  /** Partitions that said that they wait, and that they go on. */
  readonly waits: string[] = []

  constructor(toSend: readonly (readonly string[])[]) {
    this.toSend = toSend
    this.keyValues = toSend.map(() => new SimKeyValueDisk())
  }

  powerLoss(random: () => number): void {
    this.disk.powerLoss(random)
    for (const keyValue of this.keyValues) keyValue.powerLoss(random)
    for (const table of this.tables.values()) table.powerLoss(random)
  }
}

export interface NodeOptions {
  world: World
  settings: NodeSettings
  scheduler: Scheduler
  random: () => number
  /** What goes wrong with the next insert into a table. */
  insertFault?: () => InsertFault
  /** Reads are cut elsewhere than the blocks were written. */
  cuts?: boolean
}

interface ProducerReceipt extends LogReceipt {
  /** Per partition: how many records clients have been told are safe. */
  sent: number[]
}

export class SimNode {
  readonly process: SimProcess
  readonly files: SimFiles
  lane!: Lane
  logs!: JournalLog[]
  sinks: SinkTask[] = []
  private readonly options: NodeOptions
  /** Epochs that recoveries have computed again. */
  recomputed = 0
  private running: Promise<void>[] = []

  constructor(options: NodeOptions) {
    this.options = options
    this.process = options.scheduler.process()
    this.files = new SimFiles(options.world.disk, { schedule: (label) => this.process.step(label) })
  }

  /** Opens everything and recovers; then lane and sinks run. */
  async start(): Promise<void> {
    const { world, settings, random, cuts } = this.options
    const { files } = this
    const { clock } = this.process
    const { topology, code, journalBytes, retention } = settings
    const shared = await prepareLog({ files, folder: '/log', writers: ['main', 'lane'] })
    const waits = localWaits()
    this.logs = []
    for (const writer of ['main', 'lane'])
      this.logs.push(
        await openJournalLog({ files, folder: '/log', writer, shared, waits, journalBytes, retention, nowMs: () => clock.now() }),
      )
    const log = observedLog(this.logs[1], world.observed, cuts ? random : undefined)
    const tasks: PartitionTask[] = []
    const { epochBytes, checkpointBytes, cacheBytes } = settings
    for (const [partition, keyValueDisk] of world.keyValues.entries()) {
      const folder = join('/state', `${partition}`)
      const keyValue = keyValueDisk.open((label) => this.process.step(label))
      const store = await openCheckpointStore({ files, folder, keyValue, applyFiles: 3 })
      const options = {
        stage: sessionStage(topology),
        lineage: 'sim',
        code,
        partition,
        epochBytes,
        checkpointBytes,
        cacheBytes,
        exactlyOnce: true,
      }
      tasks.push(new PartitionTask(options, log, store))
    }
    const onWaiting = (partition: number, error: unknown) => world.waits.push(`${partition} ${(error as { code: string }).code}`)
    const onResumed = (partition: number) => world.waits.push(`${partition} goes on`)
    const onStopped = (partition: number, error: unknown) => world.stopped.push({ what: `partition ${partition}`, error })
    const onRecovering = (_: number, done: number) => void (done > 0 && this.recomputed++)
    this.lane = new Lane({
      tasks,
      log,
      clock,
      epochMs: settings.epochMs,
      live: settings.live,
      onStopped,
      onWaiting,
      onResumed,
      onRecovering,
    })
    await this.lane.open()
    this.running = [this.lane.run()]
    if (settings.sinks) await this.startSinks(observedLog(this.logs[0], world.observed, cuts ? random : undefined))
  }

  /** Sends what clients have to send, in blocks of any size. After a start some of it is sent again: a client that got no answer does. */
  async produce(): Promise<void> {
    const { world, random } = this.options
    const { clock } = this.process
    let claim: Claim<ProducerReceipt> | undefined
    let sent: number[] = []
    for (;;) {
      try {
        if (!claim) {
          claim = await this.logs[0].claim<ProducerReceipt>('producer')
          sent = (claim.last?.sent ?? world.toSend.map(() => 0)).map((n) =>
            Math.max(0, n - (random() < 0.3 ? Math.floor(random() * 6) : 0)),
          )
        }
        const outputs = []
        const next = [...sent]
        for (const [partition, records] of world.toSend.entries()) {
          const block = records.slice(sent[partition], sent[partition] + Math.floor(random() ** 3 * 60))
          if (block.length === 0) continue
          next[partition] += block.length
          outputs.push({ topic: TOPICS.raw, partition, count: block.length, bytes: Buffer.from(`${block.join('\n')}\n`) })
        }
        const epoch: number = (claim.last?.epoch ?? 0) + 1
        if (outputs.length > 0) {
          const receipt = { epoch, to: epoch, sent: next }
          await claim.commit({ outputs, receipt, release: { receiptsThrough: epoch - 1, inputBefore: 0 } })
          claim = { ...claim, last: receipt, commit: claim.commit.bind(claim) }
          sent = next
        }
        if (world.toSend.every((records, partition) => sent[partition] === records.length)) return
        // Mostly at once; now and then a pause in which idle actors move on.
        await clock.sleep(random() < 0.9 ? Math.floor(random() * 30) : Math.floor(random() * 60_000))
      } catch (error) {
        if ((error as { code?: string }).code === 'INTERNAL' || !(error as { code?: string }).code) throw error
        claim = undefined
        await clock.sleep(1000)
      }
    }
  }

  async ends(topic: string): Promise<number[]> {
    return Promise.all(this.options.world.toSend.map(async (_, partition) => (await this.logs[0].bounds({ topic, partition })).end))
  }

  /** Everything that was sent is in epochs and in tables. */
  async drain(asked: { snapshots: boolean; close: boolean }): Promise<void> {
    await this.lane.drain(new Map((await this.ends(TOPICS.raw)).map((end, partition) => [partition, end])), asked)
    for (const sink of this.sinks) await sink.drained(await this.ends(sink.stats.topic))
  }

  /** A graceful stop: what the lane has committed goes into the tables. */
  async stop(): Promise<void> {
    this.lane.stop()
    await this.running[0]
    for (const sink of this.sinks) await sink.drained(await this.ends(sink.stats.topic))
    for (const sink of this.sinks) sink.stop()
    await Promise.all(this.running)
    for (const log of this.logs) await log.close()
  }

  kill(): void {
    this.process.kill()
    this.files.cut()
  }

  private async startSinks(log: Log): Promise<void> {
    const { world, insertFault = () => undefined } = this.options
    const settings = { ...sinkDefaults, batchBytes: 4000, readBytes: 2000, intervalMs: 200, windowMs: 60_000, releaseMs: 500 }
    for (const [topic, table] of world.tables) {
      const target = table.target(topic, (label) => this.process.step(label), insertFault)
      const { clock } = this.process
      const partitions = world.toSend.length
      const sink = new SinkTask({ log, sink: topic, lineage: 'sim', topic, partitions, target, clock, settings, codeVersion: 'sim' })
      await sink.open()
      this.sinks.push(sink)
      this.running.push(sink.run().catch((error) => void world.stopped.push({ what: `sink ${topic}`, error })))
    }
  }
}
