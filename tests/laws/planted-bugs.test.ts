// Mutants of the product's operators and bounds, run by the whole engine: each is caught by the comparison with the evaluator.
import { describe, expect, test } from 'vitest'
import type { SessionPipeline } from '../../engine/topology/topology.ts'
import { type Fold, fold } from '../../operators/contract.ts'
import { differences } from '../oracle/in-memory.ts'
import { type NastyLog, nasty } from '../oracle/nasty.ts'
import { plantedBugs } from '../oracle/planted-bugs.ts'
import { type PlantedBug, productOperators } from '../oracle/planting.ts'

const logs = Array.from({ length: 40 }, (_, at) => nasty(at + 1, 250))
const rows = (epoch: number) => ((epoch * 7919) % 23) + 1

const differencesOf = ({ events, settings }: NastyLog, pipeline?: (right: SessionPipeline) => SessionPipeline) =>
  differences(events, { settings: { ...settings, snapshotMs: 5000 }, rows, pipeline })

/** The engine's pipeline with the bug in it. */
const plant =
  (bug: PlantedBug, { settings }: NastyLog) =>
  (right: SessionPipeline): SessionPipeline => {
    const wrong = bug.apply({ operators: productOperators(settings), settings })
    const { folds, session } = wrong.operators
    return { ...right, folds, sessionFold: session, window: { ...right.window, ...wrong.settings } }
  }

/** Burst counts that live beside the state, as one variable for all sessions. */
const closureState = (right: SessionPipeline): SessionPipeline => {
  const shipped = right.folds[0]
  let last = 0
  const wrong = fold({
    ...shipped,
    onEvent(state, event, emit) {
      last = event.type === 'click' ? last + 1 : last
      shipped.onEvent(state, event, { incident: (one) => emit.incident({ ...one, count: Math.max(one.count, last % 5) }) })
    },
  }) as unknown as Fold
  return { ...right, folds: [wrong, ...right.folds.slice(1)] }
}

test('without a bug every log is clean', () => {
  for (const log of logs) expect(differencesOf(log), `nasty log of seed ${log.seed}`).toEqual([])
})

describe('planted bugs in the engine', () => {
  test('are at least twenty', () => {
    expect(plantedBugs.filter(({ of }) => of === 'operator').length).toBeGreaterThanOrEqual(20)
  })

  test.each(plantedBugs.map((bug) => [bug.name, bug] as const))('%s', (_, bug) => {
    expect(logs.find((log) => differencesOf(log, plant(bug, log)).length > 0)).toBeDefined()
  })

  test('state kept in a variable', () => {
    expect(logs.find((log) => differencesOf(log, closureState).length > 0)).toBeDefined()
  })
})
