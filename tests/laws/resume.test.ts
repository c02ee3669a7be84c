// The resume law: run(prefix) → checkpoint through the real codec → fresh memory → run(rest) equals run(all), at every cut.
// Also for checkpoints that stay open over many epochs, aborted ones, and users that are out of memory at every touch.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Epoch } from '../../engine/lane/computer.ts'
import { sideBytes } from '../../engine/state/keyed-state.ts'
import type { SessionPipeline } from '../../engine/topology/topology.ts'
import type { WireEvent } from '../../model/event.ts'
import { abandonedTasks } from '../../operators/abandoned-tasks.ts'
import { backtracks } from '../../operators/backtracks.ts'
import { type Fold, fold } from '../../operators/contract.ts'
import { deadClicks } from '../../operators/dead-clicks.ts'
import { rageClicks } from '../../operators/rage-clicks.ts'
import { rageProfiles } from '../../operators/rage-profiles.ts'
import { MemoryStore } from '../../streams/memory-store.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { settings as defaults } from '../oracle/in-memory.ts'
import { nasty } from '../oracle/nasty.ts'
import { EngineRun, type EpochPlan, essence, planEpochs } from './engine-run.ts'
import { smallWorld } from './small-worlds.ts'

type Folds = SessionPipeline['folds']

interface World {
  pipeline: SessionPipeline
  events: readonly WireEvent[]
  plans: EpochPlan[]
}

function runAll({ pipeline, events, plans }: World): Epoch[] {
  const run = new EngineRun(pipeline, events, new MemoryStore())
  return plans.map((plan) => run.compute(plan))
}

/** The first cut after which a resumed run differs, or undefined. */
async function firstDifference(world: World): Promise<string | undefined> {
  const { pipeline, events, plans } = world
  const all = runAll(world).map(essence)
  const store = new MemoryStore()
  const prefix = new EngineRun(pipeline, events, store)
  for (const [cut, plan] of plans.entries()) {
    prefix.compute(plan)
    await prefix.checkpoint(plan)
    const resumed = new EngineRun(pipeline, events, store.fork())
    for (const [i, later] of plans.slice(cut + 1).entries()) {
      const again = essence(resumed.compute(later))
      if (JSON.stringify(again) !== JSON.stringify(all[cut + 1 + i])) return `cut after epoch ${plan.epoch}: epoch ${later.epoch} differs`
    }
  }
  return undefined
}

const nastyWorld = (seed: number, size: number, folds?: (shipped: Folds) => Folds): World => {
  const { events, settings } = nasty(seed, size)
  const { pipeline } = clickstream({ ...defaults, ...settings, snapshotMs: [0, 1, 5000][seed % 3] })
  const plans = planEpochs(events.length, (n) => ((n * 31 + seed) % 5) + 1, seed % 2 === 0)
  return { pipeline: folds ? { ...pipeline, folds: folds(pipeline.folds) } : pipeline, events, plans }
}

const PROFILES = Object.keys(rageProfiles) as (keyof typeof rageProfiles)[]
const operators: Record<string, Folds> = {
  'rage-clicks': [rageClicks() as unknown as Fold],
  backtracks: [backtracks() as unknown as Fold],
  'abandoned-tasks': [abandonedTasks({ withinMs: 10_000 }) as unknown as Fold],
  'dead-clicks': [deadClicks() as unknown as Fold],
  ...Object.fromEntries(PROFILES.map((profile) => [`rage-clicks as ${profile} has them`, [rageClicks({ profile }) as unknown as Fold]])),
  'session-metrics, context-switches, scores': [],
}

describe('the resume law at every cut', () => {
  test.each(Object.entries(operators))('of %s alone', async (_, folds) => {
    for (let seed = 1; seed <= 4; seed++) expect(await firstDifference(nastyWorld(seed, 120, () => folds)), `seed ${seed}`).toBeUndefined()
  })

  test('of the whole pipeline, on nasty logs', async () => {
    for (let seed = 10; seed <= 17; seed++) expect(await firstDifference(nastyWorld(seed, 150)), `seed ${seed}`).toBeUndefined()
  })

  test('of the whole pipeline, in small worlds', async () => {
    await fc.assert(
      fc.asyncProperty(smallWorld(30), async ({ settings, events, rows, close }) => {
        const plans = planEpochs(events.length, (n) => rows[n % rows.length], close)
        expect(await firstDifference({ pipeline: clickstream(settings).pipeline, events, plans })).toBeUndefined()
      }),
      { numRuns: 150 },
    )
  })

  test('of products whose names differ only in a U+FEFF that they begin with', async () => {
    const world = nastyWorld(18, 120)
    const events = world.events.map((event, i) => (i % 2 === 0 ? event : { ...event, productId: `\uFEFF${event.productId}` }))
    expect(await firstDifference({ ...world, events })).toBeUndefined()
  })

  test('catches a variable that an operator keeps outside of its state', async () => {
    const make = () => {
      let seen = 0
      return fold({
        name: 'closure',
        stateVersion: 1,
        reads: ['screen'],
        state: { own: 'u32' },
        onEvent(_, event, emit) {
          const [firstMs, lastMs, first, last] = [event.timeMs, event.timeMs, event.index, event.index]
          if (event.type !== 'click' || ++seen % 3 !== 0) return
          emit.incident({
            kind: 'strange',
            profile: 'x',
            open: false,
            screen: 0,
            element: 0,
            count: seen,
            firstMs,
            lastMs,
            first,
            last,
            of: 'click',
          })
        },
      }) as unknown as Fold
    }
    // Each run makes its operators anew, as a process does.
    const world = nastyWorld(3, 100)
    const fresh = (): World => ({ ...world, pipeline: { ...world.pipeline, folds: [make()] } })
    const all = runAll(fresh()).map(essence)
    const store = new MemoryStore()
    const prefix = new EngineRun(fresh().pipeline, world.events, store)
    const [plan, ...rest] = world.plans.slice(10)
    for (const before of world.plans.slice(0, 11)) prefix.compute(before)
    await prefix.checkpoint(plan)
    const resumed = new EngineRun(fresh().pipeline, world.events, store)
    expect(rest.map((later) => essence(resumed.compute(later)))).not.toEqual(all.slice(11))
  })
})

/** What the incidents and retracted ids of sessions take, counted anew: they are counted as they come and go. */
function recounted({ computer: { state } }: EngineRun): number {
  const { sessions } = state
  const bytes = sessions.side.reduce((sum, side) => sum + (side ? sideBytes(side) : 0), 0)
  expect(sessions.bytesHeld - sessions.last * sessions.words * 4).toBe(bytes)
  return bytes
}

/** Takes checkpoints over many epochs in slices of `sliceBytes`, aborts some, evicts everybody that may be evicted, and dies now and then. */
async function runTossed(
  world: World,
  seed: number,
): Promise<{ epochs: Epoch[]; loads: number; aborted: number; spanning: number; sideBytes: number }> {
  const { pipeline, events, plans } = world
  const store = new MemoryStore()
  let state = seed
  const below = (n: number) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % n
  const epochs: Epoch[] = []
  const told = { loads: 0, aborted: 0, spanning: 0, sideBytes: 0 }
  let run = new EngineRun(pipeline, events, store)
  let openedAt = 0
  for (let n = 0; n < plans.length; n++) {
    epochs.push(run.compute(plans[n]))
    const fate = below(10)
    if (run.cache.openEpoch === undefined) {
      if (fate < 6) run.begin(plans[(openedAt = n)])
    } else if (fate === 9) {
      await run.cache.abort()
      told.aborted++
    } else if (await run.cache.slice(1 + below(400))) {
      if (n > openedAt) told.spanning++
      await run.cache.finish()
    }
    if (below(3) === 0) run.cache.evict(0)
    told.sideBytes += recounted(run)
    if (below(12) > 0) continue
    // The process dies: from the last finished checkpoint to here everything is computed again and compared.
    told.loads += run.cache.loads
    await run.cache.abort()
    run = new EngineRun(pipeline, events, store)
    for (let again = store.header?.epoch ?? 0; again <= n; again++)
      expect(run.compute(plans[again], epochs[again].receipt).receipt, `epoch ${plans[again].epoch} computed again`).toEqual(
        epochs[again].receipt,
      )
  }
  told.loads += run.cache.loads
  return { epochs, ...told }
}

describe('checkpoints in slices, aborted ones, evicted users and deaths', () => {
  test('change nothing on nasty logs', async () => {
    const told = { loads: 0, aborted: 0, spanning: 0, sideBytes: 0 }
    for (let seed = 1; seed <= 40; seed++) {
      const world = nastyWorld(seed, 200)
      const { epochs, ...counts } = await runTossed(world, seed)
      expect(epochs.map(essence), `seed ${seed}`).toEqual(runAll(world).map(essence))
      for (const name of Object.keys(told) as (keyof typeof told)[]) told[name] += counts[name]
    }
    expect(told.loads).toBeGreaterThan(500)
    expect(told.sideBytes).toBeGreaterThan(100_000)
    expect(told.aborted).toBeGreaterThan(40)
    expect(told.spanning).toBeGreaterThan(100)
  })

  test('change nothing in small worlds', async () => {
    await fc.assert(
      fc.asyncProperty(smallWorld(40), fc.nat(), async ({ settings, events, rows, close }, seed) => {
        const plans = planEpochs(events.length, (n) => rows[n % rows.length], close)
        const world = { pipeline: clickstream(settings).pipeline, events, plans }
        expect((await runTossed(world, seed)).epochs.map(essence)).toEqual(runAll(world).map(essence))
      }),
      { numRuns: 300 },
    )
  })
})
