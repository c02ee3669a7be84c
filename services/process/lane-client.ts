// The main thread's handle on one lane: keeps a thread at its work, and starts another where one ended without being asked to.
//
// LaneClient owns the questions under way, the watch over the thread, and what each partition may cost. It never touches events.
// 1. A thread that computes one epoch for stallMs is ended; so are threads that exit or run out of memory. The next one recovers, and looks for
//    the row by ever smaller epochs (lane-beat.ts, protocol 22). Questions go on with it.
// 2. A partition that ends its thread restartsMax times within an hour is stopped, and named; the others of the lane go on.
import { EngineError, fromData } from '../../engine/errors.ts'
import type { RestoreProgress } from '../../stores/kafka/kafka-state.ts'
import { LaneBeat } from './lane-beat.ts'
import type { FromLane, LaneSetup, TaskStats, ToLane } from './lane-protocol.ts'
import { type LaneEnd, LaneThread } from './lane-thread.ts'
import type { StateAnswer, StateRequest } from './state-view.ts'

export interface LaneEvents {
  onRestoring?(partition: number, progress: RestoreProgress): void
  onRecovering?(partition: number, done: number, of: number): void
  onPartitionStopped(partition: number, error: Error): void
  /** On Kafka: another process has claimed it, so it has ended here. Where nobody listens it is stopped. */
  onPartitionFenced?(partition: number): void
  onPartitionWaiting?(partition: number, error: Error): void
  onPartitionResumed?(partition: number): void
  onPartitionOverdue?(partition: number, error: Error): void
  /** A thread ended, and the next is started. `partition`: whose operators it was at; unknown where it was at none. */
  onRestarted?(partition: number | undefined, error: Error): void
}

/** The bound of a thread's JavaScript heap, MB, where that is not Node's own; and the clock, for the budget. */
export interface LaneMeans {
  heapMb?: number
  nowMs?: () => number
}

/** Other code than that of the last epochs, or a reset that was broken off: a person decides (packmill upgrade, packmill topology reset). */
const NEEDS_DECISION: ReadonlySet<string> = new Set(['UPGRADE_DIVERGED', 'CODE_CHANGED', 'RESET_UNFINISHED'])
/** Looks within stallMs: a process that was suspended as a whole has not looked meanwhile. */
const LOOKS = 4
const BUDGET_MS = 3_600_000

interface Question {
  message: ToLane
  resolve(value: unknown): void
  reject(error: unknown): void
}

export class LaneClient {
  /** Settles when the lane has ended: rejects where it cannot go on. */
  readonly ended: Promise<void>
  /** Every partition has recovered, or is stopped. Rejects where the code is not that of the last epochs, and computes them otherwise. */
  readonly ready: Promise<void>
  private readonly setup: LaneSetup
  private readonly events: LaneEvents
  private readonly means: LaneMeans
  private readonly buffer: SharedArrayBuffer
  private readonly beat: LaneBeat
  private readonly isReady = Promise.withResolvers<void>()
  private readonly isOver = Promise.withResolvers<void>()
  private readonly questions = new Map<number, Question>()
  private readonly stopped = new Set<number>()
  /** Partitions that it has, or is to have. */
  private readonly held: Set<number>
  /** Per partition, or for what was nobody's: when it ended a thread. */
  private readonly ends = new Map<number | undefined, number[]>()
  /** Of a partition that was taken before it ran: whose code it is not. */
  private refusal: EngineError | undefined
  private readonly watch: NodeJS.Timeout
  private thread!: LaneThread
  private nextId = 1
  private mayRun = false
  private isStopping = false
  /** Why the thread was killed. */
  private stall: EngineError | undefined
  /** Why nobody answers any more. */
  private over: unknown

  constructor(setup: LaneSetup, events: LaneEvents, means: LaneMeans = {}) {
    this.setup = setup
    this.events = events
    this.means = means
    this.held = new Set(setup.held ?? setup.partitions)
    this.buffer = LaneBeat.buffer(setup.partitions.length * setup.stages)
    this.beat = new LaneBeat(this.buffer)
    this.ended = this.isOver.promise
    // A lane that ends before it is ready says why through `ended`; whoever waits for ready must not wait for ever.
    this.ready = Promise.race([this.isReady.promise, this.ended])
    this.ready.catch(() => undefined)
    this.ended.catch(() => undefined)
    this.watch = this.startWatch()
    this.start(false)
  }

  /** After ready: the lane goes on from where its partitions were. Stopped before, it leaves everything as it was. */
  run(): void {
    this.mayRun = true
    this.thread.say({ type: 'run' })
  }

  /** Resolves when the lane's partitions have committed their input up to `to`, and what was asked for after it. */
  drain(to: [partition: number, offset: number][], asked: { snapshots: boolean; close: boolean }): Promise<void> {
    const [gone] = to.filter(([partition]) => this.stopped.has(partition))
    if (gone) return Promise.reject(partitionStopped(gone[0]))
    return this.ask((id) => ({ type: 'drain', id, to, ...asked }))
  }

  /** On Kafka: these are its own from now on. Resolves when they have recovered, or were reported as stopped; rejects as `ready` does, before it runs. */
  async take(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) {
      this.held.add(partition)
      this.stopped.delete(partition)
    }
    await this.ask((id) => ({ type: 'take', id, partitions }))
    if (this.refusal) throw this.refusal
  }

  /** On Kafka: these are somebody else's from now on. Resolves when they have committed, checkpointed and given up their claims. */
  leave(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) this.held.delete(partition)
    return this.ask((id) => ({ type: 'leave', id, partitions }))
  }

  /** On Kafka: these may be somebody else's already. Resolves when nothing of them is left; nothing more of them is committed from now on. */
  drop(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) this.held.delete(partition)
    return this.ask((id) => ({ type: 'drop', id, partitions }))
  }

  stats(): Promise<TaskStats[]> {
    return this.ask((id) => ({ type: 'stats', id }))
  }

  /** What is in the state of these partitions (default: all) as of the newest finished checkpoint of each. The lane computes nothing meanwhile. */
  state(request: StateRequest, partitions?: readonly number[]): Promise<StateAnswer[]> {
    return this.ask((id) => ({ type: 'state', id, partitions, request }))
  }

  /** Commits, checkpoints, releases, ends. */
  async stop(): Promise<void> {
    this.isStopping = true
    if (this.over === undefined) this.thread.say({ type: 'stop' })
    await this.ended
  }

  private start(again: boolean): void {
    const { setup, buffer, means } = this
    // Here, not by the thread: until it has loaded what it runs, the one before would seem to be in the middle of its epoch still, and this one would be killed for that.
    const { ended } = this.beat.takeOver()
    const thread = new LaneThread(
      {
        ...setup,
        beat: buffer,
        stopped: [...this.stopped],
        held: [...this.held].filter((partition) => !this.stopped.has(partition)),
        again,
        ended,
      },
      (message) => this.heard(message),
      means.heapMb,
    )
    this.thread = thread
    for (const { message } of this.questions.values()) thread.say(message)
    if (this.mayRun) thread.say({ type: 'run' })
    if (this.isStopping) thread.say({ type: 'stop' })
    void thread.ended.then((end) => this.threadEnded(end))
  }

  private heard(message: FromLane): void {
    const { events } = this
    switch (message.type) {
      case 'ready':
        this.isReady.resolve()
        break
      case 'recovering':
        events.onRecovering?.(message.partition, message.done, message.of)
        break
      case 'partition-stopped':
        this.partitionStopped(message.partition, fromData(message.error))
        break
      case 'partition-waiting':
        events.onPartitionWaiting?.(message.partition, fromData(message.error))
        break
      case 'partition-resumed':
        events.onPartitionResumed?.(message.partition)
        break
      case 'partition-overdue':
        events.onPartitionOverdue?.(message.partition, fromData(message.error))
        break
      case 'restoring':
        events.onRestoring?.(message.partition, message.progress)
        break
      case 'moved':
      case 'drained':
        this.answered(message.id)?.resolve(undefined)
        break
      case 'stats':
        this.answered(message.id)?.resolve(message.tasks)
        break
      case 'state':
        this.answered(message.id)?.resolve(message.answers)
        break
      case 'failed':
        this.answered(message.id)?.reject(fromData(message.error))
        break
    }
  }

  private partitionStopped(partition: number, error: EngineError): void {
    // Of another version that would go on in some partitions and not in others neither could be finished: it does not start.
    if (!this.mayRun && NEEDS_DECISION.has(error.code)) {
      this.refusal = error
      this.isReady.reject(error)
      return
    }
    if (this.events.onPartitionFenced && error.code === 'FENCED') {
      this.events.onPartitionFenced(partition)
      return
    }
    this.stopped.add(partition)
    this.events.onPartitionStopped(partition, error)
  }

  private threadEnded({ died, error }: LaneEnd): void {
    if (!died) {
      this.finish(error)
      return
    }
    const { setup, events } = this
    const { inside } = this.beat
    const partition = inside && setup.partitions[inside.task % setup.partitions.length]
    const cause = this.stall ?? laneDied(setup, partition, inside, error)
    this.stall = undefined
    const nowMs = (this.means.nowMs ?? performance.now.bind(performance))()
    const ends = [...(this.ends.get(partition) ?? []).filter((atMs) => nowMs - atMs < BUDGET_MS), nowMs]
    this.ends.set(partition, ends)
    if (ends.length >= setup.restartsMax) {
      // Nothing points to one of them.
      if (partition === undefined) {
        this.finish(cause)
        return
      }
      this.give(partition, tooManyEnds(setup, partition, ends.length, cause))
    } else events.onRestarted?.(partition, cause)
    this.start(true)
  }

  /** Stops a partition for good; whoever waits for it is told. */
  private give(partition: number, error: EngineError): void {
    this.stopped.add(partition)
    for (const [id, { message, reject }] of this.questions) {
      if (message.type !== 'drain' || !message.to.some(([one]) => one === partition)) continue
      this.questions.delete(id)
      reject(error)
    }
    this.events.onPartitionStopped(partition, error)
  }

  private startWatch(): NodeJS.Timeout {
    const { stallMs } = this.setup
    let seen = -1
    let looks = 0
    return setInterval(() => {
      const { count, inside } = this.beat
      looks = inside && count === seen ? looks + 1 : 0
      seen = count
      if (looks < LOOKS || !inside || this.stall) return
      looks = 0
      this.stall = laneStalled(this.setup, this.setup.partitions[inside.task % this.setup.partitions.length], inside)
      this.thread.kill()
    }, stallMs / LOOKS).unref()
  }

  private ask<T>(message: (id: number) => ToLane): Promise<T> {
    if (this.over !== undefined) return Promise.reject(this.over)
    const id = this.nextId++
    return new Promise<T>((resolve, reject) => {
      const asked = message(id)
      this.questions.set(id, { message: asked, resolve: resolve as Question['resolve'], reject })
      this.thread.say(asked)
    })
  }

  private answered(id: number): Question | undefined {
    const question = this.questions.get(id)
    this.questions.delete(id)
    return question
  }

  private finish(error: unknown): void {
    clearInterval(this.watch)
    this.over = error ?? new EngineError('STOPPED', 'the lane has been stopped', 'Start again: nothing is lost.')
    for (const { reject } of this.questions.values()) reject(this.over)
    this.questions.clear()
    if (error === undefined) this.isOver.resolve()
    else this.isOver.reject(error)
  }
}

type Inside = NonNullable<LaneBeat['inside']>

/** Where dead letters are: `packmill dlq` knows those of the product only. */
const placeOf = ({ deadLetters }: LaneSetup) => (deadLetters === undefined ? 'packmill dlq list' : `topic ${deadLetters}`)
const lookedFor = (setup: LaneSetup) =>
  `Nothing is lost: the partitions of its thread recover. The record is looked for by ever smaller epochs; one that ends the thread twice when alone becomes a dead letter (${placeOf(setup)}).`
const at = ({ from, to, rows }: Inside) => `in an epoch of ${rows} records (offsets ${from} to ${to})`

const laneStalled = (setup: LaneSetup, partition: number, inside: Inside) =>
  new EngineError(
    'LANE_STALLED',
    `partition ${partition}: an operator did not come back for ${setup.stallMs / 1000} s, ${at(inside)}`,
    `${lookedFor(setup)} If the operator is only slow, raise engine.stallMs.`,
  )

function laneDied(setup: LaneSetup, partition: number | undefined, inside: Inside | undefined, cause: Error | undefined): EngineError {
  const why = cause?.message ?? 'it said nothing'
  if (!inside)
    return new EngineError('LANE_DIED', `the thread of ${setup.name} ended, at no operator's work: ${why}`, LANE_DIED_ADVICE, { cause })
  return new EngineError('LANE_DIED', `partition ${partition}: an operator ended its thread ${at(inside)}: ${why}`, lookedFor(setup), {
    cause,
  })
}
const LANE_DIED_ADVICE =
  'Nothing is lost: its partitions recover. If it comes again, look at the memory of this machine (packmill doctor), and at what operators start that runs on by itself.'

const tooManyEnds = (setup: LaneSetup, partition: number, times: number, cause: EngineError) =>
  new EngineError(
    'PARTITION_RESTARTS',
    `partition ${partition} has ended its thread ${times} times within an hour, at last so: ${cause.message}`,
    `It is stopped; the others go on. Its events are taken and kept in the log, and nothing is lost. Mend the operator (the records found so far: ${placeOf(setup)}), then start again; a higher engine.restartsMax lets more of them be found.`,
    { cause },
  )

const partitionStopped = (partition: number) =>
  new EngineError(
    'PARTITION_STOPPED',
    `partition ${partition} has stopped`,
    'The process that owns the folder has printed or logged its error.',
  )
