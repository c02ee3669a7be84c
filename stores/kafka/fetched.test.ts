// What a fetch becomes, without a broker: holes, markers, aborted transactions, batches that compaction has emptied.
import { expect, test, vi } from 'vitest'
import { type FakeBatch, partOf } from './batches.fake.ts'
import { Fetched } from './fetched.ts'

const BUFFER = new Uint8Array(0)
const BAD = 1
const GOOD = 2

/** Records of one producer's transaction from `base` on. */
const batch = (producerId: number, base: number, values: (string | null)[]): FakeBatch => ({
  ...{ base, producerId },
  records: values.map((value) => ({ value: value === null ? null : Buffer.from(value) })),
})
const marker = (producerId: number, base: number, kind: 'abort' | 'commit'): FakeBatch => ({ base, producerId, records: [], marker: kind })
const linesOf = ({ bytes, blocks }: ReturnType<Fetched['take']>) =>
  blocks.map(({ baseOffset, count, pos, length }) => [baseOffset, count, Buffer.from(bytes.subarray(pos, pos + length)).toString()])

test('a block is a run of offsets: a marker ends it', async () => {
  const part = await partOf([batch(1, 0, ['a', 'b']), marker(1, 2, 'commit'), batch(1, 3, ['c'])], 4)
  const fetched = new Fetched(part, 0, true)
  const taken = fetched.take(1000, BUFFER)
  expect(linesOf(taken)).toEqual([
    [0, 2, 'a\nb\n'],
    [3, 1, 'c\n'],
  ])
  expect([taken.next, fetched.isEmpty]).toEqual([4, true])
})

test('a buffer that is too small for the last of many records is made larger once, not for each of them', async () => {
  const records = 400
  const value = 'x'.repeat(999)
  const part = await partOf(
    [0, 1, 2, 3].map((n) => batch(1, n * 100, new Array<string>(100).fill(value))),
    records,
  )
  const copy = vi.spyOn(Buffer.prototype, 'copy')
  try {
    const { bytes, blocks } = new Fetched(part, 0, true).take(1 << 20, new Uint8Array(350_000))
    // Each record once, and what was there by then.
    expect(copy.mock.calls.length).toBe(records + 1)
    expect([blocks.length, blocks[0].length]).toEqual([1, records * 1000])
    expect(bytes.length).toBeLessThan(700_000)
  } finally {
    copy.mockRestore()
  }
})

test('batches without a hole between them are one block', async () => {
  const part = await partOf([batch(1, 0, ['a', 'b']), batch(2, 2, ['c'])], 3)
  expect(linesOf(new Fetched(part, 0, true).take(1000, BUFFER))).toEqual([[0, 3, 'a\nb\nc\n']])
})

test('of two transactions that overlap only the aborted one is left out, up to its marker', async () => {
  const batches = [
    batch(BAD, 0, ['x']),
    batch(GOOD, 1, ['a']),
    batch(BAD, 2, ['y']),
    marker(BAD, 3, 'abort'),
    marker(GOOD, 4, 'commit'),
    batch(BAD, 5, ['b']),
    marker(BAD, 6, 'commit'),
  ]
  const taken = new Fetched(await partOf(batches, 7, [[BAD, 0]]), 0, true).take(1000, BUFFER)
  expect(linesOf(taken)).toEqual([
    [1, 1, 'a\n'],
    [5, 1, 'b\n'],
  ])
  expect(taken.next).toBe(7)
})

test('aborted transactions in any order, and a fetch that begins within one', async () => {
  const batches = [batch(7, 4, ['x', 'y']), marker(7, 6, 'abort'), batch(8, 7, ['z']), marker(8, 8, 'abort'), batch(7, 9, ['a'])]
  const part = await partOf(batches, 10, [
    [8, 7],
    [7, 2],
  ])
  expect(linesOf(new Fetched(part, 5, true).take(1000, BUFFER))).toEqual([[9, 1, 'a\n']])
})

test('nothing of an aborted transaction, and of markers alone', async () => {
  const fetched = new Fetched(
    await partOf([batch(BAD, 0, ['x']), marker(BAD, 1, 'abort'), marker(GOOD, 2, 'commit')], 3, [[BAD, 0]]),
    0,
    true,
  )
  expect(fetched.isEmpty).toBe(true)
  expect(fetched.record()).toBeUndefined()
  expect(fetched.take(1000, BUFFER)).toMatchObject({ blocks: [], next: 3 })
})

test('records before the offset that was asked for are not handed out', async () => {
  const part = await partOf([batch(1, 0, ['a', 'b', 'c'])], 3)
  expect(linesOf(new Fetched(part, 1, true).take(1000, BUFFER))).toEqual([[1, 2, 'b\nc\n']])
})

test('a copy begins anew, whatever was taken', async () => {
  const fetched = new Fetched(await partOf([batch(1, 0, ['a', 'b']), marker(1, 2, 'commit')], 3), 0, true)
  fetched.record()
  expect(linesOf(fetched.copy().take(1000, BUFFER))).toEqual([[0, 2, 'a\nb\n']])
  expect(fetched.record()).toMatchObject({ offset: 1 })
})

test('about maxBytes at a time, one record at least, and then the rest', async () => {
  const fetched = new Fetched(await partOf([batch(1, 0, ['aaaa', 'bbbb', 'cccc'])], 3), 0, true)
  const first = fetched.take(1, BUFFER)
  expect([linesOf(first), first.next, fetched.isEmpty]).toEqual([[[0, 1, 'aaaa\n']], 1, false])
  const second = fetched.take(6, first.bytes)
  expect([linesOf(second), second.next, fetched.isEmpty]).toEqual([[[1, 2, 'bbbb\ncccc\n']], 3, true])
})

test('records larger than what was asked for, and than the buffer', async () => {
  const large = ['a'.repeat(200_000), 'b'.repeat(300_000), 'c']
  const fetched = new Fetched(await partOf([batch(1, 0, large)], 3), 0, true)
  expect(linesOf(fetched.take(200_500, new Uint8Array(70_000)))).toEqual([[0, 2, `${large[0]}\n${large[1]}\n`]])
})

test('behind a batch whose last records were compacted away', async () => {
  const part = await partOf([{ ...batch(1, 0, ['a']), lastDelta: 2 }], 9)
  expect(new Fetched(part, 0, true).take(1000, BUFFER).next).toBe(3)
})

test('where no batch is left it goes on offset by offset, but only where nothing else was asked for', async () => {
  expect(new Fetched(await partOf([], 9), 4, true).take(1000, BUFFER)).toMatchObject({ blocks: [], next: 5 })
  expect(new Fetched(await partOf([], 9), 4, false).take(1000, BUFFER)).toMatchObject({ blocks: [], next: 4 })
  expect(new Fetched(await partOf([], 4), 4, true).take(1000, BUFFER)).toMatchObject({ blocks: [], next: 4 })
})

test('an answer that is cut off in its first batch is damage, never passed over', async () => {
  const part = { ...(await partOf([], 9)), length: 70 }
  expect(() => new Fetched(part, 4, true)).toThrow(expect.objectContaining({ code: 'KAFKA_RECORDS_DAMAGED' }))
  expect(new Fetched(part, 4, false).take(1000, BUFFER)).toMatchObject({ blocks: [], next: 4 })
})

test('there is room behind the blocks to write to', async () => {
  const { bytes, blocks } = new Fetched(await partOf([batch(1, 0, ['a'])], 1), 0, true).take(1000, BUFFER)
  expect(bytes.length).toBeGreaterThanOrEqual(blocks[0].length + 4096)
})
