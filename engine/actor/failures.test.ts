// Operators that throw: at a row, once, in a timer, at the close, when a session fires. What throws leaves; nothing else notices.
import { describe, expect, test } from 'vitest'
import type { WireEvent } from '../../model/event.ts'
import type { DeadLetterRow } from '../../model/rows.ts'
import { type Fold, fold, type SessionFold } from '../../operators/contract.ts'
import { MemoryStore } from '../../streams/memory-store.ts'
import { EngineRun, essence, planEpochs } from '../../tests/laws/engine-run.ts'
import { compareIncidents, compareSessions } from '../../tests/oracle/compare.ts'
import { evaluate } from '../../tests/oracle/evaluate.ts'
import { settings as defaults, recordsOf } from '../../tests/oracle/in-memory.ts'
import { nasty } from '../../tests/oracle/nasty.ts'
import { compareTiles } from '../../tests/oracle/tiles.ts'
import { seeded } from '../../tests/sim/seeded.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import type { Epoch } from '../lane/computer.ts'
import type { SessionPipeline } from '../topology/topology.ts'

const POISON = 666

/** As state names a user. */
const keyOf = ({ userId, anonymousId }: WireEvent) => (userId === undefined ? `a:${anonymousId}` : `u:${userId}`)

interface Told {
  orgId: string
  user: string
  events: number
  offsets: number[]
}

/** A nasty log of a seed; some of the rows of org-a are poisoned. */
function world(seed: number, share = 0.03) {
  const random = seeded(seed)
  const { events: clean, settings } = nasty(seed, 150)
  const events = clean.map((event) => (event.orgId === 'org-a' && random() < share ? { ...event, x: POISON } : event))
  const shipped = clickstream({ ...defaults, ...settings, snapshotMs: 5000 }).pipeline
  const plans = [() => 1_000_000, () => 9, () => 1].map((rows) => planEpochs(events.length, rows))[seed % 3]
  return { events, settings, shipped, plans }
}

/** Calls `fail` at each poisoned event. */
const poisoned = (fail: (timeMs: number) => void): Fold =>
  fold({
    name: 'poisoned',
    stateVersion: 1,
    reads: ['x'],
    state: { poisons: 'u32' },
    onEvent(_, event) {
      if (event.x === POISON) fail(event.timeMs)
    },
  }) as unknown as Fold

const boom = () => {
  throw new TypeError('boom')
}

interface Ran {
  run: EngineRun
  epochs: Epoch[]
}

function runAll({ events, plans }: ReturnType<typeof world>, pipeline: SessionPipeline): Ran {
  const run = new EngineRun(pipeline, events, new MemoryStore())
  return { run, epochs: plans.map((plan) => run.compute(plan)) }
}

/** Every epoch computed again from its receipt, from the start and from a checkpoint in the middle. */
async function expectReplays({ events, plans }: ReturnType<typeof world>, pipeline: () => SessionPipeline, epochs: Epoch[]): Promise<void> {
  const store = new MemoryStore()
  const again = new EngineRun(pipeline(), events, store)
  for (const [n, plan] of plans.entries()) {
    expect(again.compute(plan, epochs[n].receipt).receipt).toEqual(epochs[n].receipt)
    if (n === plans.length >> 1) await again.checkpoint(plan)
  }
  const resumed = new EngineRun(pipeline(), events, store)
  for (const [n, plan] of plans.entries())
    if (n > plans.length >> 1) expect(resumed.compute(plan, epochs[n].receipt).receipt).toEqual(epochs[n].receipt)
}

const deadOf = (epochs: readonly Epoch[]) => epochs.flatMap(({ receipt }) => receipt.dead)
const lettersOf = (epochs: readonly Epoch[]) => recordsOf<DeadLetterRow>(epochs, 'events.dlq')

function expectSums(epochs: readonly Epoch[]): void {
  for (const { receipt } of epochs) {
    const { accepted, open, closed, duplicates, late, deadLettered, filtered } = receipt.counters
    expect(open + closed + duplicates + late + deadLettered + filtered, `epoch ${receipt.epoch}`).toBe(accepted)
    for (const part of [open, closed, duplicates, late, deadLettered]) expect(part).toBeGreaterThanOrEqual(0)
  }
}

/** Against the evaluator, for whom dead letters never were. */
function differences({ events, settings }: ReturnType<typeof world>, epochs: readonly Epoch[]): string[] {
  const dead = new Set(deadOf(epochs))
  const records = events.map((event, offset) => ({ partition: 0, offset, event })).filter(({ offset }) => !dead.has(offset))
  const answer = evaluate(records, settings)
  return [
    ...compareSessions(recordsOf(epochs, 'events.sessionized'), answer.sessions, { allVersions: true }),
    ...compareIncidents(recordsOf(epochs, 'events.incidents'), answer.incidents, { allVersions: true }),
    ...compareTiles(recordsOf(epochs, 'events.tiles'), answer),
  ]
}

/** What other orgs have, epoch by epoch. */
const othersOf = (epochs: readonly Epoch[]) =>
  epochs.map((epoch) =>
    essence(epoch).records.filter((record) => record.includes('"org_id":"org-b"') || record.includes('orgId\\":\\"org-b')),
  )

/** 251: what was forgotten had an expired session, which a checkpoint had swept. */
const SEEDS = [...Array.from({ length: 20 }, (_, n) => n + 1), 251]

describe('An operator that throws at a row', () => {
  test('each time: the row is a dead letter, and for all else it never was', async () => {
    let count = 0
    for (const seed of SEEDS) {
      const own = world(seed)
      const pipeline = { ...own.shipped, folds: [...own.shipped.folds, poisoned(boom)] }
      const { epochs, run } = runAll(own, pipeline)
      const dead = deadOf(epochs)
      count += dead.length
      for (const offset of dead) expect(own.events[offset].x).toBe(POISON)
      const letters = lettersOf(epochs).map(({ code, message, offset, record }) => ({ code, message, offset, record }))
      expect(letters.sort((a, b) => a.offset - b.offset)).toEqual(
        dead.map((offset) => ({ code: 'OPERATOR_THREW', message: 'TypeError: boom', offset, record: JSON.stringify(own.events[offset]) })),
      )
      expect(differences(own, epochs), `seed ${seed}`).toEqual([])
      expectSums(epochs)
      expect(epochs.at(-1)!.receipt.counters.deadLettered).toBe(dead.length)
      if (dead.length > 0) expect(run.computer.restarts).toBeGreaterThan(0)
      expect(othersOf(epochs)).toEqual(othersOf(runAll(own, own.shipped).epochs))
      await expectReplays(own, () => pipeline, epochs)
      // What threw then may work now: a recomputation leaves out what the receipt lists, and nothing else (protocol 20).
      await expectReplays(own, () => ({ ...pipeline, folds: [...own.shipped.folds, poisoned(() => undefined)] }), epochs)
    }
    expect(count).toBeGreaterThan(50)
  })

  test('with a message of megabytes: the dead letter has its beginning', () => {
    const own = world(1)
    const long = () => {
      throw new Error('x'.repeat(2_000_000))
    }
    const letters = lettersOf(runAll(own, { ...own.shipped, folds: [...own.shipped.folds, poisoned(long)] }).epochs)
    expect(letters.length).toBeGreaterThan(0)
    expect(new Set(letters.map(({ message }) => message))).toEqual(new Set([`${`Error: ${'x'.repeat(4096)}`.slice(0, 4096)}…`]))
  })

  test('once: nothing is a dead letter, and the answer is whole', async () => {
    let restarts = 0
    for (const seed of SEEDS) {
      const own = world(seed)
      const seen = new Set<number>()
      const flaky = poisoned((timeMs) => {
        if (!seen.has(timeMs) && seen.add(timeMs)) throw new Error('out of memory, for once')
      })
      const { epochs, run } = runAll(own, { ...own.shipped, folds: [...own.shipped.folds, flaky] })
      restarts += run.computer.restarts
      expect(deadOf(epochs)).toEqual([])
      expect(lettersOf(epochs)).toEqual([])
      expect(differences(own, epochs), `seed ${seed}`).toEqual([])
      expect(epochs.map(essence)).toEqual(
        runAll(own, { ...own.shipped, folds: [...own.shipped.folds, poisoned(() => undefined)] }).epochs.map(essence),
      )
    }
    expect(restarts).toBeGreaterThan(30)
  })

  test('twice, and then never: a recomputation of the dead letter agrees', async () => {
    for (const seed of SEEDS.slice(0, 10)) {
      const own = world(seed)
      let left = 4
      const flaky = poisoned(() => {
        if (left-- > 0) throw new Error('boom')
      })
      const { epochs } = runAll(own, { ...own.shipped, folds: [...own.shipped.folds, flaky] })
      expectSums(epochs)
      expect(differences(own, epochs), `seed ${seed}`).toEqual([])
      await expectReplays(own, () => ({ ...own.shipped, folds: [...own.shipped.folds, poisoned(() => undefined)] }), epochs)
    }
  })
})

/** Throws where `when` says so, in sessions that have seen poison. */
const late = (when: 'timer' | 'close' | 'stuck', fail: () => void): Fold =>
  fold({
    name: 'poisoned',
    stateVersion: 1,
    reads: ['x'],
    state: { poisons: 'u32', dueMs: 'time' },
    onEvent(state, event) {
      if (event.x !== POISON) return
      state.poisons++
      state.dueMs = event.timeMs + 100
    },
    nextTimerMs: (state) => (state.dueMs > 0 ? state.dueMs : Number.POSITIVE_INFINITY),
    onTimer(state) {
      if (when === 'timer') fail()
      if (when !== 'stuck') state.dueMs = 0
    },
    onClose(state) {
      if (when === 'close' && state.poisons > 0) fail()
    },
  }) as unknown as Fold

const metricsThatFail = (shipped: SessionPipeline, fail: () => void): SessionFold<object> => ({
  ...shipped.sessionFold,
  reads: [...shipped.sessionFold.reads, 'x'],
  onEvent(event) {
    if (event.x === POISON) fail()
    shipped.sessionFold.onEvent(event)
  },
})

const pipelines: Record<string, (shipped: SessionPipeline, fail: () => void) => SessionPipeline> = {
  'in a timer': (shipped, fail) => ({ ...shipped, folds: [...shipped.folds, late('timer', fail)] }),
  'at the close': (shipped, fail) => ({ ...shipped, folds: [...shipped.folds, late('close', fail)] }),
  'by a timer that never moves on': (shipped) => ({ ...shipped, folds: [...shipped.folds, late('stuck', boom)] }),
  'when the session fires': (shipped, fail) => ({ ...shipped, sessionFold: metricsThatFail(shipped, fail) }),
}

describe.each(Object.entries(pipelines))('An operator that throws %s', (name, plant) => {
  test('each time: the user is forgotten and named, others notice nothing, and a recomputation agrees', async () => {
    let forgotten = 0
    for (const seed of SEEDS) {
      const own = world(seed)
      const pipeline = plant(own.shipped, boom)
      const { epochs } = runAll(own, pipeline)
      expectSums(epochs)
      const named = epochs.flatMap(({ receipt }) => receipt.forgotten)
      forgotten += named.length
      for (const [org] of named) expect(org).toBe('org-a')
      const letters = lettersOf(epochs)
      expect(letters.filter(({ code }) => code === 'KEY_FORGOTTEN').length).toBe(named.length)
      expect(letters.filter(({ code }) => code === 'OPERATOR_THREW').length).toBe(deadOf(epochs).length)
      const told = letters.filter(({ code }) => code === 'KEY_FORGOTTEN').map(({ record }) => JSON.parse(record) as Told)
      const eventsTold = told.reduce((sum, { events }) => sum + events, 0)
      expect(epochs.at(-1)!.receipt.counters.deadLettered).toBe(deadOf(epochs).length + eventsTold)
      for (const { orgId, user, offsets, events } of told) {
        expect(offsets.length).toBe(events)
        for (const offset of offsets) expect([own.events[offset].orgId, keyOf(own.events[offset])]).toEqual([orgId, user])
      }
      expect(othersOf(epochs)).toEqual(othersOf(runAll(own, own.shipped).epochs))
      await expectReplays(own, () => pipeline, epochs)
      if (name !== 'by a timer that never moves on') await expectReplays(own, () => plant(own.shipped, () => undefined), epochs)
    }
    expect(forgotten).toBeGreaterThan(20)
  })
})

test.each([
  ['tasks', Array.from({ length: 140 }, (_, i) => ({ type: 'task_completed', taskType: `${i} ${'t'.repeat(8000)}` }))],
  ['screens', Array.from({ length: 64 }, (_, i) => ({ type: 'screen_view', screen: `${i} ${'\u0001'.repeat(3000)}` }))],
  [
    'ways through the screens, one for each type of task',
    [
      ...Array.from({ length: 64 }, (_, i) => ({ type: 'screen_view', screen: `${i} ${'s'.repeat(5000)}` })),
      ...Array.from({ length: 100 }, (_, i) => ({ type: 'task_completed', taskType: `${i}` })),
    ],
  ],
])('a session of more %s than a record may tell is given up like one that throws; its neighbours are not', (_, shapes) => {
  const own = shapes.map((shape, i) => ({ orgId: 'org-a', productId: 'p', userId: 'ada', eventId: `a ${i}`, ts: i, ...shape }) as WireEvent)
  const bob = (ts: number) => ({ orgId: 'org-a', productId: 'p', userId: 'bob', eventId: `b ${ts}`, type: 'click', ts }) as WireEvent
  const events = [...own, bob(1), bob(3 * defaults.gapMs)]
  const { epochs } = runAll({ ...world(1), events, plans: planEpochs(events.length, () => 1000) }, clickstream(defaults).pipeline)
  expect(epochs.flatMap(({ receipt }) => receipt.forgotten)).toEqual([['org-a', 'p', 'u:ada']])
  const [letter, ...others] = lettersOf(epochs)
  expect(others).toEqual([])
  expect(letter).toMatchObject({ code: 'KEY_FORGOTTEN', message: expect.stringMatching(/^RangeError: its .* are the most$/) })
  expect(JSON.parse(letter!.record)).toMatchObject({ user: 'u:ada', events: own.length })
  const sessions = recordsOf<{ user_id: string; event_count: number }>(epochs, 'events.sessionized')
  expect(sessions.map(({ user_id, event_count }) => [user_id, event_count])).toEqual(Array(2).fill(['u:bob', 1]))
})

test('a user that is forgotten while a checkpoint is under way: a recomputation, in which none is, counts the same', () => {
  const gap = defaults.gapMs
  const at = (ts: number, userId: string, x?: number) =>
    ({ orgId: 'org-a', productId: 'p', userId, eventId: `${userId} ${ts}`, type: 'custom', ts, ...(x !== undefined && { x }) }) as const
  // The session has been closed and counted; then a row comes that lies before its last.
  const events = [at(0, 'ada'), at(100, 'ada'), at(2 * gap, 'bob'), at(50, 'ada', POISON), at(3 * gap, 'bob')]
  const plans = planEpochs(events.length, (epoch) => (epoch === 1 ? 3 : 2))
  const pipeline = pipelines['at the close'](clickstream(defaults).pipeline, boom)
  const live = new EngineRun(pipeline, events, new MemoryStore())
  const again = new EngineRun(pipeline, events, new MemoryStore())
  for (const plan of plans) {
    const { receipt } = live.compute(plan)
    if (plan.epoch === 1) live.begin(plan)
    if (plan.epoch === 2)
      expect(receipt).toMatchObject({ forgotten: [['org-a', 'p', 'u:ada']], counters: { closed: 0, open: 2, deadLettered: 3 } })
    expect(again.compute(plan, receipt).receipt).toEqual(receipt)
  }
})
