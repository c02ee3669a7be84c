// A lane over the real journal in virtual time: drains, neighbours, full disks, stopping. (Crashes are the simulator's, tests/sim.)
import { expect, test } from 'vitest'
import { type DeadLetterRow, TOPICS } from '../../model/rows.ts'
import { type Fold, fold } from '../../operators/contract.ts'
import { retentionDefaults } from '../../stores/log/retention.ts'
import { settings as defaults } from '../../tests/oracle/in-memory.ts'
import { nasty } from '../../tests/oracle/nasty.ts'
import { Scheduler } from '../../tests/sim/scheduler.ts'
import { seeded } from '../../tests/sim/seeded.ts'
import { type NodeSettings, SimNode, World } from '../../tests/sim/sim-node.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import type { Log } from '../log/contract.ts'
import type { Clock } from '../time/clock.ts'
import { Lane } from './lane.ts'
import type { PartitionTask } from './task.ts'

const log = nasty(4, 200)
const toSend = ['p1', 'p2'].map((product) =>
  log.events.filter(({ productId }) => productId === product).map((event) => JSON.stringify(event)),
)
const settings: NodeSettings = {
  topology: clickstream({ ...defaults, ...log.settings }),
  code: 'v1',
  live: true,
  epochMs: 20,
  epochBytes: 3000,
  checkpointBytes: 1 << 30,
  cacheBytes: 1 << 30,
  journalBytes: 1 << 20,
  retention: retentionDefaults,
  sinks: false,
}
const TASKS = [0, 1].map((partition) => `task.sim.clickstream.${TOPICS.raw}.${partition}`)

function start(own: Partial<NodeSettings> = {}, world = new World(toSend)) {
  const random = seeded(1)
  const scheduler = new Scheduler(random, 1_000_000)
  const node = new SimNode({ world, settings: { ...settings, ...own }, scheduler, random })
  return { world, scheduler, node, until: <T>(promise: Promise<T>) => scheduler.until(promise) }
}

const ends = (node: SimNode) => node.ends(TOPICS.raw)
const positions = async (node: SimNode) => new Map((await ends(node)).map((end, partition) => [partition, end]))
const read = (world: World) => TASKS.map((task) => world.observed.of(task).at(-1)?.to ?? 0)
const nothing = { snapshots: false, close: false }

test('a drain resolves when all input is committed, with an epoch of its own for what was asked', async () => {
  const { world, node, until } = start()
  await until(node.start())
  await until(node.produce())
  await until(node.lane.drain(await positions(node), { snapshots: true, close: true }))
  expect(read(world)).toEqual(await ends(node))
  for (const task of TASKS) {
    const asked = world.observed.of(task).filter(({ inputs }) => inputs.snapshots || inputs.close)
    expect(asked.map(({ from, to, inputs }) => [to - from, inputs.snapshots, inputs.close])).toEqual([[0, true, true]])
  }
  // Nothing is left to read or to commit: at once.
  await until(node.lane.drain(await positions(node), nothing))
  await until(node.lane.drain(new Map(), { snapshots: true, close: false }))
})

test('time of epochs and of checkpoints is counted, and the watermark told', async () => {
  const { node, until, scheduler } = start({ checkpointBytes: 5_000 })
  await until(node.start())
  const startMs = scheduler.nowMs
  await until(node.produce())
  await until(node.lane.drain(await positions(node), nothing))
  const elapsedMs = scheduler.nowMs - startMs
  for (const { epochMs, watermark } of node.lane.stats) {
    expect(epochMs).toBeGreaterThan(0)
    expect(watermark).toBeLessThan(Math.max(...log.events.map(({ ts }) => Number(ts))))
  }
  // Small ones begin and end between two moments of virtual time.
  const checkpointMs = node.lane.stats.reduce((sum, task) => sum + task.checkpointMs, 0)
  expect(checkpointMs).toBeGreaterThan(0)
  expect(checkpointMs).toBeLessThan(elapsedMs)
})

test('a drain is not starved by what comes after it', async () => {
  const { world, node, until, scheduler } = start({ live: false })
  await until(node.start())
  const claim = await until(node.logs[0].claim('feed'))
  let epoch = 0
  const feed = async () => {
    epoch++
    const bytes = Buffer.from(`${toSend[0][epoch % toSend[0].length]}\n`)
    await claim.commit({ outputs: [{ topic: TOPICS.raw, partition: 0, count: 1, bytes }], receipt: { epoch, to: epoch } })
  }
  await until(feed())
  let isFeeding = true
  // Never caught up: there is always another record before the lane has committed the one before.
  const feeding = (async () => {
    while (isFeeding) await feed()
  })()
  const wanted = await positions(node)
  let isDrained = false
  void node.lane.drain(wanted, { snapshots: true, close: false }).then(() => (isDrained = true))
  for (let steps = 0; steps < 2000 && !isDrained; steps++) await scheduler.step()
  expect(isDrained).toBe(true)
  expect(read(world)[0]).toBeGreaterThanOrEqual(wanted.get(0)!)
  isFeeding = false
  await until(feeding)
})

test('a partition that another has claimed stops alone; drains that need it say so, its neighbour goes on', async () => {
  const { world, node, until } = start()
  await until(node.start())
  await until(node.logs[0].claim(TASKS[0], { topic: TOPICS.raw, partition: 0 }))
  const pending = node.lane.drain(new Map([[0, toSend[0].length]]), nothing)
  pending.catch(() => undefined)
  await until(node.produce())
  await expect(until(pending)).rejects.toMatchObject({ code: 'FENCED' })
  expect(world.stopped).toMatchObject([{ what: 'partition 0', error: { code: 'FENCED' } }])
  await expect(node.lane.drain(await positions(node), nothing)).rejects.toMatchObject({ code: 'PARTITION_STOPPED' })
  await until(node.lane.drain(new Map([[1, toSend[1].length]]), { snapshots: true, close: false }))
  expect(read(world)).toEqual([0, toSend[1].length])
})

test('a full disk stops nothing for good: what could not be committed is computed again when there is room, and a drain waits for it', async () => {
  const { world, node, until, scheduler } = start()
  await until(node.start())
  await until(node.produce())
  world.disk.freeBytes = 100
  let isDrained = false
  const drained = node.lane.drain(await positions(node), { snapshots: true, close: false }).then(() => (isDrained = true))
  for (let steps = 0; steps < 500; steps++) await scheduler.step()
  expect(isDrained).toBe(false)
  world.disk.freeBytes = Infinity
  await until(drained)
  expect(world.stopped).toEqual([])
  // Once each, however often they were tried.
  expect(world.waits.sort()).toEqual(['0 DISK_FULL', '0 goes on', '1 DISK_FULL', '1 goes on'])
  expect(read(world)).toEqual(await ends(node))
  for (const task of TASKS) expect(world.observed.of(task).at(-1)!.counters.deadLettered).toBe(0)
  const dead = node.logs[0].reader({ topic: TOPICS.deadLetters, partition: 0 })
  expect(((await dead.read(0, 1 << 20)).blocks as unknown as DeadLetterRow[]).length).toBe(0)
})

test('commits that find room end no wait for a checkpoint that does not', async () => {
  const { world, node, until, scheduler } = start({ checkpointBytes: 1, epochBytes: 500 })
  await until(node.start())
  world.disk.fullFolder = '/state'
  await until(node.produce())
  for (let steps = 0; steps < 1500; steps++) await scheduler.step()
  expect(read(world)).not.toEqual([0, 0])
  expect(world.waits.sort()).toEqual(['0 DISK_FULL', '1 DISK_FULL'])
  world.disk.fullFolder = undefined
  await until(node.lane.drain(await positions(node), nothing))
  for (let steps = 0; steps < 1500 && world.waits.length < 4; steps++) await scheduler.step()
  expect(world.waits.sort()).toEqual(['0 DISK_FULL', '0 goes on', '1 DISK_FULL', '1 goes on'])
  expect(read(world)).toEqual(await ends(node))
})

test('a stop commits what is in flight and leaves a checkpoint: the next start computes nothing again', async () => {
  const { world, node, until } = start()
  await until(node.start())
  await until(node.produce())
  const left = node.lane.drain(new Map([[0, 1e9]]), nothing)
  left.catch(() => undefined)
  await until(node.stop())
  await expect(left).rejects.toMatchObject({ code: 'STOPPED' })
  await expect(node.lane.drain(new Map([[0, 0]]), nothing)).rejects.toMatchObject({ code: 'STOPPED' })
  const committed = read(world)
  const again = start({}, world)
  await again.until(again.node.start())
  expect(again.node.recomputed).toBe(0)
  await again.until(again.node.lane.drain(await positions(again.node), nothing))
  expect(read(world)).toEqual(await ends(again.node))
  expect(Math.min(...committed)).toBeGreaterThanOrEqual(0)
})

test('caught up, epochs come epochMs apart; behind, one after the other', async () => {
  const { world, node, until, scheduler } = start({ live: false, epochBytes: 500 })
  await until(node.start())
  const claim = await until(node.logs[0].claim('feed'))
  const outputs = toSend[0].map((record) => ({ topic: TOPICS.raw, partition: 0, count: 1, bytes: Buffer.from(`${record}\n`) }))
  await until(claim.commit({ outputs, receipt: { epoch: 1, to: 1 } }))
  const from = scheduler.nowMs
  await until(node.lane.drain(await positions(node), nothing))
  const epochs = world.observed.of(TASKS[0]).length
  expect(epochs).toBeGreaterThan(20)
  expect(scheduler.nowMs - from).toBeLessThan(epochs * 5)
})

/** A lane of one task that computes an epoch without rows for so long, and cannot read in the rounds in which it must wait. */
async function roundsOf(computeMs: number, mustWait: (round: number) => boolean): Promise<number[]> {
  let nowMs = 0
  const startedMs: number[] = []
  const clock: Clock = {
    now: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms
    },
  }
  let epoch = 0
  const task = {
    partition: 0,
    recover: async () => undefined,
    next: async () => {
      nowMs += computeMs
      return { receipt: { epoch: ++epoch, from: 0, to: 0, inputs: {} }, outputs: [] }
    },
    commit: async () => undefined,
    tend: async () => {
      startedMs.push(nowMs)
      if (startedMs.length === 6) lane.stop()
      return true
    },
    stop: async () => undefined,
    get mustWait() {
      return mustWait(startedMs.length)
    },
  } as unknown as PartitionTask
  const lane = new Lane({
    tasks: [task],
    log: {} as Log,
    clock,
    epochMs: 20,
    live: true,
    onStopped: (_, error) => expect(error).toBeUndefined(),
  })
  await lane.open()
  await lane.run()
  return startedMs.slice(1, 6).map((ms, i) => ms - startedMs[i])
}

test('caught up, what computing takes is no part of the pause after it: a record waits for epochMs until its epoch is computed', async () => {
  expect(await roundsOf(0, () => false)).toEqual([20, 20, 20, 20, 20])
  expect(await roundsOf(8, () => false)).toEqual([12, 12, 12, 12, 12])
  expect(await roundsOf(30, () => false)).toEqual([30, 30, 30, 30, 30])
})

test('who cannot read before its checkpoint is finished writes it without a pause', async () => {
  expect(await roundsOf(0, (round) => round >= 1 && round < 4)).toEqual([20, 0, 0, 0, 20])
})

test('a row that ends every process is found, and no row of its neighbours is taken for it', async () => {
  let node: SimNode | undefined
  const shipped = clickstream({ ...defaults, ...log.settings })
  const deadly = fold({
    name: 'deadly',
    stateVersion: 1,
    reads: ['element'],
    state: { count: 'u32' },
    onEvent(_, event) {
      if (event.text(event.element) === '#deadly') node?.kill()
    },
  })
  const folds = [...shipped.pipeline.folds, deadly as unknown as Fold]
  const topology = { ...shipped, pipeline: { ...shipped.pipeline, folds } }
  const first = log.events.find(({ productId }) => productId === 'p1')!
  const line = JSON.stringify({ ...first, eventId: 'deadly', type: 'click', element: '#deadly' })
  // Two neighbours whose rows come after it, and one that comes before.
  const world = new World([toSend[1], [line, ...toSend[0]], toSend[1], toSend[1]])
  const receipts = (partition: number) => world.observed.of(`task.sim.clickstream.${TOPICS.raw}.${partition}`)
  const isDone = () => world.toSend.every((lines, partition) => receipts(partition).at(-1)?.to === lines.length)
  /** All lines at once, each once. */
  const feed = async ({ logs: [main] }: SimNode) => {
    const outputs = world.toSend.map((lines, partition) => {
      return { topic: TOPICS.raw, partition, count: lines.length, bytes: Buffer.from(`${lines.join('\n')}\n`) }
    })
    await (await main.claim('feed')).commit({ outputs })
  }
  let kills = 0
  for (; kills < 30; kills++) {
    const { scheduler, node: next } = start({ topology, epochBytes: 1500 }, world)
    node = next
    void next.start().then(() => (kills === 0 ? feed(next) : undefined))
    while (next.process.alive && !isDone()) await scheduler.step()
    if (isDone()) break
  }
  expect(kills).toBeGreaterThan(5)
  expect(world.toSend.map((_, partition) => receipts(partition).flatMap(({ dead }) => dead))).toEqual([[], [0], [], []])
})
