import { describe, expect, test } from 'vitest'
import { formatNumber, parseValue } from './parse-value.ts'
import { type Setting, settings } from './settings.ts'

const setting = (path: string): Setting => settings.find((known) => known.path === path)!
const gap = setting('clickstream.gapMs')
const errors = setting('clickstream.scores.frustration.errors')
const epoch = setting('engine.epochBytes')

test.each<[Setting, unknown, number]>([
  [gap, 30_000, 30_000],
  [gap, '30000', 30_000],
  [gap, '1_800_000', 1_800_000],
  [gap, ' 30m ', 1_800_000],
  [gap, '30M', 1_800_000],
  [gap, '1.5h', 5_400_000],
  [gap, '250 ms', 250],
  [gap, '7d', 604_800_000],
  [epoch, 65_536, 65_536],
  [epoch, '64KB', 65_536],
  [epoch, '64 KiB', 65_536],
  [epoch, '0.5mb', 524_288],
  [epoch, '4194304b', 4_194_304],
  [setting('engine.lanes'), '2', 2],
  [errors, 0.4, 0.4],
  [errors, ' 0.25 ', 0.25],
  [errors, '3', 3],
  [errors, 0, 0],
])('%o reads %j as %d', (of, given, value) => {
  expect(parseValue(of, given)).toEqual({ value })
})

test.each<[Setting, unknown]>([
  [gap, '0'],
  [gap, '7d1h'],
  [gap, '-5m'],
  [gap, '30 minutes'],
  [gap, '1.5ms'],
  [gap, '1e3'],
  [gap, ''],
  [gap, '__1'],
  [gap, true],
  [gap, null],
  [gap, Number.NaN],
  [gap, Number.POSITIVE_INFINITY],
  [gap, '604800001'],
  [epoch, '4m'],
  [epoch, '4TB'],
  [setting('engine.lanes'), '2s'],
  [setting('engine.lanes'), 'constructor'],
  [gap, '5constructor'],
  [errors, -0.1],
  [errors, '-0.1'],
  [errors, '1,5'],
  [errors, '0x1'],
  [errors, ''],
  [errors, Number.NaN],
  [errors, 1001],
])('%o refuses %j', (of, given) => {
  expect(parseValue(of, given)).toHaveProperty('allowed')
})

describe('lists', () => {
  const keys = setting('http.apiKeys')
  test('from text, split at commas', () => expect(parseValue(keys, 'a, b')).toEqual({ value: ['a', 'b'] }))
  test('an empty text is none', () => expect(parseValue(keys, '')).toEqual({ value: [] }))
  test('from YAML', () => expect(parseValue(keys, ['a'])).toEqual({ value: ['a'] }))
  test.each([['a,,b'], [['']], [[1]], [5]])('refuses %j', (given) => expect(parseValue(keys, given)).toHaveProperty('allowed'))
})

test.each<[Setting, number, string]>([
  [gap, 1_800_000, '1800000 (30m)'],
  [gap, 250, '250'],
  [gap, 0, '0'],
  [gap, 90_000, '90000 (90s)'],
  [epoch, 4_194_304, '4194304 (4MB)'],
  [setting('engine.lanes'), 1024, '1024'],
])('%o shows %d as %s', (of, value, shown) => {
  expect(formatNumber(of, value)).toBe(shown)
})
