import { expect, test } from 'vitest'
import type { WireEvent } from '../../../model/event.ts'
import { CLICKS, type DueLine, PATTERN_USER, SoakTraffic } from './soak-traffic.ts'

const START_MS = 1_790_000_000_000
const shape = { rate: 50, patterns: 5, seed: 1, allowedDisorderMs: 30_000, correctionMs: 600_000 }
const SECONDS = 60

function taken(steps: number[], most = Number.POSITIVE_INFINITY): { lines: DueLine[]; traffic: SoakTraffic } {
  const traffic = new SoakTraffic(shape, START_MS)
  return { lines: steps.flatMap((untilMs) => traffic.take(untilMs, most)), traffic }
}
const eventOf = ({ line }: DueLine) => JSON.parse(line.toString('utf8')) as WireEvent & { ts: number }
const isPattern = (event: WireEvent) => event.orgId.startsWith(PATTERN_USER)

test('lines come when they are due, whoever asks how often', () => {
  const once = taken([SECONDS * 1000])
  const often = taken(Array.from({ length: SECONDS * 10 + 1 }, (_, n) => n * 100))
  expect(often.lines.map(({ line }) => line.toString())).toEqual(once.lines.map(({ line }) => line.toString()))
  const due = once.lines.map(({ dueMs }) => dueMs)
  expect(due).toEqual([...due].sort((a, b) => a - b))
  expect(once.traffic.taken).toBe(once.lines.length)
  const some = taken([SECONDS * 1000], 100)
  expect(some.lines).toEqual(once.lines.slice(0, 100))
})

test('at about the rate, of many users, some twice, some behind younger ones, none from the future', () => {
  const { lines } = taken([SECONDS * 1000])
  const others = lines.map((line) => ({ ...line, event: eventOf(line) })).filter(({ event }) => !isPattern(event))
  expect(others.length / SECONDS).toBeGreaterThan(shape.rate * 0.5)
  expect(others.length / SECONDS).toBeLessThan(shape.rate * 1.5)
  const ids = new Set(others.map(({ event }) => event.eventId))
  expect(others.length - ids.size).toBeGreaterThan(others.length * 0.03)
  expect(new Set(others.map(({ event }) => event.userId)).size).toBeGreaterThan(200)
  const behindMs = others.map(({ event, dueMs }) => START_MS + dueMs - event.ts)
  expect(Math.min(...behindMs)).toBe(0)
  expect(behindMs.filter((ms) => ms > 1000).length).toBeGreaterThan(others.length * 0.05)
})

test('patterns: three clicks of a user who is never seen again, each due when it says', () => {
  const { lines, traffic } = taken([SECONDS * 1000])
  const clicks = lines.map((line) => ({ ...line, event: eventOf(line) })).filter(({ event }) => isPattern(event))
  const byUser = [...Map.groupBy(clicks, ({ event }) => event.userId).values()]
  const complete = byUser.filter(({ length }) => length === CLICKS)
  expect(complete).toHaveLength(traffic.patterns)
  expect(traffic.patterns).toBeGreaterThan(shape.patterns * (SECONDS - 1))
  expect(byUser.length - complete.length).toBeLessThan(shape.patterns)
  for (const [first, second, third] of complete) {
    expect([second.dueMs - first.dueMs, third.dueMs - second.dueMs]).toEqual([100, 100])
    expect(new Set([first, second, third].map(({ event }) => `${event.orgId} ${event.element}`)).size).toBe(1)
  }
  for (const { event, dueMs } of clicks) expect(event.ts).toBe(START_MS + dueMs)
  expect(new Set(clicks.map(({ event }) => event.eventId)).size).toBe(clicks.length)
})
