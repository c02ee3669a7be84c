// packmill run as its users meet it: a file of theirs, a process, kill -9, a change while it runs.
import { appendFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { packmill, startPackmill } from './packmill-process.fake.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-run-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const examples = join(import.meta.dirname, '..', 'examples')
const put = (name: string, text: string) => writeFileSync(join(folder, name), text)
const recordsOf = (out: string) => out.trim().split('\n').filter(Boolean)
/** What can be read of all that was ever put out. */
const everything = (...args: string[]) => recordsOf(packmill(folder, ['run', ...args, '--all']).out)

/** A running sum per key, and when a key has been quiet for 10 ms. */
const sums = (version = 1, field = 'sum', migrate = '') => `
import { operator, source, topology } from 'packmill'
const sums = operator({
  name: 'sums',
  stateVersion: ${version},
  state: () => ({ ${field}: 0, lastMs: 0 }),
  onRecord(state, record: { key: string; n: number; at: number }, { timeMs }) {
    if (record.n === 13) throw new RangeError('thirteen')
    state.${field} += record.n
    state.lastMs = timeMs
    return { key: record.key, ${field}: state.${field} }
  },
  nextTimerMs: ({ lastMs }) => lastMs + 10,
  onTimer(state, at) {
    at.forget()
    return { key: at.key, quietMs: at.timeMs }
  },
  ${migrate}
})
interface Row { key: string; n: number; at: number }
export default topology('sums',
  source('rows', { parse: (value) => value as Row, timeMs: ({ at }) => at, allowedDisorderMs: 2 })
    .keyBy(({ key }) => key).apply(sums).to('out'))
`
const row = (key: string, n: number, at: number) => `${JSON.stringify({ key, n, at })}\n`

test('results on stdout; the rest says what happened; the same input again adds nothing, and what a file grew by is read', () => {
  put('sums.ts', sums())
  put('rows.jsonl', row('a', 1, 1) + row('b', 2, 2) + row('b', 13, 2) + row('a', 3, 30) + row('a', 1, 4) + row('a', 1, 1).slice(5))
  const run = (...args: string[]) => packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', ...args])
  const first = run('--open')
  expect(first.code, first.err).toBe(0)
  expect(recordsOf(first.out)).toEqual([
    '{"key":"a","sum":1}',
    '{"key":"b","sum":2}',
    '{"key":"a","quietMs":11}',
    '{"key":"b","quietMs":12}',
  ])
  expect(first.err).toContain('dead letter (OPERATOR_THREW, rows): RangeError: thirteen: {"key":"b","n":13,"at":2}')
  expect(first.err).toContain('dead letter (INVALID, rows): SyntaxError')
  expect(first.err).toContain('late: its time 4 is before the watermark 28 of rows: {"key":"a","n":1,"at":4}')
  expect(first.err).toContain('6 records in; 4 out, 1 sums.late, 2 sums.dlq out; 1 wait for the watermark')
  expect(run('--open')).toMatchObject({ code: 0, out: '', err: '0 records in; 0 out out; 1 wait for the watermark\n' })
  appendFileSync(join(folder, 'rows.jsonl'), row('a', 4, 31))
  expect(recordsOf(run().out)).toEqual(['{"key":"a","sum":3}', '{"key":"a","sum":7}', '{"key":"a","quietMs":41}'])
  put('rows.jsonl', row('a', 2, 1).repeat(20))
  expect(run().err).toContain('INPUT_CHANGED')
})

test('a file that is being written: a text line without its end waits and says so, a JSON record is taken; all count once when it has grown', () => {
  cpSync(join(examples, 'word-count.ts'), join(folder, 'words.ts'))
  const words = (text: string) => {
    put('words.txt', text)
    const { code, out, err } = packmill(folder, ['run', 'words.ts', '--input', 'words.txt'])
    expect(code, err).toBe(0)
    return [recordsOf(out).length, /bytes wait/.test(err)]
  }
  expect(words('one two thr')).toEqual([0, true])
  expect(words('one two three\nfour')).toEqual([3, true])
  expect(words('one two three\nfour')).toEqual([0, true])
  expect(words('one two three\nfour\n')).toEqual([1, false])

  put('sums.ts', sums())
  const all = row('a', 1, 1) + row('a', 2, 2) + row('a', 3, 3)
  const found: string[] = []
  let waited = 0
  // A half, a whole without its newline, with it, and the same again.
  for (const end of [
    row('a', 1, 1).length + 10,
    2 * row('a', 1, 1).length - 1,
    2 * row('a', 1, 1).length,
    all.length - 1,
    all.length - 1,
    all.length,
  ]) {
    put('rows.jsonl', all.slice(0, end))
    const { code, out, err } = packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--open'])
    expect(code, err).toBe(0)
    expect(err).not.toContain('dlq')
    if (err.includes('rows.jsonl: the last line has no end yet: 10 bytes wait; end it with a newline')) waited++
    found.push(...recordsOf(out))
  }
  found.push(...recordsOf(packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl']).out))
  expect([found.filter((record) => record.includes('sum')), waited]).toEqual([[1, 3, 6].map((sum) => `{"key":"a","sum":${sum}}`), 1])
  put('rows.jsonl', `${all}${row('a', 4, 4).slice(0, -1)}`)
  packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--open'])
  put('rows.jsonl', `${all}${row('a', 4, 4).slice(0, -1)}, 5]\n`)
  expect(packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--open']).err).toContain('is a longer one now')
  put('rows.jsonl', all.slice(0, -1))
  expect(packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl']).err).toContain('INPUT_CHANGED')
}, 60_000)

test('keys that a later run loads keep their states apart, also where its first epoch is computed again', () => {
  put('sums.ts', sums())
  const keys = Array.from({ length: 20 }, (_, i) => `k${i}`)
  const sum = (key: string, n: number) => `{"key":"${key}","sum":${n}}`
  put('rows.jsonl', `${keys.map((key, i) => row(key, 100 * i, 1)).join('')}${row('last', 0, 4)}`)
  const first = packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--open'])
  expect(recordsOf(first.out)).toEqual(keys.map((key, i) => sum(key, 100 * i)))
  appendFileSync(join(folder, 'rows.jsonl'), `${keys.map((key) => row(key, 1, 5)).join('')}${row('k0', 13, 5)}`)
  const second = packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl'])
  expect(recordsOf(second.out).slice(0, 21)).toEqual([sum('last', 0), ...keys.map((key, i) => sum(key, 100 * i + 1))])
}, 30_000)

test('kill -9 in the middle, again and again: what is there in the end is what is there without', async () => {
  put('sums.ts', sums())
  const count = 12_000
  const pad = 'x'.repeat(400)
  let text = ''
  for (let n = 0; n < count; n++) text += `${JSON.stringify({ key: `k${(n * 7919) % 997}`, n: n % 100, at: n >> 2, pad })}\n`
  put('rows.jsonl', text)
  const whole = packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--data', 'whole'])
  expect(whole.code, whole.err).toBe(0)
  expect(recordsOf(whole.out).length).toBeGreaterThan(count)
  const settings = ['--set', 'engine.epochBytes=65536', '--set', 'engine.checkpointBytes=1048576']
  let recovered = 0
  // Whether a kill comes before all is done is the machine's to say.
  for (let attempt = 0; recovered === 0 && attempt < 5; attempt++) {
    const data = `killed-${attempt}`
    // Early, and where a checkpoint and epochs after it are there already.
    for (const seen of [/"sum":/, /"quietMs":9\d\d\}/, /"quietMs":19\d\d\}/]) {
      const args = ['run', 'sums.ts', '--input', 'rows.jsonl', '--data', data, ...settings]
      const running = startPackmill(folder, args)
      // A later round may find everything done.
      await Promise.race([running.says(seen).catch(() => undefined), running.ended])
      running.child.kill('SIGKILL')
      if (/computing \d+ epochs again/.test((await running.ended).err)) recovered++
    }
    const last = packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--data', data, '--quiet', ...settings])
    expect(last.code, last.err).toBe(0)
    expect(everything('sums.ts', '--data', data)).toEqual(recordsOf(whole.out))
  }
  expect(recovered).toBeGreaterThan(0)
}, 120_000)

test('--out: each result is in the file once, also where kill -9 came between writing and counting', async () => {
  put('sums.ts', sums())
  const pad = 'x'.repeat(400)
  const rows = Array.from({ length: 8000 }, (_, n) => `${JSON.stringify({ key: `k${n % 31}`, n: n % 10, at: n >> 3, pad })}\n`)
  put('rows.jsonl', rows.join(''))
  const whole = packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--data', 'whole'])
  const args = ['run', 'sums.ts', '--input', 'rows.jsonl', '--data', 'killed', '--out', 'out.jsonl', '--set', 'engine.epochBytes=65536']
  for (const size of [1, 30_000, 90_000]) {
    const running = startPackmill(folder, args)
    const timer = setInterval(() => {
      if (existsSync(join(folder, 'out.jsonl')) && statSync(join(folder, 'out.jsonl')).size >= size) running.child.kill('SIGKILL')
    }, 1)
    await running.ended
    clearInterval(timer)
    // Half a line, as a power loss would leave it.
    appendFileSync(join(folder, 'out.jsonl'), '{"key":"k')
  }
  const last = packmill(folder, args)
  expect(last.code, last.err).toBe(0)
  expect(last.out).toBe('')
  expect(readFileSync(join(folder, 'out.jsonl'), 'utf8')).toBe(whole.out)
  put('other.jsonl', 'mine\n')
  expect(packmill(folder, ['run', 'sums.ts', '--data', 'killed', '--out', 'other.jsonl']).err).toContain('OUT_EXISTS')
  put('out.jsonl', '')
  expect(packmill(folder, args).err).toContain('OUT_CHANGED')
}, 120_000)

test('--watch starts it again when its file changes, and keeps its state', async () => {
  put('sums.ts', sums())
  put('rows.jsonl', row('a', 1, 1) + row('a', 2, 3))
  const running = startPackmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--watch'])
  await running.says(/"sum":1/)
  // A mistake first: it waits for the next change.
  put('sums.ts', 'export default nothing')
  await running.says(/TOPOLOGY_BROKEN[\s\S]*waiting for a change/)
  appendFileSync(join(folder, 'rows.jsonl'), row('a', 4, 5) + row('b', 0, 7))
  put('sums.ts', sums(2, 'total', 'migrate: (old) => ({ total: (old as { sum: number }).sum * 100, lastMs: 0 }),'))
  await running.says(/"key":"a","total":/)
  await running.says(/"total":106/)
  running.child.kill('SIGTERM')
  expect((await running.ended).code).toBe(0)
}, 60_000)

test('how far a long input is, on stderr; stdout has nothing but results', async () => {
  put('sums.ts', sums())
  const running = startPackmill(folder, ['run', 'sums.ts', '--input', '-', '--open', '--out', 'out.jsonl'])
  const input = running.child.stdin!
  let rows = 0
  const writing = setInterval(() => input.write(row('a', 1, ++rows)), 20)
  await running.says(/^read stdin {2}[\d,]+ records {2}[\d,]+\/s$/m).finally(() => clearInterval(writing))
  input.end()
  const { code, out, err } = await running.ended
  expect([code, out]).toEqual([0, ''])
  const count = rows.toLocaleString('en-US')
  expect(err).toContain(`read stdin  ${count} records in `)
  expect(err).toContain(`\n${count} records in; `)
})

test('the example of a join forgets each order: paid, unpaid after a day, and a payment whose order never comes', () => {
  cpSync(join(examples, 'join.ts'), join(folder, 'join.ts'))
  const at = 1_750_000_000_000
  const line = (record: object) => `${JSON.stringify(record)}\n`
  put('o.jsonl', line({ orderId: 'paid', user: 'ann', cents: 5, at }) + line({ orderId: 'unpaid', user: 'bob', cents: 5, at }))
  put('p.jsonl', ['paid', 'never', 'never'].map((orderId, i) => line({ paymentId: `${i}`, orderId, cents: 5, paidAt: at + i })).join(''))
  const { code, out, err } = packmill(folder, ['run', 'join.ts', '--input', 'orders=o.jsonl', '--input', 'payments=p.jsonl'])
  expect(code, err).toBe(0)
  expect(recordsOf(out)).toEqual([
    '{"orderId":"paid","user":"ann","status":"paid","afterMs":0}',
    '{"orderId":"unpaid","user":"bob","status":"unpaid","afterMs":86400000}',
    '{"orderId":"never","user":"","status":"no order","afterMs":86400000}',
  ])
  const state = packmill(folder, ['state', 'ls', '--count', '--json', '--data', join('.packmill', 'run', 'join')])
  const counts = (JSON.parse(state.out) as { count: number }[]).map(({ count }) => count)
  expect(Math.max(...counts), state.err).toBe(0)
})

describe('refuses, with what to do', () => {
  test('a state of a version that it does not know, by the operator’s name', () => {
    put('sums.ts', sums(2))
    put('rows.jsonl', row('a', 1, 1))
    expect(packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--open']).code).toBe(0)
    put('sums.ts', sums(1))
    const { code, err } = packmill(folder, ['run', 'sums.ts'])
    expect(code).toBe(1)
    expect(err).toContain('STATE_VERSION_UNKNOWN: the state of operator sums is of stateVersion 2, this sums has stateVersion 1')
  })

  test('more lanes for what goes through a topic of its own', () => {
    const { code, err } = packmill(folder, ['run', join(examples, 'word-count.ts'), '--set', 'log.partitions=4'])
    expect(code).toBe(1)
    expect(err).toContain('TOPOLOGY_ONE_LANE: topology word-count has a rekey or a merge (word-count.rekey-1)')
  })

  test('a record that keeps an operator for ever: where it will be is said, as `packmill dlq` is for the product', async () => {
    put('sums.ts', sums().replace("throw new RangeError('thirteen')", 'for (;;) {}'))
    put('rows.jsonl', row('a', 13, 1) + row('a', 1, 20))
    const running = startPackmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--set', 'engine.stallMs=1s'])
    await running.says(/LANE_STALLED: .*\n.* becomes a dead letter \(topic sums\.dlq\)/)
    running.child.kill('SIGKILL')
    await running.ended
  })

  test('a partition that keeps stalling is stopped after its restarts, and no thread that is slow to start is taken for the one before', () => {
    const waits = sums()
      .replace("throw new RangeError('thirteen')", 'for (;;) {}')
      .replace('allowedDisorderMs: 2', 'allowedDisorderMs: 1000')
    put('sums.ts', waits)
    put('rows.jsonl', row('a', 13, 1))
    const { code, err } = packmill(folder, [
      ...['run', 'sums.ts', '--input', 'rows.jsonl'],
      ...['--set', 'engine.stallMs=300ms', '--set', 'engine.restartsMax=3'],
    ])
    expect(code, err).toBe(1)
    expect(err).toContain('PARTITION_RESTARTS')
    expect(err).toContain('has ended its thread 3 times')
    expect(err.match(/LANE_STALLED/g)!.length).toBeLessThanOrEqual(3)
  })

  test('--out for a topic that there is not: no file is made, unless its path says that it is one', () => {
    put('sums.ts', sums())
    put('rows.jsonl', row('a', 1, 1))
    const out = (text: string) => packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--out', text])
    const mistyped = out('oot=x.jsonl')
    expect([mistyped.code, mistyped.out]).toEqual([1, ''])
    expect(mistyped.err).toMatch(
      /^OUT_TOPIC: oot=x\.jsonl is for which topic\? None is called oot\.\n {2}.*the results are out\. .*\.\/oot=x/m,
    )
    expect(existsSync(join(folder, 'oot=x.jsonl'))).toBe(false)
    expect(out('./oot=x.jsonl').code).toBe(0)
    expect(readFileSync(join(folder, 'oot=x.jsonl'), 'utf8')).toContain('"sum":1')
  })

  test('a file that is none, that breaks, that exports nothing, and input for nobody', () => {
    put('broken.ts', 'throw new Error("broken")')
    put('nothing.ts', 'export const x = 1')
    put('unknown.ts', 'import "constructor"')
    expect(packmill(folder, ['run', 'none.ts']).err).toContain('TOPOLOGY_MISSING: none.ts is no file')
    expect(packmill(folder, ['run', 'broken.ts']).err).toContain('TOPOLOGY_BROKEN: broken.ts: broken')
    expect(packmill(folder, ['run', 'unknown.ts']).err).toContain("TOPOLOGY_BROKEN: unknown.ts: Cannot find package 'constructor'")
    expect(packmill(folder, ['run', 'nothing.ts']).err).toContain('TOPOLOGY_NONE: nothing.ts exports no topology')
    expect(packmill(folder, ['run', join(examples, 'join.ts'), '--input', 'x']).err).toContain('its sources are orders, payments')
  })
})

test('several lanes and partitions for a topology that uses the key of its source', () => {
  put('sums.ts', sums())
  const rows = Array.from({ length: 400 }, (_, n) => row(`k${n % 13}`, n % 7, n))
  put('rows.jsonl', rows.join(''))
  const args = ['run', 'sums.ts', '--input', 'rows.jsonl']
  const one = packmill(folder, [...args, '--data', 'one'])
  const many = packmill(folder, [...args, '--data', 'many', '--set', 'log.partitions=4', '--set', 'engine.lanes=2'])
  expect(many.code, many.err).toBe(0)
  const perKey = (out: string) =>
    recordsOf(out).sort((a, b) => (a.split(',')[0]! < b.split(',')[0]! ? -1 : a.split(',')[0] === b.split(',')[0] ? 0 : 1))
  const sumsOnly = (out: string) => perKey(out).filter((record) => record.includes('sum'))
  expect(sumsOnly(many.out)).toEqual(sumsOnly(one.out))
  expect(sumsOnly(many.out)).toHaveLength(400)
})

test('stdin, and lines that go on: results come while it runs', async () => {
  cpSync(join(examples, 'word-count.ts'), join(folder, 'words.ts'))
  const running = startPackmill(folder, ['run', 'words.ts', '--input', '-', '--follow'])
  running.child.stdin!.write('to be or not\n')
  await running.says(/"word":"not","count":1/)
  running.child.stdin!.end('to be\n')
  await running.says(/"word":"be","count":2/)
  running.child.kill('SIGINT')
  const { code, out } = await running.ended
  expect(code).toBe(0)
  expect(recordsOf(out)).toHaveLength(6)
  expect(readFileSync(join(folder, 'words.ts'), 'utf8')).toContain("from 'packmill'")
}, 60_000)
