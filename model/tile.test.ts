import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sumCells, type TilePart } from './tile.ts'

const part = (tile: number, cell: TilePart['cell'], ...sums: number[]): TilePart => ({ tile, cell, sums })

test('parts of one cell of one tile are summed, and a cell in which nothing is left is gone', () => {
  const parts = [
    part(0, [5, 'a'], 1, 2),
    part(1, [5, 'a'], 1),
    part(0, [5, 'a'], -1, 1),
    part(0, [5, 'b'], 1, 1),
    part(0, [5, 'b'], -1, -1),
  ]
  expect(sumCells(parts)).toEqual([part(0, [5, 'a'], 0, 3), part(1, [5, 'a'], 1)])
})

test('any cells: lists whose texts hold what joins them, numbers that look like texts, the empty list', () => {
  const text = fc.oneof(fc.constantFrom('', 'a', '\0', 'a\0b', '1', '2a', '["a"]', '-'), fc.string({ maxLength: 2 }))
  const value = fc.oneof(text, fc.integer({ min: 0, max: 2 }))
  // As tiles have them: a column holds lists, or none.
  const cells = [fc.tuple(value, value), fc.tuple(value, fc.array(text, { maxLength: 3 }))]
  const parts = cells.map((cell, tile) => fc.record({ tile: fc.constant(tile), cell, sum: fc.integer({ min: -2, max: 2 }) }))
  fc.assert(
    fc.property(fc.array(fc.oneof(...parts), { maxLength: 40 }), (all) => {
      const wanted: Record<string, number> = {}
      for (const { tile, cell, sum } of all) wanted[JSON.stringify([tile, cell])] = (wanted[JSON.stringify([tile, cell])] ?? 0) + sum
      const found = sumCells(all.map(({ tile, cell, sum }) => part(tile, cell, sum)))
      expect(new Set(found.map(({ tile, cell }) => JSON.stringify([tile, cell]))).size).toBe(found.length)
      expect(Object.fromEntries(found.map(({ tile, cell, sums }) => [JSON.stringify([tile, cell]), sums[0]]))).toEqual(
        Object.fromEntries(Object.entries(wanted).filter(([, sum]) => sum !== 0)),
      )
    }),
    { numRuns: 2000 },
  )
})
