import { expect, test } from 'vitest'
import { formatCount, formatSeconds, formatTable } from './print.ts'

test.each([
  [0, '0 s'],
  [59.4, '59 s'],
  [59.5, '1 min 0 s'],
  [75, '1 min 15 s'],
  [3_599.6, '1 h 0 min'],
  [4_000, '1 h 6 min'],
])('%d s is %s', (seconds, text) => expect(formatSeconds(seconds)).toBe(text))

test('counts have commas and no fraction', () => expect([formatCount(1_234_567.9), formatCount(0)]).toEqual(['1,234,567', '0']))

test('a table pads every column but the last', () => {
  expect(
    formatTable([
      ['a', 'long cell', 'x'],
      ['longer', 'b', ''],
    ]),
  ).toBe('a       long cell  x\nlonger  b')
})
