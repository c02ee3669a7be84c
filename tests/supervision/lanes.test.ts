// Operators that end their thread, or never come back: the real process finds the record, and the rest is as if it had never been there.
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
  {
    name: 'a loop costs',
    elements: ['#loop'],
    code: 'LANE_STALLED',
    said: /did not come back for 3 s, in an epoch of \d+ records/,
    set: [],
  },
  // A full heap takes its time: nothing else may end the thread first.
  { name: 'an exit and a full heap cost', elements: ['#exit', '#memory'], code: 'LANE_DIED', said: /memory/, set: ['engine.stallMs=10m'] },
])(
  '$name a few threads and one record each: the others are computed as if it were not there',
  async ({ elements, code, said, set }) => {
    const supervised = await open('planted', { laneHeapMb: 256, set })
    const { embedded, notices } = supervised
    const events = eventsOf(2400)
    for (const [n, element] of elements.entries()) {
      const at = 800 + n * 700
      events.splice(at, 0, harmful(events[at], element, n))
    }
    await importEvents(embedded, events)
    await embedded.settle({ snapshots: true, close: false })
    const dead = elements.map((element, n) => ['PROCESS_KILLED', `${element}-${n}`])
    expect((await deadLetters(embedded)).map(({ code, eventId }) => [code, eventId])).toEqual(dead)
    expect(await differences(supervised)).toEqual([])
    const told = restarts(notices)
    expect(new Set(told.map(({ error }) => codeOf(error)))).toEqual(new Set([code]))
    expect(told.map(({ error }) => error.message).join()).toMatch(said)
    // By ever smaller epochs; alone twice.
    expect(told.length).toBeGreaterThan(2 * elements.length)
    expect(told.length).toBeLessThanOrEqual(8 * elements.length)
    expect(notices.filter(({ type }) => type === 'partition-stopped')).toEqual([])
  },
  240_000,
)

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
