// What a statement that a person typed may not do: read or write anything but the store's own tables. The engine runs with the rights of its
// process, and in its read-only mode still reads any file, asks any address, and writes INTO OUTFILE.
//
// The statement is read as the engine's lexer reads it, not parsed: a file is a text, or a quoted name with a path or an extension, where a table
// stands; and a function there is one of those that are known to stay in the store.
import { AnalyticsError } from './analytics-error.ts'

/** Functions that reach out of the store, wherever they stand; those for a cluster, a local copy, a place to keep it: by what follows the name. */
const REACHING =
  /^(file|filesystem|url|s3|gcs|cosn|oss|hdfs|azureBlobStorage|deltaLake|hudi|iceberg|paimon|mysql|postgresql|mongodb|redis|sqlite|odbc|jdbc|remote|cluster|clusterAllReplicas|executable|input|python|ytsaurus|arrowFlight|arrowStream|prometheusQuery|loop|eval)(Cluster|Secure|Local|S3|Azure|HDFS|Range)*$/i
/** Functions that may stand where a table does. */
const TABLES =
  /^(numbers|zeros|numbers_mt|zeros_mt|generate_?series|primes|values|null|generateRandom|format|view|viewExplain|merge|dictionary|mergeTreeIndex|mergeTreeProjection)$/i
/** Functions that are called with a FROM of their own. */
const FROM_INSIDE = /^(trim|ltrim|rtrim|extract|substring|substr|overlay|overlayUTF8)$/i
/** Words that end the list of tables. */
const AFTER_TABLES = /^(SELECT|WHERE|PREWHERE|GROUP|HAVING|QUALIFY|WINDOW|ORDER|LIMIT|UNION|EXCEPT|INTERSECT)$/

/** What a statement begins with that only reads; the engine's read-only mode lets KILL, BACKUP and others pass. FROM may come before its SELECT. */
const READING = /^(SELECT|FROM|WITH|SHOW|DESCRIBE|DESC|EXPLAIN|EXISTS|CHECK)$/i

const TOKEN = new RegExp(
  [
    /(?<space>\s+|--[^\n]*|#[! ][^\n]*|\/\*[\s\S]*?\*\/)/,
    /(?<text>'(?:[^'\\]|\\[\s\S]|'')*'|\$(?<tag>\w*)\$[\s\S]*?\$\k<tag>\$|‘[^’]*’)/,
    /(?<name>`(?:[^`\\]|\\[\s\S]|``)*`|"(?:[^"\\]|\\[\s\S]|"")*"|“[^”]*”)/,
    /(?<word>[A-Za-z_][\w$]*)/,
    /(?<sign>[\s\S])/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
)

/** Between two parentheses. */
interface Level {
  /** The function that is called with it. */
  call: string
  hasSelect: boolean
  /** Between FROM and what follows the tables. */
  isTables: boolean
}

/** Throws SQL_READ_ONLY and QUERY_FORBIDDEN; a syntax error is the engine's to find. */
export function checkUserStatement(sql: string): void {
  const levels: Level[] = []
  let level: Level = { call: '', hasSelect: false, isTables: false }
  /** The token before: a word in capitals, a sign, or nothing; what it may call; whether it stands where a table does. */
  let before = ''
  let callable = ''
  let isTable = false
  let isOver = false
  let isBegun = false
  for (const { groups = {} } of sql.matchAll(TOKEN)) {
    const { space, text, name, word, sign } = groups
    if (space) continue
    if (!isBegun && sign !== '(') {
      if (!word || !READING.test(word)) refuseFirst(word)
      isBegun = true
    }
    if (isOver && sign !== ';') refuse('these are several statements')
    const isTableHere = /^(DESCRIBE|DESC|TABLE)$/.test(before) || (level.isTables && /^(FROM|JOIN|,)$/.test(before))
    const called = callable
    callable = ''
    if (text || (name && /[/.\\:]/.test(name))) {
      if (isTableHere || (name && /^(IN|\.)$/.test(before))) refuse('a file cannot be read as a table')
      before = ''
    } else if (name) {
      callable = name.slice(1, -1)
      before = ''
    } else if (word) {
      callable = word
      const isPlain = isTableHere || before === 'AS' || before === '.'
      const was = before
      before = isPlain ? '' : word.toUpperCase()
      if (was === 'INTO' && before === 'OUTFILE') refuse('INTO OUTFILE writes a file: redirect the output instead')
      if (before === 'SELECT') level.hasSelect = true
      if (before === 'JOIN') level.isTables = was !== 'ARRAY'
      else if (before === 'FROM') level.isTables = was === 'DISTINCT' ? level.isTables : level.hasSelect || !FROM_INSIDE.test(level.call)
      else if (AFTER_TABLES.test(before)) level.isTables = false
    } else {
      before = sign as string
      if (sign === '(') {
        if (REACHING.test(called) || (called && isTable && !TABLES.test(called)))
          refuse(`the function ${called} reaches out of the analytics store`)
        levels.push(level)
        level = { call: called, hasSelect: false, isTables: false }
      } else if (sign === ')') level = levels.pop() ?? level
      else if (sign === ';') isOver = true
    }
    isTable = isTableHere
  }
}

function refuseFirst(word: string | undefined): never {
  throw new AnalyticsError(
    'SQL_READ_ONLY',
    `this only reads${word ? `: a statement does not begin with ${word.slice(0, 40)} here` : ''}`,
    'Begin it with SELECT, WITH, SHOW, DESCRIBE, DESC, EXPLAIN, EXISTS or CHECK. Events come in with `packmill import`.',
  )
}

function refuse(what: string): never {
  throw new AnalyticsError(
    'QUERY_FORBIDDEN',
    what,
    'One statement at a time, over the tables of this folder: SELECT, SHOW, DESCRIBE, EXPLAIN.',
  )
}
