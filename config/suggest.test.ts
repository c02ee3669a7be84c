import { expect, test } from 'vitest'
import { suggest } from './suggest.ts'

const known = ['clickstream.gapMs', 'clickstream.rage.clicks', 'log.partitions', 'data']

test.each([
  ['clickstream.gapms', 'clickstream.gapMs'],
  ['clickstream.gap', 'clickstream.gapMs'],
  ['clickstream.rage.click', 'clickstream.rage.clicks'],
  ['gapMs', 'clickstream.gapMs'],
  ['log.partition', 'log.partitions'],
  ['dat', 'data'],
  ['something else entirely', undefined],
  ['', undefined],
])('%s: %s', (typed, expected) => {
  expect(suggest(typed, known)).toBe(expected)
})
