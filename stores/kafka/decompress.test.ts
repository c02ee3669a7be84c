// lz4 and snappy against an encoder of their elements; then other bytes: an error or what comes out in bounds, never a hang, never more than is allowed. What
// real producers write comes from a broker (kafka-records.kafka.test.ts).
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { anyElements, lz4Of, snappyOf, XERIAL, xerialOf } from './compressed.fake.ts'
import { lz4Decompress } from './lz4.ts'
import { snappyDecompress } from './snappy.ts'

const MAX = 1 << 20
const anyBlocks = fc.array(anyElements, { minLength: 1, maxLength: 4 })
const anyFlags = fc.record({
  isLinked: fc.boolean(),
  hasSize: fc.boolean(),
  hasChecksums: fc.boolean(),
  plainEvery: fc.integer({ min: 2, max: 3 }),
})
const anyLz4 = fc.tuple(anyBlocks, anyFlags).map(([blocks, flags]) => lz4Of(blocks, flags))
const anySnappy = fc.tuple(anyBlocks, fc.boolean()).map(([blocks, isFramed]) => {
  const encoded = blocks.map(snappyOf)
  if (!isFramed) return encoded[0]
  return { bytes: xerialOf(encoded.map(({ bytes }) => bytes)), whole: Buffer.concat(encoded.map(({ whole }) => whole)) }
})

const codecs = [
  ['lz4', lz4Decompress, anyLz4],
  ['snappy', snappyDecompress, anySnappy],
] as const

test.each(codecs)('%s: every kind of element comes to what it says', (_, decompress, any) => {
  fc.assert(
    fc.property(any, ({ bytes, whole }) => {
      expect(decompress(bytes, MAX).equals(whole)).toBe(true)
      // At its bound, and one byte below.
      expect(decompress(bytes, whole.length)).toHaveLength(whole.length)
      expect(() => decompress(bytes, whole.length - 1)).toThrow(RangeError)
    }),
    { numRuns: 400 },
  )
})

test.each(codecs)('%s that is cut off anywhere is an error', (_, decompress, any) => {
  fc.assert(
    fc.property(any, fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), ({ bytes, whole }, share) => {
      const cut = bytes.subarray(0, Math.floor(share * bytes.length))
      // Streams of xerial have no end of their own: between two blocks all is well, and the batch knows how many records it has.
      const outcome = outcomeOf(() => decompress(cut, MAX))
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(RangeError)
      else {
        expect(cut.subarray(0, XERIAL.length).equals(XERIAL)).toBe(true)
        expect(whole.subarray(0, outcome.length).equals(outcome)).toBe(true)
      }
    }),
    { numRuns: 400 },
  )
})

test.each(codecs)('%s with other bytes: a RangeError, or something within the bound', (_, decompress, any) => {
  const counts = { errors: 0, outputs: 0 }
  fc.assert(
    fc.property(any, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), ({ bytes, whole }, changes) => {
      const other = Buffer.from(bytes)
      for (const [at, byte] of changes) other[at % other.length] = byte
      const max = whole.length + 100
      const outcome = outcomeOf(() => decompress(other, max))
      if (outcome instanceof Error) {
        expect(outcome).toBeInstanceOf(RangeError)
        counts.errors++
      } else {
        expect(outcome.length).toBeLessThanOrEqual(max)
        counts.outputs++
      }
    }),
    { numRuns: 3000 },
  )
  expect(Math.min(counts.errors, counts.outputs)).toBeGreaterThan(100)
})

test.each(codecs)('%s: bytes that are none', (_, decompress) => {
  expect(() => decompress(Buffer.alloc(0), MAX)).toThrow(RangeError)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const outcome = outcomeOf(() => decompress(Buffer.from(bytes), MAX))
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(RangeError)
    }),
    { numRuns: 1000 },
  )
})

test('a few bytes that are said to come to gigabytes make room for nothing', () => {
  expect(() => snappyDecompress(Buffer.of(255, 255, 255, 255, 15, 0, 65), 2 ** 32)).toThrow('said to come to 4294967295')
})

test('lz4: no copy of what stands before the frame or an independent block, and no block beyond the size that its frame says', () => {
  const literals = { literals: Buffer.from('0123456789') }
  const flags = { isLinked: true, hasSize: false, hasChecksums: false, plainEvery: 9 }
  const { bytes } = lz4Of([[literals], [{ share: 1, length: 5 }]], flags)
  expect(String(lz4Decompress(bytes, MAX))).toBe('012345678901234')
  bytes[4] |= 0x20
  expect(() => lz4Decompress(bytes, MAX)).toThrow('10 bytes before it')
  const large = lz4Of([[literals, { share: 0, length: 70_000 }]], flags).bytes
  expect(lz4Decompress(large, MAX)).toHaveLength(70_010)
  large[5] = 0x40
  expect(() => lz4Decompress(large, MAX)).toThrow('more than 65536 bytes')
})

test('snappy: blocks and frames one after the other, of which none copies from another', () => {
  const [one, two] = [{ literals: Buffer.from('one') }, { literals: Buffer.from('two') }]
  const framed = xerialOf([snappyOf([one]).bytes])
  expect(String(snappyDecompress(Buffer.concat([framed, xerialOf([snappyOf([two, { share: 1, length: 4 }]).bytes])]), MAX))).toBe(
    'onetwotwot',
  )
  const reachesBack = Buffer.of(7, 8, 116, 119, 111, 1, 4)
  expect(() => snappyDecompress(xerialOf([snappyOf([one]).bytes, reachesBack]), MAX)).toThrow('4 bytes before it')
})

function outcomeOf(work: () => Buffer): Buffer | Error {
  try {
    return work()
  } catch (error) {
    return error as Error
  }
}
