// One process of Packmill over what survives a crash: the log, one lane with all partitions, a producer, and a sink for each topic.
//
// World (world.ts) owns what survives; SimNode is one process's life over it, up to kill() or stop().
import type { Lane } from '../../engine/lane/lane.ts'
import type { Claim, Log, LogReceipt } from '../../engine/log/contract.ts'
import type { SinkTask } from '../../engine/sink/sink-task.ts'
import { TOPICS } from '../../model/rows.ts'
import type { Files } from '../../stores/files/files.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { localWaits, type SharedLog } from '../../stores/log/shared-log.ts'
import { type RequestFault, SimClient } from './kafka/sim-client.ts'
import { SimKafkaLog } from './kafka/sim-kafka-log.ts'
import type { Plant } from './plant.ts'
import type { Scheduler, SimProcess } from './scheduler.ts'
import { SimFiles } from './sim-files.ts'
import { SimLane, TASKS_NAME } from './sim-lane.ts'
import type { InsertFault } from './sim-table.ts'
import { type NodeSettings, World } from './world.ts'

export { type NodeSettings, World }

export interface NodeOptions {
  world: World
  settings: NodeSettings
  scheduler: Scheduler
  random: () => number
  /** What goes wrong with the next insert into a table. */
  insertFault?: () => InsertFault
  /** What goes wrong with the next request to a broker that writes. */
  requestFault?: () => RequestFault
  /** Reads are cut elsewhere than the blocks were written. */
  cuts?: boolean
  /** How often a pass of evictions is the process's last. */
  deathInEviction?: number
  plant?: Plant
}

/** Only files of journals are looked after by their process. */
export type NodeLog = Log & { retain?(): Promise<number> }

interface ProducerReceipt extends LogReceipt {
  /** Per partition: how many records clients have been told are safe. */
  sent: number[]
}

const WRITERS = ['main', 'lane', 'spare']

export class SimNode {
  readonly process: SimProcess
  readonly files: SimFiles
  /** Of the main thread, and of the lane. */
  logs: NodeLog[] = []
  owner!: SimLane
  /** Why it died where nothing is awaited. */
  diedIn: 'eviction' | 'poison' | undefined
  isStopping = false
  private readonly options: NodeOptions
  private readonly client: SimClient | undefined
  private endsLog!: NodeLog
  private shared!: SharedLog
  private readonly waits = localWaits()
  private readonly owners: SimLane[] = []
  private takingOver: Promise<void> | undefined
  private isTakingOver = false

  constructor(options: NodeOptions) {
    this.options = options
    this.process = options.scheduler.process()
    this.files = new SimFiles(options.world.disk, { schedule: (label) => this.process.step(label) })
    const { world, scheduler, random, requestFault = () => undefined } = options
    const { broker, observed } = world
    if (!broker) return
    const met = (what: 'fetchesFromBefore' | 'holesRead') => void observed.counts[what]++
    const nowMs = () => scheduler.nowMs
    this.client = new SimClient({ broker, process: this.process, nowMs, random, fault: requestFault, met })
  }

  /** Of the main thread, where the log is embedded. */
  get journal(): JournalLog {
    return this.logs[0] as JournalLog
  }

  get lane(): Lane {
    return this.owner.lane
  }

  get targets(): SimLane['targets'] {
    return this.owner.targets
  }

  get sinks(): SinkTask[] {
    return this.owner.sinks
  }

  get recomputed(): number {
    return this.owners.reduce((sum, { recomputed }) => sum + recomputed, 0)
  }

  /** Opens everything and recovers; then lane and sinks run. */
  async start(): Promise<void> {
    await this.open()
    await this.owner.run()
  }

  /** Opens everything and recovers; nothing runs. */
  async open(): Promise<void> {
    const files = this.options.plant?.files?.(this.files) ?? this.files
    if (this.client) this.logs = [new SimKafkaLog(this.client), new SimKafkaLog(this.client)]
    else {
      this.shared = await prepareLog({ files, folder: '/log', writers: WRITERS })
      const main = await this.openJournal('main', files)
      this.logs = [main, await this.openJournal('lane', files)]
      // As a process does, before a claim can fail and what it is about be deleted.
      for (const partition of this.options.world.toSend.keys()) await main.reserve(TASKS_NAME(partition), { topic: TOPICS.raw, partition })
      void this.retaining()
    }
    // Of its own: nobody reads by it.
    this.endsLog = this.client ? new SimKafkaLog(this.client) : this.logs[0]
    this.owner = this.newLane(this.logs[1])
    await this.owner.open()
  }

  /** A second owner while the first is at work: with the first one's journal, or with one of its own. */
  async takeOver(sameWriter: boolean): Promise<void> {
    const take = async () => {
      const { world, plant } = this.options
      const files = plant?.files?.(this.files) ?? this.files
      this.owner.fence(sameWriter)
      const journal = this.client ? new SimKafkaLog(this.client) : await this.openJournal(sameWriter ? 'lane' : 'spare', files)
      world.claimState()
      const next = this.newLane(journal)
      await next.open()
      this.owner = next
      this.isTakingOver = false
      await next.run()
    }
    this.isTakingOver = true
    this.takingOver = take()
    await this.takingOver
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
          const block = records.slice(sent[partition], sent[partition] + Math.floor(random() ** 3 * 120))
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
    return Promise.all(this.options.world.toSend.map(async (_, partition) => (await this.endsLog.bounds({ topic, partition })).end))
  }

  /** Everything that was sent is in epochs and in tables. */
  async drain(asked: { snapshots: boolean; close: boolean }): Promise<void> {
    for (let done = false; !done; ) {
      const { owner } = this
      try {
        await owner.lane.drain(new Map((await this.ends(TOPICS.raw)).map((end, partition) => [partition, end])), asked)
        for (const { stats, drained } of owner.sinks.map((sink) => ({ stats: sink.stats, drained: sink.drained.bind(sink) })))
          await drained(await this.ends(stats.topic))
        done = this.takingOver === undefined || owner === this.owner
      } catch (error) {
        // It was another's by then.
        if (!this.takingOver) throw error
        await this.takingOver
        if (owner === this.owner) throw error
      }
    }
  }

  /** A graceful stop: what the lane has committed goes into the tables. */
  async stop(): Promise<void> {
    this.isStopping = true
    await this.takingOver
    this.lane.stop()
    await this.owner.running[0]
    for (const sink of this.sinks) await sink.drained(await this.ends(sink.stats.topic))
    for (const sink of this.sinks) sink.stop()
    await Promise.all(this.owner.running)
    for (const owner of this.owners) owner.end()
    for (const log of [this.logs[0], this.owner.journal]) await log.close()
  }

  /** Returns at which steps it was. */
  kill(): string[] {
    this.files.cut()
    return this.process.kill()
  }

  private async openJournal(writer: string, files: Files): Promise<JournalLog> {
    const { journalBytes, retention } = this.options.settings
    const { shared, waits } = this
    const nowMs = () => this.process.clock.now()
    return openJournalLog({ files, folder: '/log', writer, shared, waits, journalBytes, retention, nowMs })
  }

  private newLane(journal: NodeLog): SimLane {
    const {
      world,
      settings,
      random,
      scheduler,
      cuts = false,
      plant = {},
      insertFault = () => undefined,
      deathInEviction = 0,
    } = this.options
    const die = () => {
      this.diedIn ??= 'eviction'
      this.kill()
    }
    const dieInEviction = () => (random() < deathInEviction ? { afterLooks: Math.floor(random() * 4), die } : undefined)
    const nowMs = () => scheduler.nowMs
    const lane = new SimLane(
      { world, settings, process: this.process, client: this.client, random, nowMs, insertFault, cuts, plant, dieInEviction },
      this.logs[0],
      journal,
    )
    this.owners.push(lane)
    return lane
  }

  /** As a process does it: now and then, each journal for itself. Not of an owner that another is about to follow: only one instance of a writer
   *  may look after its files. */
  private async retaining(): Promise<void> {
    const { settings, world } = this.options
    if (settings.retainMs === undefined) return
    while (this.process.alive) {
      await this.process.clock.sleep(settings.retainMs)
      world.observed.counts.filesReleased += (await this.logs[0].retain?.().catch(() => 0)) ?? 0
      const owner = this.isTakingOver ? undefined : this.owner
      world.observed.counts.filesReleased += (await owner?.journal.retain?.().catch(() => 0)) ?? 0
    }
  }
}
