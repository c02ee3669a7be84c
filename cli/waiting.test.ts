// What is seen while something takes its time. The time is the test's.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { waiting } from './waiting.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function run(isTTY: boolean) {
  let text = ''
  const work = Promise.withResolvers<string>()
  const done = waiting('query', work.promise, { stream: { write: (more) => (text += more), isTTY } })
  return { work, done, seen: () => text }
}

test('a terminal: nothing within the first second, then a line that is redrawn, and erased at the end', async () => {
  const { work, done, seen } = run(true)
  vi.advanceTimersByTime(999)
  expect(seen()).toBe('')
  vi.advanceTimersByTime(1_001)
  expect(seen()).toBe('\r\u001b[2Kquery  1 s\r\u001b[2Kquery  2 s')
  work.resolve('rows')
  expect(await done).toBe('rows')
  expect(seen().endsWith('\r\u001b[2K')).toBe(true)
  vi.advanceTimersByTime(5_000)
  expect(seen().endsWith('2 s\r\u001b[2K')).toBe(true)
})

test('elsewhere a line every five seconds; a failure is passed on', async () => {
  const { work, done, seen } = run(false)
  vi.advanceTimersByTime(10_000)
  expect(seen()).toBe('query  5 s\nquery  10 s\n')
  work.reject(new Error('no'))
  await expect(done).rejects.toThrow('no')
})
