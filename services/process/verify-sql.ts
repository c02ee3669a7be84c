// The statements of a verification: sessions counted again from the accepted events, in the analytics store's own words, and laid beside the sessions that are
// in the tables. Pure text. It shares nothing with the operators nor with the tests' evaluator: windows over sorted rows, as anybody would count by hand.
//
// 1. An event counts once: of the same (user, id, time) the first in the log. One id at several times within a session is for the engine to decide, by
//    the order in which they came: such users are `unsure`, and not judged.
// 2. What the engine called late or could not process is left out, as events_late and events_dlq say: lateness is a matter of order, not of content.
// 3. Pieces of a run that a cap has cut are judged together, as the run that they are.
import type { WindowSettings } from '../../engine/state/keyed-state.ts'

export interface VerifyScope {
  window: Pick<WindowSettings, 'gapMs' | 'allowedDisorderMs' | 'sessionMaxMs' | 'sessionEventsMax'>
  lineage: string
  org: string | undefined
  /** Rows received before are, or soon will be, deleted from one of the tables. */
  expiredMs: number
}

/** Sessions that began in from ≤ t < to, of the users in one of so many parts. */
export interface VerifyUnit {
  fromMs: number
  toMs: number
  part: number
  parts: number
}

/** What is compared, by their columns of fact_sessions. Distinct screens are not summed over pieces. */
export const MEASURES = [
  'event_count',
  'click_count',
  'tasks_started',
  'tasks_completed',
  'tasks_failed',
  'error_count',
  'unique_screens',
] as const
const SUMMED = MEASURES.length - 1

/** `missing`: in the events and not in the table; `extra`: the other way round; the others are in both. */
export const DIFFERENCES = ['missing', 'extra', 'not closed', 'not cut', 'cut', 'differs'] as const
export const UNJUDGED = ['open', 'unsure', 'long', 'expired'] as const
export type Verdict = 'same' | (typeof DIFFERENCES)[number] | (typeof UNJUDGED)[number]

/** A run and what the table has of it: user, start, end in the events and in the table, measures of both, ids in the table. Times in ms; 0: not there. */
export type RunRow = [user: string, startMs: number, endMs: number, tableEndMs: number, counted: number[], table: number[], ids: string[]]

export interface VerdictRow {
  org_id: string
  product_id: string
  verdict: Verdict
  n: number
  /** Sums of event_count and click_count. */
  events: number
  clicks: number
  table_events: number
  table_clicks: number
  /** Of differences, the first. */
  rows: RunRow[]
}

const text = (value: string) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const at = (ms: number) => `fromUnixTimestamp64Milli(toInt64(${ms}), 'UTC')`
const USER = 'org_id, product_id, user_id'

/** Days with events or with sessions, and how many events. */
export const daysSql = ({ lineage, org }: VerifyScope) => `
SELECT day, sum(n) AS events FROM (
  SELECT toString(toDate32(ts)) AS day, count() AS n FROM events_raw WHERE ${ours(lineage, org)} AND type != '' GROUP BY day
  UNION ALL
  SELECT toString(toDate32(started_at)) AS day, 0 AS n FROM sessions WHERE ${ours(lineage, org)} GROUP BY day
) GROUP BY day ORDER BY day`

/** A row per organisation, product and verdict. `shown`: differences of each. */
export function sessionsSql({ window, lineage, org, expiredMs }: VerifyScope, unit: VerifyUnit, shown: number): string {
  const { gapMs, allowedDisorderMs, sessionMaxMs, sessionEventsMax } = window
  const { fromMs, toMs, part, parts } = unit
  const margin = sessionMaxMs + gapMs
  const own = `${ours(lineage, org)} AND cityHash64(${USER}) % ${parts} = ${part}`
  const sums = MEASURES.map((name, i) => (i < SUMMED ? `sum(${name})` : `any(${name})`)).join(', ')
  const each = (tuple: string) => MEASURES.map((_, m) => `toInt64(${tuple}.${m + 1})`).join(', ')
  const others = MEASURES.map((_, m) => `m1.${m + 1} != m2.${m + 1}${m < SUMMED ? '' : ' AND NOT is_capped'}`).map((one) => `(${one})`)
  return `
WITH
  kept AS (
    SELECT ${USER}, event_id, toUnixTimestamp64Milli(ts) AS t, argMin((type, screen, ifNull(success, true)), offset) AS e,
      max(toUnixTimestamp64Milli(received_at)) AS received
    FROM events_raw
    WHERE ${own} AND type != '' AND ts >= ${at(fromMs - gapMs - 1)} AND ts < ${at(toMs + margin)}
      AND (partition, offset) NOT IN (SELECT source_partition, source_offset FROM events_late WHERE lineage = ${text(lineage)} AND reason != 'old')
      AND (partition, offset) NOT IN (SELECT source_partition, source_offset FROM events_dlq WHERE lineage = ${text(lineage)})
    GROUP BY ${USER}, event_id, t
  ),
  begun AS (
    SELECT *, t - lagInFrame(t, 1, t - ${gapMs + 1}) OVER (PARTITION BY ${USER} ORDER BY t, event_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) > ${gapMs} AS begins
    FROM kept
  ),
  numbered AS (
    SELECT *, sum(begins) OVER (PARTITION BY ${USER} ORDER BY t, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run FROM begun
  ),
  counted AS (
    SELECT ${USER}, min(t) AS first, max(t) AS last, max(received) AS received, count() > uniqExact(event_id) AS is_unsure,
      (count(), countIf(e.1 = 'click'), countIf(e.1 = 'task_started'), countIf(e.1 = 'task_completed' AND e.3), countIf(e.1 = 'task_completed' AND NOT e.3),
        countIf(e.1 = 'error'), uniqExactIf(e.2, e.1 = 'screen_view' AND e.2 != '')) AS m
    FROM numbered GROUP BY ${USER}, run
  ),
  pieces AS (
    SELECT ${USER}, session_id, closed, cut, toUnixTimestamp64Milli(started_at) AS s, toUnixTimestamp64Milli(ended_at) AS e,
      toUnixTimestamp64Milli(received_at) AS received, ${MEASURES.join(', ')}
    FROM sessions WHERE ${own} AND started_at >= ${at(fromMs - margin)} AND started_at < ${at(toMs + margin)}
  ),
  chained AS (
    SELECT *, NOT (lagInFrame(cut, 1, 0) OVER w = 1 AND s - lagInFrame(e, 1, 0) OVER w <= ${gapMs}) AS begins FROM pieces
    WINDOW w AS (PARTITION BY ${USER} ORDER BY s, e, session_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
  ),
  linked AS (
    SELECT *, sum(begins) OVER (PARTITION BY ${USER} ORDER BY s, e, session_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run FROM chained
  ),
  stored AS (
    SELECT ${USER}, min(s) AS first, max(e) AS last, max(received) AS received, min(closed) AS is_closed, count() AS n,
      (${sums}) AS m, groupArray(100)(session_id) AS ids
    FROM linked GROUP BY ${USER}, run
  ),
  both AS (
    SELECT ${USER}, first, max(received) AS received, max(is_unsure) AS unsure, maxIf(last, side = 1) AS last1, maxIf(last, side = 2) AS last2,
      anyIf(m, side = 1) AS m1, anyIf(m, side = 2) AS m2, countIf(side = 1) AS n1, countIf(side = 2) AS n2, max(n) AS n, max(is_closed) AS closed,
      anyIf(ids, side = 2) AS ids
    FROM (
      SELECT 1 AS side, ${USER}, first, last, received, is_unsure, 0 AS is_closed, 0 AS n, (${each('m')}) AS m, CAST([], 'Array(String)') AS ids FROM counted
      UNION ALL
      SELECT 2 AS side, ${USER}, first, last, received, 0 AS is_unsure, is_closed, n, (${each('m')}) AS m, ids FROM stored
    ) GROUP BY ${USER}, first
  ),
  clocks AS (
    SELECT org_id, product_id, max(toUnixTimestamp64Milli(ts)) - ${allowedDisorderMs} AS watermark FROM events_raw
    WHERE ${ours(lineage, org)} AND type != '' GROUP BY org_id, product_id
  ),
  judged AS (
    SELECT both.*, last1 - first > ${sessionMaxMs} OR m1.1 > ${sessionEventsMax} AS is_capped, greatest(last1, last2) + ${gapMs} < watermark AS is_over,
      multiIf(
        max(unsure) OVER (PARTITION BY ${USER}) > 0, 'unsure',
        received < ${expiredMs}, 'expired',
        greatest(last1, last2) > ${toMs + margin - gapMs}, 'long',
        n2 = 0, if(is_over, 'missing', 'open'),
        n1 = 0, 'extra',
        closed = 0, if(is_over, 'not closed', 'open'),
        is_capped AND n = 1, 'not cut',
        NOT is_capped AND n > 1, 'cut',
        last1 != last2 OR ${others.join(' OR ')}, 'differs',
        'same') AS verdict
    FROM both LEFT JOIN clocks USING (org_id, product_id)
  )
SELECT org_id, product_id, verdict, count() AS n, sum(m1.1) AS events, sum(m1.2) AS clicks, sum(m2.1) AS table_events, sum(m2.2) AS table_clicks,
  groupArrayIf(${shown})((user_id, first, last1, last2, [${each('m1')}], [${each('m2')}], ids), verdict IN (${DIFFERENCES.map(text).join(', ')})) AS rows
FROM judged WHERE first >= ${fromMs} AND first < ${toMs} GROUP BY org_id, product_id, verdict ORDER BY org_id, product_id, verdict`
}

/** A closed session whose incidents are not those that its row counts. */
export interface IncidentRow {
  org_id: string
  product_id: string
  user_id: string
  session_id: string
  start: number
  /** Per kind: what the row says, and how many there are. */
  counts: [kind: string, counted: number, found: number][]
}

const KINDS = { rage_click: 'rage_clicks', backtrack: 'backtracks', dead_click: 'dead_clicks', abandoned_task: 'tasks_abandoned' }

/** Closed sessions of the unit whose incidents in the table are not as many of each kind as their columns say. */
export function incidentsSql(
  { window, lineage, org, expiredMs }: VerifyScope,
  { fromMs, toMs, part, parts }: VerifyUnit,
  shown: number,
): string {
  const own = `${ours(lineage, org)} AND cityHash64(${USER}) % ${parts} = ${part}`
  const kinds = Object.entries(KINDS)
  const margin = window.sessionMaxMs + window.gapMs
  return `
SELECT ${USER}, session_id, toUnixTimestamp64Milli(started_at) AS start,
  arrayFilter(c -> c.2 != c.3, [${kinds.map(([kind, column]) => `(${text(kind)}, toInt64(${column}), toInt64(i.${kind}))`).join(', ')}]) AS counts
FROM sessions AS s LEFT JOIN (
  SELECT session_id, ${kinds.map(([kind]) => `countIf(kind = ${text(kind)}) AS ${kind}`).join(', ')} FROM incidents
  WHERE ${own} AND first_at >= ${at(fromMs)} AND first_at < ${at(toMs + margin)} GROUP BY session_id
) AS i USING (session_id)
WHERE ${own} AND closed = 1 AND started_at >= ${at(fromMs)} AND started_at < ${at(toMs)} AND received_at >= ${at(expiredMs)} AND notEmpty(counts)
ORDER BY ${USER}, start LIMIT ${shown}`
}

/** The events at one time of users: of sessions that are missing, to say which they would be. */
export const firstEventsSql = (
  { lineage }: VerifyScope,
  runs: readonly { org: string; product: string; user: string; startMs: number }[],
) => `
SELECT ${USER}, toUnixTimestamp64Milli(ts) AS start, groupUniqArray((type, event_id)) AS events FROM events_raw
WHERE lineage = ${text(lineage)} AND (${USER}, ts) IN (${runs.map(({ org, product, user, startMs }) => `(${text(org)}, ${text(product)}, ${text(user)}, ${at(startMs)})`).join(', ')})
GROUP BY ${USER}, start`

const ours = (lineage: string, org: string | undefined) =>
  `lineage = ${text(lineage)}${org === undefined ? '' : ` AND org_id = ${text(org)}`}`
