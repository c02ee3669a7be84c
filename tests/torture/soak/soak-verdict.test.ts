import { expect, test } from 'vitest'
import { Random } from '../../../services/traffic/random.ts'
import { type Limit, MINIMUM, type Point, verdict } from './soak-verdict.ts'

const LENGTH_S = 3600
const limit: Limit = { share: 0.1, least: 0, mayFall: false }
/** A value every ten seconds; `part`: 0 … 1 of what is judged, below 0 in the warm-up. */
const series = (of: (part: number, n: number) => number, lengthS = LENGTH_S): Point[] =>
  Array.from({ length: lengthS / 10 }, (_, n) => {
    const atS = (n + 1) * 10
    return { atS, value: of((atS / lengthS) * 1.5 - 0.5, n) }
  })
const judge = (of: (part: number, n: number) => number, with_: Partial<Limit> = {}) => verdict(series(of), LENGTH_S, { ...limit, ...with_ })

test('flat: always the same', () => {
  expect(judge(() => 500)).toEqual({ is: 'flat', first: 500, middle: 500, last: 500, tenth: 500, perHour: 0, reasons: [] })
})

test('flat: whatever it was in the warm-up', () => {
  expect(judge((part) => (part <= 0 ? part * 1e6 : 500)).is).toBe('flat')
})

test.each([1, 2, 3, 4, 5])('flat: noise around the same value, and spikes (seed %i)', (seed) => {
  const random = new Random(seed)
  const noise = (width: number) => () => 500 - width / 2 + random.below(width) + (random.chance(0.05) ? 20_000 : 0)
  expect(judge(noise(100)).is).toBe('flat')
  expect(judge(noise(300), { share: 0.25 }).is).toBe('flat')
})

test('flat: a saw whose teeth stay as they are', () => {
  expect(judge((_, n) => 300 + (n % 37) * 10).is).toBe('flat')
})

test('not flat: grows by an eighth in an hour, which the thirds do not show', () => {
  const { is, reasons, perHour } = judge((part) => 500 + part * 62.5 * (2 / 3))
  expect(is).toBe('not flat')
  expect(perHour).toBeCloseTo(62.5, 5)
  expect(reasons).toEqual(['the trend is +12.3 % per hour'])
})

test.each([1, 2, 3])('not flat: grows by a third under noise of a third (seed %i)', (seed) => {
  const random = new Random(seed)
  const { is, reasons } = judge((part) => 400 + random.below(170) + part * 170)
  expect(is).toBe('not flat')
  expect(reasons.length).toBeGreaterThanOrEqual(2)
})

test('not flat: one step in the middle', () => {
  const { is, reasons, first, last } = judge((part) => (part < 0.5 ? 500 : 600))
  expect({ is, first, last }).toEqual({ is: 'not flat', first: 500, last: 600 })
  expect(reasons[0]).toBe('the last third is 20.0 % above the first')
})

test('not flat: a step near the end, which no median of a third shows', () => {
  const { is, reasons } = judge((part) => (part < 0.93 ? 500 : 700))
  expect({ is, reasons }).toEqual({ is: 'not flat', reasons: ['the last tenth is 40.0 % above the first third'] })
})

test('not flat: a saw whose teeth grow', () => {
  expect(judge((part, n) => 300 + (n % 37) * 10 * (1 + part)).is).toBe('not flat')
})

test('falls: not flat, but for what may', () => {
  const falling = (part: number) => 500 - part * 200
  expect(judge(falling).reasons[0]).toMatch(/^the last third is \d+\.\d % below/)
  expect(judge(falling, { mayFall: true }).is).toBe('flat')
  expect(judge((part) => 500 + part * 200, { mayFall: true }).is).toBe('not flat')
})

test('a difference below what counts as one is none', () => {
  const little = (part: number) => 20 + part * 6
  expect(judge(little).is).toBe('not flat')
  expect(judge(little, { least: 10 }).is).toBe('flat')
})

test('too short is no answer, and points that are not numbers do not count', () => {
  const short = series(() => 500, 850)
  expect(verdict(short, 850, limit)).toMatchObject({ is: 'too short', reasons: [`57 points after the warm-up, ${MINIMUM} are needed`] })
  expect(verdict([], LENGTH_S, limit).is).toBe('too short')
  expect(judge((_, n) => (n % 2 ? Number.NaN : 500)).is).toBe('flat')
  expect(judge((_, n) => (n % 5 ? Number.NaN : 500)).is).toBe('too short')
})
