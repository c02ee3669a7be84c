// How a task takes checkpoints beside its epochs: how large their slices are, and what it does where they take long or fail.
import { describe, expect, test } from 'vitest'
import { MemoryStore } from '../../streams/memory-store.ts'
import { settings as defaults } from '../../tests/oracle/in-memory.ts'
import { nasty } from '../../tests/oracle/nasty.ts'
import { ask, differences, type OneTaskOptions, produced, run, TaskWorld } from '../../tests/sim/one-task.ts'
import { EngineError } from '../errors.ts'
import type { PartitionTask } from './task.ts'

const log = nasty(8, 200)
const settings = { ...defaults, ...log.settings, snapshotMs: 5000 }

test('a checkpoint is written in small slices, in larger ones as more input comes and the cache is full, in large ones where somebody waits for it', async () => {
  const events = (round: number) =>
    Array.from({ length: 4000 }, (_, i) => ({ ...log.events[0], eventId: `event-${round}-${i}`, userId: `user-${i}` }))
  const slices = async (options: OneTaskOptions, more = 0) => {
    const process = await new TaskWorld().open()
    await process.produce(events(0))
    const task = await process.recovered({ settings, checkpointBytes: 1 << 30, checkpointDue: 'soon', epochBytes: 1 << 30, ...options })
    await task.commit((await task.next(undefined))!)
    for (let tended = 1; ; tended++) {
      await task.tend()
      if (task.checkpoints > 0) return tended
      if (tended > more) continue
      await process.produce(events(tended))
      await task.commit((await task.next(undefined))!)
    }
  }
  const most = await slices({})
  expect(most).toBeGreaterThan(4)
  expect(await slices({ cacheBytes: 4_000_000 })).toBeLessThan(most)
  expect(await slices({ checkpointDue: 'now' })).toBe(3)
  const bytes = 4000 * JSON.stringify(events(0)[0]).length
  expect(await slices({ checkpointBytes: bytes })).toBe(most)
  const some = await slices({ checkpointBytes: bytes }, 1)
  expect(some).toBeLessThan(most)
  expect(await slices({ checkpointBytes: 0.4 * bytes }, 1)).toBeLessThan(some)
})

describe('A checkpoint that the disk holds up', () => {
  /** A store whose first checkpoint ends when `go` is called, as it says; others at once. */
  function held() {
    const store = new MemoryStore()
    const begin = store.begin.bind(store)
    const gate = Promise.withResolvers<void>()
    let isFirst = true
    store.begin = (header) => {
      const open = begin(header)
      const finish = open.finish.bind(open)
      const { promise } = isFirst ? gate : { promise: undefined }
      isFirst = false
      open.finish = async () => {
        await promise
        await finish()
      }
      return open
    }
    return { store, go: gate.resolve, fail: gate.reject }
  }
  const options = { settings, checkpointBytes: 1 }
  /** Epochs go on beside a checkpoint that does not end. */
  async function beside(task: PartitionTask, epochs: number): Promise<void> {
    for (let n = 0; n < epochs; n++) {
      await task.commit((await task.next(undefined))!)
      expect(await task.tend(false)).toBe(true)
    }
    expect(task.checkpoints).toBe(0)
    expect(task.isCheckpointing).toBe(true)
  }

  test('holds up no epoch, ends when it can, and is gone on from', async () => {
    const world = new TaskWorld()
    let process = await produced(world, log.events)
    const { store, go } = held()
    const task = await process.recovered({ ...options, store })
    await beside(task, 5)
    const ending = task.tend()
    go()
    await ending
    expect(task.checkpoints).toBe(1)
    process = await world.open()
    const next = await process.recovered({ ...options, checkpointBytes: 1 << 30, store })
    // Of the five epochs the first was in it.
    expect(process.recomputed).toBe(4)
    await run(next)
    await ask(next, { snapshots: true })
    expect(await differences(world, process, settings)).toEqual([])
  })

  test('and then fails is told at the next call, and given up: its users are in the next one', async () => {
    const world = new TaskWorld()
    const process = await produced(world, log.events)
    const { store, fail } = held()
    const task = await process.recovered({ ...options, store })
    await beside(task, 3)
    fail(new EngineError('DISK_FULL', 'no room', 'Make some.', { retryable: true }))
    await expect(task.tend()).rejects.toThrow('no room')
    await task.abandon()
    await task.recover(0)
    await run(task)
    expect(task.checkpoints).toBeGreaterThan(10)
    await task.abandon()
    await task.recover(0)
    await ask(task, { snapshots: true })
    expect(await differences(world, process, settings)).toEqual([])
  })

  test('and then fails while the task stops: it stops with one of its own', async () => {
    const world = new TaskWorld()
    const process = await produced(world, log.events)
    const { store, fail } = held()
    const task = await process.recovered({ ...options, store })
    await beside(task, 3)
    const stopped = task.stop()
    fail(new EngineError('DISK_FULL', 'no room', 'Make some.', { retryable: true }))
    await stopped
    expect(store.header?.epoch).toBe(3)
  })

  test('is waited for by who drops the memory: no other begins before it has ended', async () => {
    const world = new TaskWorld()
    const process = await produced(world, log.events)
    const { store, go } = held()
    const task = await process.recovered({ ...options, store })
    await beside(task, 3)
    let isOver = false
    const over = task.abandon().then(() => (isOver = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(isOver).toBe(false)
    go()
    await over
    await task.recover(0)
    expect(store.header?.epoch).toBe(1)
    await run(task)
    await ask(task, { snapshots: true })
    expect(await differences(world, process, settings)).toEqual([])
  })
})
