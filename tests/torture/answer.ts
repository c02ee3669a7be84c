// Compares everything that a data folder's stores hold with what was sent: differences in words, none when all is exactly once and right.
//
// 1. Every line that was accepted is in events_raw once, and each actor's lines are there in the order in which they were sent.
// 2. Sessions, incidents, tiles and late events are the batch evaluator's answer for that log; nothing is dead-lettered.
// 3. No row of any table is there twice, by its place in the log.
// 4. Per org: accepted = in sessions + duplicates + late + dead-lettered, counted by SQL alone.
// For logs without processing time (imports), whose open sessions have been asked for.
import type { Config } from '../../config/index.ts'
import type { WireEvent } from '../../model/event.ts'
import type { Embedded } from '../../services/process/embedded.ts'
import { compareIncidents, compareSessions } from '../oracle/compare.ts'
import { type Evaluation, evaluate, type LogRecord, type OracleSettings } from '../oracle/evaluate.ts'
import { hashText } from '../oracle/hash.ts'
import { compareTiles, sessionsSql, tileRows } from '../oracle/tiles.ts'

export interface Answer {
  differences: string[]
  /** Rows of events_raw. */
  events: number
  evaluation: Evaluation
}

/** How much was compared: a comparison of nothing with nothing would be no proof. */
export interface Summary {
  differences: string[]
  events: number
  sessions: number
  incidents: number
  duplicates: number
  late: number
}

export const summary = ({ differences, events, evaluation }: Answer): Summary => ({
  differences,
  events,
  sessions: evaluation.sessions.size,
  incidents: evaluation.incidents.size,
  duplicates: evaluation.duplicates.length,
  late: evaluation.late.length,
})

/** Whoever answers queries of the tables. */
export type Stores = Pick<Embedded, 'query'>

const TABLES = ['events_raw', 'fact_sessions', 'fact_incidents', 'events_late', 'events_dlq']
const ms = (name: string) => `toUnixTimestamp64Milli(${name}) AS ${name}`

export const oracleSettings = ({ clickstream }: Config): Partial<OracleSettings> => clickstream

/** `sent`: all lines that the door accepts, in the order in which they were imported, as they were sent. */
export async function answerOf(
  embedded: Embedded,
  config: Config,
  sent: Iterable<WireEvent>,
  settings: Partial<OracleSettings> = {},
): Promise<Answer> {
  const raw = await embedded.query<{ lineage: string; partition: number; offset: number; record: string }>(
    'SELECT lineage, partition, offset, record FROM events_raw ORDER BY partition, offset',
  )
  const records = raw.map(({ partition, offset, record }) => ({ partition, offset, event: JSON.parse(record) as WireEvent }))
  const evaluation = evaluate(records, { ...oracleSettings(config), ...settings })
  const differences = [
    ...(await logDifferences(embedded, records)),
    ...orderDifferences(records, sent),
    ...(await tableDifferences(embedded, evaluation)),
  ]
  return { differences, events: raw.length, evaluation }
}

/** 2, 3 and 4 alone: of tables that were filled from a log whose answer is known. */
export async function tableDifferences(stores: Stores, evaluation: Evaluation): Promise<string[]> {
  const incidents = await stores.query(
    `SELECT * REPLACE (${ms('first_at')}, ${ms('last_at')}, arrayMap(at -> [toUInt64(at.1), at.2], evidence) AS evidence) FROM fact_incidents`,
  )
  return [
    ...compareSessions(await stores.query(sessionsSql), evaluation.sessions),
    ...compareIncidents(incidents, evaluation.incidents),
    ...compareTiles(await tileRows((sql) => stores.query(sql)), evaluation),
    ...(await lateDifferences(stores, evaluation)),
    ...(await doubled(stores)),
    ...(await unaccounted(stores)),
  ]
}

/** The table holds what the log holds, record by record. */
async function logDifferences(embedded: Embedded, records: readonly LogRecord[]): Promise<string[]> {
  const ends = await embedded.ends('events.raw')
  const counts = ends.map(() => 0)
  for (const { partition } of records) counts[partition]++
  return ends.flatMap((end, partition) =>
    end === counts[partition] ? [] : [`events.raw/${partition} ends at ${end}, events_raw has ${counts[partition]} rows of it`],
  )
}

/** Actor by actor: the ids in the log are the ids that were sent, in that order. */
function orderDifferences(records: readonly (LogRecord & { event: WireEvent })[], sent: Iterable<WireEvent>): string[] {
  const actorOf = ({ orgId, productId }: WireEvent) => `${orgId}/${productId}`
  const inLog = Map.groupBy(records, ({ event }) => actorOf(event))
  const expected = Map.groupBy(sent, actorOf)
  const found: string[] = []
  for (const actor of new Set([...inLog.keys(), ...expected.keys()])) {
    const a = expected.get(actor) ?? []
    const b = inLog.get(actor) ?? []
    const at = a.findIndex((event, i) => event.eventId !== b[i]?.event.eventId)
    if (at >= 0 || a.length !== b.length) {
      const what = at < 0 ? `${b[a.length]?.event.eventId} follows the last` : `${b[at]?.event.eventId} is there for ${a[at].eventId}`
      found.push(`${actor}: ${b.length} records, expected ${a.length}; at ${at < 0 ? a.length : at} ${what}`)
    }
  }
  return found
}

async function lateDifferences(stores: Stores, { late }: Evaluation): Promise<string[]> {
  const rows = await stores.query<{ at: string }>(
    `SELECT concat(reason, ' ', toString(source_partition), ':', toString(source_offset)) AS at FROM events_late ORDER BY at`,
  )
  const actual = rows.map(({ at }) => at)
  const expected = late.map(({ partition, offset, reason }) => `${reason} ${partition}:${offset}`).sort()
  return hashText(actual.join()) === hashText(expected.join())
    ? []
    : [
        `late events: ${actual.length} rows (${actual.slice(0, 3).join(', ')} …), expected ${expected.length} (${expected.slice(0, 3).join(', ')} …)`,
      ]
}

async function doubled(stores: Stores): Promise<string[]> {
  const found: string[] = []
  for (const table of TABLES) {
    const [{ rows, places }] = await stores.query<{ rows: number; places: number }>(
      `SELECT count() AS rows, uniqExact(lineage, partition, offset) AS places FROM ${table}`,
    )
    if (rows !== places) found.push(`${table} has ${rows} rows from ${places} places of the log`)
  }
  return found
}

/** The view `events` hides what was sent twice; a late event is in the log and in no session, each time that it was sent. */
async function unaccounted(stores: Stores): Promise<string[]> {
  const rows = await stores.query<Record<'org_id' | 'accepted' | 'counted', unknown>>(`
    SELECT org_id, sum(toInt64(a)) AS accepted, sum(toInt64(c)) AS counted FROM (
      SELECT org_id, count() AS a, 0 AS c FROM events_raw GROUP BY org_id
      UNION ALL SELECT org_id, 0, sum(event_count) FROM sessions GROUP BY org_id
      UNION ALL SELECT JSONExtractString(record, 'orgId') AS org_id, 0, count() FROM events_late GROUP BY org_id
      UNION ALL SELECT JSONExtractString(record, 'orgId') AS org_id, 0, count() FROM events_dlq GROUP BY org_id
      UNION ALL SELECT org_id, 0, count() - uniqExact(product_id, user_id, event_id) FROM events_raw
        WHERE (partition, offset) NOT IN (SELECT source_partition, source_offset FROM events_late)
          AND (partition, offset) NOT IN (SELECT source_partition, source_offset FROM events_dlq) GROUP BY org_id
    ) GROUP BY org_id HAVING accepted != counted`)
  return rows.map(
    ({ org_id, accepted, counted }) => `org ${String(org_id)}: ${String(accepted)} events accepted, ${String(counted)} accounted for`,
  )
}
