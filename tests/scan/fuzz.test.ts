// The scanner against JSON.parse and a plain list of rules: the same accepted set, the same values, whichever path decided.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FALLBACK_REASONS } from '../../model/fallback-reasons.ts'
import { newBatch, resetBatch, scanBlock } from '../../model/scan.ts'
import { traffic } from '../../services/traffic/traffic.ts'
import { expectedEvent } from './expected-event.ts'
import { blockBytes } from './record-arbitraries.ts'
import { rowValues } from './row-values.ts'

const BLOCKS = 6_000

/** The records of a block: what newlines end, and a rest without one. */
function recordsOf(block: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = []
  for (let start = 0; start < block.length; ) {
    const end = block.indexOf(10, start)
    records.push(block.subarray(start, end < 0 ? block.length : end))
    start = end < 0 ? block.length : end + 1
  }
  return records
}

test(`${BLOCKS} blocks of any records: read as expected, and every reason to fall back is reached`, () => {
  const batch = newBatch()
  const counts = { plain: 0, decoded: 0, rejected: 0 }
  fc.assert(
    fc.property(blockBytes, fc.boolean(), (block, atDoor) => {
      const before = batch.scannedRows
      resetBatch(batch, block.slice())
      scanBlock(batch, 0, block.length, 0, 0, atDoor)
      const records = recordsOf(block)
      expect(batch.count).toBe(records.length)
      for (const [row, record] of records.entries()) {
        const values = rowValues(batch, row)
        expect(values).toEqual(expectedEvent(record, atDoor))
        expect([batch.offset[row], batch.end[row] - batch.start[row]]).toEqual([row, record.length])
        if (values === null) counts.rejected++
        else counts.decoded++
      }
      counts.plain += batch.scannedRows - before
    }),
    { numRuns: BLOCKS },
  )
  counts.decoded -= counts.plain
  expect(FALLBACK_REASONS.filter((_, i) => batch.fallbackReasons[i] === 0)).toEqual([])
  // Each of the three ends of a record is common, so that none is proven by a handful.
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(BLOCKS / 10)
})

test('any prefix of a block is read as the records that it holds', () => {
  fc.assert(
    fc.property(blockBytes, fc.double({ min: 0, max: 1, noNaN: true }), (block, part) => {
      const length = Math.floor(block.length * part)
      // What lies behind the block is the rest of it: read by accident, it would show.
      const batch = newBatch()
      resetBatch(batch, block.slice())
      scanBlock(batch, 0, length, 0)
      const records = recordsOf(block.subarray(0, length))
      expect(Array.from({ length: batch.count }, (_, row) => rowValues(batch, row))).toEqual(records.map((record) => expectedEvent(record)))
    }),
    { numRuns: 1_000 },
  )
})

test('generated traffic is plain: under 0.1 % fallback, read as expected', () => {
  const generator = traffic({ seed: 5, events: 20_000 })
  const batch = newBatch()
  for (let chunk = generator.nextChunk(1000); chunk; chunk = generator.nextChunk(1000)) {
    resetBatch(batch, chunk)
    scanBlock(batch, 0, chunk.length, 0)
    const values = Array.from({ length: batch.count }, (_, row) => rowValues(batch, row))
    expect(values).toEqual(recordsOf(chunk).map((record) => expectedEvent(record)))
  }
  expect(batch.scannedRows + batch.fallbackRows).toBe(20_000)
  expect(batch.fallbackRows).toBeLessThan(20)
})
