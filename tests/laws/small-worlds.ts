// Logs and settings of a few milliseconds' span, made by fast-check: everything ties, touches a bound or meets a cap, and a counterexample
// shrinks to a few rows. Owns the shape of these worlds; what the right answer is, the evaluator says.
import fc from 'fast-check'
import { EVENT_TYPES, type WireEvent } from '../../model/event.ts'
import { rageProfiles } from '../../operators/rage-profiles.ts'
import { scoreDefaults } from '../../operators/scores.ts'
import type { ClickstreamSettings } from '../../topologies/clickstream.ts'

export interface SmallWorld {
  settings: ClickstreamSettings
  events: WireEvent[]
  /** Rows of epoch n: rows[n % rows.length]. */
  rows: number[]
  close: boolean
}

const PROFILES = Object.keys(rageProfiles) as (keyof typeof rageProfiles)[]
const settingsOf = fc.record({
  gapMs: fc.integer({ min: 1, max: 30 }),
  allowedDisorderMs: fc.integer({ min: 0, max: 10 }),
  idleTimeoutMs: fc.constant(1000),
  correctionMs: fc.integer({ min: 0, max: 60 }),
  snapshotMs: fc.constantFrom(0, 1, 10, 40),
  sessionMaxMs: fc.constantFrom(5, 20, 60, 1_000_000),
  sessionEventsMax: fc.constantFrom(2, 3, 5, 10, 10_000),
  rage: fc.record({
    profile: fc.constantFrom('default' as const, 'default' as const, ...PROFILES),
    clicks: fc.integer({ min: 2, max: 4 }),
    withinMs: fc.integer({ min: 1, max: 10 }),
    ignore: fc.constantFrom({ kinds: ['y'], texts: [] }, { kinds: [], texts: ['x'] }, { kinds: [], texts: [] }),
  }),
  backtrackMs: fc.integer({ min: 1, max: 30 }),
  abandonMs: fc.integer({ min: 1, max: 40 }),
  deadClicks: fc.record({ enabled: fc.boolean(), withinMs: fc.integer({ min: 1, max: 20 }) }),
  scores: fc.constant(scoreDefaults),
})

/** One row: how far event time moves, and how far behind it this event is. */
const rowOf = fc.record({
  stepMs: fc.constantFrom(0, 0, 0, 1, 1, 2, 5, 9, 10, 11, 30, 31, 90),
  behindMs: fc.constantFrom(0, 0, 0, 0, 1, 3, 10, 20, 45, 70),
  user: fc.constantFrom('u', 'u', 'u', 'v'),
  product: fc.constantFrom('p', 'p', 'p', 'q'),
  type: fc.constantFrom(...EVENT_TYPES, 'click' as const, 'click' as const, 'screen_view' as const),
  screen: fc.constantFrom('/a', '/b', '/c', undefined),
  element: fc.constantFrom('x', 'x', 'y', undefined),
  success: fc.constantFrom(true, false, undefined),
  taskType: fc.constantFrom('t', 't', 's', undefined),
  context: fc.constantFrom('c', 'd', undefined),
  x: fc.constantFrom(0, 0, 29, 30, 50, 51, 100, undefined),
  y: fc.constantFrom(0, 0, 1, 51),
  /** Takes the id of the row so many rows before, where there is one. */
  idOf: fc.constantFrom(0, 0, 0, 0, 0, 1, 2, 5),
})

export const smallWorld = (size = 60): fc.Arbitrary<SmallWorld> =>
  fc
    .record({
      settings: settingsOf,
      list: fc.array(rowOf, { minLength: 1, maxLength: size }),
      rows: fc.oneof(
        fc.constant<number[]>([1]),
        fc.constant<number[]>([1_000_000]),
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 }),
      ),
      close: fc.boolean(),
    })
    .map(({ settings, list, rows, close }): SmallWorld => {
      let nowMs = 1_000_000
      const events = list.map(
        ({ stepMs, behindMs, user, product, type, screen, element, success, taskType, context, x, y, idOf }, at): WireEvent => {
          nowMs += stepMs
          const eventId = `e${at - Math.min(idOf, at)}`
          const own = { orgId: 'o', productId: product, userId: user, eventId, type, ts: nowMs - behindMs }
          return { ...own, screen, element, taskType, context, x, y, ...(type === 'task_completed' && { success }) }
        },
      )
      return { settings, events, rows, close }
    })
