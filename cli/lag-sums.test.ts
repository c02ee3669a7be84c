import { expect, test } from 'vitest'
import { lagSums } from './lag-sums.ts'

const lag = (consumer: string, partition: number, position: number, oldestMs?: number) => ({
  ...{ kind: 'sink' as const, consumer, topic: 'in', partition, position, end: 10 },
  ...{ records: 10 - position, bytes: (10 - position) * 100, ...(oldestMs === undefined ? {} : { oldestMs }) },
})

test('a line for each consumer, its sums and its oldest age; below it the partitions that are behind, or all', () => {
  const found = [lag('a', 0, 10), lag('a', 1, 7, 5_000), lag('a', 2, 9, 800), lag('b', 4, 3)]
  const total = { consumer: 'a', topic: 'in', partition: '0–2', position: 26, end: 30, records: 4, bytes: 400, oldestMs: 5_000 }
  expect(lagSums(found, false)).toEqual([
    total,
    expect.objectContaining({ consumer: 'a', partition: '  1', records: 3, oldestMs: 5_000 }),
    expect.objectContaining({ consumer: 'a', partition: '  2', records: 1, oldestMs: 800 }),
    expect.objectContaining({ consumer: 'b', partition: '4', records: 7 }),
  ])
  expect(lagSums(found, true).map(({ consumer, partition }) => [consumer, partition])).toEqual([
    ['a', '0–2'],
    ['a', '  0'],
    ['a', '  1'],
    ['a', '  2'],
    ['b', '4'],
  ])
})
