// What describe says of a topology of one's own.
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lines, merge, operator, source, topology } from '../streams/index.ts'
import { packmill } from './packmill-process.fake.ts'
import { streamsDrawing } from './streams-drawing.ts'
import type { Drawing } from './topology-drawing.ts'

const example = (name: string) => join(import.meta.dirname, '..', 'examples', `${name}.ts`)
const any = { parse: (value: unknown) => value as { key: string } }

test('two sources, what is done with each, and the topic in which they meet', () => {
  const { code, out, err } = packmill('.', ['topology', 'describe', example('join'), '--json'])
  expect(code, err).toBe(0)
  const { nodes, edges, settings } = JSON.parse(out) as Drawing
  const id = (label: string) => nodes.find((node) => node.label === label)!.id
  const before = (label: string) =>
    edges.filter(({ to }) => to === id(label)).map(({ from }) => nodes.find((node) => node.id === from)!.label)
  expect(before('orders')).toEqual([])
  expect(before('join.orders-and-payments')).toEqual(['map', 'map'])
  expect(before('settled')).toEqual(['join.orders-and-payments'])
  expect(before('orders.settled')).toEqual(['settled'])
  expect(before('join.late')).toEqual(['orders', 'payments', 'join.orders-and-payments'])
  expect(nodes.find(({ label }) => label === 'settled')).toMatchObject({ kind: 'fold', remark: 'state per key, version 1, timers' })
  expect(settings).toEqual({
    orders: { allowedDisorderMs: 0, idleTimeoutMs: 30_000 },
    payments: { allowedDisorderMs: 0, idleTimeoutMs: 30_000 },
  })
}, 120_000)

test('every node has an id of its own, and every edge two nodes, also where names differ by a dot only', () => {
  const kept = operator({ name: 'kept', stateVersion: 3, state: () => ({}), onRecord: (_, record: { key: string }) => record })
  const a = source('a.b', any).keyBy(({ key }) => key)
  const other = source('a_b', any)
  const both = merge(
    'both',
    a,
    other.rekey(({ key }) => key),
  )
  const { nodes, edges } = streamsDrawing(topology('t', both.apply(kept).to('out'), lines('text').to('out')))
  const ids = nodes.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { from, to } of edges) expect([ids.includes(from), ids.includes(to)]).toEqual([true, true])
  expect(nodes.map(({ label }) => label)).toEqual(expect.arrayContaining(['a.b', 'a_b', 'text', 't.both', 't.rekey-1', 'kept', 'out']))
  expect(nodes.find(({ label }) => label === 'kept')!.remark).toBe('state per key, version 3')
})

test('a stream that two branches go on from is drawn once; a step has the name of its function', () => {
  const isLong = ({ key }: { key: string }) => key.length > 3
  const long = source('in', any).filter(isLong)
  const { nodes, edges } = streamsDrawing(topology('t', long.to('one'), long.map(({ key }) => key).to('two')))
  expect(nodes.filter(({ kind }) => kind === 'step')).toMatchObject([{ label: 'filter', remark: 'isLong' }, { label: 'map' }])
  expect(edges.filter(({ from }) => from === nodes.find(({ label }) => label === 'filter')!.id)).toHaveLength(2)
})

test('packmill topology describe FILE: text, JSON and Mermaid; not what happens in it, nor both forms at once', () => {
  const describe = (...args: string[]) => packmill('.', ['topology', 'describe', ...args])
  const text = describe(example('word-count'))
  expect(text.code, text.err).toBe(0)
  expect(text.out).toMatch(
    /^topology word-count\n\ntext +topic +source: lines of text\n├─ flatMap +step\n│ {2}└─ word-count\.rekey-1 +topic +by another key\n/,
  )
  const json = describe(example('word-count'), '--json')
  expect(JSON.parse(json.out)).toMatchObject({ name: 'word-count', settings: { text: { idleTimeoutMs: 30_000 } } })
  expect(describe(example('word-count'), '--mermaid').out).toMatch(
    /^flowchart LR\n {2}topic_text\(\["text<br\/>source: lines of text"\]\)\n/,
  )
  expect(describe(example('word-count'), '--live')).toMatchObject({ code: 2, err: expect.stringContaining('--live shows clickstream') })
  expect(describe('clickstream', '--json', '--mermaid')).toMatchObject({ code: 2, err: expect.stringContaining('exclude each other') })
  expect(describe('./none.ts')).toMatchObject({ code: 1, err: expect.stringContaining('TOPOLOGY_MISSING: ./none.ts is no file') })
}, 120_000)
