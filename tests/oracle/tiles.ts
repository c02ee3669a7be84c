// What the tiles must add up to: recounted from the evaluator's sessions and incidents as they stand in the end, with no sign and no version.
// Straight from docs/events.md; shares no code with the operators.
import type { Evaluation } from './evaluate.ts'
import type { IncidentAnswer, SessionAnswer } from './session-rows.ts'

type Row = Record<string, unknown>
interface Count {
  tile: string
  cell: Row
  sums: Record<string, number>
}

/** Columns that name a cell, by tile: all others are sums. */
const CELLS: Readonly<Record<string, readonly string[]>> = {
  overview: ['hour'],
  hotspots: ['day', 'screen', 'element', 'kind'],
  flows: ['day', 'task_type', 'screens'],
  task_types: ['hour', 'task_type'],
}
const OWNER = ['org_id', 'product_id']
const hourOf = (ts: number) => ts - (ts % 3_600_000)
const dayOf = (ts: number) => ts - (ts % 86_400_000)

function* ofSession(session: SessionAnswer): Generator<Count> {
  const { started_at, screen_sequence: screens, tasks } = session
  const day = dayOf(started_at)
  yield {
    tile: 'overview',
    cell: { hour: hourOf(started_at) },
    sums: {
      sessions: 1,
      events: session.event_count,
      clicks: session.click_count,
      duration_ms: session.duration_ms,
      rage_clicks: session.rage_clicks,
      backtracks: session.backtracks,
      dead_clicks: session.dead_clicks,
      tasks_started: session.tasks_started,
      tasks_completed: session.tasks_completed,
      tasks_failed: session.tasks_failed,
      tasks_abandoned: session.tasks_abandoned,
      errors: session.error_count,
      context_switches: session.context_switches,
      frustration: Number((session.frustration_score * 10_000).toFixed(0)),
      efficiency: Number((session.efficiency_score * 10_000).toFixed(0)),
    },
  }
  for (const screen of new Set(screens)) {
    const views = screens.filter((one) => one === screen).length
    yield { tile: 'hotspots', cell: { day, screen, element: '', kind: '' }, sums: { sessions: 1, views, incidents: 0, events: 0 } }
  }
  const types = tasks.length === 0 ? [''] : [...new Set(tasks.map(([type]) => type))]
  for (const task_type of types) {
    const completed = tasks.filter(([type, , , outcome]) => type === task_type && outcome === 'completed').length > 0 ? 1 : 0
    yield { tile: 'flows', cell: { day, task_type, screens }, sums: { sessions: 1, completed, duration_ms: session.duration_ms } }
  }
  for (const [task_type, start, end, outcome] of tasks) {
    const sums = { started: 0, completed: 0, failed: 0, abandoned: 0, duration_ms: 0 }
    if (start !== 0) sums.started = 1
    if (outcome !== 'open') sums[outcome as 'completed' | 'failed' | 'abandoned'] = 1
    if (start !== 0 && (outcome === 'completed' || outcome === 'failed')) sums.duration_ms = end - start
    yield { tile: 'task_types', cell: { hour: hourOf(start === 0 ? end : start), task_type }, sums }
  }
}

const ofIncident = ({ first_at, screen, element, kind, count }: IncidentAnswer): Count => ({
  tile: 'hotspots',
  cell: { day: dayOf(first_at), screen, element, kind },
  sums: { sessions: 0, views: 0, incidents: 1, events: count },
})

/** Sums by cell, as texts; cells in which all of them are 0 are left out. */
class Totals {
  readonly #cells = new Map<string, Record<string, number>>()

  add(key: string, sums: Record<string, number>): void {
    const known = this.#cells.get(key) ?? {}
    for (const [name, value] of Object.entries(sums)) known[name] = (known[name] ?? 0) + value
    this.#cells.set(key, known)
  }

  texts(): Map<string, string> {
    const texts = new Map<string, string>()
    for (const [key, sums] of this.#cells)
      if (Object.values(sums).some((sum) => sum !== 0)) texts.set(key, JSON.stringify(Object.entries(sums).sort()))
    return texts
  }
}

const keyOf = (tile: string, cell: Row) => JSON.stringify([tile, ...[...OWNER, ...CELLS[tile]].map((name) => cell[name])])

/** What the tiles of an evaluation add up to. Sessions count when they are closed, incidents at once. */
export function recount({ sessions, incidents }: Pick<Evaluation, 'sessions' | 'incidents'>): Map<string, string> {
  const totals = new Totals()
  for (const session of sessions.values())
    if (session.closed) for (const { tile, cell, sums } of ofSession(session)) totals.add(keyOf(tile, { ...session, ...cell }), sums)
  for (const incident of incidents.values()) {
    const { tile, cell, sums } = ofIncident(incident)
    totals.add(keyOf(tile, { ...incident, ...cell }), sums)
  }
  return totals.texts()
}

const TABLES: Readonly<Record<string, string>> = {
  overview: 'fact_overview_hourly',
  hotspots: 'fact_screen_hotspots',
  flows: 'fact_flows',
  task_types: 'fact_tasks_hourly',
}
const inMs = (name: string) => `toUnixTimestamp64Milli(toDateTime64(${name}, 3, 'UTC')) AS ${name}_ms`

/** The rows of all tables of tiles, whatever merges have summed. `query` runs a statement. */
export async function tileRows(query: (sql: string) => Promise<Row[]>): Promise<Row[]> {
  const all: Row[] = []
  for (const [tile, table] of Object.entries(TABLES)) {
    const [time] = CELLS[tile]
    const rows = await query(`SELECT * EXCEPT (lineage, partition, through, ${time}), ${inMs(time)} FROM ${table}`)
    for (const { [`${time}_ms`]: at, ...row } of rows) all.push({ tile, ...row, [time]: at })
  }
  return all
}

/** A query for all versions of sessions, as their answers have them. */
export const sessionsSql = `SELECT * REPLACE (
  toUnixTimestamp64Milli(started_at) AS started_at, toUnixTimestamp64Milli(ended_at) AS ended_at,
  arrayMap(t -> (t.1, toUnixTimestamp64Milli(t.2), toUnixTimestamp64Milli(t.3), t.4), tasks) AS tasks) FROM fact_sessions`

/** Rows of the topic, or of a table with the word of its tile: differences in words, the first ten. `tiles`: those that the rows are of. */
export function compareTiles(
  rows: Iterable<object>,
  evaluation: Pick<Evaluation, 'sessions' | 'incidents'>,
  tiles: readonly string[] = Object.keys(CELLS),
): string[] {
  const totals = new Totals()
  const found: string[] = []
  for (const given of rows) {
    const row = given as Row
    const tile = String(row.tile)
    if (!(tile in CELLS)) {
      found.push(`a row of the tile ${tile}`)
      continue
    }
    const named = new Set(['tile', ...OWNER, ...CELLS[tile]])
    const sums = Object.entries(row).filter(([name]) => !named.has(name))
    totals.add(keyOf(tile, row), Object.fromEntries(sums.map(([name, value]) => [name, Number(value)])))
  }
  const actual = totals.texts()
  const expected = recount(evaluation)
  for (const key of expected.keys()) if (!tiles.includes((JSON.parse(key) as string[])[0])) expected.delete(key)
  for (const [key, sums] of expected)
    if (actual.get(key) !== sums) found.push(`tile ${key} is ${actual.get(key) ?? 'not there'}, expected ${sums}`)
  for (const [key, sums] of actual) if (!expected.has(key)) found.push(`tile ${key} should not be there: ${sums}`)
  return found.length > 10 ? [...found.slice(0, 10), `… and ${found.length - 10} more`] : found
}
