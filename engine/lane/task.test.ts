// A partition task over the real journal and state store: recovery at every point, what it refuses, dead letters, idle actors.
import { describe, expect, test } from 'vitest'
import type { WireEvent } from '../../model/event.ts'
import { type DeadLetterRow, TOPICS } from '../../model/rows.ts'
import { backtracks } from '../../operators/backtracks.ts'
import type { Fold } from '../../operators/contract.ts'
import { MemoryStore } from '../../streams/memory-store.ts'
import { settings as defaults } from '../../tests/oracle/in-memory.ts'
import { nasty } from '../../tests/oracle/nasty.ts'
import {
  ask,
  blocks,
  differences,
  type OneTaskOptions,
  produced,
  RAW,
  run,
  TASK,
  type TaskProcess,
  TaskWorld,
} from '../../tests/sim/one-task.ts'
import type { SessionPipeline } from '../topology/topology.ts'
import type { Receipt } from './receipt.ts'

const log = nasty(8, 200)
const settings = { ...defaults, ...log.settings, snapshotMs: 5000 }

const lastOf = (receipts: readonly Receipt[]) => receipts.at(-1)!

describe('A task that is killed', () => {
  const variants: Record<string, OneTaskOptions> = {
    'without any checkpoint': {},
    'with a checkpoint after every epoch': { checkpointBytes: 1 },
    'with a checkpoint now and then': { checkpointBytes: 9000 },
    'with nothing left in memory': { checkpointBytes: 1, cacheBytes: 1 },
  }
  test.each(Object.entries(variants))('after each commit, %s, leaves the evaluator’s answer, each version once', async (_, options) => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    let recomputed = 0
    for (;;) {
      const task = await process.recovered({ ...options, settings })
      recomputed += process.recomputed
      if ((await run(task, { epochs: 1 })).length === 0) break
      process = await world.open()
    }
    process = await world.open()
    await ask(await process.recovered({ ...options, settings }), { snapshots: true })
    expect(world.observed.of(TASK).length).toBeGreaterThan(15)
    if (options.checkpointBytes === 1) expect(recomputed).toBeLessThan(world.observed.of(TASK).length)
    else expect(recomputed).toBeGreaterThan(world.observed.of(TASK).length)
    expect(await differences(world, process, settings)).toEqual([])
  })

  test('with an epoch computed and not committed computes it again', async () => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    let task = await process.recovered({ settings })
    for (;;) {
      if (!(await task.next(undefined))) break
      process = await world.open()
      task = await process.recovered({ settings })
      await run(task, { epochs: 1 })
    }
    await ask(task, { snapshots: true })
    expect(await differences(world, process, settings)).toEqual([])
  })

  test('while its checkpoint is open goes on from the one before', async () => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    let task = await process.recovered({ settings, checkpointBytes: 1 })
    await run(task, { epochs: 3 })
    const epoch = (await task.next(undefined))!
    // Begun of the epoch that is not committed: it waits for the commit (protocol 11).
    await task.tend()
    process = await world.open()
    task = await process.recovered({ settings })
    expect(task.lastEpoch).toBe(3)
    expect((await run(task, { epochs: 1 }))[0].to).toBe(epoch.receipt.to)
  })
})

describe('A task that was stopped', () => {
  test('goes on without computing anything again, with other code', async () => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    let task = await process.recovered({ settings })
    await run(task, { epochs: 9 })
    await task.stop()
    await process.close()
    process = await world.open()
    task = await process.recovered({ settings, code: 'v2' })
    expect(process.recomputed).toBe(0)
    await run(task)
    await ask(task, { snapshots: true })
    expect(await differences(world, process, settings)).toEqual([])
  })
})

describe('A task refuses to go on', () => {
  /** Counts its calls in a variable of the process, from somewhere. */
  const counting = (from: number): ((pipeline: SessionPipeline) => SessionPipeline) => {
    let calls = from
    const shipped = backtracks()
    const wrong: typeof shipped = {
      ...shipped,
      onEvent: (state, event, emit) => shipped.onEvent(state, event, { incident: (one) => emit.incident({ ...one, count: ++calls }) }),
    }
    return (pipeline) => ({ ...pipeline, folds: [pipeline.folds[0], wrong as unknown as Fold] })
  }

  test('with REPLAY_DIVERGED where an operator is no function of its events: the epoch, the first topic, the choices', async () => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    await run(await process.recovered({ settings, pipeline: counting(0) }))
    const before = await process.records(TOPICS.incidents)
    process = await world.open()
    const error = await process.recovered({ settings, pipeline: counting(1000) }).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'REPLAY_DIVERGED', retryable: false })
    expect(error.message).toMatch(/partition 0, epoch \d+ \(offsets \d+ to \d+\).*topic events\.incidents/)
    expect(error.advice).toMatch(/Mend the operator, then choose: keep .*packmill upgrade accept 0:\d+.*packmill upgrade rebuild/)
    expect(error.advice).not.toContain('drain')
    expect(await process.records(TOPICS.incidents)).toEqual(before)
  })

  test('with UPGRADE_DIVERGED where other code computes epochs since the checkpoint otherwise; where it computes the same it goes on', async () => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    await run(await process.recovered({ settings }), { epochs: 9 })
    process = await world.open()
    const other = { ...settings, rage: { ...settings.rage, clicks: 2 } }
    const error = await process.recovered({ settings: other, code: 'v2' }).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'UPGRADE_DIVERGED', message: expect.stringMatching(/committed by v1, this is v2/) })
    expect(error.advice).toMatch(/packmill upgrade drain.*packmill upgrade accept 0:\d+.*packmill upgrade rebuild/)
    process = await world.open()
    const task = await process.recovered({ settings, code: 'v3' })
    expect(process.recomputed).toBe(9)
    await run(task)
    await ask(task, { snapshots: true })
    expect(await differences(world, process, settings)).toEqual([])
  })

  test('until a person accepts what was published from an epoch on: that is recorded, and asked for no more after a checkpoint', async () => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    await run(await process.recovered({ settings }), { epochs: 20 })
    const other = { settings: { ...settings, rage: { ...settings.rage, clicks: 2 } }, code: 'v2' }
    process = await world.open()
    const { message } = await process.recovered(other).catch((thrown) => thrown)
    const epoch = Number(/epoch (\d+)/.exec(message)![1])
    process = await world.open()
    await expect(process.recovered({ ...other, acceptFrom: epoch + 1 })).rejects.toMatchObject({ code: 'UPGRADE_DIVERGED' })
    process = await world.open()
    const published = await process.records(TOPICS.incidents)
    const task = await process.recovered({ ...other, acceptFrom: epoch })
    expect(await process.records(TOPICS.incidents)).toEqual(published)
    await run(task, { epochs: 1 })
    expect(lastOf(world.observed.of(TASK)).inputs.accepted).toEqual({ from: epoch, code: 'v1' })
    await task.stop()
    process = await world.open()
    await run(await process.recovered(other))
    expect(world.observed.of(TASK).filter(({ inputs }) => inputs.accepted).length).toBe(1)
  })

  test('after a clean stop, by settings that change sessions: a correction takes from the tiles what had been added to them', async () => {
    const world = new TaskWorld()
    const half = log.events.length >> 1
    let process = await produced(world, log.events.slice(0, half))
    let task = await process.recovered({ settings })
    await run(task)
    await ask(task, { close: true })
    await task.stop()
    process = await world.open()
    for (const block of blocks(log.events.slice(half), 7)) await process.produce(block)
    const frustration = Object.fromEntries(
      Object.entries(defaults.scores.frustration).map(([signal, weight]) => [signal, weight * 3 + 0.1]),
    )
    task = await process.recovered({ settings: { ...settings, scores: { ...defaults.scores, frustration } as never }, code: 'v2' })
    await run(task)
    await ask(task, { close: true })
    const sessions = await process.records<{
      session_id: string
      closed: number
      deleted: number
      version: number
      frustration_score: number
    }>(TOPICS.sessions)
    expect(sessions.some(({ version, deleted }) => version > 1 && deleted === 0)).toBe(true)
    const last = new Map(sessions.map((session) => [session.session_id, session]))
    const wanted = [...last.values()].filter(({ closed, deleted }) => closed === 1 && deleted === 0)
    const tiles = (await process.records<{ tile: string; frustration: number }>(TOPICS.tiles)).filter(({ tile }) => tile === 'overview')
    const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0)
    expect(sum(tiles.map((tile) => tile.frustration))).toBe(sum(wanted.map((row) => Math.round(row.frustration_score * 10_000))))
  })

  test('with STATE_CORRUPT where a user’s state is of another format, and blames no row for it', async () => {
    const world = new TaskWorld()
    const process = await produced(world, log.events)
    const store = new MemoryStore()
    const first = await process.recovered({ settings, store })
    await run(first, { epochs: 10 })
    await first.stop()
    const get = store.get.bind(store)
    store.get = (key) => {
      const value = get(key)?.slice()
      if (value) value[0]++
      return value
    }
    const task = await process.recovered({ settings, store })
    await expect(run(task)).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
    expect(lastOf(world.observed.of(TASK)).counters.deadLettered).toBe(0)
  })

  test('with CHECKPOINT_AHEAD where the log has lost what the checkpoint is of', async () => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    const task = await process.recovered({ settings })
    await run(task)
    await task.stop()
    world.loseLog()
    process = await produced(world, log.events)
    // The observed receipts are of the lost log.
    const ahead = (await process.task({ settings }, process.other)).recover(0)
    await expect(ahead).rejects.toMatchObject({ code: 'CHECKPOINT_AHEAD', retryable: false })
    expect(await process.records(TOPICS.sessions)).toEqual([])
  })

  test('with REPLAY_IMPOSSIBLE where the state is lost and the log no longer reaches back', async () => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    const task = await process.recovered({ settings, checkpointBytes: 3000 })
    await run(task)
    for (const topic of Object.values(TOPICS)) if (topic !== TOPICS.raw) await process.main.need('all', { topic, partition: 0 }, Infinity)
    expect(await process.main.retain()).toBeGreaterThan(0)
    expect((await process.main.bounds(RAW)).start).toBeGreaterThan(0)
    process = await world.open()
    await process.recovered({ settings })
    world.loseState()
    process = await world.open()
    await expect(process.recovered({ settings })).rejects.toMatchObject({ code: 'REPLAY_IMPOSSIBLE', retryable: false })
  })

  test('with FENCED where another has claimed it, and leaves nothing', async () => {
    const world = new TaskWorld()
    const process = await produced(world, log.events)
    const task = await process.recovered({ settings })
    await run(task, { epochs: 2 })
    const epoch = (await task.next(undefined))!
    await process.other.claim(TASK, RAW)
    await expect(task.commit(epoch)).rejects.toMatchObject({ code: 'FENCED', retryable: false })
    expect(world.observed.of(TASK).length).toBe(2)
  })

  test('with FENCED and no false alarm where it is claimed while it recovers', async () => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    await run(await process.recovered({ settings, pipeline: counting(0) }))
    process = await world.open()
    const task = await process.task({ settings, pipeline: counting(1000) })
    await expect(task.recover(0, () => void process.other.claim(TASK, RAW))).rejects.toMatchObject({ code: 'FENCED' })
  })
})

test('a recovery tells how many epochs it computes again, from 0 on', async () => {
  const world = new TaskWorld()
  let process = await produced(world, log.events)
  await run(await process.recovered({ settings }), { epochs: 3 })
  process = await world.open()
  const told: number[][] = []
  await (await process.task({ settings })).recover(0, (...progress) => told.push(progress))
  expect(told).toEqual([0, 1, 2, 3].map((done) => [done, 3]))
})

describe('Rows that kill the process', () => {
  /** The process dies whenever it computes the row. */
  async function killedBy(world: TaskWorld, eventId: string): Promise<{ kills: number; process: TaskProcess }> {
    let process = await produced(world, log.events)
    for (let kills = 0; ; kills++) {
      const task = await process.recovered({ settings })
      for (;;) {
        const epoch = await task.next(undefined)
        if (!epoch) return { kills, process }
        const { from, to, dead } = epoch.receipt
        const offset = log.events.findIndex((event) => event.eventId === eventId)
        if (offset >= from && offset < to && !dead.includes(offset)) break
        await task.commit(epoch)
      }
      process = await world.open()
    }
  }

  test('are found alone and become dead letters, and nothing else does', async () => {
    const world = new TaskWorld()
    const { eventId } = log.events[100]
    const { kills, process } = await killedBy(world, eventId)
    expect(kills).toBeLessThanOrEqual(14)
    const dead = world.observed.of(TASK).flatMap((receipt) => receipt.dead)
    expect(dead).toEqual([log.events.findIndex((event) => event.eventId === eventId)])
    expect(await process.records<DeadLetterRow>(TOPICS.deadLetters)).toMatchObject([
      { code: 'PROCESS_KILLED', partition: 0, offset: dead[0], record: JSON.stringify(log.events[dead[0]]) },
    ])
    await ask(await process.recovered({ settings }), { snapshots: true })
    expect(await differences(world, process, settings)).toEqual([])
  })

  test('are not suspected where processes were killed that had nothing to read', async () => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    await run(await process.recovered({ settings }))
    for (let kills = 0; kills < 10; kills++) {
      process = await world.open()
      await process.recovered({ settings })
    }
    const { length } = world.observed.of(TASK)
    await process.produce([{ ...log.events[0], eventId: 'one that comes later' }])
    // Killed once more, this time with something to read.
    process = await world.open()
    await run(await process.recovered({ settings }))
    expect(world.observed.of(TASK).length).toBe(length + 1)
    expect(lastOf(world.observed.of(TASK)).dead).toEqual([])
  })

  test('are not suspected where the process lived on: commits that fail, as on a full disk, drop no row, then or in the next process', async () => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    let task = await process.recovered({ settings })
    for (let failures = 0; failures < 20; failures++) {
      const epoch = (await task.next(undefined))!
      // Room for the next claim, none for the epoch.
      world.disk.freeBytes = 300
      await expect(task.commit(epoch)).rejects.toMatchObject({ code: 'DISK_FULL', retryable: true })
      await task.abandon()
      world.disk.freeBytes = Infinity
      await task.recover(0)
    }
    // Whoever had to make room ended it.
    process = await world.open()
    task = await process.recovered({ settings })
    await run(task)
    expect(lastOf(world.observed.of(TASK)).counters.deadLettered).toBe(0)
    await ask(task, { snapshots: true })
    expect(await differences(world, process, settings)).toEqual([])
  })
})

describe('Idle actors', () => {
  const at = (orgId: string, ts: number): WireEvent => ({ orgId, productId: 'p', userId: 'u', eventId: `${orgId}${ts}`, type: 'click', ts })
  const own = { ...defaults, gapMs: 1000, allowedDisorderMs: 0, idleTimeoutMs: 500, correctionMs: 10_000 }
  const closed = async (process: TaskProcess) =>
    (await process.records<{ org_id: string; closed: number }>(TOPICS.sessions)).filter((row) => row.closed === 1).map((row) => row.org_id)

  test('close their sessions idleTimeoutMs after their own end of event time, by the injected clock, and again after a kill', async () => {
    const world = new TaskWorld()
    let process = await world.open()
    await process.produce([at('a', 10_000), at('b', 90_000)])
    let task = await process.recovered({ settings: own }, 5000)
    await run(task, { nowMs: 5000 })
    // ts + gap + 1 is due after 1,001 ms of idling, which begin after the timeout.
    expect(task.nextIdleMs).toBe(5000 + 500 + 1001)
    expect(await run(task, { nowMs: 6500 })).toEqual([])
    expect((await run(task, { nowMs: 6501 })).map(({ inputs }) => inputs)).toEqual([{ now: 6501, atEnd: true }])
    expect((await closed(process)).sort()).toEqual(['a', 'b'])
    process = await world.open()
    task = await process.recovered({ settings: own }, 7000)
    expect(process.recomputed).toBe(2)
    expect(task.nextIdleMs).toBe(Infinity)
    expect(await run(task, { nowMs: 1e9 })).toEqual([])
  })

  test('are not idle while there is more to read, nor for the time in which nobody was there', async () => {
    const world = new TaskWorld()
    let process = await world.open()
    for (let n = 0; n < 30; n++)
      await process.produce([at('b', 100_000 + n), ...(n === 29 ? [at('a', 10_500)] : n === 0 ? [at('a', 10_000)] : [])])
    let task = await process.recovered({ settings: own, epochBytes: 200 }, 0)
    const receipts: Receipt[] = []
    for (let nowMs = 0; ; nowMs += 5000) {
      const [receipt] = await run(task, { epochs: 1, nowMs })
      receipts.push(receipt)
      if (receipt.to === 32) break
    }
    expect(receipts.length).toBeGreaterThan(15)
    expect(receipts.filter(({ inputs }) => inputs.atEnd).length).toBe(1)
    await task.stop()
    process = await world.open()
    task = await process.recovered({ settings: own }, 50_000_000)
    expect(task.nextIdleMs).toBeGreaterThan(50_000_000)
    expect(await run(task, { nowMs: 50_000_100 })).toEqual([])
  })
})
