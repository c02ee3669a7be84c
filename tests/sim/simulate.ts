// A whole run of Packmill in virtual time, from a seed: nasty logs, crashes at any step, lost writes, full disks, stalls, two owners at once …
// What must hold is asserted throughout (violation.ts); what went wrong is counted (counts.ts).
//
//   lives 1 … n: start → produce, process, insert → killed at a step (half of the time with the power)
//   last life: nothing goes wrong any more → drained → stopped → compared

import { TOPICS } from '../../model/rows.ts'
import { checkAnswer } from './answer.ts'
import { type Counts, FAULTS, noCounts } from './counts.ts'
import { type Cut, cutText, NO_CUT } from './cut.ts'
import { disturbBroker } from './kafka/disturb-broker.ts'
import { SimBroker } from './kafka/sim-broker.ts'
import type { RequestFault } from './kafka/sim-client.ts'
import { OTHER_CODE, otherSettings, startOtherCode } from './other-code.ts'
import type { Plant } from './plant.ts'
import { Scheduler } from './scheduler.ts'
import { type SeedSettings, seedSettings } from './seed-settings.ts'
import { seeded } from './seeded.ts'
import { MAY_PASS, TASKS_NAME } from './sim-lane.ts'
import { SimNode, World } from './sim-node.ts'
import { DEADLINE_MS, type InsertFault } from './sim-table.ts'
import { Violation, violationOf } from './violation.ts'

const START_MS = 1_800_000_000_000
const LIVES_MAX = 6
const FAULTS_MIN = 3
/** Of some records that kill the process, each has done so often enough by then: about twenty times where two partitions have one (seed 632). */
const LAST_LIVES_MAX = 200
/** After the last fault everything is done within this virtual time. */
const LAST_LIFE_MS = 3 * 3_600_000
const AIMS = ['killsInCheckpoint', 'killsInStateRemoval', 'killsInInsert', 'killsInReadBack', 'killsInRetention'] as const
const AIM_STEPS_MAX = 1500
const OUTAGE_MS_MAX = 150_000
const BROKER_OUTAGE_MS_MAX = 60_000
const LONG_STOP_MS_MAX = 4 * 86_400_000
const NO_ROOM = ['DISK_FULL', 'DISK_FAILED', 'PARTITION_STOPPED', ...MAY_PASS]

/** What the log and the state stand on. */
export type Ground = 'embedded' | 'kafka'

/** A fault of a run: its number among those that the run decided on, and its kind. */
export interface MetFault {
  number: number
  kind: keyof typeof FAULTS
}

/** Why a seed failed, with its last steps and the line that runs it again. */
export class SeedFailed extends Error {
  readonly violation: Violation
  readonly cut: Cut
  /** What went wrong on purpose before it failed, and how many events there were. */
  readonly faults: readonly MetFault[]
  readonly events: number
  readonly lives: number
  readonly ground: Ground

  constructor(seed: number, violation: Violation, { cut, story, scheduler, faults, events, lives, ground }: Run) {
    const again = cut === NO_CUT ? '' : ` --cut ${cutText(cut)}`
    const lines = [
      `seed ${seed}${ground === 'kafka' ? ' on Kafka' : ''}: ${violation.message}`,
      `What had gone wrong (${events} events, ${faults.length} faults${faults.length > 12 ? ', the last ones' : ''}):`,
      ...story.slice(-12).map((line) => `  ${line}`),
      'The last steps:',
      ...shortened(scheduler.trace.slice(-60)).map((line) => `  ${line}`),
      `Again: npm run simulate -- --seeds 1 --from ${seed}${ground === 'kafka' ? ' --kafka' : ''}${again}`,
    ]
    super(lines.join('\n'), { cause: violation })
    this.violation = violation
    this.cut = cut
    this.faults = faults
    this.events = events
    this.lives = lives
    this.ground = ground
  }
}

/** Runs the seed, or what a cut leaves of it. Throws SeedFailed. */
export async function simulate(seed: number, plant: Plant = {}, cut: Cut = NO_CUT, ground: Ground = 'embedded'): Promise<Counts> {
  const counts = noCounts()
  const run = new Run(seed, counts, plant, cut, ground)
  try {
    await run.all()
    return counts
  } catch (error) {
    throw new SeedFailed(seed, run.world.observed.violation ?? violationOf(error, 'the run'), run)
  } finally {
    run.end()
  }
}

class Run {
  readonly world: World
  readonly scheduler: Scheduler
  /** What went wrong on purpose, in order. */
  readonly story: string[] = []
  readonly faults: MetFault[] = []
  readonly cut: Cut
  readonly ground: Ground
  /** Lives that ended otherwise than the last one. */
  lives = 0
  /** Faults that were decided on, those that the cut leaves out among them. */
  private decided = 0
  private readonly counts: Counts
  private readonly plant: Plant
  private readonly random: () => number
  private readonly seed: SeedSettings
  private harmless = false
  private brokerIsCalm = false
  /** The tables answer nobody until then. */
  private outageEndsMs = 0
  private node: SimNode | undefined

  constructor(seed: number, counts: Counts, plant: Plant, cut: Cut, ground: Ground) {
    this.ground = ground
    this.counts = counts
    this.plant = plant
    this.cut = cut
    this.random = seeded(seed)
    this.seed = seedSettings(seed, this.random, plant, cut)
    const broker = ground === 'kafka' ? new SimBroker() : undefined
    if (broker) {
      // Whoever has not come yet needs all of it: retention is longer than it takes to come.
      for (const topic of Object.values(TOPICS))
        for (const partition of this.seed.toSend.keys())
          for (const name of [`sink.sim.${topic}`, ...(topic === TOPICS.raw ? [TASKS_NAME(partition)] : [])])
            broker.need(name, topic, partition, 0)
      plant.broker?.(broker)
    }
    this.world = new World(this.seed.toSend, counts, broker)
    this.scheduler = new Scheduler(this.random, START_MS)
    this.seed.poison.die = () => {
      const { node } = this
      if (!node?.process.alive) return
      node.diedIn ??= 'poison'
      node.kill()
    }
  }

  get events(): number {
    return this.seed.toSend.reduce((sum, { length }) => sum + length, 0)
  }

  async all(): Promise<void> {
    const { world, scheduler, counts, cut } = this
    const lives = 1 + this.below(LIVES_MAX)
    for (let life = 1; (life <= lives || this.story.length < FAULTS_MIN) && life <= cut.lives; life++) {
      this.lives = life
      const node = this.newNode()
      await this.live(node, this.below(this.pick([40, 400, 2500, 6000])))
      this.kill(node)
      for (const disk of world.disks) disk.freeBytes = Infinity
      for (const disk of world.disks) disk.failingSyncs = disk.failingRemoves = 0
      if (this.random() < 0.5 && this.occurs('powerLosses')) {
        world.powerLoss(this.random)
        this.fault('powerLosses')
      }
      if (this.random() < 0.3 && this.occurs('clockJumps')) {
        scheduler.skewMs += (this.random() < 0.5 ? -1 : 1) * this.below(this.pick([1000, 60_000, 7_200_000]))
        this.fault('clockJumps', `to ${scheduler.skewMs} ms`)
      }
      if (world.broker) this.betweenMachines(world.broker)
      if (this.random() < 0.2 && this.occurs('otherCode')) {
        const kind = this.pick(OTHER_CODE)
        this.fault('otherCode', kind)
        this.brokerIsCalm = true
        await startOtherCode(this.newNode(otherSettings(this.seed, kind)), kind, world, scheduler)
        this.brokerIsCalm = false
        // All that comes is of that layout, in half of the cases; what was stored before is not.
        if (kind === 'another layout' && this.random() < 0.5) {
          this.seed.node = { ...this.seed.node, topology: otherSettings(this.seed, kind).topology }
          counts.layoutsChanged++
        }
      }
    }
    this.harmless = true
    await this.lastLife()
    if (world.broker) {
      counts.transactionsAborted += world.broker.met.aborted
      counts.transactionsTimedOut += world.broker.met.timedOut
    }
    const { poison } = this.seed
    counts.poisonRecords += poison.always
    counts.failuresOnce += poison.once
    counts.failedTimers += poison.timers
    counts.deadlyRecords += poison.deaths
    for (const table of world.tables.values()) {
      counts.insertsRepeated += table.repeated
      counts.readBacks += table.readBacks
    }
    await checkAnswer(world, this.seed)
  }

  /** Nobody is there for a while; then a process on any machine. */
  private betweenMachines(broker: SimBroker): void {
    if (this.world.changeMachine(this.random)) this.counts.machineChanges++
    if (this.random() < 0.5 && this.occurs('longStops')) {
      this.scheduler.nowMs += this.below(LONG_STOP_MS_MAX)
      this.fault('longStops')
      disturbBroker(broker, this.counts, this.random, this.scheduler.nowMs)
    }
    broker.outageEndsMs = 0
  }

  /** Nothing of it goes on. */
  end(): void {
    this.node?.kill()
  }

  /** Nothing goes wrong any more, but for records that kill the process: then it is started again, as whoever runs it does. */
  private async lastLife(): Promise<void> {
    const { scheduler } = this
    const untilMs = scheduler.nowMs + LAST_LIFE_MS
    for (let life = 1; ; life++) {
      const node = this.newNode()
      const work = async () => {
        await node.start()
        await node.produce()
        await node.drain({ snapshots: true, close: this.random() < 0.5 })
      }
      let over = false
      let failure: unknown
      work().then(
        () => (over = true),
        (error: unknown) => (failure = error),
      )
      while (!over && failure === undefined && node.process.alive) {
        if (scheduler.nowMs > untilMs)
          throw new Violation('lag-to-zero', `not all is done ${LAST_LIFE_MS / 60_000} min after the last fault`)
        await this.step()
      }
      this.mayNotStop()
      if (failure) throw failure
      if (over) {
        this.count(node)
        await scheduler.until(node.stop())
        return this.mayNotStop()
      }
      this.kill(node)
      if (life > LAST_LIVES_MAX) throw new Violation('lag-to-zero', `the process has died ${life} times in a row, and would for ever`)
    }
  }

  private mayNotStop(): void {
    for (const { what, error } of this.world.stopped) throw violationOf(error, what)
  }

  /** One life of at most so many steps. */
  private async live(node: SimNode, steps: number): Promise<void> {
    const { world } = this
    let started = false
    let over = false
    let failure: unknown
    const life = node.start().then(async () => {
      started = true
      await node.produce()
      await node.drain({ snapshots: this.random() < 0.3, close: false })
      if (this.random() < 0.3) await node.stop()
      over = true
    })
    life.catch((error) => (failure = error))
    let ownersLeft = this.seed.owners && this.occurs('ownersAtOnce') ? 1 : 0
    // Moments that a kill seldom meets by chance are waited for.
    const aim = this.random() < 0.4 ? this.pick(AIMS) : undefined
    const isThere = () => aim === undefined || whereIn(this.scheduler.at(node.process)).includes(aim)
    for (let n = 0; (n < steps || (n < steps + AIM_STEPS_MAX && !isThere())) && !over && !failure && node.process.alive; n++) {
      this.disturb()
      if (started && !node.isStopping && ownersLeft > 0 && this.random() < 0.003) {
        ownersLeft--
        const sameWriter = this.random() < 0.5
        this.fault('ownersAtOnce', sameWriter ? 'with the same journal' : 'with a journal of its own')
        node.takeOver(sameWriter).catch((error) => (failure ??= error))
      }
      await this.step()
    }
    // A full disk may keep a process from starting: it says so, and is started again.
    if (failure && node.process.alive && !NO_ROOM.includes((failure as { code: string }).code)) throw failure
    if (!started) this.counts.killsWhileStarting++
    if (!started && node.owner && node.recomputed > 0) this.counts.killsWhileRecovering++
    this.count(node)
    for (const { what, error } of world.stopped.splice(0)) {
      const { code } = error as { code?: string }
      // While a process starts a full disk stops a partition.
      if (!NO_ROOM.includes(code ?? '')) throw violationOf(error, what)
    }
  }

  /** What befalls a living process between two steps, now and then. */
  private disturb(): void {
    const { world, scheduler } = this
    if (world.broker) this.disturbBroker(world.broker)
    if (this.random() < 0.001 && this.occurs('diskFull')) {
      for (const disk of world.disks) disk.freeBytes = this.below(2000)
      this.fault('diskFull')
    } else if (this.random() < 0.01) for (const disk of world.disks) disk.freeBytes = Infinity
    if (this.random() < 0.0005 && this.occurs('failedSyncs')) {
      this.pick(world.disks).failingSyncs = 1
      this.fault('failedSyncs')
    }
    if (this.random() < 0.0003 && this.occurs('failedRemovals')) {
      this.pick(world.disks).failingRemoves = 1
      this.fault('failedRemovals')
    }
    if (this.random() < 0.0005 && this.occurs('processStalls')) {
      const ms = this.below(this.pick([1000, 10_000, 120_000]))
      scheduler.nowMs += ms
      this.fault('processStalls', `${ms} ms`)
    }
    if (this.random() < 0.0003 && this.occurs('clockJumps')) {
      scheduler.skewMs += this.below(this.pick([1000, 60_000, 7_200_000]))
      this.fault('clockJumps', `to ${scheduler.skewMs} ms`)
    }
  }

  /** What a broker does by itself, and what befalls it. */
  private disturbBroker(broker: SimBroker): void {
    if (this.random() < 0.003) disturbBroker(broker, this.counts, this.random, this.scheduler.nowMs)
    if (this.random() < 0.0002 && this.occurs('brokerOutages')) {
      const ms = this.below(this.pick([2000, BROKER_OUTAGE_MS_MAX]))
      broker.outageEndsMs = this.scheduler.nowMs + ms
      this.fault('brokerOutages', `for ${ms} ms`)
    }
  }

  private requestFault(): RequestFault {
    if (this.harmless || this.brokerIsCalm || this.random() < 0.99) return undefined
    const fault = this.pick(['early', 'late'] as const)
    const kind = fault === 'early' ? 'requestsFailed' : 'requestsUnanswered'
    if (!this.occurs(kind)) return undefined
    this.fault(kind)
    return fault
  }

  private async step(): Promise<void> {
    try {
      await this.scheduler.step()
    } catch (error) {
      throw new Violation('lag-to-zero', (error as Error).message, { cause: error })
    }
    if (this.world.observed.violation) throw this.world.observed.violation
  }

  private kill(node: SimNode): void {
    const inside = whereIn(node.kill())
    for (const name of inside) this.counts[name]++
    if (node.diedIn === 'eviction') this.counts.killsInEviction++
    this.fault('kills', [...inside, node.diedIn ?? ''].join(' '))
  }

  private count(node: SimNode): void {
    if (!node.owner) return
    this.counts.epochsRecomputed += node.recomputed
    for (const sink of node.sinks) this.counts.rowsWrittenAfterReadBack += sink.stats.missingRows
    for (const { checkpoints, evictions, loads, restarts } of node.lane?.stats ?? []) {
      this.counts.checkpoints += checkpoints
      this.counts.evictions += evictions
      this.counts.loads += loads
      this.counts.turnsUndone += restarts
    }
  }

  /** Whether the cut leaves it in. */
  private occurs(kind: keyof typeof FAULTS): boolean {
    const number = this.decided++
    const isLeftOut = this.cut.without.has(kind) || this.cut.without.has(`${number}`)
    if (!isLeftOut) this.faults.push({ number, kind })
    return !isLeftOut
  }

  private fault(name: keyof typeof FAULTS, more = ''): void {
    this.counts[name]++
    this.story.push(`step ${this.scheduler.steps}: ${FAULTS[name][0]} ${more}`.trimEnd())
  }

  private newNode(settings = this.seed.node): SimNode {
    const { world, scheduler, random, plant } = this
    const insertFault = () => this.insertFault()
    const requestFault = () => this.requestFault()
    const { without } = this.cut
    const deathInEviction = this.harmless || without.has('killsInEviction') ? 0 : 0.01
    const cuts = !without.has('cutsElsewhere')
    this.node = new SimNode({ world, settings, scheduler, random, insertFault, requestFault, cuts, deathInEviction, plant })
    return this.node
  }

  private insertFault(): InsertFault {
    if (this.harmless) return undefined
    const { nowMs } = this.scheduler
    if (nowMs < this.outageEndsMs) return this.pick(['early', 'early', 'late'] as const)
    if (this.random() < 0.003 && this.occurs('outages')) {
      this.outageEndsMs = nowMs + this.below(OUTAGE_MS_MAX)
      this.fault('outages', `for ${this.outageEndsMs - nowMs} ms`)
      return 'late'
    }
    if (this.random() < 0.8) return undefined
    const fault = this.pick(['early', 'half', 'late', 'stall'] as const)
    const kind = fault === 'late' ? 'insertsUnanswered' : fault === 'stall' ? 'insertsStalled' : 'insertsFailed'
    if (!this.occurs(kind)) return undefined
    this.fault(kind)
    return fault === 'stall' ? { stallMs: this.below(2 * DEADLINE_MS), part: this.below(2) as 0 | 1 } : fault
  }

  private below(n: number): number {
    return Math.floor(this.random() * n)
  }

  private pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)]
  }
}

/** What a killed process was doing, by the steps that it was at. */
function whereIn(labels: readonly string[]): (keyof typeof FAULTS)[] {
  const is = (pattern: RegExp) => labels.some((label) => pattern.test(label))
  const inside: (keyof typeof FAULTS)[] = []
  if (is(/^(append on|appended|sync|synced) \/log\/.*\.jnl$/)) inside.push('killsInCommit')
  if (is(/^(produce|commit) packmill\.task\./)) inside.push('killsInTransaction')
  if (is(/^(created?|append|append on|appended|sync|synced) \/state\//)) inside.push('killsInCheckpoint')
  if (is(/^removed? \/state\//)) inside.push('killsInStateRemoval')
  if (is(/ part [01]$/)) inside.push('killsInInsert')
  if (is(/ read back$/)) inside.push('killsInReadBack')
  if (is(/^removed? \/log\//)) inside.push('killsInRetention')
  return inside
}

/** Runs of the same step as one line. */
function shortened(steps: readonly string[]): string[] {
  const lines: { step: string; times: number }[] = []
  for (const step of steps) {
    const last = lines.at(-1)
    if (last?.step === step) last.times++
    else lines.push({ step, times: 1 })
  }
  return lines.map(({ step, times }) => (times === 1 ? step : `${step} (${times} times)`))
}
