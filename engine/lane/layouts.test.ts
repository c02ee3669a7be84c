// State of another layout: whichever operators wrote it, those of now go on with it, as if they had been there from the start (layouts.ts).
import { describe, expect, test } from 'vitest'
import type { WireEvent } from '../../model/event.ts'
import { type DeadLetterRow, TOPICS } from '../../model/rows.ts'
import type { Fold } from '../../operators/contract.ts'
import { compareIncidents, compareSessions } from '../../tests/oracle/compare.ts'
import { settings as defaults } from '../../tests/oracle/in-memory.ts'
import { nasty } from '../../tests/oracle/nasty.ts'
import { compareTiles } from '../../tests/oracle/tiles.ts'
import { expected } from '../../tests/sim/expected.ts'
import { ask, type OneTaskOptions, run, TASK, type TaskProcess, TaskWorld } from '../../tests/sim/one-task.ts'
import { spareFold } from '../../tests/sim/spare-fold.ts'
import type { ClickstreamSettings } from '../../topologies/clickstream.ts'
import type { SessionPipeline } from '../topology/topology.ts'

const log = nasty(8, 300)
// Nothing is ever too old to be corrected: what was closed before the change is folded anew with all else.
const settings: ClickstreamSettings = {
  ...defaults,
  ...log.settings,
  snapshotMs: 5000,
  correctionMs: Number.MAX_SAFE_INTEGER,
  deadClicks: { enabled: false, withinMs: 2500 },
}
const half = log.events.length >> 1
/** Behind all else one event of each user, so that the operators of now see each of them. */
const lastMs = Math.max(...log.events.map(({ ts }) => Number(ts)))
const everybody = [
  ...new Map(log.events.map((event) => [`${event.orgId} ${event.productId} ${event.userId} ${event.anonymousId}`, event])).values(),
]
const goodbyes = everybody.map(
  (event, i): WireEvent => ({ ...event, eventId: `goodbye-${i}`, ts: lastMs + 3 * settings.gapMs, type: 'screen_view' }),
)
const later = [...log.events.slice(half), ...goodbyes]

async function produce(process: TaskProcess, events: readonly WireEvent[]): Promise<void> {
  for (let n = 0; n < events.length; n += 7) await process.produce(events.slice(n, n + 7))
}

/** The first half by `before`, a clean stop; the rest by `after`, killed after every so many commits. What differs from the answer for all of it by the settings of after. */
async function upgraded(before: OneTaskOptions, after: OneTaskOptions, epochs = Infinity) {
  const world = new TaskWorld()
  let process = await world.open()
  await produce(process, log.events.slice(0, half))
  const first = await process.recovered(before)
  await run(first)
  await ask(first, { snapshots: true })
  await first.stop()
  process = await world.open()
  await produce(process, later)
  let recomputed = 0
  for (;;) {
    const task = await process.recovered({ code: 'v2', ...after })
    recomputed += process.recomputed
    const receipts = await run(task, { epochs })
    if (receipts.length === epochs) {
      process = await world.open()
      continue
    }
    await ask(task, { close: true })
    await ask(task, { snapshots: true })
    await task.stop()
    return { world, process, recomputed }
  }
}

async function differences({ world, process }: { world: TaskWorld; process: TaskProcess }, by: ClickstreamSettings, allVersions = false) {
  const records = (await process.records(TOPICS.raw)).map((record, offset) => ({ offset, record: JSON.stringify(record) }))
  const answer = expected([{ records, receipts: world.observed.of(TASK) }], by)
  return [
    ...compareSessions(await process.records(TOPICS.sessions), answer.sessions, { allVersions }),
    ...compareIncidents(await process.records(TOPICS.incidents), answer.incidents, { allVersions }),
    ...compareTiles(await process.records(TOPICS.tiles), answer),
  ]
}

const withSpare = (more?: Partial<Fold>) => (shipped: SessionPipeline) => ({ ...shipped, folds: [spareFold(more), ...shipped.folds] })

const clicks: ClickstreamSettings = { ...settings, rage: { ...settings.rage, clicks: 2 } }
const profile: ClickstreamSettings = { ...settings, rage: { ...settings.rage, profile: 'sentry' } }
const dead: ClickstreamSettings = { ...settings, deadClicks: { enabled: true, withinMs: 2500 } }
const changes: [string, ClickstreamSettings, ClickstreamSettings][] = [
  ['fewer clicks for a rage click', settings, clicks],
  ['another profile of rage clicks', settings, profile],
  ['dead clicks from now on', settings, dead],
  ['no dead clicks from now on', dead, settings],
]

describe('State of another layout', () => {
  test.each(changes)('%s: in the end all is as those settings have it, from the start', async (_, before, after) => {
    const done = await upgraded({ settings: before }, { settings: after })
    expect(await differences(done, after)).toEqual([])
    // The change is seen at all.
    expect(await differences(done, before)).not.toEqual([])
  })

  test.each(changes)('%s: also with kills in between, before and behind checkpoints of both', async (_, before, after) => {
    for (const checkpointBytes of [6000, 1 << 30]) {
      const done = await upgraded({ settings: before }, { settings: after, checkpointBytes }, 5)
      expect(done.recomputed).toBeGreaterThan(2)
      expect(await differences(done, after)).toEqual([])
    }
  })

  test.each(changes)('%s: also where nothing stays in memory', async (_, before, after) => {
    const bounds = { checkpointBytes: 1, cacheBytes: 1 }
    expect(await differences(await upgraded({ settings: before, ...bounds }, { settings: after, ...bounds }), after)).toEqual([])
  })

  test('an operator more, or less, of which nothing is seen: each version leaves as if it had always been so', async () => {
    const plain: OneTaskOptions = { settings, checkpointBytes: 6000, cacheBytes: 1 }
    const more: OneTaskOptions = { ...plain, pipeline: withSpare() }
    expect(await differences(await upgraded(plain, more, 5), settings, true)).toEqual([])
    expect(await differences(await upgraded(more, plain, 5), settings, true)).toEqual([])
    const next: OneTaskOptions = { ...plain, pipeline: withSpare({ stateVersion: 2 }) }
    expect(await differences(await upgraded(more, next, 5), settings, true)).toEqual([])
  })

  test('there and back again, over what both have left', async () => {
    const world = new TaskWorld()
    let process = await world.open()
    const options = { checkpointBytes: 1, cacheBytes: 1 }
    for (const [n, part] of [0, 1, 2, 3, 4].entries()) {
      await produce(process, log.events.slice((part * log.events.length) / 5, ((part + 1) * log.events.length) / 5))
      const task = await process.recovered({ settings, code: `v${n}`, ...options, ...(n % 2 === 1 && { pipeline: withSpare() }) })
      await run(task)
      await ask(task, { snapshots: true })
      await task.stop()
      process = await world.open()
    }
    expect(await differences({ world, process }, settings, true)).toEqual([])
  })

  test('an operator that throws at what was kept costs those users, whose events are dead letters; a recomputation says the same', async () => {
    const boom = spareFold({
      reads: ['element'],
      onEvent: (_state, event) => {
        if (event.timeMs < lastMs && event.element !== 0 && event.text(event.element as never) === 'z') throw new RangeError('boom')
      },
    } as Partial<Fold>)
    const pipeline = (shipped: SessionPipeline) => ({ ...shipped, folds: [...shipped.folds, boom] })
    const { world, process, recomputed } = await upgraded({ settings }, { settings, pipeline }, 5)
    expect(recomputed).toBeGreaterThan(10)
    const letters = await process.records<DeadLetterRow>(TOPICS.deadLetters)
    const codes = new Set(letters.map(({ code }) => code))
    expect([...codes].sort()).toEqual(['KEY_FORGOTTEN', 'OPERATOR_THREW'])
    const receipts = world.observed.of(TASK)
    const { accepted, open, closed, duplicates, late, deadLettered, filtered } = receipts.at(-1)!.counters
    expect(open + closed + duplicates + late + deadLettered + filtered).toBe(accepted)
    expect(receipts.flatMap(({ forgotten }) => forgotten).length).toBeGreaterThan(0)
    expect(await differences({ world, process }, settings)).toEqual([])
  })

  describe('of a user who is forgotten in the turn in which a session of it expires', () => {
    const near = { ...defaults, gapMs: 1000, allowedDisorderMs: 0, correctionMs: 10_000, snapshotMs: 0 }
    const click = (userId: string, ts: number): WireEvent => ({ ...log.events[0], eventId: `${userId} ${ts}`, userId, ts, type: 'click' })
    const forgotten = async (process: TaskProcess, options: OneTaskOptions) => {
      await process.produce([click('bob', 30_000)])
      const receipts = await run(await process.recovered(options))
      return receipts.flatMap(({ forgotten }) => forgotten).length
    }
    /** One session closed, one open. */
    const begun = async (world: TaskWorld, options: OneTaskOptions) => {
      const process = await world.open()
      await process.produce([click('ann', 1000), click('ann', 5000)])
      const task = await process.recovered(options)
      await run(task)
      await task.stop()
    }

    test('other operators compute the same', async () => {
      const world = new TaskWorld()
      const boom = spareFold({
        state: { dueMs: 'time' },
        onEvent: (state: { dueMs: number }, { timeMs }: { timeMs: number }) => void (state.dueMs = timeMs === 5000 ? 5500 : 0),
        nextTimerMs: ({ dueMs }: { dueMs: number }) => (dueMs > 0 ? dueMs : Number.POSITIVE_INFINITY),
        onTimer: () => {
          throw new RangeError('boom')
        },
      })
      const before: OneTaskOptions = { settings: near, pipeline: (shipped) => ({ ...shipped, folds: [...shipped.folds, boom] }) }
      await begun(world, before)
      expect(await forgotten(await world.open(), before)).toBe(1)
      const more = (shipped: SessionPipeline) => ({ ...shipped, folds: [spareFold({ name: 'more' }), ...shipped.folds, boom] })
      await (await world.open()).recovered({ settings: near, code: 'v2', pipeline: more })
    })

    test('also where an operator threw only then', async () => {
      const world = new TaskWorld()
      let fails = true
      const once = spareFold({
        onEvent: (state: { seen: number }, { timeMs }: { timeMs: number }) => {
          state.seen++
          if (fails && timeMs < 6000) throw new RangeError('once')
        },
      })
      await begun(world, { settings: near })
      const after: OneTaskOptions = { settings: near, code: 'v2', pipeline: (shipped) => ({ ...shipped, folds: [...shipped.folds, once] }) }
      expect(await forgotten(await world.open(), after)).toBe(1)
      fails = false
      await (await world.open()).recovered(after)
    })
  })

  test('that lists no layouts, as versions before wrote it, is refused by name where the operators are others', async () => {
    const world = new TaskWorld()
    let process = await world.open()
    await produce(process, log.events.slice(0, half))
    const task = await process.recovered({ settings })
    await run(task)
    await task.stop()
    process = await world.open()
    const again = await process.task({ settings: clicks, code: 'v2' })
    const { store } = again as unknown as { store: { header: Record<string, unknown> } }
    delete store.header.layouts
    await expect(again.recover(0)).rejects.toMatchObject({ code: 'CODE_CHANGED' })
    // Nor is something else in its place believed.
    store.header.layouts = { length: 1 }
    await expect(again.recover(0)).rejects.toMatchObject({ code: 'CODE_CHANGED' })
  })
})
