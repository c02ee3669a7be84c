// Days and times as they are typed.
import { expect, test } from 'vitest'
import { instantOf } from './times.ts'

test.each(['2026-02-30', '2026-02-29', '2026-04-31T10:00:00Z', '2026-02-30T00:00:00+02:00', '2026-13-01', '2026', 'March 2'])(
  '%s is no day or time',
  (text) => expect(() => instantOf(text)).toThrow('It must be a day or a time (UTC)'),
)

test('a day, or a time with or without a zone', () => {
  expect(instantOf('2024-02-29')).toBe(Date.UTC(2024, 1, 29))
  expect(instantOf('2026-03-02T07:00')).toBe(Date.UTC(2026, 2, 2, 7))
  // In UTC that is another day.
  expect(instantOf('2026-03-01T00:30:00+02:00')).toBe(Date.UTC(2026, 1, 28, 22, 30))
})
