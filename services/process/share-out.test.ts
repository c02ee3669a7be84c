import fc from 'fast-check'
import { expect, test } from 'vitest'
import { shareOut } from './share-out.ts'

const loadOf = (loads: readonly number[], share: readonly number[]) => share.reduce((sum, partition) => sum + loads[partition]!, 0)

test('no share is larger than it must be', () => {
  const loads = [40, 10, 10, 10, 10, 10, 5, 5]
  for (const shares of [1, 2, 4])
    expect(Math.max(...shareOut(loads, shares).map((share) => loadOf(loads, share)))).toBe(Math.max(40, 100 / shares))
})

test('partitions without a load are not all put beside the smaller of two large ones', () => {
  expect(shareOut([100, 90, 0, 0, 0, 0, 0, 0], 2).map(({ length }) => length)).toEqual([3, 5])
})

test('of partitions that nothing is known of each has as many as another, in turn', () => {
  expect(shareOut([0, 0, 0, 0, 0], 2)).toEqual([
    [0, 2, 4],
    [1, 3],
  ])
})

test('whatever their loads: each partition once, no share without one, and none above another by more than its smallest partition', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 64 }), fc.integer({ min: 1, max: 8 }), (loads, wanted) => {
      const count = Math.min(wanted, loads.length)
      const shares = shareOut(loads, count)
      const floor = loads.reduce((sum, load) => sum + load, 0) / loads.length / 3
      const counted = loads.map((load) => Math.max(floor, load))
      expect(shares.flat().sort((a, b) => a - b)).toEqual([...loads.keys()])
      const least = Math.min(...shares.map((share) => loadOf(counted, share)))
      for (const share of shares) {
        expect(share.length).toBeGreaterThan(0)
        const smallest = Math.min(...share.map((partition) => counted[partition]!))
        expect(loadOf(counted, share) - smallest).toBeLessThanOrEqual(least + 1e-6)
      }
    }),
  )
})
