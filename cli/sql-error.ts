// What ClickHouse says of a statement, cut to what matters to the person who wrote it: the first sentence, and what there is instead.

const TABLES =
  'Tables: sessions, incidents, events, task_events, overview_hourly, overview_daily, screen_hotspots, flows, dim_task_types; `SHOW TABLES` lists all.'

export class SqlError extends Error {
  override readonly name = 'SqlError'
  readonly code: string
  readonly advice: string

  constructor(code: string, message: string, advice: string, cause: unknown) {
    super(message, { cause })
    this.code = code
    this.advice = advice
  }
}

/** QUERY_FAILED and the like in short; any other error as it is. */
export function sqlError(error: unknown, statement: string): unknown {
  const { code, message } = error as { code?: string; message?: string }
  if (code !== 'QUERY_FAILED' || message === undefined) return error
  const short = shorten(message)
  if (/readonly mode/.test(message))
    return new SqlError('SQL_READ_ONLY', `this only reads: ${short}`, 'Events come in with `packmill import`.', error)
  if (!/^Function/.test(message) && /Unknown table|UNKNOWN_TABLE|does not exist/.test(message))
    return new SqlError('SQL_UNKNOWN_TABLE', short, TABLES, error)
  if (/Unknown (expression (or function )?|function )?identifier|Missing columns/.test(message)) {
    const table = /\bFROM\s+(\w+)/i.exec(statement)?.[1]
    return new SqlError(
      'SQL_UNKNOWN_COLUMN',
      short,
      table
        ? `\`DESCRIBE ${table}\` lists its columns; text goes into single quotes.`
        : 'A column needs a FROM; text goes into single quotes.',
      error,
    )
  }
  if (/Unknown format/.test(message))
    return new SqlError(
      'SQL_UNKNOWN_FORMAT',
      short,
      'Formats: PrettyCompact, Vertical, CSVWithNames, TSVWithNames, JSONEachRow, Markdown …',
      error,
    )
  if (/^Syntax error/.test(message))
    return new SqlError('SQL_SYNTAX', short, 'It is ClickHouse SQL, one statement; the format goes into --format.', error)
  return new SqlError(code, short, 'Mend the statement; `SHOW TABLES` and `DESCRIBE sessions` say what is there.', error)
}

/** Without the list of all that would have been possible, and without the statement once more. */
function shorten(message: string): string {
  return message
    .replace(/\s*FORMAT \w+(?=\.|\s|$)/g, '')
    .replace(/\. Expected one of:[\s\S]*$/, '')
    .replace(/\. Expected [\s\S]*$/, '')
    .replace(/ in scope [\s\S]*?(?=\. Maybe you meant|$)/, '')
    .replace(/system\.\w+/g, '')
    .replace(/\.? Maybe you meant:? *(?:\['?|default\.)?([\w.]+)?[^?]*\??/, (_, meant?: string) =>
      meant ? `; did you mean ${meant}?` : '',
    )
    .replace(/[\s.]+$/, '')
    .replace(/\s+/g, ' ')
}
