// packmill upgrade for a topology of one's own: its file was changed while a process lay dead.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { packmill, startPackmill } from './packmill-process.fake.ts'

let folder: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-upgrade-'))
  put('sums.ts', sums(1))
  put('rows.jsonl', Array.from({ length: 20 }, (_, n) => `${JSON.stringify({ key: 'a', n, at: n })}\n`).join(''))
  // Killed before any checkpoint: its epochs are computed again.
  const running = startPackmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--data', 'data', '--follow'])
  await running.says(/"sum":190/)
  running.child.kill('SIGKILL')
  await running.ended
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const put = (name: string, text: string) => writeFileSync(join(folder, name), text)
const run = (...args: string[]) => packmill(folder, ['run', 'sums.ts', '--data', 'data', ...args])
const upgrade = (...args: string[]) => packmill(folder, ['upgrade', ...args, '--topology', 'sums.ts', '--data', 'data'])
const lines = (out: string) => out.trim().split('\n').filter(Boolean)

const sums = (factor: number) => `
import { operator, source, topology } from 'packmill'
const sums = operator({
  name: 'sums',
  state: () => ({ sum: 0 }),
  onRecord(state, { n }: { key: string; n: number; at: number }) {
    state.sum += n * ${factor}
    return { sum: state.sum }
  },
})
interface Row { key: string; n: number; at: number }
export default topology('sums',
  source('rows', { parse: (value) => value as Row, timeMs: ({ at }) => at }).keyBy(({ key }) => key).apply(sums).to('out'))
`

test('a file that computes it otherwise does not start; the error has the commands for it', () => {
  put('sums.ts', sums(2))
  const refused = run()
  expect(refused.code).toBe(1)
  expect(refused.err).toMatch(/UPGRADE_DIVERGED/)
  expect(refused.err).toMatch(/packmill upgrade drain --topology sums\.ts/)
  expect(refused.err).toMatch(/packmill upgrade accept 0:\d+ --topology sums\.ts/)
  expect(refused.err).toMatch(/give the input to a new folder/)
  // One that only looks otherwise goes on.
  put('sums.ts', `${sums(1)}// a remark\n`)
  expect(run('--open')).toMatchObject({ code: 0, out: '' })
}, 60_000)

test('drain, with the file as it was; then the new one goes on from there', () => {
  const drained = upgrade('drain', '--json')
  expect([drained.code, drained.err, drained.out]).toEqual([0, '', '{\n  "drained": true\n}\n'])
  put('sums.ts', sums(2))
  put('more.jsonl', `${JSON.stringify({ key: 'a', n: 100, at: 50 })}\n`)
  const gone = run('--input', 'more.jsonl')
  expect([gone.code, lines(gone.out)], gone.err).toEqual([0, ['{"sum":390}']])
  expect(gone.err).not.toContain('again after a stop')
}, 60_000)

test('accept: what was published stays, the new one goes on from its own state', () => {
  cpSync(join(folder, 'data'), join(folder, 'copy'), { recursive: true })
  put('sums.ts', sums(2))
  const all = upgrade('accept', '--all')
  expect([all.code, all.err]).toEqual([0, ''])
  const published = lines(run('--all', '--open').out)
  expect(published.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, n) => JSON.stringify({ sum: (n * (n + 1)) / 2 })))
  const place = /accept (0:\d+)/.exec(packmill(folder, ['run', 'sums.ts', '--data', 'copy']).err)![1]!
  const named = packmill(folder, ['upgrade', 'accept', place, '--topology', 'sums.ts', '--data', 'copy'])
  expect([named.code, named.err]).toEqual([0, ''])
}, 60_000)

test('refuses a folder that is not there', () => {
  expect(packmill(folder, ['upgrade', 'drain', '--topology', 'sums.ts', '--data', 'nothing']).err).toContain('NO_DATA')
})
