// Operators that end their thread, or never come back: the real process finds the record, and the rest is as if it had never been there.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import type { Notice } from '../../services/process/embedded.ts'
import { deadLetters, differences, eventsOf, harmful, importEvents, newFolder, openWith, type Supervised } from './supervised.ts'

const codeOf = (error: Error) => (error as Error & { code?: string }).code
const restarts = (notices: readonly Notice[]) => notices.flatMap((notice) => (notice.type === 'lane-restarted' ? [notice] : []))
const folders: ReturnType<typeof newFolder>[] = []
const opened: Supervised[] = []
afterEach(async () => {
  for (const { embedded } of opened.splice(0)) await embedded.stop().catch(() => undefined)
  for (const { remove } of folders.splice(0)) remove()
})
async function open(...[topology, more]: [Parameters<typeof openWith>[0], Parameters<typeof openWith>[2]?]): Promise<Supervised> {
  const folder = newFolder()
  folders.push(folder)
  const supervised = await openWith(topology, folder.data, more)
  opened.push(supervised)
  return supervised
}

test.each([
  // It is waited for once for each thread.
  {
    name: 'a loop',
    element: '#loop',
    set: ['engine.stallMs=1s'],
    code: 'LANE_STALLED',
    said: /did not come back for 1 s, in an epoch of \d+ records/,
  },
  { name: 'an exit', element: '#exit', set: [], code: 'LANE_DIED', said: /3/ },
])(
  '$name costs a few threads and one record: the others are computed as if it were not there',
  async ({ element, set, code, said }) => {
    const supervised = await open('planted', { set })
    const { embedded, notices } = supervised
    const events = eventsOf(1200)
    events.splice(800, 0, harmful(events[800], element, 0))
    await importEvents(embedded, events)
    await embedded.settle({ snapshots: true, close: false })
    expect((await deadLetters(embedded)).map(({ code, eventId }) => [code, eventId])).toEqual([['PROCESS_KILLED', `${element}-0`]])
    expect(await differences(supervised)).toEqual([])
    const told = restarts(notices)
    expect(new Set(told.map(({ error }) => codeOf(error)))).toEqual(new Set([code]))
    expect(told.map(({ error }) => error.message).join()).toMatch(said)
    // By ever smaller epochs; alone twice.
    expect(told.length).toBeGreaterThan(2)
    expect(told.length).toBeLessThanOrEqual(8)
    expect(notices.filter(({ type }) => type === 'partition-stopped')).toEqual([])
  },
  240_000,
)

test('a full heap costs a few threads, or processes, and one record', () => {
  const folder = newFolder()
  folders.push(folder)
  const child = () => spawnSync(process.execPath, [join(import.meta.dirname, 'full-heap-child.ts'), folder.data], { encoding: 'utf8' })
  let ran = child()
  let ended = 0
  // Started again, as whoever looks after a process does. By ever smaller epochs; alone twice.
  for (; ran.status !== 0 && ended < 20; ended++, ran = child()) expect(ran.stderr).toMatch(/heap out of memory/)
  const { dead, differences, notices, died } = JSON.parse(ran.stdout) as Record<string, string[]>
  expect(dead).toEqual([['PROCESS_KILLED', '#memory-0']])
  expect(differences).toEqual([])
  for (const message of died) expect(message).toMatch(/memory/)
  expect(ended + died.length).toBeGreaterThan(2)
  expect(notices).not.toContain('partition-stopped')
}, 240_000)

test('a partition that ends its thread too often is stopped and says what to do; the other goes on, and after a fix so does this one', async () => {
  const supervised = await open('planted', { set: ['engine.restartsMax=3'] })
  const { embedded, notices, config } = supervised
  const events = eventsOf(1200)
  const at = 600
  events.splice(at, 0, harmful(events[at], '#exit', 0))
  await importEvents(embedded, events)
  await expect(embedded.settle({ snapshots: true, close: false })).rejects.toMatchObject({ code: 'PARTITION_RESTARTS' })
  const stopped = notices.flatMap((notice) => (notice.type === 'partition-stopped' ? [notice] : []))
  expect(stopped).toMatchObject([
    { error: { code: 'PARTITION_RESTARTS', message: expect.stringMatching(/has ended its thread 3 times within an hour/), advice: /log/ } },
  ])
  expect(restarts(notices).length).toBe(2)
  const other = 1 - stopped[0].partition
  // Once the thread that goes on without it has recovered.
  await vi.waitFor(async () => {
    const { tasks, ends } = await embedded.stats()
    expect(tasks.map(({ partition, position }) => [partition, position])).toEqual([[other, ends['events.raw'][other]]])
  }, 30_000)
  await expect(embedded.settle({ snapshots: false, close: false })).rejects.toMatchObject({ code: 'PARTITION_STOPPED' })
  await embedded.stop()
  opened.splice(0)
  const mended = await openWith('mended', config.data)
  opened.push(mended)
  await mended.embedded.settle({ snapshots: true, close: false })
  expect(await deadLetters(mended.embedded)).toEqual([])
  expect(await mended.embedded.query(`SELECT element FROM incidents WHERE kind = 'planted'`)).toEqual([{ element: '#exit' }])
}, 240_000)
