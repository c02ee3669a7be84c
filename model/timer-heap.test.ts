import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { TimerHeap } from './timer-heap.ts'

test('entries leave by time, whatever the order in which they came and left in between, beyond the size at which it grows', () => {
  // undefined: the earliest one leaves.
  const step = fc.option(fc.integer({ min: -10, max: 1000 }), { nil: undefined, freq: 4 })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const heap = new TimerHeap()
      const expected: [timeMs: number, user: number][] = []
      const leave = () => {
        const timeMs = Math.min(...expected.map(([time]) => time))
        expect(heap.firstMs).toBe(timeMs)
        const user = heap.pop()
        const at = expected.findIndex(([time, who]) => time === timeMs && who === user)
        expect(at).toBeGreaterThanOrEqual(0)
        expected.splice(at, 1)
      }
      for (const [i, timeMs] of steps.entries()) {
        if (timeMs !== undefined) {
          heap.push(timeMs, i)
          expected.push([timeMs, i])
        } else if (expected.length > 0) leave()
        expect(heap.size).toBe(expected.length)
      }
      while (expected.length > 0) leave()
      expect(heap.firstMs).toBe(Number.POSITIVE_INFINITY)
    }),
  )
})
