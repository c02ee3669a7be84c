// Rows of events_raw into the embedded analytics store, in each format in turn; in a process of its own.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { createChdbConnection } from 'chdb/connection'
import type { WireEvent } from '../../model/event.ts'
import { traffic } from '../../services/traffic/traffic.ts'
import { EVENTS_RAW, eventEncoder, openChdbStore } from '../../stores/analytics/index.ts'
import { answer, type Cost, measuring } from './in-child.ts'
import { median } from './median.ts'

type Row = Record<string, unknown>

const BLOCK_ROWS = 16_000
const NOW_MS = Date.UTC(2026, 10, 21)

export interface StoresOrder {
  folder: string
  rows: number
  rounds: number
}

export interface StoresAnswer {
  /** Per row, by way of inserting; medians. */
  ways: Record<string, { cpuMicros: number; wallMicros: number }>
  /** CPU per row of merging all of them into one part, once. */
  mergeMicros: number
}

await answer(run)

async function run({ folder, rows, rounds }: StoresOrder): Promise<StoresAnswer> {
  const store = await openChdbStore({
    folder,
    threads: 2,
    memoryBytesMax: 4e9,
    insertDeadlineMs: 60_000,
    fsync: false,
    ttlDays: { events: 400, facts: 800 },
  })
  const client = createClient({ connection: createChdbConnection({ path: join(folder, 'engine') }) } as Parameters<typeof createClient>[0])
  const command = async (query: string) => void (await client.command({ query }))
  try {
    await store.migrate()
    await command('SYSTEM STOP MERGES')
    // The table does not write the same rows twice, unless their tokens differ.
    let token = 0
    const lines = linesOf(rows)
    const blocks = blocksOf(lines)
    const objects = lines.map((line, offset) => rowOf(JSON.parse(line) as WireEvent, line, offset))
    const structure = EVENTS_RAW.columns
      .map(([name, type]) => `\`${name}\` ${type}`)
      .join(', ')
      .replaceAll("'", "\\'")
    const fileOf = (name: string, bytes: string | Uint8Array) => {
      const file = join(folder, name)
      writeFileSync(file, bytes)
      return (format: string) => () =>
        command(`INSERT INTO events_raw SETTINGS async_insert = 0, insert_deduplication_token = '${name}:${++token}', max_insert_threads = 1, max_threads = 1
          SELECT * FROM file('${file}', '${format}', '${structure}')`)
    }
    const jsonLines = objects.map((row) => `${JSON.stringify(row)}\n`).join('')
    const encoder = eventEncoder('bench')
    const encode = () => {
      encoder.reset()
      for (const block of blocks) encoder.add(0, block, 0, rows, [])
      return encoder.finish()
    }
    const native = store.stageNative(EVENTS_RAW, encode())
    const ways: Record<string, () => Promise<unknown>> = {
      'json-objects': () =>
        client.insert({
          table: 'events_raw',
          values: objects,
          format: 'JSONEachRow',
          clickhouse_settings: { async_insert: 0, insert_deduplication_token: `objects:${++token}` },
        }),
      'json-bytes': () =>
        client.command({
          query: `INSERT INTO events_raw SETTINGS async_insert = 0, insert_deduplication_token = 'bytes:${++token}' FORMAT JSONEachRow\n${jsonLines}`,
        }),
      'json-file': fileOf('rows.json', jsonLines)('JSONEachRow'),
      'rowbinary-file': fileOf('rows.bin', rowBinary(objects))('RowBinary'),
      native: () => native.insert(`bench:${++token}`),
      'native-with-scan': async () => {
        const staged = store.stageNative(EVENTS_RAW, encode())
        await staged.insert(`bench:${++token}`)
        staged.discard()
      },
    }
    const costs = await measure(ways, rows, rounds)
    const merged = measuring()
    await command('SYSTEM START MERGES')
    await command('OPTIMIZE TABLE events_raw FINAL')
    const { cpuSeconds } = merged()
    const [{ total }] = await store.query<{ total: number }>('SELECT count() AS total FROM events_raw')
    const expected = rows * Object.keys(ways).length * (rounds + 1)
    if (Number(total) !== expected) throw new Error(`events_raw holds ${total} rows, ${expected} were inserted`)
    native.discard()
    return { ways: costs, mergeMicros: (cpuSeconds * 1e6) / total }
  } finally {
    await client.close()
    await store.close()
  }
}

/** Runs the ways in turn. */
async function measure(ways: Record<string, () => Promise<unknown>>, rows: number, rounds: number): Promise<StoresAnswer['ways']> {
  const costs = new Map(Object.keys(ways).map((name) => [name, [] as Cost[]]))
  // The first round warms up caches and compilers.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, insert] of Object.entries(ways)) {
      const end = measuring()
      await insert()
      if (round > 0) costs.get(name)!.push(end())
    }
  }
  const perRow = (seconds: number[]) => (median(seconds) * 1e6) / rows
  return Object.fromEntries(
    [...costs].map(([name, list]) => [
      name,
      { cpuMicros: perRow(list.map(({ cpuSeconds }) => cpuSeconds)), wallMicros: perRow(list.map(({ wallSeconds }) => wallSeconds)) },
    ]),
  )
}

/** Records of events.raw as the door leaves them. */
function linesOf(rows: number): string[] {
  const decoder = new TextDecoder()
  const lines: string[] = []
  for (const chunk of traffic({ events: rows })) {
    for (const line of decoder.decode(chunk).trimEnd().split('\n')) lines.push(`{"receivedAt":${NOW_MS},${line.slice(1)}`)
  }
  return lines.slice(0, rows)
}

function blocksOf(lines: readonly string[]) {
  const encoder = new TextEncoder()
  const reads = []
  for (let baseOffset = 0; baseOffset < lines.length; baseOffset += BLOCK_ROWS) {
    const piece = lines.slice(baseOffset, baseOffset + BLOCK_ROWS)
    const bytes = encoder.encode(`${piece.join('\n')}\n`)
    reads.push({ bytes, blocks: [{ baseOffset, count: piece.length, pos: 0, length: bytes.length }] })
  }
  return reads
}

/** A row of events_raw as a plain object, in the order of its columns. */
function rowOf(e: WireEvent, record: string, offset: number): Row {
  const values = [
    e.orgId,
    e.eventId,
    e.productId,
    e.userId ? `u:${e.userId}` : `a:${e.anonymousId}`,
    e.type,
    e.name ?? '',
    Number(e.ts),
    NOW_MS,
    e.screen ?? '',
    e.element ?? '',
    e.x ?? null,
    e.y ?? null,
    e.taskType ?? '',
    e.taskLabel ?? '',
    e.success ?? null,
    e.context ?? '',
    e.properties ? JSON.stringify(e.properties) : '',
    record,
    'bench',
    0,
    offset,
  ]
  return Object.fromEntries(EVENTS_RAW.columns.map(([name], i) => [name, values[i]]))
}

/** The rows in ClickHouse's RowBinary format. */
function rowBinary(rows: readonly Row[]): Uint8Array {
  const out: Buffer[] = []
  const integer = (value: number, bytes: number) => {
    const piece = Buffer.alloc(bytes)
    if (bytes === 8) piece.writeBigInt64LE(BigInt(value))
    else piece.writeIntLE(value, 0, bytes)
    return piece
  }
  const string = (value: string) => {
    const bytes = Buffer.from(value)
    const head: number[] = []
    let n = bytes.length
    for (; n >= 0x80; n >>>= 7) head.push((n & 0x7f) | 0x80)
    return Buffer.concat([Buffer.from([...head, n]), bytes])
  }
  for (const row of rows) {
    for (const [name, type] of EVENTS_RAW.columns) {
      const value = row[name]
      if (type.startsWith('Nullable')) {
        out.push(Buffer.from([value === null ? 1 : 0]))
        if (value === null) continue
      }
      if (type.includes('String')) out.push(string(value as string))
      else out.push(integer(Number(value), type.includes('64') ? 8 : type.includes('32') ? 4 : type.includes('16') ? 2 : 1))
    }
  }
  return Buffer.concat(out)
}
