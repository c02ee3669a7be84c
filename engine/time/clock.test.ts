import { afterEach, expect, test, vi } from 'vitest'
import { systemClock } from './clock.ts'

afterEach(() => void vi.useRealTimers())

test('a system clock that is set back, or forwards, moves no time that waits are computed from', () => {
  const before = systemClock.now()
  expect(Math.abs(before - Date.now())).toBeLessThan(60_000)
  expect(Number.isInteger(before)).toBe(true)
  vi.useFakeTimers({ toFake: ['Date'], now: before - 7_200_000 })
  expect(Date.now()).toBe(before - 7_200_000)
  const back = systemClock.now()
  expect(back).toBeGreaterThanOrEqual(before)
  vi.setSystemTime(before + 86_400_000)
  const forwards = systemClock.now()
  expect(forwards).toBeGreaterThanOrEqual(back)
  expect(forwards).toBeLessThan(before + 60_000)
})
