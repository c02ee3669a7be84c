import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EVENT_TYPES, TS_MAX, type WireEvent } from '../../model/event.ts'
import type { Records } from './block-encoder.ts'
import { openChdbStore } from './chdb-store.ts'
import { chdbTestOptions } from './chdb-test-options.fake.ts'
import type { AnalyticsStore, TableSchema } from './contract.ts'
import { eventEncoder } from './event-encoder.ts'
import { NativeBlock } from './native-block.ts'
import { rowEncoder } from './row-encoder.ts'
import { EVENTS_DLQ, EVENTS_LATE, EVENTS_RAW, FACT_INCIDENTS, FACT_SESSIONS } from './tables.ts'

let folder: string
let store: AnalyticsStore
let token = 0
const uniqueLineage = () => `l${++token}`

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-native-'))
  store = await openChdbStore({ ...chdbTestOptions, folder })
  await store.migrate()
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Lines as one log read, in blocks of `perBlock` records with a hole of 3 offsets between blocks. */
function recordsOf(lines: readonly string[], perBlock: number, baseOffset: number): Records & { offsets: number[]; next: number } {
  const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(''))
  const blocks: { baseOffset: number; count: number; pos: number; length: number }[] = []
  const offsets: number[] = []
  let pos = 0
  let next = baseOffset
  for (let i = 0; i < lines.length; i += perBlock) {
    const piece = lines.slice(i, i + perBlock)
    const length = piece.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0)
    blocks.push({ baseOffset: next, count: piece.length, pos, length })
    offsets.push(...piece.map((_, k) => next + k))
    pos += length
    next += piece.length + 3
  }
  return { bytes, blocks, offsets, next }
}

async function insert(schema: TableSchema, pieces: Uint8Array[], name: string): Promise<void> {
  const staged = store.stageNative(schema, pieces)
  await staged.insert(name)
  staged.discard()
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 30 }).map((value) => value.replace(/\p{Cc}/gu, ' ')),
  fc.constantFrom('', 'a', "'; DROP", '\\N', '§ß語😀'),
  fc.string({ minLength: 60, maxLength: 300 }),
)
const word = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '"', '\\'), minLength: 1, maxLength: 6 })
const event: fc.Arbitrary<WireEvent> = fc
  .record(
    {
      orgId: word,
      productId: word,
      eventId: fc.uuid(),
      type: fc.constantFrom(...EVENT_TYPES),
      ts: fc.integer({ min: 0, max: TS_MAX - 1 }),
      receivedAt: fc.integer({ min: Date.UTC(2026, 10, 1), max: Date.UTC(2027, 1, 1) }),
      userId: word,
    },
    { requiredKeys: ['orgId', 'productId', 'eventId', 'type', 'ts', 'receivedAt', 'userId'] },
  )
  .chain((base) =>
    fc
      .record(
        {
          anonymousId: word,
          name: text,
          screen: text,
          element: text,
          x: fc.integer({ min: -100000, max: 100000 }),
          y: fc.integer({ min: -5, max: 5 }),
          taskType: text,
          taskLabel: text,
          success: fc.boolean(),
          context: text,
          properties: fc.dictionary(
            word.filter((key) => key !== '__proto__'),
            fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
          ),
        },
        { requiredKeys: [] },
      )
      .map((rest) => ({ ...base, ...rest })),
  )

const rowOf = (e: WireEvent, record: string, offset: number) => ({
  org_id: e.orgId,
  event_id: e.eventId,
  product_id: e.productId,
  user_id: `u:${e.userId}`,
  type: e.type,
  name: e.name ?? '',
  ts: e.ts,
  received_at: e.receivedAt,
  screen: e.screen ?? '',
  element: e.element ?? '',
  x: e.x ?? null,
  y: e.y ?? null,
  task_type: e.taskType ?? '',
  task_label: e.taskLabel ?? '',
  success: e.success ?? null,
  context: e.context ?? '',
  properties: e.properties === undefined ? '' : JSON.stringify(e.properties),
  record,
  partition: 3,
  offset,
})

test('events: what was encoded and inserted is what SELECT returns, for any events, block cuts, bounds and skipped ranges', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 0, max: 9 }),
      async (events, perBlock, cut) => {
        const lineage = uniqueLineage()
        const lines = events.map((e) => JSON.stringify(e))
        const records = recordsOf(lines, perBlock, 1_000_000_000_000)
        const from = records.offsets[Math.min(cut, records.offsets.length - 1)]
        const to = records.next - 4
        const skip = [
          { from: from + 2, to: from + 4 },
          { from: from + 9, to: from + 10 },
        ]
        const encoder = eventEncoder(lineage)
        encoder.add(3, records, from, to, skip)
        if (encoder.rows) await insert(EVENTS_RAW, encoder.finish(), lineage)
        const names = EVENTS_RAW.columns.map(([name]) => name).filter((name) => name !== 'lineage')
        const selected = names.map((name) =>
          name === 'ts' || name === 'received_at' ? `toUnixTimestamp64Milli(${name}) AS ${name}` : name,
        )
        const got = await store.query(
          `SELECT ${selected.join(', ')} FROM (SELECT * FROM events_raw WHERE lineage = {lineage:String}) ORDER BY offset`,
          { lineage },
        )
        const wanted = events.flatMap((e, i) => {
          const offset = records.offsets[i]
          if (offset < from || offset >= to || skip.some((range) => range.from <= offset && offset < range.to)) return []
          return [rowOf(e, lines[i], offset)]
        })
        expect(got).toEqual(wanted)
      },
    ),
    { numRuns: 40 },
  )
})

test('events: an encoder gives the same block again after reset, and a record that is no event keeps its place', async () => {
  const encoder = eventEncoder('again')
  const records = recordsOf(
    ['{"orgId":1}', '{"orgId":"o","productId":"p","eventId":"e","anonymousId":"n","type":"click","ts":1700000000000}'],
    9,
    7,
  )
  const bytes = () => {
    encoder.reset()
    encoder.add(0, records, 0, 100, [])
    return Buffer.concat(encoder.finish())
  }
  const first = bytes()
  expect(bytes().equals(first)).toBe(true)
  await insert(EVENTS_RAW, [first], 'again')
  expect(await store.query("SELECT offset, type, user_id, record, x FROM events_raw WHERE lineage = 'again' ORDER BY offset")).toEqual([
    { offset: 7, type: '', user_id: '', record: '{"orgId":1}', x: null },
    { offset: 8, type: 'click', user_id: 'a:n', record: expect.stringContaining('"eventId":"e"'), x: null },
  ])
})

describe('rows', () => {
  const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
  const bit = fc.constantFrom(0, 1)
  const ms = fc.integer({ min: 0, max: TS_MAX - 1 })
  // Merges must not drop what is compared: everything was received now.
  const received = fc.constant(Date.UTC(2026, 10, 21))
  const of = (schema: TableSchema, values: Record<string, fc.Arbitrary<unknown>>) => ({ schema, values: fc.record(values) })
  const cases = [
    of(FACT_SESSIONS, {
      org_id: word,
      product_id: word,
      user_id: text,
      session_id: fc.uuid(),
      version: u32,
      deleted: bit,
      replaced_by: text,
      closed: bit,
      cut: bit,
      started_at: ms,
      ended_at: ms,
      duration_ms: fc.integer({ min: 0, max: 2 ** 40 }),
      event_count: u32,
      click_count: u32,
      unique_screens: u32,
      rage_clicks: u32,
      backtracks: u32,
      dead_clicks: u32,
      tasks_started: u32,
      tasks_completed: u32,
      tasks_failed: u32,
      tasks_abandoned: u32,
      error_count: u32,
      screen_sequence: fc.array(text, { maxLength: 5 }),
      context_switches: u32,
      frustration_score: fc.double({ min: 0, max: 1, noNaN: true }),
      efficiency_score: fc.double({ min: 0, max: 1, noNaN: true }),
      tasks: fc.array(fc.tuple(text, ms, ms, text), { maxLength: 5 }),
      received_at: received,
    }),
    of(FACT_INCIDENTS, {
      org_id: word,
      product_id: word,
      user_id: text,
      incident_id: fc.uuid(),
      session_id: text,
      kind: fc.constantFrom('rage_click', 'backtrack', 'abandoned_task', 'dead_click'),
      profile: fc.constant('default'),
      version: u32,
      deleted: bit,
      open: bit,
      screen: text,
      element: text,
      count: u32,
      first_at: ms,
      last_at: ms,
      evidence: fc.array(fc.tuple(fc.integer({ min: 0, max: 65535 }), fc.integer({ min: 0, max: 2 ** 50 })), { maxLength: 5 }),
      received_at: received,
    }),
    of(EVENTS_LATE, {
      reason: fc.constantFrom('late', 'cap'),
      partition: fc.integer({ min: 0, max: 65535 }),
      offset: ms,
      watermark: ms,
      record: text,
    }),
    of(EVENTS_DLQ, {
      code: text,
      message: text,
      partition: fc.integer({ min: 0, max: 65535 }),
      offset: ms,
      record: text,
      whole_bytes: fc.option(fc.integer({ min: 0, max: 2 ** 50 })),
    }),
  ]
  test.each(cases)('$schema.table: what was encoded and inserted is what SELECT returns', async ({ schema, values }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(values, { minLength: 1, maxLength: 40 }), async (rows) => {
        const lineage = uniqueLineage()
        const records = recordsOf(
          rows.map((row) => JSON.stringify(row)),
          7,
          2 ** 41,
        )
        const encoder = rowEncoder(schema, lineage)
        encoder.add(9, records, 0, records.next, [])
        await insert(schema, encoder.finish(), lineage)
        const selected = schema.columns.map(([name, type]) =>
          type.startsWith('DateTime64')
            ? `toUnixTimestamp64Milli(${name}) AS ${name}`
            : name === 'tasks'
              ? 'arrayMap(t -> (t.1, toUnixTimestamp64Milli(t.2), toUnixTimestamp64Milli(t.3), t.4), tasks) AS tasks'
              : name,
        )
        const got = await store.query<Record<string, unknown>>(
          `SELECT ${selected.join(', ')} FROM (SELECT * FROM ${schema.table} WHERE lineage = {lineage:String}) ORDER BY offset`,
          { lineage },
        )
        const wanted = rows.map((row, i) => {
          const fields = row as Record<string, unknown>
          const { partition, offset, ...rest } = fields
          const source = partition === undefined ? {} : { source_partition: partition, source_offset: offset }
          const evidence = fields.evidence
            ? { evidence: (fields.evidence as number[][]).map(([p, o]) => ({ partition: p, offset: o })) }
            : {}
          return { ...rest, ...source, ...evidence, lineage, partition: 9, offset: records.offsets[i] }
        })
        expect(got).toEqual(wanted)
      }),
      { numRuns: 15 },
    )
  })

  test('a record that does not fit its table is an error that names what is wrong', () => {
    const encoder = rowEncoder(EVENTS_LATE, 'x')
    const add = (row: unknown) => () => encoder.add(0, recordsOf([JSON.stringify(row)], 1, 0), 0, 10, [])
    expect(add({ reason: 'late', partition: 70000, offset: 0, watermark: 0, record: '' })).toThrow(/70000 is no integer of 2 bytes/)
    expect(add({ reason: 'late', partition: 1, offset: 0, watermark: 0 })).toThrow(/an absent value is no string/)
  })
})

test('sessions have an id of their way through the screens: the same way, the same id', async () => {
  const lineage = uniqueLineage()
  const ways = [['/a', '/b'], ['/a', '/b'], ['/b', '/a'], ['/a/b'], []]
  const zeros = Object.fromEntries(
    FACT_SESSIONS.columns.map(([name, type]) => [
      name,
      type === 'String' || type.startsWith('Low') ? '' : type.startsWith('Array') ? [] : 0,
    ]),
  )
  const rows = ways.map((screen_sequence, i) => ({
    ...zeros,
    session_id: `way-${i}`,
    org_id: lineage,
    version: 1,
    received_at: Date.UTC(2026, 10, 21),
    screen_sequence,
  }))
  const records = recordsOf(
    rows.map((row) => JSON.stringify(row)),
    9,
    0,
  )
  const encoder = rowEncoder(FACT_SESSIONS, lineage)
  encoder.add(1, records, 0, records.next, [])
  await insert(FACT_SESSIONS, encoder.finish(), lineage)
  const found = await store.query<{ variant: string }>('SELECT variant FROM sessions WHERE org_id = {lineage:String} ORDER BY session_id', {
    lineage,
  })
  const [first, again, back, one, none] = found.map(({ variant }) => variant)
  expect(first).toMatch(/^[0-9a-f]{32}$/)
  expect(again).toBe(first)
  expect(new Set([first, back, one, none]).size).toBe(4)
  expect(none).toBe('')
})

describe('LowCardinality', () => {
  // The indexes are 1, 2 or 4 bytes wide: the dictionary's size decides.
  test.each([255, 256, 300, 65_535, 65_536, 70_000])('%i distinct values come back', async (distinct) => {
    const schema: TableSchema = { table: 'lc', engine: 'MergeTree', columns: [['v', 'LowCardinality(String)']] }
    const block = new NativeBlock(schema)
    for (let i = 0; i < distinct; i++) block.columns[0].add(`v${i}`)
    block.columns[0].add('')
    block.columns[0].add('v0')
    block.rows = distinct + 2
    const staged = store.stageNative(schema, block.finish())
    const file = join(folder, 'staging', '*.native')
    const [row] =
      await store.query(`SELECT count() AS rows, uniqExact(v) AS values, countIf(v = 'v0') AS twice, countIf(v = 'v${distinct - 1}') AS last
      FROM file('${file}', 'Native', 'v LowCardinality(String)')`)
    staged.discard()
    expect(row).toEqual({ rows: distinct + 2, values: distinct + 1, twice: 2, last: 1 })
  })
})

describe('tokens', () => {
  let block: Uint8Array[]
  beforeEach(() => {
    const encoder = rowEncoder(EVENTS_DLQ, 'tokens')
    encoder.add(0, recordsOf([JSON.stringify({ code: 'C', message: '', partition: 0, offset: 0, record: '' })], 1, 0), 0, 10, [])
    block = encoder.finish()
  })
  const count = async () => (await store.query<{ n: number }>("SELECT count() AS n FROM events_dlq WHERE lineage = 'tokens'"))[0].n

  test('the same token twice adds its rows once, another token adds them again', async () => {
    const staged = store.stageNative(EVENTS_DLQ, block)
    await staged.insert('t:1')
    await staged.insert('t:1')
    expect(await count()).toBe(1)
    await staged.insert('t:2')
    expect(await count()).toBe(2)
    staged.discard()
  })
})
