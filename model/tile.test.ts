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
  const scalars = fc.tuple(fc.constant(0), fc.tuple(value, value))
  const lists = fc.tuple(fc.constant(1), fc.tuple(value, fc.array(text, { maxLength: 3 })))
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.oneof(scalars, lists), fc.integer({ min: -2, max: 2 })), { maxLength: 40 }), (given) => {
      const all = given.map(([[tile, own], sum]) => [tile, own, sum] as const)
      const wanted = new Map<string, number>()
      for (const [tile, own, sum] of all) wanted.set(JSON.stringify([tile, own]), (wanted.get(JSON.stringify([tile, own])) ?? 0) + sum)
      const found = sumCells(all.map(([tile, own, sum]) => part(tile, own, sum)))
      const entries = found.map(({ tile, cell: own, sums }): [string, number] => [JSON.stringify([tile, own]), sums[0]])
      expect(entries.sort()).toEqual([...wanted].filter(([, sum]) => sum !== 0).sort())
    }),
    {
      numRuns: 2000,
      examples: [
        [
          [
            [0, ['', ['a\0b']], 1],
            [0, ['', ['a', 'b']], 1],
          ],
        ],
      ],
    },
  )
})
