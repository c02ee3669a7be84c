// An input of a topology of one's own waits while its lane is further behind than log.backlogBytes, and goes on by itself.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '../../config/index.ts'
import { loadTopology } from '../../services/streams/load-topology.ts'
import { openStreams, type StreamsNotice } from '../../services/streams/open-streams.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-backlog-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const LINE_BYTES = 1000
const ROWS = 40_000

/** Slow, until the file is there. */
const gated = (gate: string) => `
import { existsSync } from 'node:fs'
import { operator, source, topology } from ${JSON.stringify(join(import.meta.dirname, '../../streams/index.ts'))}
let isOpen = false
const slow = operator({
  name: 'slow',
  state: () => ({ n: 0 }),
  onRecord(state) {
    // A thousand looks take longer than a thousand rows take to come.
    for (let look = 0; look < 1000 && !isOpen; look++) isOpen = existsSync(${JSON.stringify(gate)})
    state.n++
    return state.n % 10000 === 0 ? { n: state.n } : undefined
  },
})
export default topology('gated',
  source('rows', { parse: (value) => value as { n: number }, timeMs: ({ n }) => n }).keyBy(() => 'all').apply(slow).to('out'))
`

async function* rows(onRow: (n: number) => void) {
  for (let n = 0; n < ROWS; n += 1000) {
    onRow(n)
    yield Buffer.from(Array.from({ length: 1000 }, (_, i) => `${JSON.stringify({ n: n + i }).padEnd(LINE_BYTES - 1)}\n`).join(''))
  }
}

async function open(file: string, notices: StreamsNotice[], onNotice: (notice: StreamsNotice) => void) {
  const set = ['log.backlogBytes=16MB', 'engine.epochBytes=64KB']
  const { config } = loadConfig({ data: join(folder, 'data'), set, environment: {} })
  const topology = await loadTopology(file)
  const streams = await openStreams({
    ...{ file, topology, config, version: 'test', live: false, asked: { partitions: false, lanes: false } },
    onNotice: (notice) => {
      notices.push(notice)
      onNotice(notice)
    },
  })
  streams.run()
  return streams
}

test('and everything arrives', async () => {
  const gate = join(folder, 'gate')
  const file = join(folder, 'gated.ts')
  writeFileSync(file, gated(gate))
  const notices: StreamsNotice[] = []
  let read = 0
  let readWhenFull = 0
  const streams = await open(file, notices, ({ type }) => {
    if (type !== 'import-waiting') return
    readWhenFull = read
    writeFileSync(gate, '')
  })
  const { records } = await streams.append(
    streams.sources[0],
    rows((n) => (read = n)),
    'rows',
  )
  await streams.settle({ close: true })
  expect(records).toBe(ROWS)
  expect(notices.map(({ type }) => type)).toEqual(expect.arrayContaining(['import-waiting', 'import-resumed']))
  expect(notices.find(({ type }) => type === 'import-waiting')).toMatchObject({ error: { code: 'BACKLOG_FULL' } })
  expect(readWhenFull * LINE_BYTES).toBeLessThan(20 << 20)
  const out: string[] = []
  for await (const record of streams.records('out', [0])) out.push(record)
  expect(out).toEqual([1, 2, 3, 4].map((n) => JSON.stringify({ n: n * 10_000 })))
  await streams.stop()
}, 60_000)

test('and a stop ends the wait; what was read before is there, and the rest comes in the next time', async () => {
  const gate = join(folder, 'gate')
  const file = join(folder, 'gated.ts')
  writeFileSync(file, gated(gate))
  const stopping = new AbortController()
  const streams = await open(file, [], ({ type }) => {
    if (type === 'import-waiting') stopping.abort()
  })
  const appending = streams.append(
    streams.sources[0],
    rows(() => undefined),
    'rows',
    { signal: stopping.signal },
  )
  await expect(appending).rejects.toMatchObject({ code: 'STOPPED' })
  writeFileSync(gate, '')
  const { records, before } = await streams.append(
    streams.sources[0],
    rows(() => undefined),
    'rows',
  )
  expect(before).toBeGreaterThan(1000)
  expect(before + records).toBe(ROWS)
  await streams.stop()
}, 60_000)
