import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Chains } from './chains.ts'

const WORDS = 3
const HASH = 1
const NEXT = 2

function found(chains: Chains, u32: Uint32Array, hash: number): number[] {
  const records: number[] = []
  for (let record = chains.first(hash); record !== 0; record = u32[record * WORDS + NEXT])
    if (u32[record * WORDS + HASH] === hash) records.push(record)
  return records.sort((a, b) => a - b)
}

test('any records added and removed are found by their hash, each once, beyond the size at which buckets are split', () => {
  // Few hashes, so that chains are long; and many, so that buckets are split.
  const hash = fc.oneof(
    fc.integer({ min: 0, max: 0xffff_ffff }),
    fc.nat(20).map((n) => n << 20),
  )
  fc.assert(
    fc.property(fc.array(fc.record({ hash, remove: fc.boolean() }), { maxLength: 500 }), fc.nat(20_000), (steps, filling) => {
      const u32 = new Uint32Array((filling + steps.length + 2) * WORDS)
      const chains = new Chains(WORDS, HASH, NEXT)
      const expected = new Map<number, number[]>()
      let top = 1
      const add = (of: number) => {
        u32[top * WORDS + HASH] = of
        chains.add(u32, top)
        expected.set(of, [...(expected.get(of) ?? []), top++])
      }
      for (const { hash, remove } of steps) {
        const records = expected.get(hash)
        if (!remove || !records?.length) add(hash)
        else {
          chains.remove(u32, records[0])
          expected.set(hash, records.slice(1))
        }
      }
      for (let n = 0; n < filling; n++) add(Math.imul(n, 0x9e3779b1) >>> 0)
      for (const [hash, records] of expected) expect(found(chains, u32, hash)).toEqual(records)
    }),
    { numRuns: 50 },
  )
})
