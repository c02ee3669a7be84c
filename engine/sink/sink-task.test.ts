import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type SinkRecord, type SinkSettings, sinkDefaults } from './contract.ts'
import { SinkTask } from './sink-task.ts'
import { type Effect, type Fault, SinkWorld } from './sink-world.fake.ts'

const settings: SinkSettings = { ...sinkDefaults, batchBytes: 100, readBytes: 40 }

interface Over {
  settings?: Partial<SinkSettings>
  codeVersion?: string
  lineage?: string
  /** What it says of its waits. */
  told?: string[]
  onWaiting?(): void
}

const newTask = (world: SinkWorld, over: Over = {}) =>
  new SinkTask({
    log: world.log(),
    sink: 'table',
    lineage: over.lineage ?? 'live',
    topic: 'events.raw',
    partitions: world.topic.length,
    target: world.target(),
    clock: world.clock(),
    settings: { ...settings, ...over.settings },
    codeVersion: over.codeVersion ?? 'v1',
    onWaiting: (error) => {
      over.told?.push((error as { code: string }).code)
      over.onWaiting?.()
    },
    onResumed: () => over.told?.push('resumed'),
  })

/** Three partitions of different sizes, with holes between blocks: several batches. */
function filledWorld(): SinkWorld {
  const world = new SinkWorld(3)
  for (let i = 0; i < 6; i++) {
    world.append(0, 5, i % 2)
    world.append(1, 3)
  }
  world.append(2, 1, 7)
  return world
}

/** Opens, writes everything that is in the log, and stops. */
async function runToEnd(world: SinkWorld, task = newTask(world)): Promise<SinkTask> {
  await task.open()
  const running = task.run()
  await Promise.race([task.drained(world.ends), running])
  task.stop()
  await running
  return task
}

const expectExact = (world: SinkWorld) => expect([...world.rows].sort()).toEqual(world.wanted)
const recordOf = (world: SinkWorld) => world.record as SinkRecord

test('everything in the log reaches the table once; each write had its range recorded first, under a token of its own', async () => {
  const world = filledWorld()
  const task = await runToEnd(world)
  expectExact(world)
  expect(world.writes.length).toBeGreaterThan(3)
  expect(new Set(world.writes.map(({ token }) => token)).size).toBe(world.writes.length)
  for (const { token, pending } of world.writes) expect(token).toBe(`live:table:events.raw:${(pending as { number: number }).number}`)
  expect(recordOf(world)).toMatchObject({ done: world.ends, pending: null })
  expect([...world.needs]).toEqual(world.ends.map((end, partition) => [partition, end]))
  expect(task.stats).toMatchObject({ rows: world.wanted.length, readBacks: 0, retries: 0, done: world.ends })
})

test('started again with nothing new it writes nothing, and goes on with what comes', async () => {
  const world = filledWorld()
  await runToEnd(world)
  const writes = world.writes.length
  await runToEnd(world)
  expect(world.writes.length).toBe(writes)
  world.append(1, 4)
  await runToEnd(world)
  expectExact(world)
})

describe('a crash', () => {
  const stepsOfRun = async () => {
    const world = filledWorld()
    await runToEnd(world)
    return world.steps
  }
  const crash = async (world: SinkWorld, step: number, effect: Effect) => {
    const crashed = world.crashAt(step, effect)
    const finished = runToEnd(world).then(() => world.noCrash())
    await Promise.race([crashed, finished])
  }

  test('at any step, with all or nothing of its effect, loses and doubles nothing', async () => {
    const steps = await stepsOfRun()
    expect(steps).toContain('write')
    for (let step = 0; step < steps.length; step++) {
      for (const effect of ['none', 'all'] as const) {
        const world = filledWorld()
        await crash(world, step, effect)
        await runToEnd(world)
        expect([...world.rows].sort(), `crash at step ${step} (${steps[step]}), ${effect}`).toEqual(world.wanted)
      }
    }
  })

  test.each(['rows', 'token', 'half'] as const)(
    'in any write that leaves %s (rows without their token, a token without its rows, half) is made good',
    async (effect) => {
      const steps = await stepsOfRun()
      for (let step = 0; step < steps.length; step++) {
        if (steps[step] !== 'write') continue
        const world = filledWorld()
        await crash(world, step, effect)
        const task = await runToEnd(world)
        expect(task.stats.readBacks).toBe(1)
        expectExact(world)
      }
    },
  )

  test('in any step of a read-back, whatever it leaves, is read back again under another token', async () => {
    const steps = await stepsOfRun()
    for (const first of ['none', 'half'] as const) {
      for (let step = 0; step < steps.length; step++) {
        for (const effect of ['none', 'all', 'rows', 'token', 'half'] as const) {
          const world = filledWorld()
          await crash(world, steps.indexOf('write'), first)
          await crash(world, step, effect)
          await runToEnd(world)
          expect([...world.rows].sort(), `${first}, then crash at step ${step}, ${effect}`).toEqual(world.wanted)
        }
      }
    }
  })

  test('again and again, read-backs included, loses and doubles nothing', async () => {
    const effects = fc.constantFrom<Effect>('none', 'all', 'rows', 'token', 'half')
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), effects), { maxLength: 6 }), async (crashes) => {
        const world = filledWorld()
        for (const [step, effect] of crashes) await crash(world, step, effect)
        world.append(0, 3)
        await runToEnd(world)
        expectExact(world)
      }),
      { numRuns: 300 },
    )
  })

  test('that left a write of another version unfinished is refused, and finished by the version that recorded it', async () => {
    const world = filledWorld()
    const steps = await stepsOfRun()
    await crash(world, steps.indexOf('write'), 'none')
    await expect(newTask(world, { codeVersion: 'v2' }).open()).rejects.toMatchObject({ code: 'SINK_VERSION' })
    await runToEnd(world)
    await runToEnd(world, newTask(world, { codeVersion: 'v2' }))
    expectExact(world)
  })
})

describe('a write that fails', () => {
  test('before or after it was applied, in half or whole, is sent again under its token until it is answered', async () => {
    const faults = fc.array(fc.constantFrom('early' as const, 'late' as const, 'half' as const), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(faults, async (faults) => {
        const world = filledWorld()
        world.faults = [...faults]
        const task = await runToEnd(world)
        expectExact(world)
        expect(task.stats.retries).toBe(faults.length)
      }),
    )
  })

  test('for longer than half the window is read back, because the table may have forgotten its token', async () => {
    const world = filledWorld()
    world.faults = ['late', 'late']
    world.windowMs = 250
    const task = await runToEnd(world, newTask(world, { settings: { windowMs: 250, backoffMs: 100 } }))
    expectExact(world)
    expect(task.stats).toMatchObject({ readBacks: 1, missingRows: 0 })
  })

  test('for good stops the sink with its reason; the rows stay in the log and are written once it is mended', async () => {
    const world = filledWorld()
    world.faults = ['permanent']
    const task = newTask(world)
    await task.open()
    const running = task.run()
    const drained = task.drained(world.ends)
    await expect(drained).rejects.toMatchObject({
      code: 'SINK_STOPPED',
      message: expect.stringContaining('no such column'),
      advice: 'Put the column back.',
    })
    await expect(running).rejects.toMatchObject({ code: 'SINK_STOPPED' })
    await expect(task.drained(world.ends)).rejects.toMatchObject({ code: 'SINK_STOPPED' })
    expect(world.rows).toEqual([])
    expect(Math.max(...world.needs.values())).toBe(0)
    await runToEnd(world)
    expectExact(world)
  })

  test('beyond attemptsMax attempts waits, says so once, and begins again with a read-back until the table answers', async () => {
    const world = filledWorld()
    const told: string[] = []
    // Twice as long as that: it is met again where it begins anew.
    world.faults = Array.from({ length: 9 }, (_, i) => (i % 3 === 2 ? ('late' as const) : ('early' as const)))
    const task = await runToEnd(world, newTask(world, { told, settings: { attemptsMax: 4 } }))
    expectExact(world)
    expect(told).toEqual(['TIMEOUT', 'resumed'])
    expect(task.stats.readBacks).toBeGreaterThan(0)
  })

  test('which is met at a start, is waited for when it runs', async () => {
    const world = filledWorld()
    world.faults = Array.from({ length: 1000 }, () => 'early' as const)
    const first = newTask(world, { settings: { attemptsMax: 2 }, onWaiting: () => first.stop() })
    await first.open()
    await expect(first.run()).rejects.toMatchObject({ code: 'TIMEOUT' })
    world.faults = Array.from({ length: 5 }, () => 'early' as const)
    const told: string[] = []
    const task = newTask(world, { told, settings: { attemptsMax: 2 } })
    const unopened = await task.open().catch((error: unknown) => error)
    expect(unopened).toMatchObject({ code: 'TIMEOUT' })
    const running = task.run(unopened)
    await task.drained(world.ends)
    task.stop()
    await running
    expectExact(world)
    expect(told).toEqual(['TIMEOUT', 'resumed'])
  })

  test('and stopped meanwhile, ends with its cause; the next start writes what is missing', async () => {
    const world = filledWorld()
    world.faults = Array.from({ length: 1000 }, () => 'early' as const)
    const task = newTask(world, { settings: { attemptsMax: 2 }, onWaiting: () => task.stop() })
    await task.open()
    await expect(task.run()).rejects.toMatchObject({ retryable: true })
    world.faults = []
    await runToEnd(world)
    expectExact(world)
  })
})

describe('a full disk', () => {
  test('wherever it is met, and however often, loses and doubles nothing, stops nobody, and is told once', async () => {
    const fault = fc.array(fc.boolean(), { maxLength: 20 })
    const write = fc.array(fc.constantFrom<Fault>('full', 'early', 'half', 'late'), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(fault, write, async (logFaults, faults) => {
        const world = filledWorld()
        const told: string[] = []
        const task = newTask(world, { told })
        await task.open()
        Object.assign(world, { logFaults: [...logFaults], faults: [...faults] })
        const running = task.run()
        await Promise.race([task.drained(world.ends), running])
        expectExact(world)
        world.logFaults = []
        task.stop()
        // What it met while it stopped is the next start's.
        await running.catch((error) => expect(error).toMatchObject({ code: 'DISK_FULL' }))
        expect(told.join(' ')).toMatch(/^(DISK_FULL resumed ?)*(DISK_FULL)?$/)
        await runToEnd(world)
        expectExact(world)
      }),
      { numRuns: 200 },
    )
  })

  test('is waited for at growing pauses, for as long as it takes', async () => {
    const world = filledWorld()
    const told: string[] = []
    const task = newTask(world, { told })
    await task.open()
    world.logFaults = Array.from({ length: 100 }, () => true)
    const running = task.run()
    await task.drained(world.ends)
    expect(world.nowMs - 1_000_000).toBeGreaterThan(90 * settings.waitMaxMs)
    expect(told).toEqual(['DISK_FULL', 'resumed'])
    task.stop()
    await running
    expectExact(world)
  })

  test('a stop ends with it, and the next start writes the rest', async () => {
    const world = filledWorld()
    const told: string[] = []
    const task = newTask(world, { told, onWaiting: () => task.stop() })
    await task.open()
    world.logFaults = [true, true]
    await expect(task.run()).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(told).toEqual(['DISK_FULL'])
    world.logFaults = []
    await runToEnd(world)
    expectExact(world)
  })
})

describe('it refuses', () => {
  test('a store that is not the one it wrote to', async () => {
    const world = filledWorld()
    await runToEnd(world)
    world.identity = 'store-2'
    await expect(newTask(world).open()).rejects.toMatchObject({ code: 'SINK_TARGET_CHANGED' })
  })

  test('a table with rows of its lineage that its log knows nothing of', async () => {
    const world = filledWorld()
    world.rows.push('1:3')
    await expect(newTask(world).open()).rejects.toMatchObject({ code: 'SINK_TARGET_CHANGED' })
  })

  test('a log that no longer holds what it has not written', async () => {
    const world = filledWorld()
    await runToEnd(world)
    world.logStart = 1000
    await expect(newTask(world).open()).rejects.toMatchObject({ code: 'SINK_INPUT_GONE' })
  })
})

describe('pace', () => {
  test('caught up it writes at most once per interval, whatever comes meanwhile', async () => {
    const world = new SinkWorld(1)
    world.append(0, 1)
    const task = newTask(world)
    await task.open()
    let left = 5
    const running = task.run()
    await new Promise<void>((resolve) => {
      world.onWrite = () => {
        if (left-- > 0) world.append(0, 2)
        else resolve()
      }
    })
    task.stop()
    await running
    const times = world.writes.map(({ atMs }) => atMs)
    expect(times.length).toBe(6)
    for (let i = 1; i < times.length; i++) expect(times[i] - times[i - 1]).toBe(settings.intervalMs)
    expectExact(world)
  })

  test('a clock that is set back by hours makes no pause longer', async () => {
    const world = new SinkWorld(1)
    world.append(0, 1)
    const sleeps: number[] = []
    const clock = world.clock()
    world.clock = () => ({
      now: clock.now,
      sleep: (ms, signal) => {
        sleeps.push(ms)
        return clock.sleep(ms, signal)
      },
    })
    const task = newTask(world)
    await task.open()
    let left = 3
    const running = task.run()
    await new Promise<void>((resolve) => {
      world.onWrite = () => {
        world.nowMs -= 7_200_000
        if (left-- > 0) world.append(0, 2)
        else resolve()
      }
    })
    task.stop()
    await running
    expect(world.writes.length).toBe(4)
    expect(Math.max(...sleeps)).toBe(settings.intervalMs)
    expectExact(world)
  })

  test('behind, it writes batch after batch without a pause, each about batchBytes long', async () => {
    const world = filledWorld()
    await runToEnd(world)
    expect(new Set(world.writes.map(({ atMs }) => atMs)).size).toBe(1)
    for (const { rows } of world.writes.slice(0, -1)) expect(rows).toBeGreaterThanOrEqual(10)
    for (const { rows } of world.writes) expect(rows).toBeLessThanOrEqual(15)
  })

  test('whoever waits for rows gets them without waiting for the interval', async () => {
    const world = new SinkWorld(1)
    world.append(0, 1)
    const task = newTask(world)
    await task.open()
    const running = task.run()
    for (let i = 0; i < 3; i++) {
      await task.drained(world.ends)
      world.append(0, 1)
    }
    await task.drained(world.ends)
    expect(world.nowMs).toBe(1_000_000)
    task.stop()
    await running
    expectExact(world)
  })
})

test('a fenced sink stops and leaves the rest to the next owner', async () => {
  const world = filledWorld()
  const task = newTask(world)
  await task.open()
  const next = newTask(world)
  await next.open()
  await expect(task.run()).rejects.toMatchObject({ code: 'FENCED' })
  await runToEnd(world)
  expectExact(world)
})
