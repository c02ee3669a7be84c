// Counts sessions again from the accepted events and compares them with the tables: day by day, in parts that fit into memory. Owns the order of looks and
// what is a difference; the counting is verify-sql.ts's, in the analytics store.
//
// Beside a process that takes events the tables move: what differs is looked at again after everything has settled, and counts only if it differs each time.

import { EVENT_TYPES } from '../../model/event.ts'
import { HASH_SLACK, h128, hash128, hex128 } from '../../model/hash.ts'
import {
  DIFFERENCES,
  daysSql,
  firstEventsSql,
  type IncidentRow,
  incidentsSql,
  MEASURES,
  sessionsSql,
  type UNJUDGED,
  type VerdictRow,
  type VerifyScope,
  type VerifyUnit,
} from './verify-sql.ts'

export interface VerifyOptions extends VerifyScope {
  query<T>(sql: string): Promise<T[]>
  /** Resolves when all that has come in can be queried. */
  settle(): Promise<void>
  /** The tables move meanwhile: look again. */
  isLive: boolean
  /** Sessions that began in from ≤ t < to; absent: all. */
  fromMs?: number
  toMs?: number
  /** Asked between two parts. */
  signal?: AbortSignal
  /** Days that were looked at, of all; sessions so far. */
  onProgress?(share: number, sessions: number): void
  /** Events of one look; a test makes it small. */
  partEvents?: number
}

export interface Difference {
  org: string
  product: string
  user: string
  /** Those in the table; of a missing one that which it would have. Several where a cap has cut. */
  sessionIds: string[]
  startedAt: string
  what: (typeof DIFFERENCES)[number] | 'incidents'
  /** What differs: counted again, and in the table. */
  values: Record<string, [counted: number | string, table: number | string]>
}

/** Of one organisation's product, of the sessions that began on a day (UTC). */
export interface Verified {
  day: string
  org: string
  product: string
  /** Compared: counted again from the events, and in the table. */
  sessions: number
  events: number
  clicks: number
  tableSessions: number
  tableEvents: number
  tableClicks: number
  /** Not compared, by reason: open, unsure, long, expired. */
  unjudged: Record<(typeof UNJUDGED)[number], number>
}

export interface Verification {
  days: Verified[]
  /** How many; `differences` has the first of them. */
  different: number
  differences: Difference[]
}

const DAY_MS = 86_400_000
const PART_EVENTS = 1_500_000
/** Differences of one organisation's product and day that are named. */
const SHOWN = 200
const LOOKS = 3

/** Errors: those of the store and of settling. */
export async function verify(options: VerifyOptions): Promise<Verification> {
  const { query, settle, fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY, partEvents = PART_EVENTS } = options
  await settle()
  const all = await query<{ day: string; events: number }>(daysSql(options))
  const events = new Map(all.map(({ day, events }) => [Date.parse(day), Number(events)]))
  const days = [...events.keys()].filter((day) => day + DAY_MS > fromMs && day < toMs)
  const result: Verification = { days: [], different: 0, differences: [] }
  let sessions = 0
  for (const [i, day] of days.entries()) {
    // Sessions go on into the next day.
    const parts = Math.max(1, Math.ceil((events.get(day)! + (events.get(day + DAY_MS) ?? 0)) / partEvents))
    const found = new Map<string, Verified>()
    for (let part = 0; part < parts; part++) {
      options.signal?.throwIfAborted()
      const unit = { fromMs: Math.max(fromMs, day), toMs: Math.min(toMs, day + DAY_MS), part, parts }
      const look = await lookAt(options, unit)
      for (const row of look.rows) sessions += add(found, new Date(day).toISOString().slice(0, 10), row)
      result.different += look.different
      result.differences.push(...look.differences)
      options.onProgress?.((i + (part + 1) / parts) / days.length, sessions)
    }
    result.days.push(...found.values())
  }
  return result
}

interface Look {
  rows: VerdictRow[]
  different: number
  differences: Difference[]
}

async function lookAt(options: VerifyOptions, unit: VerifyUnit): Promise<Look> {
  const { query, settle, isLive } = options
  const look = async (): Promise<Look> => {
    const rows = await query<VerdictRow>(sessionsSql(options, unit, SHOWN))
    const incidents = await query<IncidentRow>(incidentsSql(options, unit, SHOWN))
    const differing = rows.filter(({ verdict }) => isDifference(verdict))
    return {
      rows,
      different: differing.reduce((sum, { n }) => sum + Number(n), incidents.length),
      differences: [...differing.flatMap(differencesOf), ...incidents.map(incidentDifference)],
    }
  }
  let found = await look()
  for (let again = 1; isLive && found.different > 0 && again < LOOKS; again++) {
    await settle()
    const before = new Set(found.differences.map(keyOf))
    const now = await look()
    const stayed = now.differences.filter((difference) => before.has(keyOf(difference)))
    found = { rows: now.rows, different: now.different > now.differences.length ? now.different : stayed.length, differences: stayed }
  }
  await nameMissing(options, found.differences)
  return found
}

const isDifference = (verdict: string) => (DIFFERENCES as readonly string[]).includes(verdict)
const keyOf = ({ org, product, user, startedAt, what }: Difference) => JSON.stringify([org, product, user, startedAt, what])

/** Returns how many sessions were compared. */
function add(found: Map<string, Verified>, day: string, { org_id, product_id, verdict, n, ...sums }: VerdictRow): number {
  const key = JSON.stringify([org_id, product_id])
  const none = { sessions: 0, events: 0, clicks: 0, tableSessions: 0, tableEvents: 0, tableClicks: 0 }
  const own = found.get(key) ?? { day, org: org_id, product: product_id, ...none, unjudged: { open: 0, unsure: 0, long: 0, expired: 0 } }
  found.set(key, own)
  const count = Number(n)
  if (verdict in own.unjudged) {
    own.unjudged[verdict as keyof Verified['unjudged']] += count
    return 0
  }
  if (verdict !== 'extra') own.sessions += count
  if (verdict !== 'missing') own.tableSessions += count
  own.events += Number(sums.events)
  own.clicks += Number(sums.clicks)
  own.tableEvents += Number(sums.table_events)
  own.tableClicks += Number(sums.table_clicks)
  return count
}

function differencesOf({ org_id: org, product_id: product, verdict, rows }: VerdictRow): Difference[] {
  return rows.map(([user, startMs, endMs, tableEndMs, counted, table, sessionIds]) => {
    const values: Difference['values'] = {}
    if (verdict === 'differs' && endMs !== tableEndMs) values.ended_at = [instant(endMs), instant(tableEndMs)]
    for (const [i, name] of MEASURES.entries())
      if (counted[i] !== table[i] && (verdict !== 'differs' || name !== 'unique_screens' || sessionIds.length === 1))
        values[name] = [counted[i]!, table[i]!]
    if (verdict === 'cut' || verdict === 'not cut') values.pieces = [verdict === 'cut' ? 1 : 'several', sessionIds.length]
    return { org, product, user, sessionIds, startedAt: instant(startMs), what: verdict as Difference['what'], values }
  })
}

const incidentDifference = ({ org_id, product_id, user_id, session_id, start, counts }: IncidentRow): Difference => ({
  ...{ org: org_id, product: product_id, user: user_id, sessionIds: [session_id], startedAt: instant(start), what: 'incidents' },
  // The row counts them; the table of incidents has them.
  values: Object.fromEntries(counts.map(([kind, counted, found]) => [kind, [found, counted]])),
})

/** The ids that missing sessions would have: that of the user and the first event (docs/events.md). */
async function nameMissing(options: VerifyOptions, differences: readonly Difference[]): Promise<void> {
  const missing = differences.filter(({ what }) => what === 'missing')
  if (missing.length === 0) return
  const runs = missing.map(({ org, product, user, startedAt }) => ({ org, product, user, startMs: Date.parse(startedAt) }))
  interface Row {
    org_id: string
    product_id: string
    user_id: string
    start: number
    events: [type: string, id: string][]
  }
  const rows = await options.query<Row>(firstEventsSql(options, runs))
  for (const difference of missing) {
    const { org, product, user, startedAt } = difference
    const row = rows.find(
      (one) => one.org_id === org && one.product_id === product && one.user_id === user && instant(one.start) === startedAt,
    )
    const [first] = (row?.events ?? [])
      .map(([type, id]) => [(EVENT_TYPES as readonly string[]).indexOf(type), hashOf(id)] as const)
      .sort(inOrder)
    if (first) difference.sessionIds = [hashOf(`${org}\0${product}\0${user}\0${Date.parse(startedAt)}\0${first[1]}`)]
  }
}

const inOrder = (a: readonly [number, string], b: readonly [number, string]) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1)

function hashOf(value: string): string {
  const bytes = Buffer.from(value)
  hash128(Buffer.concat([bytes, Buffer.alloc(HASH_SLACK)]), 0, bytes.length)
  return hex128(h128)
}

const instant = (ms: number) => (Number(ms) === 0 ? '' : new Date(Number(ms)).toISOString())
