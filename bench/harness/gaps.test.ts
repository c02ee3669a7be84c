import { expect, test } from 'vitest'
import { gapsOf, told } from './gaps.ts'

const lengths = (...given: Parameters<typeof gapsOf>) => gapsOf(...given).map(({ fromMs, toMs }) => toMs - fromMs)

test('a gap is from one commit to the next while there is input; where it comes later, from then on', () => {
  const input = [
    [0, 10],
    [5, 20],
    [90, 30],
  ] as const
  const commits = [
    [3, 10],
    [8, 20],
    [100, 30],
  ] as const
  expect(lengths(commits, input)).toEqual([3, 10])
})

test('several commits of what has come at once have each its gap; one without input has none', () => {
  expect(
    lengths(
      [
        [1, 10],
        [4, 20],
        [9, 30],
        [50, 30],
      ],
      [[0, 30]],
    ),
  ).toEqual([3, 5])
})

test('what is told of none is nothing', () => {
  expect(told([])).toEqual({ longest: 0, p99: 0, count: 0 })
  expect(told([3, 1, 2])).toEqual({ longest: 3, p99: 3, count: 3 })
})
