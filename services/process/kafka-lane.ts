// The partitions of one lane whose log is Kafka: they come and go one by one, while the others go on. Each has connections, a loop (engine/lane/lane.ts) and
// a state of its own; all share the thread. Owns which partitions are held, and the order of taking and leaving them.
//   take:  fence the state, restore it → fence the log, recover → run
//   leave: commit what is under way → checkpoint → give the claim back → close
// 1. What is asked of one partition is done in the order in which it was asked.
// 2. A broker that cannot be reached is waited for; what cannot pass stops that partition, and says so.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EngineError } from '../../engine/errors.ts'
import type { TaskBeat } from '../../engine/lane/beat.ts'
import type { Stage } from '../../engine/lane/computer.ts'
import { Lane } from '../../engine/lane/lane.ts'
import { PartitionTask } from '../../engine/lane/task.ts'
import type { StateStore } from '../../engine/state/store.ts'
import { systemClock } from '../../engine/time/clock.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { type KafkaLog, openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { openKafkaState, type RestoreProgress } from '../../stores/kafka/kafka-state.ts'
import { taskView } from '../../stores/kafka/task-view.ts'
import type { KafkaPlace, LaneSetup } from './lane-protocol.ts'

export interface KafkaLaneOptions {
  setup: LaneSetup & { kafka: KafkaPlace }
  stage: Stage
  beatOf(partition: number): TaskBeat
  onRestoring(partition: number, progress: RestoreProgress): void
  onRecovering(partition: number, done: number, of: number): void
  onStopped(partition: number, error: unknown): void
  onWaiting(partition: number, error: unknown): void
  onResumed(partition: number): void
}

/** A partition that is held. */
interface Held {
  log: KafkaLog
  store: StateStore
  lane: Lane
  task: PartitionTask
  /** Settles when its loop has ended; absent before it began. */
  running?: Promise<void>
}

const PAUSE_FIRST_MS = 100
const PAUSE_MAX_MS = 5_000

export class KafkaLane {
  private readonly options: KafkaLaneOptions
  private readonly held = new Map<number, Held>()
  /** What was asked for of each, one after the other. */
  private readonly turns = new Map<number, Promise<void>>()
  private mayRun = false
  private readonly stopping = new AbortController()

  constructor(options: KafkaLaneOptions) {
    this.options = options
  }

  /** Resolves when it has recovered, or has been reported as stopped. */
  take(partition: number): Promise<void> {
    return this.inTurn(partition, async () => {
      if (this.held.has(partition) || this.stopping.signal.aborted) return
      const held = await this.open(partition)
      if (!held) return
      this.held.set(partition, held)
      await held.lane.open()
      if (this.mayRun) this.start(held)
    })
  }

  /** Resolves when nothing of it is left here. Rejects with what kept it from a clean end; it is left all the same. */
  leave(partition: number): Promise<void> {
    return this.inTurn(partition, async () => {
      const held = this.held.get(partition)
      if (!held) return
      this.held.delete(partition)
      await close(held)
    })
  }

  /** From here on what was taken goes on. */
  run(): void {
    this.mayRun = true
    for (const held of this.held.values()) this.start(held)
  }

  /** Leaves all of them. */
  async stop(): Promise<void> {
    this.stopping.abort()
    const partitions = new Set([...this.held.keys(), ...this.turns.keys()])
    const ends = await Promise.allSettled([...partitions].map((partition) => this.leave(partition)))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  /** Resolves when these have read and committed their input up to there, and all that they published can be read. */
  async drain(to: readonly (readonly [partition: number, offset: number])[], asked: { snapshots: boolean; close: boolean }): Promise<void> {
    await Promise.all(
      to.map(async ([partition, offset]) => {
        const held = this.held.get(partition)
        if (!held) throw notHere(partition)
        const end = await held.log.endOfRecords({ topic: this.options.stage.topic, partition }, offset)
        await held.lane.drain(new Map([[partition, end]]), asked)
        await held.log.visible()
      }),
    )
  }

  get stats() {
    return [...this.held.values()].flatMap(({ lane }) => lane.stats)
  }

  /** The states of those that are held. */
  *stores(): Iterable<[partition: number, store: StateStore]> {
    for (const [partition, { store }] of this.held) yield [partition, store]
  }

  private start(held: Held): void {
    // Nothing is read that was not read before: it goes straight to its checkpoint.
    if (this.options.setup.recoverOnly) held.lane.stop()
    held.running ??= held.lane.run()
    // Told when it is left.
    held.running.catch(() => undefined)
  }

  private inTurn(partition: number, work: () => Promise<void>): Promise<void> {
    const turn = (this.turns.get(partition) ?? Promise.resolve()).then(work)
    const settled = turn.catch(() => undefined)
    this.turns.set(partition, settled)
    void settled.then(() => {
      if (this.turns.get(partition) === settled) this.turns.delete(partition)
    })
    return turn
  }

  /** Undefined where it cannot be held. */
  private async open(partition: number): Promise<Held | undefined> {
    const { onWaiting, onResumed, onStopped } = this.options
    const { signal } = this.stopping
    for (let pauseMs = PAUSE_FIRST_MS, isWaiting = false; ; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
      try {
        const held = await this.connect(partition)
        if (isWaiting) onResumed(partition)
        return held
      } catch (error) {
        if (signal.aborted) return undefined
        if ((error as { retryable?: boolean }).retryable !== true) {
          onStopped(partition, error)
          return undefined
        }
        if (!isWaiting) onWaiting(partition, error)
        isWaiting = true
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  private async connect(partition: number): Promise<Held> {
    const { setup, stage, beatOf, onRestoring } = this.options
    const { lineage, code, epochBytes, checkpointBytes, exactlyOnce, accept, recoverOnly, kafka } = setup
    const log = await openKafkaLog({ ...kafka.log, durableOnly: true })
    let store: StateStore | undefined
    try {
      const folder = join(setup.folder, 'state', lineage, `${stage.name}-${partition}`)
      await realFiles.makeFolder(folder)
      const name = `task.${lineage}.${stage.name}.${stage.topic}.${partition}`
      store = await openKafkaState({
        ...{ connection: kafka.log.connection, namespace: kafka.log.namespace, replication: kafka.log.replication },
        ...{ name, folder, partitions: kafka.partitions },
        onRestoring: (progress) => onRestoring(partition, progress),
      })
      const acceptFrom = accept === 'all' ? 0 : accept?.find(([one]) => one === partition)?.[1]
      const bounds = { epochBytes, checkpointBytes, cacheBytes: setup.cacheBytes / setup.partitions.length }
      const view = taskView(log, { topic: stage.topic, partition })
      const task = new PartitionTask(
        { stage, lineage, code, partition, ...bounds, exactlyOnce, acceptFrom, sameCode: recoverOnly, beat: beatOf(partition) },
        view,
        store,
      )
      const { onStopped, onWaiting, onResumed, onRecovering } = this.options
      const lane = new Lane({
        ...{ tasks: [task], log: view, clock: systemClock, epochMs: setup.epochMs, live: setup.live },
        ...{ onStopped, onWaiting, onResumed, onRecovering },
      })
      return { log, store, lane, task }
    } catch (error) {
      await store?.close().catch(() => undefined)
      await log.close().catch(() => undefined)
      throw error
    }
  }
}

async function close({ log, store, lane, task, running }: Held): Promise<void> {
  try {
    lane.stop()
    // One that never ran leaves everything as it was; it lives, so no row is suspected.
    await (running ?? task.leave())
  } finally {
    await store.close()
    await log.close()
  }
}

const notHere = (partition: number) =>
  new EngineError('PARTITION_ELSEWHERE', `partition ${partition} is not at work in this process`, 'Ask the process that has it.')
