import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { PlaceTable } from './place-table.ts'

test('any sequence of keys taken and removed leaves what a Map would have, beyond the size at which it grows', () => {
  const step = fc.record({ n: fc.nat(3000), remove: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 6000, size: 'max' }), (steps) => {
      const table = new PlaceTable()
      const expected = new Map<number, number>()
      for (const [i, { n, remove }] of steps.entries()) {
        const key = Buffer.from(`key ${n}`)
        const entry = table.find(key)
        expect(entry > 0).toBe(expected.has(n))
        if (!remove) {
          table.set(table.take(key), 7, i * 2 ** 25, 5)
          expected.set(n, i)
        } else if (entry > 0) {
          table.remove(entry)
          expected.delete(n)
        }
      }
      expect(table.size).toBe(expected.size)
      for (const [n, i] of expected) {
        const entry = table.find(Buffer.from(`key ${n}`))
        expect([table.file(entry), table.position(entry), table.length(entry)]).toEqual([7, i * 2 ** 25, 5])
      }
    }),
    { numRuns: 20 },
  )
})
