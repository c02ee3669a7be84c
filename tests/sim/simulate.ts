// A whole run of Packmill in virtual time, from a seed: nasty logs, crashes at any step, lost writes, full disks, inserts whose answer is lost.
// Afterwards topics and tables must hold the evaluator's answer, each version once.
//
//   lives 1 … n: start → produce, process, insert → killed at a step (half of the time with the power)
//   last life: nothing goes wrong any more → drained → stopped → compared
import assert from 'node:assert/strict'
import type { Receipt } from '../../engine/lane/receipt.ts'
import { TOPICS } from '../../model/rows.ts'
import { type ClickstreamSettings, clickstream } from '../../topologies/clickstream.ts'
import { compareIncidents, compareSessions } from '../oracle/compare.ts'
import { settings as defaults } from '../oracle/in-memory.ts'
import { nasty } from '../oracle/nasty.ts'
import { compareTiles } from '../oracle/tiles.ts'
import { expected } from './expected.ts'
import { Scheduler } from './scheduler.ts'
import { seeded } from './seeded.ts'
import { type NodeSettings, SimNode, World } from './sim-node.ts'
import type { InsertFault, TableRow } from './sim-table.ts'

/** What went wrong on purpose, and what the engine did about it. */
export interface Faults {
  kills: number
  killsWhileStarting: number
  powerLosses: number
  diskFull: number
  failedSyncs: number
  insertsFailed: number
  insertsUnanswered: number
  rowsSentAgain: number
  idleAdvances: number
  epochsRecomputed: number
  checkpoints: number
  evictions: number
  loads: number
}

export const noFaults = (): Faults => ({
  kills: 0,
  killsWhileStarting: 0,
  powerLosses: 0,
  diskFull: 0,
  failedSyncs: 0,
  insertsFailed: 0,
  insertsUnanswered: 0,
  rowsSentAgain: 0,
  idleAdvances: 0,
  epochsRecomputed: 0,
  checkpoints: 0,
  evictions: 0,
  loads: 0,
})

const PARTITIONS = 2
const START_MS = 1_800_000_000_000
const LIVES_MAX = 7

/** Runs the seed; throws an error that names what is wrong, the seed, and how to run it again. */
export async function simulate(seed: number): Promise<Faults> {
  try {
    return await run(seed)
  } catch (cause) {
    const { message } = cause as Error
    throw new Error(`seed ${seed}: ${message}\nAgain: npm run simulate -- --seeds 1 --from ${seed}`, { cause })
  }
}

async function run(seed: number): Promise<Faults> {
  const random = seeded(seed)
  const below = (n: number) => Math.floor(random() * n)
  const pick = <T>(of: readonly T[]) => of[below(of.length)]
  const faults = noFaults()
  const log = nasty(seed, 150)
  const window: ClickstreamSettings = { ...defaults, ...log.settings, idleTimeoutMs: 1000, snapshotMs: pick([0, 1, 5000]) }
  const toSend: string[][] = Array.from({ length: PARTITIONS }, () => [])
  for (const event of log.events) {
    const partition = event.productId === 'p2' ? 1 : 0
    toSend[partition].push(JSON.stringify(event))
    if (random() < 0.01) toSend[partition].push('no event')
  }
  const world = new World(toSend)
  const settings: NodeSettings = {
    topology: clickstream(window),
    code: 'sim',
    live: random() < 0.5,
    epochMs: 20,
    epochBytes: pick([300, 3000, 1 << 20]),
    checkpointBytes: pick([1, 5000, 20_000, 1 << 30]),
    cacheBytes: pick([1, 3000, 1 << 30]),
    journalBytes: pick([2000, 20_000, 1 << 20]),
    retention: {
      topics: {},
      others: pick([
        { ms: 1, bytes: 1 },
        { ms: 1 << 30, bytes: 1 << 30 },
      ]),
    },
    sinks: true,
  }
  const scheduler = new Scheduler(random, START_MS)
  let harmless = false
  const insertFault = (): InsertFault => {
    const fault = harmless || random() < 0.8 ? undefined : pick(['early', 'half', 'late'] as const)
    if (fault === 'late') faults.insertsUnanswered++
    else if (fault) faults.insertsFailed++
    return fault
  }
  const newNode = () => new SimNode({ world, settings, scheduler, random, insertFault, cuts: true })

  for (let life = 1, lives = below(LIVES_MAX); life <= lives; life++) {
    const node = newNode()
    await live(node, below(pick([40, 350, 1800])))
    node.kill()
    faults.kills++
    world.disk.freeBytes = Infinity
    world.disk.failingSyncs = 0
    if (random() < 0.5) continue
    world.powerLoss(random)
    faults.powerLosses++
  }
  harmless = true
  const node = newNode()
  await scheduler.until(node.start())
  faults.epochsRecomputed += node.recomputed
  await scheduler.until(node.produce())
  await scheduler.until(node.drain({ snapshots: true, close: random() < 0.5 })).catch((error) => {
    throw world.stopped[0]?.error ?? error
  })
  for (const journal of node.logs) await scheduler.until(journal.retain())
  count(node)
  await scheduler.until(node.stop())
  await compare()
  return faults

  /** One life of at most so many steps, with disks that fill up and syncs that fail. */
  async function live(node: SimNode, steps: number): Promise<void> {
    let started = false
    let over = false
    const life = node.start().then(async () => {
      started = true
      await node.produce()
      await node.drain({ snapshots: random() < 0.3, close: false })
      if (random() < 0.3) await node.stop()
      over = true
    })
    let failure: unknown
    life.catch((error) => (failure = error))
    for (let n = 0; n < steps && !over && !failure; n++) {
      if (random() < 0.002) {
        world.disk.freeBytes = below(2000)
        faults.diskFull++
      } else if (random() < 0.01) world.disk.freeBytes = Infinity
      if (random() < 0.001) {
        world.disk.failingSyncs = 1
        faults.failedSyncs++
      }
      await scheduler.step()
    }
    // A full disk may keep a process from starting: it says so, and is started again.
    if (failure && !['DISK_FULL', 'DISK_FAILED', 'PARTITION_STOPPED'].includes((failure as { code: string }).code)) throw failure
    faults.epochsRecomputed += node.recomputed
    if (!started) faults.killsWhileStarting++
    else count(node)
    noticeStopped()
  }

  function count(node: SimNode): void {
    for (const { checkpoints, evictions, loads } of node.lane.stats) {
      faults.checkpoints += checkpoints
      faults.evictions += evictions
      faults.loads += loads
    }
  }

  /** Nothing may stop, but for a disk that was full while a process started. */
  function noticeStopped(): void {
    for (const { what, error } of world.stopped.splice(0)) {
      const { code } = error as { code?: string }
      if (code !== 'DISK_FULL' && code !== 'DISK_FAILED') throw new Error(`${what} stopped`, { cause: error })
    }
  }

  async function compare(): Promise<void> {
    assert.deepEqual(world.stopped, [])
    const receipts = toSend.map((_, partition): Receipt[] => world.observed.of(`task.sim.clickstream.${TOPICS.raw}.${partition}`))
    const histories = receipts.map((own, partition) => ({
      receipts: own,
      records: tableOf(TOPICS.raw, partition).map(({ record }) => record),
    }))
    for (const [partition, { records }] of histories.entries()) faults.rowsSentAgain += records.length - toSend[partition].length
    faults.idleAdvances += receipts.flat().filter(({ inputs, from, to }) => inputs.now !== undefined && inputs.atEnd && from === to).length
    const answer = expected(histories, window)
    assert.deepEqual(
      histories.map(({ records }) => new Set(records).size > 0),
      toSend.map((records) => records.length > 0),
    )
    for (const [partition, records] of toSend.entries())
      assert.deepEqual(
        new Set(histories[partition].records),
        new Set(records),
        `everything that was sent to partition ${partition} is there`,
      )
    // Open sessions are as they were when they were last asked for: an idle actor's timers may have added incidents since.
    const asked = histories.map(({ records, receipts }) => ({
      records,
      receipts: receipts.slice(0, receipts.findLastIndex(({ inputs }) => inputs.snapshots) + 1),
    }))
    const whenAsked = expected(asked, window).sessions
    const sessions = new Map([...answer.sessions].map(([id, row]) => [id, row.closed ? row : (whenAsked.get(id) ?? row)]))
    assert.deepEqual(compareSessions(rowsOf(TOPICS.sessions), sessions, { allVersions: true }), [])
    assert.deepEqual(compareIncidents(rowsOf(TOPICS.incidents), answer.incidents, { allVersions: true }), [])
    assert.deepEqual(compareTiles(rowsOf(TOPICS.tiles), answer), [])
    const late = rowsOf<{ offset: number; partition: number; reason: string }>(TOPICS.late).map(
      (row) => `${row.partition} ${row.offset} ${row.reason}`,
    )
    assert.deepEqual(late.sort(), answer.late.map((row) => `${row.partition} ${row.offset} ${row.reason}`).sort())
    assert.equal(rowsOf(TOPICS.deadLetters).length, answer.invalid + answer.dead, 'dead letters')
    const sum = { accepted: 0, open: 0, closed: 0, duplicates: 0, late: 0 }
    for (const org of answer.counters.values()) {
      for (const name of ['accepted', 'open', 'closed', 'duplicates', 'late'] as const) sum[name] += org[name]
      sum.late += org.capLate
    }
    sum.accepted += answer.dead
    const counted = { accepted: 0, open: 0, closed: 0, duplicates: 0, late: 0 }
    for (const own of receipts)
      for (const name of Object.keys(counted) as (keyof typeof counted)[]) counted[name] += own.at(-1)?.counters[name] ?? 0
    assert.deepEqual(counted, sum, 'the counters of the last receipts')
  }

  /** Each offset once, from 0 on without a hole. */
  function tableOf(topic: string, partition: number): TableRow[] {
    const rows = world.tables
      .get(topic)!
      .rows.filter((row) => row.partition === partition)
      .sort((a, b) => a.offset - b.offset)
    for (const [at, { offset }] of rows.entries())
      assert.equal(offset, at, `the table of ${topic} has each offset of partition ${partition} once`)
    return rows
  }

  function rowsOf<T = object>(topic: string): T[] {
    return toSend.flatMap((_, partition) => tableOf(topic, partition).map(({ record }) => JSON.parse(record) as T))
  }
}
