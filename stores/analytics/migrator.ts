// Applies migrations/*.sql in order of their names and records each in `_migrations`.
// Owns: the order, the record, the checksum. Never: undoes a migration (a mistake is mended by the next file).
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { AnalyticsError } from './analytics-error.ts'

const FOLDER = new URL('./migrations/', import.meta.url)

export interface MigrationFile {
  name: string
  sql: string
}

/** What the migrator needs of a store. */
export interface MigrationTarget {
  command(sql: string): Promise<void>
  query<T>(sql: string): Promise<T[]>
}

export const migrationFiles = (): MigrationFile[] =>
  readdirSync(FOLDER)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => ({ name: file.slice(0, -4), sql: readFileSync(new URL(file, FOLDER), 'utf8') }))

const checksumOf = (sql: string) => createHash('sha256').update(sql).digest('hex').slice(0, 32)

/** Statements of a file: ended by a semicolon at the end of a line; comment lines go. */
const statements = (sql: string) =>
  sql
    .replace(/^--.*$/gm, '')
    .split(/;[ \t]*$/m)
    .map((text) => text.trim())
    .filter(Boolean)

/** Applies what is missing. Rejects with MIGRATION_CHANGED where an applied file differs from its record. */
export async function runMigrations(
  target: MigrationTarget,
  files: readonly MigrationFile[],
  onStep?: (name: string) => void,
): Promise<void> {
  await target.command(`CREATE TABLE IF NOT EXISTS _migrations (name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
    ENGINE = MergeTree ORDER BY name SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`)
  const applied = new Map(
    (await target.query<{ name: string; checksum: string }>('SELECT name, checksum FROM _migrations')).map((row) => [
      row.name,
      row.checksum,
    ]),
  )
  for (const file of files) {
    const recorded = applied.get(file.name)
    if (recorded !== undefined && recorded !== checksumOf(file.sql)) {
      throw new AnalyticsError(
        'MIGRATION_CHANGED',
        `migration ${file.name} differs from the one that was applied to this store`,
        'Put the file back as it was and write the change as a new migration.',
      )
    }
  }
  if (files.every(({ name }) => applied.has(name))) return
  // It brings a command line of its own: 180 modules that most starts do not need.
  const { Umzug } = await import('umzug')
  const umzug = new Umzug({
    migrations: files.map((file) => ({
      name: file.name,
      up: async () => {
        onStep?.(file.name)
        // A crash inside a file leaves some of its statements done: they are made repeatable here, once, instead of in every file.
        for (const sql of statements(file.sql))
          await target.command(sql.replace(/^CREATE (TABLE|VIEW) (?!IF NOT EXISTS)/, 'CREATE $1 IF NOT EXISTS '))
      },
    })),
    storage: {
      executed: async () => [...applied.keys()],
      logMigration: async ({ name }) => {
        const checksum = checksumOf(files.find((file) => file.name === name)!.sql)
        await target.command(`INSERT INTO _migrations (name, checksum) VALUES ('${name}', '${checksum}')`)
        applied.set(name, checksum)
      },
      unlogMigration: async () => {},
    },
    logger: undefined,
  })
  try {
    await umzug.up()
  } catch (error) {
    const cause = (error as { cause?: unknown }).cause ?? error
    throw new AnalyticsError(
      'MIGRATION_FAILED',
      `the analytics store could not be brought up to date: ${(cause as Error).message}`,
      'Look at the statement that the message names. Started again, it goes on with the migration that failed.',
      error,
    )
  }
}

/** The store's own name, made when it is first asked for. */
export async function storeIdentity(target: MigrationTarget): Promise<string> {
  await target.command(`CREATE TABLE IF NOT EXISTS _store (id String) ENGINE = MergeTree ORDER BY id
    SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`)
  await target.command('INSERT INTO _store SELECT toString(generateUUIDv4()) WHERE (SELECT count() FROM _store) = 0')
  return (await target.query<{ id: string }>('SELECT min(id) AS id FROM _store'))[0].id
}
