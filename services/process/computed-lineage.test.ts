import { describe, expect, test } from 'vitest'
import { Names } from '../../stores/kafka/names.ts'
import { isOf, isReserved, newestComputed, nextComputed, ownStageName, productStage, stageOf } from './computed-lineage.ts'

test('after each reset the next name', () => {
  expect(['main', 'main-2', 'main-9'].map((computed) => nextComputed('main', computed))).toEqual(['main-2', 'main-3', 'main-10'])
  expect(nextComputed('gap-x', 'gap-x')).toBe('gap-x-2')
  expect(['main', 'main-2', 'main-x', 'mainz', 'main-', 'wide', ''].filter((name) => isOf('main', name))).toEqual(['main', 'main-2'])
  expect(['gap20', 'gap-20', 'main-2', 'x'].filter(isReserved)).toEqual(['gap-20', 'main-2'])
})

test('a topology of one’s own has no name of the product’s, nor that of another whose dots are elsewhere', () => {
  const named = (name: string, topic: string) => stageOf('main', { name: ownStageName(name), topic })
  expect(named('clickstream', 'events.raw')).not.toBe(stageOf('main', productStage('clickstream')))
  expect(named('a.b', 'c')).not.toBe(named('a', 'b.c'))
})

describe('on brokers the newest one that has a topic of receipts is computed', () => {
  const names = new Names({ topicPrefix: 'eu.', namespace: 'eu.packmill' })
  const receipts = (lineage: string) => `eu.packmill.receipts.task.${lineage}.clickstream.events.raw`
  const newest = (...topics: string[]) => newestComputed('main', productStage('clickstream'), topics, names)

  test.each([
    ['none', [], undefined],
    ['by number, not by its letters', [receipts('main-9'), receipts('main'), receipts('main-10')], 'main-10'],
    ['other lineages are others', [receipts('main'), receipts('wide'), receipts('main-wide'), receipts('wide-3')], 'main'],
    [
      'state, imports, other topologies and prefixes say nothing',
      [
        receipts('main'),
        'eu.packmill.state.task.main-2.clickstream.events.raw',
        'eu.packmill.receipts.import.main-2.x',
        'eu.packmill.receipts.task.main-2.other.events.raw',
        'packmill.receipts.task.main-2.clickstream.events.raw',
      ],
      'main',
    ],
  ])('%s', (_, topics, expected) => {
    expect(newest(...topics)).toBe(expected)
  })
})
