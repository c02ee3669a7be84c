// Context switches and scores, by hand and through the engine. Against the evaluator, and with mistakes planted: tests/oracle.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EventType, WireEvent } from '../model/event.ts'
import { finalRows } from '../tests/oracle/in-memory.ts'
import { type ContextSwitches, contextSwitches } from './context-switches.ts'
import type { SessionFold } from './contract.ts'
import { type ScoreOptions, type ScoreWeights, scoreDefaults, scores } from './scores.ts'
import type { SessionMetrics } from './session-metrics.ts'

let ids = 0
const at = (ts: number, type: EventType, more: Partial<WireEvent> = {}): WireEvent => ({
  orgId: 'o',
  productId: 'p',
  userId: 'ada',
  eventId: `e${ids++}`,
  type,
  ts,
  ...more,
})
const switches = (...contexts: (string | undefined)[]) =>
  finalRows(contexts.map((context, ts) => at(ts, 'custom', { context }))).sessions[0].context_switches

test('a context switch is a change of the area; events without one say nothing', () => {
  expect(switches('a', 'a')).toBe(0)
  expect(switches(undefined, 'a', undefined, 'a', '')).toBe(0)
  expect(switches('a', 'b', 'a', undefined, 'b', 'b')).toBe(3)
})

const NOTHING = { rageClicks: 0, deadClicks: 0, backtracks: 0, contextSwitches: 0, tasksAbandoned: 0, tasksFailed: 0, errors: 0 }
const SIGNALS = ['rage_clicks', 'dead_clicks', 'backtracks', 'context_switches', 'tasks_abandoned', 'tasks_failed', 'error_count'] as const
type Signals = Record<(typeof SIGNALS)[number], number>
const none = Object.fromEntries(SIGNALS.map((name) => [name, 0])) as Signals
const scored = (signals: Partial<Signals>, options: ScoreOptions = scoreDefaults) => {
  const counted = { name: 'x', reads: [], begin() {}, onEvent() {}, row: () => ({ ...none, ...signals }) } as unknown as SessionFold<
    SessionMetrics & ContextSwitches
  >
  const row = scores(counted, options).row(String, () => 0)
  return [row.frustration_score, row.efficiency_score]
}

describe('scores', () => {
  test('no signal gives 0 and 1, whatever the length of the session', () => {
    expect(scored({})).toEqual([0, 1])
    const quiet = Array.from({ length: 300 }, (_, i) => at(i * 1000, 'screen_view', { screen: `/${i}` }))
    expect(finalRows(quiet).sessions).toMatchObject([{ event_count: 300, frustration_score: 0, efficiency_score: 1 }])
  })
  test('are 2σ(Σ w · signal) − 1, and 1 less that, to four decimals', () => {
    // Two errors: 2σ(2 × 0.4) − 1 and 2 − 2σ(2 × 0.2).
    expect(scored({ error_count: 2 })).toEqual([0.3799, 0.8026])
    expect(finalRows([at(0, 'error'), at(1, 'error')]).sessions).toMatchObject([{ frustration_score: 0.3799, efficiency_score: 0.8026 }])
  })
  test('each signal has its own weight', () => {
    const names: (keyof ScoreWeights)[] = [
      'rageClicks',
      'deadClicks',
      'backtracks',
      'contextSwitches',
      'tasksAbandoned',
      'tasksFailed',
      'errors',
    ]
    for (const [i, name] of names.entries()) {
      const only = { frustration: { ...NOTHING, [name]: 1 }, efficiency: { ...NOTHING, [name]: 2 } }
      expect(scored({ [SIGNALS[i]]: 1 }, only)).toEqual([0.4621, 0.2384])
      for (const other of SIGNALS) if (other !== SIGNALS[i]) expect(scored({ [other]: 1 }, only)).toEqual([0, 1])
    }
  })
  test('lie in 0 … 1, and more of a signal never makes a session better', () => {
    const count = fc.nat(50)
    const signals = fc.record(Object.fromEntries(SIGNALS.map((name) => [name, count]))) as fc.Arbitrary<Signals>
    fc.assert(
      fc.property(signals, fc.constantFrom(...SIGNALS), (before, name) => {
        const [frustration, efficiency] = scored(before)
        const [more, less] = scored({ ...before, [name]: before[name] + 1 })
        expect(more).toBeGreaterThanOrEqual(frustration)
        expect(less).toBeLessThanOrEqual(efficiency)
        for (const score of [frustration, efficiency, more, less]) expect(score >= 0 && score <= 1).toBe(true)
      }),
    )
  })
  test('columns are added to those of the fold inside, which reads what it read', () => {
    const inner: SessionFold<{ own: number }> = { name: 'own', reads: ['x'], begin() {}, onEvent() {}, row: () => ({ own: 7 }) }
    const outer = contextSwitches(inner)
    expect([outer.name, outer.reads]).toEqual(['own, context-switches', ['x', 'context']])
    expect(outer.row(String, () => 0)).toEqual({ own: 7, context_switches: 0 })
  })
})
