// Every bound that packmill doctor lists is reached by a test: those that no other test fills are filled here.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkBounds } from '../cli/doctor/bounds.ts'
import { loadConfig } from '../config/index.ts'
import { BufferPool, POOL_BYTES_MAX } from '../model/buffer-pool.ts'
import { BodyBuffers, FREE_BYTES_MAX } from '../services/ingest/read-body.ts'
import { BOUNDS, NO_BOUND } from '../services/process/bounds.ts'
import type { Embedded, Stats } from '../services/process/embedded.ts'
import { findSocketPath } from '../services/process/socket-path.ts'
import { REQUEST_BYTES_MAX, serveSocket } from '../services/process/socket-server.ts'
import { openJournalLog } from '../stores/log/journal-log.ts'
import { FRAME_BYTES_MAX } from '../stores/log/journal-writer.ts'
import { prepareLog } from '../stores/log/prepare-log.ts'
import { localWaits } from '../stores/log/shared-log.ts'
import { nasty } from './oracle/nasty.ts'
import { TaskWorld } from './sim/one-task.ts'
import { SimDisk, SimFiles } from './sim/sim-files.ts'

const { config } = loadConfig({ environment: {} })

test.each(BOUNDS.map(({ name, reachedBy }) => ({ name, file: reachedBy[0], reached: reachedBy[1] })))(
  '$name is reached by a test that there is',
  ({ file, reached }) => {
    expect(readFileSync(join(import.meta.dirname, '..', file), 'utf8')).toContain(reached)
  },
)

test('doctor lists each with its bytes and its reason, what is in it now, and what has none', () => {
  const stats = { tasks: [{ stateBytes: config.engine.cacheBytes }], sinks: [], ends: {}, backlogBytes: 1000 } as unknown as Stats
  const findings = checkBounds(config, stats)
  expect(findings.length).toBe(BOUNDS.length + NO_BOUND.length)
  expect(findings.find(({ about }) => about === 'bound: keyed state in memory')).toMatchObject({
    state: 'notice',
    figures: { boundBytes: config.engine.cacheBytes, presentBytes: config.engine.cacheBytes },
  })
  expect(findings.find(({ about }) => about === 'bound: backlog in the log')).toMatchObject({
    state: 'well',
    figures: { presentBytes: 1000 },
  })
  expect(checkBounds(config, undefined).every(({ figures }) => figures?.presentBytes === undefined)).toBe(true)
})

test('keyed state: past its bound reading waits for the checkpoint, which lets it go', async () => {
  const world = new TaskWorld()
  const process = await world.open()
  const { events, settings } = nasty(8, 200)
  await process.produce(events)
  const free = await process.recovered({ settings })
  const whole = (await free.next(undefined))!
  await free.commit(whole)
  const { stateBytes } = free.stats
  await free.stop()
  // Another task, with room for less than half of what one epoch makes.
  const other = await new TaskWorld().open()
  await other.produce(events)
  const cacheBytes = Math.floor(stateBytes / 3)
  const task = await other.recovered({ settings, cacheBytes })
  const epoch = (await task.next(undefined))!
  // Its checkpoint cannot finish before the epoch is committed.
  await task.tend()
  expect(task.stats.stateBytes).toBeGreaterThan(cacheBytes)
  expect(task.mustWait).toBe(true)
  await task.commit(epoch)
  // Its lane has nothing else to go on for than that it says so.
  let goesOn = false
  while (task.mustWait) goesOn = await task.tend()
  expect(goesOn).toBe(true)
  while (await task.tend());
  expect(task.mustWait).toBe(false)
  await task.tend()
  expect(task.stats.evictions).toBeGreaterThan(0)
  expect(task.stats.stateBytes).toBeLessThanOrEqual(cacheBytes)
})

test('spare buffers of outputs: what is given beyond their bound is not kept', () => {
  const pool = new BufferPool()
  const given = Array.from({ length: 5 }, () => Buffer.allocUnsafeSlow(POOL_BYTES_MAX / 4))
  for (const buffer of given) pool.give(buffer)
  const taken = given.map(() => pool.take(POOL_BYTES_MAX / 4))
  const known = new Set(given.map(({ buffer }) => buffer))
  expect(taken.filter(({ buffer }) => known.has(buffer))).toHaveLength(4)
})

test('a frame: commits beyond its bound go into the next one', async () => {
  const files = new SimFiles(new SimDisk())
  const shared = await prepareLog({ files, folder: '/log', writers: ['main'] })
  const log = await openJournalLog({ files, folder: '/log', shared, writer: 'main', waits: localWaits() })
  const claims = await Promise.all([0, 1, 2, 3, 4].map((n) => log.claim(`source ${n}`)))
  const bytes = Buffer.alloc(FRAME_BYTES_MAX / 2, 'x'.repeat(99).concat('\n'))
  const before = log.view.commits
  await Promise.all(claims.map((claim) => claim.commit({ outputs: [{ topic: 't', partition: 0, count: 1, bytes }] })))
  // Two halves fill a frame.
  expect(log.view.commits - before).toBeGreaterThanOrEqual(3)
  expect((await log.bounds({ topic: 't', partition: 0 })).end).toBe(5)
  await log.close()
})

test('spare buffers: what is given beyond their bound is not kept', () => {
  const buffers = new BodyBuffers()
  const given = [1, 2, 3].map(() => Buffer.allocUnsafeSlow(FREE_BYTES_MAX / 2))
  for (const buffer of given) buffers.give(buffer)
  const taken = new Set<Buffer>(given.map(() => buffers.take(1)))
  expect(given.filter((buffer) => taken.has(buffer)).length).toBe(2)
})

test('a request over the local socket: one that is larger than its bound is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-bounds-'))
  const asked: unknown[] = []
  const server = await serveSocket(
    { settle: async (what: unknown) => void asked.push(what) } as unknown as Embedded,
    folder,
    () => undefined,
  )
  const post = (bytes: Buffer) =>
    new Promise<string>((resolve, reject) => {
      const sending = request({ socketPath: findSocketPath(folder), path: '/settle', method: 'POST' }, (answer) => {
        let text = ''
        answer.on('data', (part: Buffer) => (text += part.toString()))
        answer.on('end', () => resolve(`${answer.statusCode} ${text}`))
      })
      sending.on('error', reject)
      sending.end(bytes)
    })
  try {
    const body = Buffer.from(JSON.stringify({ snapshots: true, close: false }))
    expect(await post(body)).toMatch(/^200/)
    expect(await post(Buffer.concat([body, Buffer.alloc(REQUEST_BYTES_MAX, ' ')]))).toMatch(/^500 .*REQUEST_TOO_LARGE/)
    expect(asked.length).toBe(1)
  } finally {
    await server.cut()
    await server.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
