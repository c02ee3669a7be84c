import { expect, test } from 'vitest'
import { MEMORY_BYTES_MAX } from '../../model/growing-memory.ts'
import { taskCacheBytes } from './lane-limits.ts'

test('tasks share what their lane has equally, each at most so much that its memory can grow to it', () => {
  expect(taskCacheBytes(1 << 20, 4, 2)).toBe(1 << 17)
  expect(taskCacheBytes(2 ** 38, 1, 1)).toBeLessThan(MEMORY_BYTES_MAX)
  expect(taskCacheBytes(2 ** 38, 1, 1)).toBe(taskCacheBytes(2 ** 40, 2, 1))
})
