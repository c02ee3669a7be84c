// What survives the processes of a simulated run: disks, state stores, tables, what was accepted, and what was observed.
import type { Topology } from '../../engine/topology/topology.ts'
import { TOPICS } from '../../model/rows.ts'
import type { Retention } from '../../stores/log/retention.ts'
import type { Counts } from './counts.ts'
import type { SimBroker } from './kafka/sim-broker.ts'
import { Observed } from './observed-log.ts'
import { SimDisk } from './sim-files.ts'
import { SimTable } from './sim-table.ts'

export interface NodeSettings {
  topology: Topology
  code: string
  live: boolean
  epochMs: number
  epochBytes: number
  checkpointBytes: number
  /** What the topics keep, ms: by a part of it a checkpoint becomes due. */
  retentionMs?: number
  cacheBytes: number
  journalBytes: number
  retention: Retention
  /** How often files that nobody needs are deleted; undefined: only when the test does it. */
  retainMs?: number
  sinks: boolean
  /** Of a write, before a sink waits. */
  attemptsMax?: number
  /** How long a sink waits for the requests of an owner before it. */
  orphanMs?: number
  /** Of a slice of a checkpoint; undefined: the engine's own. */
  sliceBytes?: number
}

const MACHINES = 3

export class World {
  readonly disk = new SimDisk()
  /** Where state lies: the same disk, until a second owner has a claim of its own on it. */
  stateDisk = this.disk
  readonly tables = new Map(Object.values(TOPICS).map((topic) => [topic as string, new SimTable()]))
  readonly observed: Observed
  /** Per partition, what clients have to send, in order. */
  readonly toSend: readonly (readonly string[])[]
  /** Partitions that stopped, and sinks: never, unless a test wants it. */
  readonly stopped: { what: string; error: unknown }[] = []
  /** Partitions that said that they wait, and that they go on. */
  readonly waits: string[] = []

  /** Where the log and the state are, in place of the disk: that is a machine's cache then. */
  readonly broker: SimBroker | undefined
  private readonly machines: SimDisk[]

  constructor(toSend: readonly (readonly string[])[], counts?: Counts, broker?: SimBroker) {
    this.toSend = toSend
    this.broker = broker
    this.machines = broker ? Array.from({ length: MACHINES }, () => new SimDisk()) : []
    if (broker) this.stateDisk = this.machines[0]
    this.observed = new Observed(counts)
  }

  get disks(): SimDisk[] {
    return this.broker ? this.machines : [...new Set([this.disk, this.stateDisk])]
  }

  /** The next process is on another machine, or on the same one: its cache may be of long ago. */
  changeMachine(random: () => number): boolean {
    const before = this.stateDisk
    this.stateDisk = this.machines[Math.floor(random() * MACHINES)]
    return this.stateDisk !== before
  }

  /** From here on whoever has the state open can finish no checkpoint any more: that is what a claim of the state store means. */
  claimState(): void {
    const before = this.stateDisk
    if (this.broker) {
      this.stateDisk = this.machines[(this.machines.indexOf(before) + 1) % MACHINES]
      return
    }
    this.stateDisk = before.fork('/state/')
    before.fullFolder = '/state/'
  }

  powerLoss(random: () => number): void {
    const { counts } = this.observed
    const before = this.losses()
    for (const disk of this.disks) disk.powerLoss(random)
    for (const table of this.tables.values()) table.powerLoss(random)
    const after = this.losses()
    for (const name of Object.keys(after) as (keyof typeof after)[]) counts[name] += after[name] - before[name]
  }

  private losses() {
    const sum = <T>(of: Iterable<T>, get: (one: T) => number) => [...of].reduce((n, one) => n + get(one), 0)
    return {
      lostWrites: sum(this.disks, ({ losses }) => losses.lostWrites),
      tornWrites: sum(this.disks, ({ losses }) => losses.tornWrites),
      lostNames: sum(this.disks, ({ losses }) => losses.lostNames),
      lostRows: sum(this.tables.values(), ({ lost }) => lost),
    }
  }
}
