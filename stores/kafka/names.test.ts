import { expect, test } from 'vitest'
import { Names } from './names.ts'

test.each([
  ['task.main.clickstream.events.raw.3', 'packmill.receipts.task.main.clickstream.events.raw', 3],
  ['task.main.clickstream.events.raw.12', 'packmill.receipts.task.main.clickstream.events.raw', 12],
  ['sink.main.table.events.raw', 'packmill.receipts.sink.main.table.events.raw', 0],
  ['import ü', 'packmill.receipts.import_20__fc_', 0],
  ['a_b', 'packmill.receipts.a__b', 0],
])('the receipts of %s are in %s/%i', (name, topic, partition) => {
  expect(new Names({}).receipts(name)).toEqual({ topic, partition })
})

test('two names never share a topic and partition', () => {
  const names = ['a', 'a_', 'a_20_', 'a ', 'a.0', 'a.1', 'a.b', 'a_b', 'a-b', 'a/b', 'a_2f_b']
  const places = names.map((name) => Object.values(new Names({}).receipts(name)).join('/'))
  // `a` and `a.0` do: a stage and its first task, which are never both claimed.
  expect(new Set(places.filter((_, i) => names[i] !== 'a')).size).toBe(names.length - 1)
})

test('prefix and namespace stand before what is theirs', () => {
  const names = new Names({ topicPrefix: 'eu.', namespace: 'pm' })
  expect(names.data({ topic: 'events.raw', partition: 2 })).toEqual({ topic: 'eu.events.raw', partition: 2 })
  expect(names.state('task.main.0').topic).toBe('pm.state.task.main')
  expect(names.transactionalId('task.main.0', 'log')).toBe('pm.task.main.0.log')
  expect(names.group('task.main.0')).toBe('pm.task.main')
  expect(names.members('task.main')).toBe('pm.members.task.main')
})

test('whose a topic or a group of ours is', () => {
  const names = new Names({ topicPrefix: 'eu.', namespace: 'pm' })
  const main = { kind: 'task', lineage: 'main', of: 'x' }
  expect([names.receipts('task.main.x.0').topic, names.state('task.main.x.0').topic].map((topic) => names.ownOf(topic))).toEqual([
    main,
    main,
  ])
  expect(names.ownOf('pm.receipts.import.wide.file')).toEqual({ kind: 'import', lineage: 'wide', of: 'file' })
  expect([names.group('task.main.x.0'), names.members('task.main.x')].map((group) => names.groupOf(group))).toEqual([main, main])
  expect(['eu.events.raw', 'other.receipts.task.main.x', 'pm.receiptsx'].map((topic) => names.ownOf(topic))).toEqual([
    undefined,
    undefined,
    undefined,
  ])
  expect(names.groupOf('other.task.main')).toBeUndefined()
})
