// Compares what topics or tables hold with the evaluator's answer: last versions, deleted ones left out, differences in words.
// version, received_at, replaced_by and the lineage, partition and offset of the row itself are no part of the answer.
import type { IncidentAnswer, SessionAnswer } from './session-rows.ts'

export interface CompareOptions {
  /** Open sessions: 'exact' when snapshots were asked for at the end (an import), 'stale' when they may be older or not there yet. */
  open: 'exact' | 'stale'
  /** The rows are all versions that were ever emitted (a topic): each is there once, and they count 1, 2, 3 … */
  allVersions: boolean
}
const defaults: CompareOptions = { open: 'exact', allVersions: false }

const DIFFERENCES_MAX = 10

/** Rows have `version`, `deleted` and the fields of the answer. Differences in words, the first ten and how many more; empty: the rows are the answer. */
export function compareSessions(
  rows: Iterable<object>,
  expected: ReadonlyMap<string, SessionAnswer>,
  options: Partial<CompareOptions> = {},
): string[] {
  return compare('session', 'session_id', rows, expected, { ...defaults, ...options }, (row) => Number(row.closed) === 0)
}

/** The same for incidents. */
export function compareIncidents(
  rows: Iterable<object>,
  expected: ReadonlyMap<string, IncidentAnswer>,
  options: Partial<Pick<CompareOptions, 'allVersions'>> = {},
): string[] {
  return compare('incident', 'incident_id', rows, expected, { ...defaults, ...options }, () => false)
}

type Row = Record<string, unknown>

function compare(
  what: string,
  idField: string,
  rows: Iterable<object>,
  expected: ReadonlyMap<string, object>,
  options: CompareOptions,
  isOpen: (row: Row) => boolean,
): string[] {
  const found: string[] = []
  const last = new Map<string, Row>()
  const versions = new Map<string, number[]>()
  for (const given of rows) {
    const row = given as Row
    const id = String(row[idField])
    const version = Number(row.version)
    const before = last.get(id)
    if (!before || version > Number(before.version)) last.set(id, row)
    if (options.allVersions) {
      const list = versions.get(id)
      if (list) list.push(version)
      else versions.set(id, [version])
    }
  }
  for (const [id, list] of versions) {
    const sorted = [...list].sort((a, b) => a - b)
    if (sorted.some((version, at) => version !== at + 1))
      found.push(`${what} ${id}: versions are ${sorted.join(', ')}, not 1 … n once each`)
  }
  for (const [id, answer] of expected) {
    const row = last.get(id)
    const stale = options.open === 'stale' && isOpen(answer as Row)
    if (!row || isDeleted(row)) {
      if (!stale) found.push(`${what} ${id} is ${row ? 'deleted' : 'missing'}, expected ${JSON.stringify(answer)}`)
    } else if (!stale) found.push(...fieldDifferences(`${what} ${id}`, row, answer as Row))
  }
  for (const [id, row] of last) {
    if (!isDeleted(row) && !expected.has(id)) found.push(`${what} ${id} should not be there: ${JSON.stringify(row)}`)
  }
  const more = found.length - DIFFERENCES_MAX
  return more > 0 ? [...found.slice(0, DIFFERENCES_MAX), `… and ${more} more`] : found
}

const isDeleted = (row: Row) => row.deleted === true || Number(row.deleted) === 1

function fieldDifferences(name: string, row: Row, answer: Row): string[] {
  return Object.keys(answer)
    .filter((field) => !same(row[field], answer[field]))
    .map((field) => `${name}: ${field} is ${JSON.stringify(row[field])}, expected ${JSON.stringify(answer[field])}`)
}

/** Stores give 64-bit numbers as text and flags as booleans. */
function same(actual: unknown, expected: unknown): boolean {
  if (Array.isArray(expected)) {
    return Array.isArray(actual) && actual.length === expected.length && expected.every((item, at) => same(actual[at], item))
  }
  if (typeof expected !== 'number') return actual === expected
  return actual !== '' && actual !== null && typeof actual !== 'object' && Number(actual) === expected
}
