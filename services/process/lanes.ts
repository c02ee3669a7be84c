// The lanes of a process, as one: how many threads have which partitions, which of these are at work here, and what is asked of each. Owns the lanes and, where
// several processes share the partitions on Kafka, the place among them (shares.ts).
//
// 1. A partition is asked of the lane that has it; one that goes to another process meanwhile is that one's to finish.
import type { Config } from '../../config/index.ts'
import type { KafkaLogOptions } from '../../stores/kafka/kafka-log.ts'
import { drainHeld } from './drain-held.ts'
import type { Notice } from './embedded.ts'
import { LaneClient } from './lane-client.ts'
import type { LaneSetup, TaskStats } from './lane-protocol.ts'
import { shareOut } from './share-out.ts'
import type { PartitionWork, Shares, SharesOptions } from './shares.ts'
import type { StateAnswer, StateRequest } from './state-view.ts'
import { UnderWay } from './under-way.ts'

/** What all lanes of a process are started with alike. */
type CommonSetup =
  | 'folder'
  | 'shared'
  | 'journalBytes'
  | 'retention'
  | 'lineage'
  | 'code'
  | 'topology'
  | 'stages'
  | 'live'
  | 'exactlyOnce'
  | 'accept'
  | 'recoverOnly'
  | 'deadLetters'

export interface LanesOptions {
  config: Config
  setup: Pick<LaneSetup, CommonSetup>
  partitions: number
  /** By partition, bytes that the log keeps of it: lanes get about the same of them. */
  loads: readonly number[]
  /** As `laneNames` has them. */
  names: readonly string[]
  /** Where log and state are on brokers. */
  kafka?: KafkaLogOptions
  /** Other processes may have some of the partitions: none is at work here before `join`. */
  isShared: boolean
  /** The bound of a lane's JavaScript heap. */
  heapMb?: number
  onNotice(notice: Notice): void
}

export const laneNames = (count: number): string[] => Array.from({ length: count }, (_, lane) => `lane-${lane}`)

export class Lanes implements PartitionWork {
  /** Partitions that are at work here. */
  readonly held: Set<number>
  /** What a stop waits for. */
  readonly underWay = new UnderWay()
  private readonly options: LanesOptions
  private readonly lanes: { client: LaneClient; partitions: number[] }[]
  private shares: Shares | undefined

  constructor(options: LanesOptions) {
    const { config, setup, partitions, loads, names, kafka, isShared, heapMb, onNotice } = options
    this.options = options
    const all = Array.from({ length: partitions }, (_, partition) => partition)
    this.held = new Set(isShared ? [] : all)
    const { epochBytes, checkpointBytes, cacheBytes, stallMs, restartsMax } = config.engine
    const { epochMs } = kafka ? config.kafka : config.engine
    const shares = shareOut(loads, names.length)
    this.lanes = names.map((name, lane) => {
      const mine = shares[lane]!.sort((a, b) => a - b)
      const client = new LaneClient(
        {
          ...setup,
          ...{ name, epochMs, epochBytes, checkpointBytes, cacheBytes: cacheBytes / names.length, stallMs, restartsMax },
          partitions: mine,
          held: mine.filter((partition) => this.held.has(partition)),
          kafka: kafka && { log: kafka, partitions },
        },
        {
          onRestoring: (partition, progress) => onNotice({ type: 'restoring', partition, ...progress }),
          onRecovering: (partition, done, of) => onNotice({ type: 'recovering', partition, done, of }),
          onPartitionStopped: (partition, error) => onNotice({ type: 'partition-stopped', partition, error }),
          onPartitionWaiting: (partition, error) => onNotice({ type: 'partition-waiting', partition, error }),
          onPartitionResumed: (partition) => onNotice({ type: 'partition-resumed', partition }),
          onPartitionOverdue: (partition, error) => onNotice({ type: 'partition-overdue', partition, error }),
          onPartitionFenced: isShared ? (partition) => this.shares?.fenced(partition) : undefined,
          onRestarted: (partition, error) => onNotice({ type: 'lane-restarted', lane: name, partition, error }),
        },
        { heapMb },
      )
      return { client, partitions: mine }
    })
  }

  /** Every partition that is at work here has recovered, or is stopped. */
  async ready(): Promise<void> {
    await Promise.all(this.lanes.map(({ client }) => client.ready))
  }

  /** Where partitions are shared: resolves when the first ones that this process was given have recovered. Nothing where they are not. `topic`: that says how many there are. */
  async join({ stage, topic, member }: Pick<SharesOptions, 'stage' | 'topic' | 'member'>): Promise<void> {
    const { isShared, config, kafka, partitions, onNotice } = this.options
    if (!isShared || !kafka) return
    const { Shares } = await import('./shares.ts')
    this.shares = new Shares({
      ...{ stage, topic, member, partitions, kafka: config.kafka, log: kafka, work: this },
      onMoved: (moved) => onNotice({ type: 'partitions', ...moved }),
    })
    await this.shares.join()
  }

  /** They go on from where they were. */
  run(): void {
    for (const { client } of this.lanes) client.run()
  }

  /** Throws why this process has no place among the others any more, where it has none. */
  refuseLost(): void {
    if (this.shares?.failure) throw this.shares.failure
  }

  /** On Kafka: these are at work here from now on. Resolves when they have recovered, or were reported as stopped. */
  async take(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) this.held.add(partition)
    await this.each(partitions, (client, mine) => client.take(mine))
  }

  /** On Kafka: another process shall have these. Resolves when they have committed, checkpointed and given up their claims. */
  async leave(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) this.held.delete(partition)
    const leave = (client: LaneClient) => (one: number) => this.underWay.during(`partition ${one}`, client.leave([one]))
    await this.each(partitions, async (client, mine) => void (await Promise.all(mine.map(leave(client)))))
  }

  /** The same where another process may have them already: nothing more of them is committed here. */
  async drop(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) this.held.delete(partition)
    await this.each(partitions, (client, mine) => client.drop(mine))
  }

  /** Resolves when what is at work here has committed its input up to `ends`, and what was asked for after it. */
  drain(ends: readonly number[], asked: { snapshots: boolean; close: boolean }): Promise<void> {
    return drainHeld(this.lanes, { held: this.held, shares: this.shares }, ends, asked)
  }

  async stats(): Promise<TaskStats[]> {
    this.refuseLost()
    const tasks = await Promise.all(this.lanes.map(({ client }) => client.stats()))
    return tasks.flat().sort((a, b) => a.partition - b.partition)
  }

  /** What is in the state of these partitions (default: all), as of the newest finished checkpoint of each. */
  async state(request: StateRequest, partitions?: readonly number[]): Promise<StateAnswer[]> {
    const asked = this.lanes.filter((lane) => !partitions || lane.partitions.some((partition) => partitions.includes(partition)))
    const answers = await Promise.all(asked.map(({ client }) => client.state(request, partitions)))
    return answers.flat().sort((a, b) => a.partition - b.partition)
  }

  /** Where partitions are shared: others have them from here on. Whoever has them next finds no claim of this process, and does not wait for the rest of its stop. */
  async leaveGroup(): Promise<void> {
    await this.shares?.close()
  }

  /** Commits, checkpoints, ends the threads. */
  stop(): Promise<PromiseSettledResult<unknown>[]> {
    return this.underWay.settled(this.lanes.map(({ client, partitions }) => [`the lane of ${partitions}`, client.stop()]))
  }

  private async each(partitions: readonly number[], work: (client: LaneClient, mine: number[]) => Promise<void>): Promise<void> {
    await Promise.all(
      this.lanes.map(async ({ client, partitions: own }) => {
        const mine = own.filter((partition) => partitions.includes(partition))
        if (mine.length > 0) await work(client, mine)
      }),
    )
  }
}
