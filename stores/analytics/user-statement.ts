// What a statement that a person typed may not do: read or write anything but the store's own tables. The engine runs with the rights of its
// process, and in its read-only mode still reads any file, asks any address, and writes INTO OUTFILE.
import { AnalyticsError } from './analytics-error.ts'

/** Functions that reach out of the store; those for a cluster, a local copy, a place to keep it: by what follows the name. */
const REACHING =
  /\b(file|url|s3|gcs|cosn|oss|hdfs|azureBlobStorage|deltaLake|hudi|iceberg|paimon|mysql|postgresql|mongodb|redis|sqlite|odbc|jdbc|remote|cluster|clusterAllReplicas|executable|input|python|ytsaurus|arrowFlight|prometheusQuery)(Cluster|Secure|Local|S3|Azure|HDFS|Range)*\s*\(/i

/** Texts, here documents, quoted names, comments: a name stays as a word, of the others none does. */
const NO_WORDS =
  /'(?:[^'\\]|\\[\s\S])*'|\$(\w*)\$[\s\S]*?\$\1\$|`(?:[^`\\]|\\[\s\S])*`|"(?:[^"\\]|\\[\s\S])*"|--[^\n]*|#[! ][^\n]*|\/\*[\s\S]*?\*\//g

/** Throws QUERY_FORBIDDEN; a syntax error is the engine's to find. */
export function checkUserStatement(sql: string): void {
  const words = sql.replace(NO_WORDS, (found) => {
    // A quoted name with a path or an extension is a file's.
    if (/^['$]|^[`"].*[/.\\:]/s.test(found)) return "''"
    return /^[`"]/.test(found) ? found.slice(1, -1).replace(/\W/g, '_') : ' '
  })
  const refuse = (what: string) => {
    throw new AnalyticsError(
      'QUERY_FORBIDDEN',
      what,
      'One statement at a time, over the tables of this folder: SELECT, SHOW, DESCRIBE, EXPLAIN.',
    )
  }
  const reaching = REACHING.exec(words)
  if (reaching) refuse(`the function ${reaching[1]} reaches out of the analytics store`)
  if (/\bINTO\s+OUTFILE\b/i.test(words)) refuse('INTO OUTFILE writes a file: redirect the output instead')
  if (/^\s*CREATE\s+(OR\s+REPLACE\s+)?TEMPORARY\b/i.test(words)) refuse('a temporary table could be a file')
  if (/\b(FROM|JOIN|DESCRIBE|DESC|TABLE)\s*\(?\s*''|\bFROM\s[^()]*,\s*''/i.test(words)) refuse('a file cannot be read as a table')
  if (/;\s*[^\s;]/.test(words)) refuse('these are several statements')
}
