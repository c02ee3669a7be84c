// The embedded analytics store: ClickHouse in this process (chDB), spoken to through @clickhouse/client.
//
// Owns the folder: `engine/` is chDB's, `staging/` holds Native blocks on their way in, parts.json is part-list's. One engine per process, so one open store per process.
// Statements of one connection run one after the other, so inserts, users' queries and the sinks' own questions have a connection each.
// Blocks go in as files (`INSERT … SELECT FROM file(…, Native)`): the client's request bodies are text here, and a file costs a copy.
import { closeSync, mkdirSync, openSync, rmSync, writevSync } from 'node:fs'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { createClient } from '@clickhouse/client'
import { drainPending, Session } from 'chdb'
import { createChdbConnection } from 'chdb/connection'
import { AnalyticsError } from './analytics-error.ts'
import type { AnalyticsStore, OffsetRange, StagedBlock, TableSchema } from './contract.ts'
import { makeDeclaredTable } from './declared-table.ts'
import { yieldMerges } from './merge-threads.ts'
import { type MigrationTarget, migrationFiles, runMigrations, storeIdentity } from './migrator.ts'
import { listParts, missingParts } from './part-list.ts'
import { pinEngine } from './pin-engine.ts'
import { applyTableSettings, type TableSettings } from './table-settings.ts'

export interface ChdbOptions extends TableSettings {
  /** Made where it is missing. */
  folder: string
  /** Threads of a query. An insert uses one: rows keep their order, and an insert is one block. */
  threads: number
  /** What the engine may hold altogether, in bytes. */
  memoryBytesMax: number
  /** How long an insert may run before the engine gives it up, far below the deduplication window (protocol 27). */
  insertDeadlineMs: number
}

/** Inserts that must be remembered: the sinks of one table never have more than one in flight, other writers of the table may. */
const DEDUPLICATION_WINDOW_MIN = 1000

/** ClickHouse codes after which the same insert may succeed: time, disk space, memory, too many parts, simultaneous queries, keeper and network. */
const RETRYABLE = new Set(['159', '243', '241', '252', '202', '209', '210', '999', '394', '236', '76', '75', '74'])

/** ClickHouse codes of data that cannot be read as it was written: sizes, checksums, files of a part, decompression. */
const DAMAGED = new Set(['33', '40', '226', '228', '246', '271'])

const FREE_SPACE = 'Free space on that disk, or lower the retention. Nothing is lost: it goes on when there is room.'

/** ClickHouse's own check of what is free; and any failure of the operating system's that it passes on (which has many codes). */
const isDiskFull = (error: unknown) => {
  const { code, message } = error as { code?: unknown; message?: string }
  return ['243', 'ENOSPC', 'EDQUOT'].includes(String(code)) || /No space left on device|Disk quota exceeded/.test(message ?? '')
}

const quoted = (text: string) => `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}'`
const quotedName = (name: string) => `\`${name.replace(/`/g, '``')}\``

/** Opens the store, its migrations not yet applied. Throws ANALYTICS_CORRUPT, ANALYTICS_UNREADABLE. */
export async function openChdbStore(options: ChdbOptions): Promise<AnalyticsStore> {
  const engine = join(options.folder, 'engine')
  const staging = join(options.folder, 'staging')
  const partList = join(options.folder, 'parts.json')
  try {
    rmSync(staging, { recursive: true, force: true })
    mkdirSync(staging, { recursive: true })
    mkdirSync(engine, { recursive: true })
  } catch (error) {
    throw new AnalyticsError(
      'ANALYTICS_UNREADABLE',
      `the analytics folder ${options.folder} cannot be used: ${(error as Error).message}`,
      'Give this user the right to read and write the folder, or choose another with --data.',
      error,
    )
  }
  const corrupt = (reason: string, cause?: unknown) =>
    new AnalyticsError(
      'ANALYTICS_CORRUPT',
      `the analytics folder ${engine} is damaged: ${reason}`,
      'Restore the data folder from a backup, or move it away and import again.',
      cause,
    )

  pinEngine()
  let session: Session
  try {
    session = new Session(engine, { connectionArgs: [`--max_server_memory_usage=${options.memoryBytesMax}`, '--background_pool_size=2'] })
  } catch (error) {
    throw corrupt((error as Error).message.split('\n').find((line) => line.includes('DB::Exception')) ?? (error as Error).message, error)
  }
  const clients: ClickHouseClient[] = []
  const connect = async (settings: Record<string, string | number>) => {
    const client = createClient({ connection: createChdbConnection({ path: engine }) } as Parameters<typeof createClient>[0])
    clients.push(client)
    for (const [name, value] of Object.entries(settings)) await client.command({ query: `SET ${name} = ${value}` })
    return client
  }
  const rowsOf = async <T>(client: ClickHouseClient, sql: string, params?: Record<string, unknown>): Promise<T[]> => {
    try {
      return await (await client.query({ query: sql, format: 'JSONEachRow', query_params: params })).json<T>()
    } catch (error) {
      throw damaged(error)
    }
  }
  const damaged = (error: unknown) =>
    DAMAGED.has(String((error as { code?: unknown }).code ?? '')) ? corrupt((error as Error).message, error) : error
  /** What sinks ask: of a cause that may pass they ask again. */
  const asked = async <T>(sql: string, params?: Record<string, unknown>): Promise<T[]> => {
    try {
      return await rowsOf<T>(sinkReader, sql, params)
    } catch (error) {
      const { code, message } = error as { code?: unknown; message: string }
      if (!RETRYABLE.has(String(code ?? ''))) throw error
      throw new AnalyticsError('ANALYTICS_BUSY', message, 'It is asked again; look at disk space and memory if it stays.', error)
    }
  }
  const close = async () => {
    for (const client of clients) await client.close()
    session.close()
    await drainPending()
  }

  const threads = { max_threads: options.threads, output_format_json_quote_64bit_integers: 0 }
  let writer: ClickHouseClient, reader: ClickHouseClient, sinkReader: ClickHouseClient
  try {
    writer = await connect({ async_insert: 0, max_threads: 1, max_insert_threads: 1 })
    sinkReader = await connect({ ...threads, max_threads: 1 })
    reader = await connect({ ...threads, readonly: 2 })
    const broken = await rowsOf<{ table: string; name: string }>(
      sinkReader,
      "SELECT table, name FROM system.detached_parts WHERE startsWith(reason, 'broken') LIMIT 5",
    )
    if (broken.length) throw corrupt(`unreadable parts ${broken.map((part) => `${part.table}/${part.name}`).join(', ')}`)
    const missing = await missingParts(partList, (sql) => rowsOf(sinkReader, sql))
    if (missing.length) throw corrupt(`parts that were there are missing: ${missing.join(', ')}`)
  } catch (error) {
    await close()
    throw error instanceof AnalyticsError ? error : corrupt((error as Error).message, error)
  }

  let identity = ''
  let staged = 0

  const insertSql = (schema: TableSchema, file: string, token: string) => {
    const names = schema.columns.map(([name]) => quotedName(name)).join(', ')
    const structure = schema.columns.map(([name, type]) => `${quotedName(name)} ${type}`).join(', ')
    return `INSERT INTO ${quotedName(schema.table)} (${names}) SETTINGS insert_deduplication_token = ${quoted(token)},
      deduplicate_insert_select = 'force_enable', async_insert = 0, max_insert_threads = 1, max_threads = 1, max_partitions_per_insert_block = 0,
      max_execution_time = ${options.insertDeadlineMs / 1000} SELECT * FROM file(${quoted(file)}, 'Native', ${quoted(structure)})`
  }

  const writeStaged = (file: string, table: string, block: readonly Uint8Array[]) => {
    try {
      const handle = openSync(file, 'w')
      try {
        let left = block.filter((piece) => piece.byteLength > 0)
        while (left.length) {
          let written = writevSync(handle, left.slice(0, 1000))
          while (left.length && written >= left[0].byteLength) {
            written -= left[0].byteLength
            left = left.slice(1)
          }
          if (written) left[0] = left[0].subarray(written)
        }
      } finally {
        closeSync(handle)
      }
    } catch (error) {
      rmSync(file, { force: true })
      const message = `a block for ${table} could not be staged in ${staging}: ${(error as Error).message}`
      if (isDiskFull(error)) throw new AnalyticsError('DISK_FULL', message, FREE_SPACE, error)
      throw new AnalyticsError('INSERT_FAILED', message, 'Look at the disk and at the system log; it is tried again.', error)
    }
  }

  const stageNative = (schema: TableSchema, block: readonly Uint8Array[]): StagedBlock => {
    const file = join(staging, `${++staged}.native`)
    const bytes = block.reduce((sum, piece) => sum + piece.byteLength, 0)
    /** What found no room: the block's own bytes are the encoder's again. The insert tries once more, as often as it is called. */
    let unstaged: Uint8Array | undefined
    try {
      writeStaged(file, schema.table, block)
    } catch {
      unstaged = Buffer.concat(block)
    }
    return {
      bytes,
      insert: async (token) => {
        if (unstaged) writeStaged(file, schema.table, [unstaged])
        unstaged = undefined
        try {
          await writer.command({ query: insertSql(schema, file, token) })
        } catch (error) {
          const code = String((error as { code?: unknown }).code ?? '')
          const message = `insert into ${schema.table} failed: ${(error as Error).message}`
          if (isDiskFull(error)) throw new AnalyticsError('DISK_FULL', message, FREE_SPACE, error)
          if (RETRYABLE.has(code))
            throw new AnalyticsError('INSERT_FAILED', message, 'It is tried again; look at disk space and memory if it stays.', error)
          throw new AnalyticsError(
            'INSERT_REFUSED',
            message,
            'Nothing is lost: the rows stay in the log. Mend the cause and start again.',
            error,
          )
        }
      },
      discard: () => rmSync(file, { force: true }),
    }
  }

  const migrationTarget: MigrationTarget = {
    command: async (sql) => void (await writer.command({ query: sql })),
    query: (sql) => rowsOf(sinkReader, sql),
  }

  return {
    get identity() {
      return identity
    },
    query: async <T>(sql: string, params?: Record<string, unknown>) => {
      try {
        return await rowsOf<T>(reader, sql, params)
      } catch (error) {
        throw queryFailed(error)
      }
    },
    queryText: async (sql, format, params) => {
      try {
        const result = await reader.exec({
          query: `${sql.trim().replace(/;$/, '')}\nFORMAT ${format.replace(/\W/g, '')}`,
          query_params: params,
        })
        const chunks: Buffer[] = []
        for await (const chunk of result.stream) chunks.push(Buffer.from(chunk as Uint8Array))
        return Buffer.concat(chunks).toString('utf8')
      } catch (error) {
        throw queryFailed(damaged(error))
      }
    },
    stageNative,
    present: (table, lineage, partition, from, to) =>
      asked<OffsetRange>(
        `SELECT min(o) AS from, max(o) + 1 AS to FROM (
          SELECT o, o - row_number() OVER (ORDER BY o) AS island FROM (
            SELECT DISTINCT offset AS o FROM ${quotedName(table)}
            WHERE lineage = {lineage:String} AND partition = {partition:UInt16} AND offset >= {from:UInt64} AND offset < {to:UInt64}))
        GROUP BY island ORDER BY from`,
        { lineage, partition, from, to },
      ),
    presentCells: async ({ table, cell }, lineage, partition, from, to) => {
      const columns = cell.map(([name, type]) =>
        type.startsWith('Date')
          ? `toUnixTimestamp64Milli(toDateTime64(${quotedName(name)}, 3, 'UTC')) AS ${quotedName(`${name}_ms`)}`
          : quotedName(name),
      )
      const rows = await asked<Record<string, unknown>>(
        `SELECT DISTINCT ${columns.join(', ')} FROM ${quotedName(table)}
        WHERE lineage = {lineage:String} AND partition = {partition:UInt16} AND through >= {from:UInt64} AND through < {to:UInt64}`,
        { lineage, partition, from, to },
      )
      return rows.map((row) => Object.values(row))
    },
    checkTable: async (schema) => {
      const wrong = (what: string) =>
        new AnalyticsError(
          'TARGET_TABLE_WRONG',
          `table ${schema.table} ${what}: rows could be lost or doubled`,
          'Exactly-once needs the table as the migrations make it. Undo the change, or move the data folder away and import again.',
        )
      const [table] = await asked<{ engine: string; full: string; orderBy: string }>(
        `SELECT engine, engine_full AS full, sorting_key AS orderBy FROM system.tables
        WHERE database = currentDatabase() AND name = {table:String}`,
        { table: schema.table },
      )
      if (!table) throw wrong('does not exist')
      // A view has no full one. Another engine knows no insert tokens, or its merges take rows for one that are not.
      const engine = /^\w+(\([^)]+\))?/.exec(table.full)?.[0] ?? table.engine
      if (engine !== schema.engine) throw wrong(`has the engine ${engine}, not ${schema.engine}`)
      if (schema.orderBy !== undefined && table.orderBy !== schema.orderBy)
        throw wrong(`is ordered by ${table.orderBy || 'nothing'}, not by ${schema.orderBy}, so that its merges take other rows for one`)
      const window = Number(/non_replicated_deduplication_window = (\d+)/.exec(table.full)?.[1] ?? 0)
      if (window < DEDUPLICATION_WINDOW_MIN)
        throw wrong(`remembers the tokens of ${window} inserts (non_replicated_deduplication_window), not ${DEDUPLICATION_WINDOW_MIN}`)
      const columns = new Map(
        (
          await asked<{ name: string; type: string }>(
            'SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}',
            { table: schema.table },
          )
        ).map((column) => [column.name, column.type]),
      )
      for (const [name, type] of schema.columns) {
        if (columns.get(name) !== type) throw wrong(`has the column ${name} as ${columns.get(name) ?? 'nothing'}, not ${type}`)
      }
    },
    makeTable: (schema) => makeDeclaredTable(migrationTarget, schema, options.fsync),
    migrate: async (onStep) => {
      const target = migrationTarget
      await runMigrations(target, migrationFiles(), onStep)
      await applyTableSettings(target, options)
      identity = await storeIdentity(target)
      yieldMerges()
    },
    close: async () => {
      await listParts(partList, (sql) => rowsOf(sinkReader, sql))
      await close()
    },
  }
}

const queryFailed = (error: unknown) =>
  error instanceof AnalyticsError
    ? error
    : new AnalyticsError(
        'QUERY_FAILED',
        (error as Error).message,
        'Mend the statement; `SHOW TABLES` and `DESCRIBE sessions` say what is there.',
        error,
      )
