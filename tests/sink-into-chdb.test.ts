// The sink task against the real embedded engine: what a kill between a part and its token leaves behind, planted, and tokens that the
// engine forgot. (The crashes at every step are in engine/sink/sink-task.test.ts, over a table in memory.)
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type SealedRows, type SinkTarget, sinkDefaults } from '../engine/sink/contract.ts'
import { SinkTask } from '../engine/sink/sink-task.ts'
import { SinkWorld } from '../engine/sink/sink-world.fake.ts'
import { chdbTestOptions } from '../stores/analytics/chdb-test-options.fake.ts'
import type { AnalyticsStore, TableSchema } from '../stores/analytics/contract.ts'
import {
  type BlockEncoder,
  EVENTS_DLQ,
  EVENTS_RAW,
  eventEncoder,
  FACT_SESSIONS,
  openChdbStore,
  rowEncoder,
  sinkTarget,
} from '../stores/analytics/index.ts'

let folder: string
let store: AnalyticsStore
const open = () => openChdbStore({ ...chdbTestOptions, folder })
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-sink-'))
  store = await open()
  await store.migrate()
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

const eventLine = (partition: number, offset: number) =>
  JSON.stringify({
    orgId: 'o',
    productId: 'p',
    eventId: `${partition}-${offset}`,
    userId: 'u',
    type: 'click',
    ts: 1.7e12 + offset,
    receivedAt: 1.79e12,
  })
const deadLetterLine = (partition: number, offset: number) =>
  JSON.stringify({ code: 'C', message: `${partition}`, partition, offset, record: '{}' })
const sessionLine = (partition: number, offset: number) =>
  JSON.stringify({
    org_id: 'o',
    product_id: 'p',
    user_id: 'u:x',
    session_id: `s${partition}-${offset % 2}`,
    version: offset + 1,
    deleted: 0,
    replaced_by: '',
    closed: 1,
    cut: 0,
    started_at: 1,
    ended_at: 2,
    duration_ms: 1,
    event_count: offset,
    click_count: 0,
    unique_screens: 0,
    rage_clicks: 0,
    backtracks: 0,
    dead_clicks: 0,
    tasks_started: 0,
    tasks_completed: 0,
    tasks_failed: 0,
    tasks_abandoned: 0,
    error_count: 0,
    screen_sequence: ['/a'],
    context_switches: 0,
    frustration_score: 0.25,
    efficiency_score: 1,
    tasks: [],
    received_at: 1.79e12,
  })

const taskOf = (world: SinkWorld, target: SinkTarget, schema: TableSchema, lineage: string) =>
  new SinkTask({
    log: world.log(),
    sink: schema.table,
    lineage,
    topic: 't',
    partitions: world.topic.length,
    target,
    clock: world.clock(),
    codeVersion: '1',
    settings: { ...sinkDefaults, batchBytes: 600, readBytes: 300 },
  })

function filledWorld(line: (partition: number, offset: number) => string): SinkWorld {
  const world = new SinkWorld(3, line)
  for (let i = 0; i < 6; i++) for (let partition = 0; partition < 3; partition++) world.append(partition, 4 + partition, i % 2)
  return world
}

/** The process dies in write number `at`, which does `instead`. */
async function dieInWrite(
  world: SinkWorld,
  target: SinkTarget,
  schema: TableSchema,
  lineage: string,
  at: number,
  instead: (sealed: SealedRows, token: string) => Promise<void>,
) {
  let writes = 0
  const died = Promise.withResolvers<void>()
  const dying: SinkTarget = {
    ...target,
    get identity() {
      return target.identity
    },
    get rows() {
      return target.rows
    },
    get bytes() {
      return target.bytes
    },
    seal: () => {
      const sealed = target.seal()
      const write = async (token: string) => {
        if (++writes !== at) return sealed.write(token)
        await instead(sealed, token)
        died.resolve()
        return new Promise<never>(() => {})
      }
      return { ...sealed, write }
    },
  }
  const task = taskOf(world, dying, schema, lineage)
  await task.open()
  await Promise.race([died.promise, task.run()])
}

async function finish(world: SinkWorld, target: SinkTarget, schema: TableSchema, lineage: string) {
  const task = taskOf(world, target, schema, lineage)
  await task.open()
  const running = task.run()
  await Promise.race([task.drained(world.ends), running])
  task.stop()
  await running
  return task.stats
}

const held = async (schema: TableSchema, lineage: string) =>
  (
    await store.query<{ row: string }>(
      `SELECT concat(toString(partition), ':', toString(offset)) AS row FROM ${schema.table} WHERE lineage = {lineage:String}`,
      { lineage },
    )
  )
    .map(({ row }) => row)
    .sort()

const tables: [
  name: string,
  schema: TableSchema,
  encoder: (lineage: string) => BlockEncoder,
  line: (partition: number, offset: number) => string,
][] = [
  ['events_raw', EVENTS_RAW, eventEncoder, eventLine],
  ['events_dlq', EVENTS_DLQ, (lineage) => rowEncoder(EVENTS_DLQ, lineage), deadLetterLine],
]

test.each(tables)(
  '%s: a row block without its token, then a token without its rows: each row is there once',
  async (name, schema, encoderOf, line) => {
    const lineage = `planted-${name}`
    const target = () => sinkTarget(store, schema, lineage, encoderOf(lineage))
    const world = filledWorld(line)
    await dieInWrite(world, target(), schema, lineage, 2, (sealed) => sealed.write('some other token'))
    await dieInWrite(world, target(), schema, lineage, 1, async (_, token) => {
      const others = sinkTarget(store, schema, `${lineage}-others`, encoderOf(`${lineage}-others`))
      const record = new TextEncoder().encode(`${line(0, 0)}\n`)
      others.add(0, { bytes: record, blocks: [{ baseOffset: 0, count: 1, pos: 0, length: record.length }] }, 0, 1, [])
      const sealed = others.seal()
      await sealed.write(token)
      sealed.discard()
    })
    const stats = await finish(world, target(), schema, lineage)
    expect(await held(schema, lineage)).toEqual(world.wanted)
    expect(stats.readBacks).toBe(1)
    expect(stats.missingRows).toBeGreaterThan(0)
  },
)

test('fact_sessions: versions that a merge dropped are missing to the read-back and written again, and FINAL shows the same rows', async () => {
  const lineage = 'merged'
  const target = () => sinkTarget(store, FACT_SESSIONS, lineage, rowEncoder(FACT_SESSIONS, lineage))
  const world = filledWorld(sessionLine)
  await dieInWrite(world, target(), FACT_SESSIONS, lineage, 2, (sealed, token) => sealed.write(token))
  const rows = () => store.query(`SELECT session_id, version, event_count FROM sessions WHERE lineage = '${lineage}' ORDER BY session_id`)
  const stats = await finish(world, target(), FACT_SESSIONS, lineage)
  expect(stats.readBacks).toBe(1)
  expect(stats.missingRows).toBeGreaterThan(0)
  const newest = new Map(
    world.wanted
      .map((row) => row.split(':').map(Number))
      .sort((a, b) => a[1] - b[1])
      .map(([p, o]) => [`s${p}-${o % 2}`, o]),
  )
  expect(await rows()).toEqual([...newest].sort().map(([session_id, offset]) => ({ session_id, version: offset + 1, event_count: offset })))
})

test('the store opened again is the same one, and an emptied one is refused', async () => {
  const lineage = 'reopened'
  const world = filledWorld(deadLetterLine)
  const target = () => sinkTarget(store, EVENTS_DLQ, lineage, rowEncoder(EVENTS_DLQ, lineage))
  await finish(world, target(), EVENTS_DLQ, lineage)
  await store.close()
  store = await open()
  await store.migrate()
  world.append(0, 3)
  await finish(world, target(), EVENTS_DLQ, lineage)
  expect(await held(EVENTS_DLQ, lineage)).toEqual(world.wanted)
  await store.close()
  rmSync(folder, { recursive: true, force: true })
  store = await open()
  await store.migrate()
  await expect(finish(world, target(), EVENTS_DLQ, lineage)).rejects.toMatchObject({ code: 'SINK_TARGET_CHANGED' })
})
