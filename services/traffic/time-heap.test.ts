import { expect, test } from 'vitest'
import { Random } from './random.ts'
import { TimeHeap } from './time-heap.ts'

test('gives things by time, equal times in the order in which they were put in', () => {
  const random = new Random(1)
  const heap = new TimeHeap<{ ms: number; order: number }>()
  const all = Array.from({ length: 2000 }, (_, order) => ({ ms: random.below(300), order }))
  for (const one of all) heap.push(one.ms, one)
  const out = []
  while (heap.size > 0) {
    expect(heap.nextMs).toBeLessThan(Infinity)
    out.push(heap.pop())
  }
  expect(out).toEqual([...all].sort((a, b) => a.ms - b.ms || a.order - b.order))
  expect(heap.nextMs).toBe(Infinity)
})
