import { expect, test } from 'vitest'
import { CheckpointAge } from './checkpoint-age.ts'

const WEEK_MS = 7 * 86_400_000
const DAY_MS = 86_400_000

test('due a quarter of the retention after the last checkpoint; the first one sooner, as nobody knows how old what was recovered is', () => {
  const age = new CheckpointAge(WEEK_MS, 1000)
  expect(age.isDue(0, 1000)).toBe(false)
  expect(age.isDue(0, 1000 + (7 / 8) * DAY_MS - 1)).toBe(false)
  expect(age.isDue(0, 1000 + (7 / 8) * DAY_MS)).toBe(true)
  // Until it has finished.
  expect(age.isDue(0, 1000 + DAY_MS)).toBe(true)
  expect(age.isDue(1, 1000 + DAY_MS)).toBe(false)
  expect(age.isDue(1, 1000 + 2.75 * DAY_MS - 1)).toBe(false)
  expect(age.isDue(1, 1000 + 2.75 * DAY_MS)).toBe(true)
})

test('never where topics are kept for good, nor while there are checkpoints by themselves', () => {
  expect(new CheckpointAge(Number.POSITIVE_INFINITY, 0).isDue(0, 1e15)).toBe(false)
  const age = new CheckpointAge(WEEK_MS, 0)
  for (let day = 0; day < 50; day++) expect(age.isDue(day * 2, day * (DAY_MS / 2))).toBe(false)
})
