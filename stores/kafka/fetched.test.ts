// What a fetch becomes, without a broker: holes, markers, aborted transactions, batches that compaction has emptied.
import { expect, test } from 'vitest'
import { Fetched, type FetchedMessage, type FetchedPartition } from './fetched.ts'

const BUFFER = new Uint8Array(0)

/** Records of one producer's batch from `first` on. */
const batch = (producerId: string, first: number, values: (string | null)[]): FetchedMessage[] =>
  values.map((value, i) => ({
    offset: String(first + i),
    key: null,
    value: value === null ? null : Buffer.from(value),
    batchContext: { firstOffset: String(first), lastOffsetDelta: values.length - 1, producerId, inTransaction: true },
  }))
const marker = (producerId: string, offset: number, kind: 'abort' | 'commit'): FetchedMessage => ({
  offset: String(offset),
  key: Buffer.from([0, 0, 0, kind === 'abort' ? 0 : 1]),
  value: null,
  isControlRecord: true,
  batchContext: { firstOffset: String(offset), lastOffsetDelta: 0, producerId, inTransaction: true },
})
const part = (messages: FetchedMessage[], end: number, aborted: [string, number][] = []): FetchedPartition => ({
  partition: 0,
  highWatermark: String(end),
  lastStableOffset: String(end),
  lastStartOffset: '0',
  abortedTransactions: aborted.map(([producerId, first]) => ({ producerId, firstOffset: String(first) })),
  messages,
})
const linesOf = ({ bytes, blocks }: ReturnType<Fetched['take']>) =>
  blocks.map(({ baseOffset, count, pos, length }) => [baseOffset, count, Buffer.from(bytes.subarray(pos, pos + length)).toString()])

test('a block is a run of offsets: a marker ends it', () => {
  const fetched = new Fetched(part([...batch('1', 0, ['a', 'b']), marker('1', 2, 'commit'), ...batch('1', 3, ['c'])], 4), 0, true)
  const taken = fetched.take(1000, BUFFER)
  expect(linesOf(taken)).toEqual([
    [0, 2, 'a\nb\n'],
    [3, 1, 'c\n'],
  ])
  expect([taken.next, fetched.isEmpty]).toEqual([4, true])
})

test('of two transactions that overlap only the aborted one is left out, up to its marker', () => {
  const messages = [
    ...batch('bad', 0, ['x']),
    ...batch('good', 1, ['a']),
    ...batch('bad', 2, ['y']),
    marker('bad', 3, 'abort'),
    marker('good', 4, 'commit'),
    ...batch('bad', 5, ['b']),
    marker('bad', 6, 'commit'),
  ]
  const taken = new Fetched(part(messages, 7, [['bad', 0]]), 0, true).take(1000, BUFFER)
  expect(linesOf(taken)).toEqual([
    [1, 1, 'a\n'],
    [5, 1, 'b\n'],
  ])
  expect(taken.next).toBe(7)
})

test('aborted transactions in any order, and a fetch that begins within one', () => {
  const messages = [
    ...batch('p', 4, ['x', 'y']),
    marker('p', 6, 'abort'),
    ...batch('q', 7, ['z']),
    marker('q', 8, 'abort'),
    ...batch('p', 9, ['a']),
  ]
  const aborted: [string, number][] = [
    ['q', 7],
    ['p', 2],
  ]
  expect(linesOf(new Fetched(part(messages, 10, aborted), 5, true).take(1000, BUFFER))).toEqual([[9, 1, 'a\n']])
})

test('records before the offset that was asked for are not handed out', () => {
  expect(linesOf(new Fetched(part(batch('1', 0, ['a', 'b', 'c']), 3), 1, true).take(1000, BUFFER))).toEqual([[1, 2, 'b\nc\n']])
})

test('about maxBytes at a time, one record at least, and then the rest', () => {
  const fetched = new Fetched(part(batch('1', 0, ['aaaa', 'bbbb', 'cccc']), 3), 0, true)
  const first = fetched.take(1, BUFFER)
  expect([linesOf(first), first.next, fetched.isEmpty]).toEqual([[[0, 1, 'aaaa\n']], 1, false])
  const second = fetched.take(6, first.bytes)
  expect([linesOf(second), second.next, fetched.isEmpty]).toEqual([[[1, 2, 'bbbb\ncccc\n']], 3, true])
})

test('behind a batch whose last records were compacted away', () => {
  const messages = batch('1', 0, ['a', 'b', 'c']).slice(0, 1)
  expect(new Fetched(part(messages, 9), 0, true).take(1000, BUFFER).next).toBe(3)
})

test('a batch of which nothing is left is passed offset by offset, but only where nothing else was asked for', () => {
  expect(new Fetched(part([], 9), 4, true).take(1000, BUFFER)).toMatchObject({ blocks: [], next: 5 })
  expect(new Fetched(part([], 9), 4, false).take(1000, BUFFER)).toMatchObject({ blocks: [], next: 4 })
  expect(new Fetched(part([], 4), 4, true).take(1000, BUFFER)).toMatchObject({ blocks: [], next: 4 })
})

test('there is room behind the blocks to write to', () => {
  const { bytes, blocks } = new Fetched(part(batch('1', 0, ['a']), 1), 0, true).take(1000, BUFFER)
  expect(bytes.length).toBeGreaterThanOrEqual(blocks[0].length + 4096)
})
