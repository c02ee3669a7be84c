// packmill sql: one statement, its result as a table, in any format of ClickHouse, or as JSON. Reads only.
import type { Command } from 'commander'
import type { Config } from '../../config/index.ts'
import type { Local } from '../../services/process/local.ts'
import { addDataOptions, addExamples, addJsonOption, type DataOptions, resolveConfig } from '../common-options.ts'
import { withFolder } from '../open-folder.ts'
import { requireData } from '../require-data.ts'
import { sqlError } from '../sql-error.ts'
import { waiting } from '../waiting.ts'

interface SqlOptions extends DataOptions {
  format?: string
  json?: boolean
}

export function sql(command: Command): void {
  command
    .argument('<statement>', 'ClickHouse SQL; tables: sessions, incidents, events (SHOW TABLES lists all)')
    .option('--format <name>', 'a format of ClickHouse: CSVWithNames, TSV, JSONEachRow, Vertical, Markdown …')
    .action(run)
  addExamples(addJsonOption(addDataOptions(command)), [
    ['packmill sql "SELECT kind, count() FROM incidents GROUP BY kind"', 'a table'],
    ['packmill sql "SELECT * FROM sessions LIMIT 3" --format Vertical', 'wide rows, one column a line'],
    ['packmill sql "SELECT screen, count() AS n FROM incidents GROUP BY screen" --json', 'an array of rows'],
    ['packmill sql "DESCRIBE sessions" --format TSV', 'the columns of a table'],
  ])
}

async function run(statement: string, options: SqlOptions, command: Command): Promise<void> {
  if (options.json && options.format) command.error('error: --json and --format exclude each other')
  if (options.format && !/^\w+$/.test(options.format)) command.error(`error: ${options.format} is no name of a format`)
  // ClickHouse has nothing to say to nothing.
  if (/^(\s|;|--.*$)*$/m.test(statement) && statement.replace(/--.*$/gm, '').replace(/[\s;]/g, '') === '')
    command.error('error: the statement is empty')
  const { config } = await resolveConfig(options)
  requireData(config)
  const format = options.format ?? (process.stdout.isTTY ? 'PrettyCompact' : 'PrettyCompactMonoBlock')
  const text = await withTables(config, async (folder) => {
    try {
      const asked = options.json
        ? folder.queryText(statement, 'JSONEachRow').then((lines) => JSON.stringify(rowsOf(lines), null, 2))
        : folder.queryText(statement, format)
      return await waiting('query', asked)
    } catch (error) {
      throw sqlError(error, statement)
    }
  })
  process.stdout.write(text.endsWith('\n') || text === '' ? text : `${text}\n`)
}

/** Digits that a number of JSON's readers would lose (of a UInt64 beyond 2^53, or larger types) stay as text. */
function rowsOf(lines: string): unknown[] {
  const exact = (_: string, value: unknown, { source = '' }: { source?: string } = {}) =>
    typeof value === 'number' && /^-?\d+$/.test(source) && String(value) !== source ? source : value
  const rows = lines.split('\n').filter(Boolean)
  return rows.map((row) => JSON.parse(row, exact) as unknown)
}

type Asked = Pick<Local, 'queryText'>

/** The folder, whatever runs in it: the product, or a topology of one's own. */
async function withTables(config: Config, work: (folder: Asked) => Promise<string>): Promise<string> {
  const { topologyOf } = await import('../../services/process/data-folder.ts')
  if (topologyOf(config.data) === undefined) return withFolder(config, {}, work)
  const [{ openTables }, { aloneOrThrough }] = await Promise.all([
    import('../../services/streams/open-tables.ts'),
    import('../../services/process/local.ts'),
  ])
  const alone = async () => {
    const tables = await openTables(config)
    try {
      return await work(tables)
    } finally {
      await tables.stop()
    }
  }
  return aloneOrThrough(config.data, alone, work)
}
