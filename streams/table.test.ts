// What a topology's file may say of tables. That rows get there, once, is cli/run-tables.test.ts.
import { expect, test } from 'vitest'
import { type Columns, source, topology } from './index.ts'

interface Row {
  name: string
  count: number
  at: number
  paid: boolean
  note?: string
  score: number | null
  tags: string[]
  lineage: string
}
const rows = source('rows', { parse: (value) => value as Row })
const into = (table: string, columns: Columns<Row>, topic = 'out') => rows.to(topic, { table, columns })

test('each type fits what a record has, and a field that may be absent wants a question mark', () => {
  const columns: Columns<Row> = {
    name: 'word',
    count: 'integer',
    at: 'time',
    paid: 'boolean',
    note: 'text?',
    score: 'number?',
    tags: 'text[]',
  }
  expect(topology('t', into('fits', columns)).branches).toMatchObject([{ topic: 'out', table: { name: 'fits', columns } }])
  // What TypeScript refuses: none of these lines is run.
  const wrong = () => [
    // @ts-expect-error a number is no text
    into('t', { count: 'text' }),
    // @ts-expect-error a text is no time
    into('t', { name: 'time' }),
    // @ts-expect-error it may be absent
    into('t', { note: 'text' }),
    // @ts-expect-error it may be null
    into('t', { score: 'number' }),
    // @ts-expect-error there is no such field
    into('t', { nmae: 'text' }),
  ]
  expect(wrong).toBeTypeOf('function')
})

test.each<[string, () => unknown, string]>([
  ['a name that SQL would have to quote', () => into('my-table', { name: 'text' }), 'table my-table: its name may have letters'],
  ['no columns', () => into('t', {}), 'table t: it has no columns'],
  ['a column of the record’s place', () => into('t', { lineage: 'text' }), 'every table has a column lineage'],
  ['a type that there is not', () => into('t', { name: 'varchar' as 'text' }), 'name has type varchar; there are text, word, integer'],
])('%s is refused, by the table’s name', (_, branch, message) => {
  expect(() => topology('t', branch() as ReturnType<typeof into>)).toThrow(message)
})

test('one table for a topic, one topic for a table', () => {
  const columns = { name: 'text' } as const
  expect(() => topology('t', into('a', columns, 'x'), into('a', columns, 'y'))).toThrow('table a: it is declared twice')
  expect(() => topology('t', into('a', columns), rows.filter(Boolean).to('out', { table: 'b', columns }))).toThrow(
    'out goes into a already',
  )
  expect(topology('t', into('a', columns, 'x'), into('b', columns, 'y'), rows.to('z')).branches).toHaveLength(3)
})
