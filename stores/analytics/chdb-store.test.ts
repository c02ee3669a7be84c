import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { getPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { createChdbConnection } from 'chdb/connection'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openChdbStore } from './chdb-store.ts'
import { chdbTestOptions } from './chdb-test-options.fake.ts'
import type { AnalyticsStore, TableSchema } from './contract.ts'
import { MERGE_NICE } from './merge-threads.ts'
import { migrationFiles, runMigrations } from './migrator.ts'
import { EVENTS_DLQ, EVENTS_LATE, EVENTS_RAW, FACT_INCIDENTS, FACT_SESSIONS, TILE_TABLES } from './tables.ts'

let folder: string
let store: AnalyticsStore
/** A statement that the store itself would refuse. */
const admin = async (sql: string) => {
  const client = createClient({ connection: createChdbConnection({ path: join(folder, 'engine') }) } as Parameters<typeof createClient>[0])
  await client.command({ query: sql })
  await client.close()
}
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-chdb-'))
  store = await openChdbStore({ ...chdbTestOptions, folder })
  await store.migrate()
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

test('migrations are applied once, and again changes nothing', async () => {
  const steps: string[] = []
  await store.migrate((name) => steps.push(name))
  expect(steps).toEqual([])
  expect((await store.query('SELECT name FROM _migrations ORDER BY name')).length).toBe(5)
  expect(store.identity).toMatch(/^[0-9a-f-]{36}$/)
})

test.runIf(process.platform === 'linux')('its merges leave a core to whoever waits for an answer', () => {
  const merging = readdirSync('/proc/self/task').filter(
    (thread) => readFileSync(`/proc/self/task/${thread}/comm`, 'utf8') === 'MergeMutate\n',
  )
  expect(merging.length).toBeGreaterThan(0)
  for (const thread of merging) expect(getPriority(Number(thread))).toBe(MERGE_NICE)
  expect(getPriority()).toBe(0)
})

test('queries are read-only, bind their parameters and come back as rows or as text', async () => {
  expect(await store.query('SELECT {n:UInt64} AS n, {s:String} AS s', { n: 2 ** 40, s: "it's" })).toEqual([{ n: 2 ** 40, s: "it's" }])
  expect(await store.queryText('SELECT 1 AS a, 2 AS b;', 'CSVWithNames')).toBe('"a","b"\n1,2\n')
  await expect(store.query('INSERT INTO events_dlq (code) VALUES (1)')).rejects.toMatchObject({ code: 'QUERY_FAILED' })
  await expect(store.query('SELECT nonsense')).rejects.toMatchObject({ code: 'QUERY_FAILED', retryable: false })
})

describe('the configuration', () => {
  const full = async (table: string) =>
    (await store.query<{ full: string }>('SELECT engine_full AS full FROM system.tables WHERE name = {table:String}', { table }))[0].full

  test('decides how long rows are kept and whether inserts are flushed, also later', async () => {
    expect(await full('events_raw')).toContain('toIntervalDay(400)')
    expect(await full('fact_sessions')).toContain('fsync_after_insert = 0')
    await store.close()
    store = await openChdbStore({ ...chdbTestOptions, folder, fsync: true, ttlDays: { events: 30, facts: 60 } })
    await store.migrate()
    expect(await full('events_raw')).toMatch(/toIntervalDay\(30\).*fsync_after_insert = 1, fsync_part_directory = 1/)
    expect(await full('fact_incidents')).toContain('toIntervalDay(60)')
    for (const schema of [EVENTS_RAW, FACT_SESSIONS, FACT_INCIDENTS, EVENTS_LATE, EVENTS_DLQ, ...TILE_TABLES])
      await store.checkTable(schema)
  })
})

describe('a table that cannot be written exactly once is refused', () => {
  const columns: TableSchema['columns'] = [['a', 'UInt8']]
  const refused = (schema: Omit<TableSchema, 'table'>, what: string) =>
    expect(store.checkTable({ ...schema, table: 'wrong' })).rejects.toMatchObject({
      code: 'TARGET_TABLE_WRONG',
      message: expect.stringContaining(what),
      advice: expect.stringContaining('move the data folder away'),
    })

  test.each([
    ['does not exist', undefined],
    ['has the engine Memory, not MergeTree', 'CREATE TABLE wrong (a UInt8) ENGINE = Memory'],
    ['has the engine View, not MergeTree', 'CREATE VIEW wrong AS SELECT toUInt8(1) AS a'],
    ['remembers the tokens of 0 inserts', 'CREATE TABLE wrong (a UInt8) ENGINE = MergeTree ORDER BY a'],
    [
      'remembers the tokens of 10 inserts',
      'CREATE TABLE wrong (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 10',
    ],
    [
      'has the column a as String',
      'CREATE TABLE wrong (a String) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 10000',
    ],
  ])('%s', async (what, sql) => {
    await admin('DROP TABLE IF EXISTS wrong')
    if (sql) await admin(sql)
    await refused({ engine: 'MergeTree', columns }, what)
  })

  // Each makes rows one that are not, or leaves rows that are one.
  const [tile] = TILE_TABLES
  const others: [TableSchema, string, string?][] = [
    [EVENTS_RAW, 'ReplacingMergeTree'],
    [EVENTS_LATE, 'SummingMergeTree'],
    [FACT_SESSIONS, 'MergeTree'],
    [FACT_SESSIONS, 'ReplacingMergeTree'],
    [FACT_SESSIONS, 'ReplacingMergeTree(partition)'],
    [FACT_SESSIONS, 'ReplacingMergeTree(version, deleted)'],
    [FACT_SESSIONS, 'ReplacingMergeTree(version)', 'org_id, product_id'],
    [FACT_INCIDENTS, 'AggregatingMergeTree'],
    [tile, 'MergeTree'],
    [tile, 'SummingMergeTree'],
    [tile, 'ReplacingMergeTree'],
    [tile, 'AggregatingMergeTree', 'org_id, product_id, hour'],
  ]
  test.each(others.map(([schema, engine, orderBy]) => [schema.table, engine, orderBy, schema] as const))(
    '%s as %s (%s)',
    async (_, engine, orderBy, schema) => {
      await admin('DROP TABLE IF EXISTS wrong')
      const columns = schema.columns.map(([name, type]) => `\`${name}\` ${type}`)
      const key = orderBy ?? schema.orderBy ?? 'lineage, partition'
      const make = (as: string, by: string) =>
        admin(
          `CREATE TABLE wrong (${columns.join(', ')}) ENGINE = ${as} ORDER BY (${by}) SETTINGS non_replicated_deduplication_window = 10000, allow_dimensions_outside_sorting_key = 1`,
        )
      await make(engine, key)
      await refused(
        schema,
        orderBy ? `is ordered by ${orderBy}, not by ${schema.orderBy}` : `has the engine ${engine}, not ${schema.engine}:`,
      )
      await admin('DROP TABLE wrong')
      await make(schema.engine, schema.orderBy ?? key)
      await store.checkTable({ ...schema, table: 'wrong' })
    },
  )
})

test('an applied migration that was changed, and one that fails, are errors that name it; started again it goes on', async () => {
  const command = admin
  const query = <T>(sql: string) => store.query<T>(sql)
  const files = migrationFiles()
  await expect(runMigrations({ command, query }, [{ ...files[0], sql: `${files[0].sql} ` }])).rejects.toMatchObject({
    code: 'MIGRATION_CHANGED',
    message: expect.stringContaining(files[0].name),
  })
  const next = {
    name: '0099-next',
    sql: 'CREATE TABLE half_done (a UInt8) ENGINE = MergeTree ORDER BY a;\nCREATE TABLE broken (a Nonsense) ENGINE = Memory;',
  }
  await expect(runMigrations({ command, query }, [...files, next])).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: expect.stringContaining('Nonsense'),
  })
  const steps: string[] = []
  await runMigrations({ command, query }, [...files, { ...next, sql: next.sql.replace('Nonsense', 'UInt8') }], (name) => steps.push(name))
  expect(steps).toEqual(['0099-next'])
  expect(await store.query('EXISTS TABLE broken')).toEqual([{ result: 1 }])
})

describe('a damaged folder is an error that names it and the cure', () => {
  const damaged = join(tmpdir(), `packmill-damaged-${process.pid}`)
  /** In a process of its own: an engine that has failed to load a folder is of no further use. */
  const opening = (options: object) => {
    const script = `import { openChdbStore } from ${JSON.stringify(new URL('./chdb-store.ts', import.meta.url).href)}
      try { const store = await openChdbStore(${JSON.stringify({ ...chdbTestOptions, ...options })}); await store.migrate(); await store.close(); console.log('opened') }
      catch (error) { console.log(JSON.stringify({ code: error.code, message: error.message, advice: error.advice })) }`
    return execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  }
  const filesNamed = (name: string) => readdirSync(damaged, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith(name))
  beforeEach(() => {
    rmSync(damaged, { recursive: true, force: true })
    expect(opening({ folder: damaged })).toBe('opened')
  })
  afterAll(() => rmSync(damaged, { recursive: true, force: true }))

  test.each(['_migrations.sql', 'format_version.txt', 'data.bin', 'checksums.txt'])('%s', (name) => {
    writeFileSync(join(damaged, filesNamed(name)[0]), 'garbage')
    const error = JSON.parse(opening({ folder: damaged }))
    expect(error).toMatchObject({ code: 'ANALYTICS_CORRUPT', advice: expect.stringContaining('Restore') })
    expect(error.message).toContain(join(damaged, 'engine'))
  })

  test('a file in the place of the folder', () => {
    rmSync(damaged, { recursive: true })
    writeFileSync(damaged, 'x')
    expect(JSON.parse(opening({ folder: damaged }))).toMatchObject({ code: 'ANALYTICS_UNREADABLE' })
  })
})
