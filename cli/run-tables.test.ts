// packmill run into tables that the topology declares: each record is a row, once, whatever happens; and packmill sql asks them.
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { packmill, startPackmill } from './packmill-process.fake.ts'
import { tablesOf } from './tables-of.fake.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-tables-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const put = (name: string, text: string) => writeFileSync(join(folder, name), text)

/** A running sum per key; what of it goes into the table is the test's. */
const sums = (columns: string, more = '') => `
import { operator, source, topology } from 'packmill'
interface Row { key: string; n: number; at: number; note?: string }
const sums = operator({
  name: 'sums',
  state: () => ({ sum: 0 }),
  onRecord(state, { key, n, note }: Row, { timeMs }) {
    state.sum += n
    return { key, sum: state.sum, half: n / 2, at: timeMs, odd: n % 2 === 1, tags: [key, 'é'], note,
      least: note ? n : null, part: note ? n / 4 : null, seen: note ? timeMs : null, is: note ? n > 1 : null, ${more} }
  },
})
const rows = source('rows', { parse: (value) => value as Row, timeMs: ({ at }) => at })
export default topology('sums', rows.keyBy(({ key }) => key).apply(sums).to('out', { table: 'sums', columns: ${columns} }))
`
const row = (key: string, n: number, at: number, note?: string) => `${JSON.stringify({ key, n, at, note })}\n`
const DATA = '.packmill/run/sums'
const sql = (statement: string) => {
  const { code, out, err } = packmill(folder, ['sql', '--data', DATA, '--json', statement])
  expect(code, err).toBe(0)
  return JSON.parse(out) as Record<string, unknown>[]
}
const left = (statement: string, data = DATA) => tablesOf(join(folder, data), statement)

test('a row for each record, with all types; the same input again adds nothing, and what a file grew by is added', async () => {
  const columns = `{ key: 'word', sum: 'integer', half: 'number', at: 'time', odd: 'boolean', tags: 'text[]', note: 'text?',
    least: 'integer?', part: 'number?', seen: 'time?', is: 'boolean?' }`
  put('sums.ts', sums(columns))
  put('rows.jsonl', row('a', -1, 1_000) + row('b', 2, 2_500, 'hé'))
  const run = () => packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl'])
  const first = run()
  expect(first.code, first.err).toBe(0)
  // They are in the table, and not printed.
  expect(first.out).toBe('')
  expect(first.err).toContain('2 records in; 2 out (table sums) out')
  const place = { lineage: 'main', partition: 0 }
  const expected = [
    { key: 'a', sum: -1, half: -0.5, at: '1970-01-01 00:00:01.000', odd: false, tags: ['a', 'é'], note: null, offset: 0, ...place },
    { key: 'b', sum: 2, half: 1, at: '1970-01-01 00:00:02.500', odd: false, tags: ['b', 'é'], note: 'hé', offset: 1, ...place },
  ]
  const nulls = { least: null, part: null, seen: null, is: null }
  const values = { least: 2, part: 0.5, seen: '1970-01-01 00:00:02.500', is: true }
  // All digits, also where a number of JavaScript has fewer.
  expect(sql('SELECT 18446744073709551615 AS a, 9007199254740991 AS b, [9007199254740993] AS c, 1e18 AS d')).toEqual([
    { a: '18446744073709551615', b: 9_007_199_254_740_991, c: ['9007199254740993'], d: 1e18 },
  ])
  expect(sql('SELECT * FROM sums ORDER BY offset')).toEqual([
    { ...expected[0], ...nulls },
    { ...expected[1], ...values },
  ])
  expect(run().err).toContain('0 records in; 0 out (table sums) out')
  appendFileSync(join(folder, 'rows.jsonl'), row('a', 4, 3_000))
  expect(run().code).toBe(0)
  expect(await left('SELECT key, sum FROM sums ORDER BY offset')).toEqual([
    { key: 'a', sum: -1 },
    { key: 'b', sum: 2 },
    { key: 'a', sum: 3 },
  ])

  // Another form of the table is refused and changes nothing; under another name it gets everything from the beginning.
  put('sums.ts', sums(columns.replace("sum: 'integer'", "sum: 'number'").replace(", is: 'boolean?'", '')))
  const refused = run()
  expect(refused.code).toBe(1)
  expect(refused.err).toContain(
    'TARGET_TABLE_WRONG: table sums is there with other columns: sum is Int64, declared Float64; is is Nullable(Bool), and not declared',
  )
  expect(refused.err).toContain('Give the table another name')
  // The product's commands leave the folder alone.
  expect(packmill(folder, ['import', 'rows.jsonl', '--data', '.packmill/run/sums']).err).toMatch(
    /^DATA_TOPOLOGY: .*is the folder of topology sums/,
  )
  put('sums.ts', sums("{ key: 'text', sum: 'number' }").replace("table: 'sums'", "table: 'sums_2'"))
  expect(run().code).toBe(0)
  expect(
    await left('SELECT (SELECT count() FROM sums) AS before, (SELECT count() FROM sums_2) AS all, (SELECT sum(sum) FROM sums_2) AS total'),
  ).toEqual([{ before: 3, all: 3, total: 4 }])
}, 120_000)

test('kill -9 while batches are written, again and again: the table has each record once', async () => {
  const count = 30_000
  put('sums.ts', sums("{ key: 'text', sum: 'integer', at: 'time' }", "pad: 'x'.repeat(400)"))
  let text = ''
  // Long ones, so that there are many blocks, and small batches: there are many moments.
  const pad = 'x'.repeat(400)
  for (let n = 0; n < count; n++) text += `${JSON.stringify({ key: `k${n % 97}`, n: n % 10, at: n >> 2, pad })}\n`
  put('rows.jsonl', text)
  const staging = join(folder, 'killed', 'analytics', 'staging')
  const staged = () => {
    try {
      return readdirSync(staging)
    } catch {
      return []
    }
  }
  const args = [
    'run',
    'sums.ts',
    '--input',
    'rows.jsonl',
    '--data',
    'killed',
    '--set',
    'sink.batchBytes=65536',
    '--set',
    'engine.epochBytes=65536',
  ]
  let killed = 0
  // Where the first batch is being written; where a later one is; and in the middle of what the restart does.
  for (const batch of [1, 3, 1, 2]) {
    const running = startPackmill(folder, args)
    const timer = setInterval(() => {
      if (staged().some((name) => Number.parseInt(name, 10) >= batch)) running.child.kill('SIGKILL')
    }, 1)
    const { code } = await running.ended
    clearInterval(timer)
    if (code !== 0) killed++
  }
  expect(killed).toBeGreaterThan(0)
  const last = packmill(folder, args)
  expect(last.code, last.err).toBe(0)
  const totals = new Map<string, number>()
  const expected = Array.from({ length: count }, (_, n) => {
    const key = `k${n % 97}`
    totals.set(key, (totals.get(key) ?? 0) + (n % 10))
    return `${key} ${totals.get(key)}`
  })
  const found = await left("SELECT concat(key, ' ', toString(sum)) AS row FROM sums ORDER BY offset", 'killed')
  const rows = found.map(({ row }) => row)
  expect(rows).toEqual(expected)
  expect(rows).toHaveLength(count)
}, 240_000)

test('a record that does not fit stops the sink, by name and with what to do; nothing is lost', async () => {
  put('sums.ts', sums("{ key: 'text', half: 'integer' }"))
  put('rows.jsonl', row('a', 2, 1) + row('a', 3, 2))
  const run = () => packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl'])
  const { code, err } = run()
  expect(code).toBe(1)
  expect(err).toContain('a record between 0 and 2 of partition 0 does not fit sums: 1.5 is no integer of 8 bytes')
  expect(err).toContain('give the table another name')
  put('sums.ts', sums("{ key: 'text', half: 'number' }").replace("table: 'sums'", "table: 'sums_2'"))
  expect(run().code).toBe(0)
  expect(await left('SELECT half FROM sums_2 ORDER BY offset')).toEqual([{ half: 1 }, { half: 1.5 }])
}, 120_000)
