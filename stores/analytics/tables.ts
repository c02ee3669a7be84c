// The tables that sinks write, column by column in the order of the migrations, and where each value comes from.
import type { TableSchema, TileSchema } from './contract.ts'

const TIME = "DateTime64(3, 'UTC')"
const TEXT = 'String'
const WORD = 'LowCardinality(String)'

/** A record's place in its topic: every sink adds it to its rows, for the read-back. */
const PLACE = [
  ['lineage', WORD],
  ['partition', 'UInt16'],
  ['offset', 'UInt64'],
] as const

/** A table that somebody declares: these columns, and the record's place. Each is of a type that native-block.ts can write. */
export const declaredTable = (table: string, columns: TableSchema['columns']): TableSchema => ({
  table,
  engine: 'MergeTree',
  columns: [...columns, ...PLACE],
})

export const EVENTS_RAW: TableSchema = {
  table: 'events_raw',
  engine: 'MergeTree',
  columns: [
    ['org_id', WORD],
    ['event_id', TEXT],
    ['product_id', WORD],
    ['user_id', TEXT],
    ['type', WORD],
    ['name', WORD],
    ['ts', TIME],
    ['received_at', TIME],
    ['screen', WORD],
    ['element', WORD],
    ['x', 'Nullable(Int32)'],
    ['y', 'Nullable(Int32)'],
    ['task_type', WORD],
    ['task_label', TEXT],
    ['success', 'Nullable(Bool)'],
    ['context', WORD],
    ['properties', TEXT],
    ['record', TEXT],
    ...PLACE,
  ],
}

export const FACT_SESSIONS: TableSchema = {
  table: 'fact_sessions',
  engine: 'ReplacingMergeTree(version)',
  orderBy: 'org_id, product_id, session_id',
  columns: [
    ['org_id', WORD],
    ['product_id', WORD],
    ['user_id', TEXT],
    ['session_id', TEXT],
    ['version', 'UInt32'],
    ['deleted', 'UInt8'],
    ['replaced_by', TEXT],
    ['closed', 'UInt8'],
    ['cut', 'UInt8'],
    ['started_at', TIME],
    ['ended_at', TIME],
    ['duration_ms', 'UInt64'],
    ['event_count', 'UInt32'],
    ['click_count', 'UInt32'],
    ['unique_screens', 'UInt32'],
    ['rage_clicks', 'UInt32'],
    ['backtracks', 'UInt32'],
    ['dead_clicks', 'UInt32'],
    ['tasks_started', 'UInt32'],
    ['tasks_completed', 'UInt32'],
    ['tasks_failed', 'UInt32'],
    ['tasks_abandoned', 'UInt32'],
    ['error_count', 'UInt32'],
    ['screen_sequence', 'Array(String)'],
    ['context_switches', 'UInt32'],
    ['frustration_score', 'Float64'],
    ['efficiency_score', 'Float64'],
    ['tasks', "Array(Tuple(task_type String, started_at DateTime64(3, 'UTC'), ended_at DateTime64(3, 'UTC'), outcome String))"],
    ['received_at', TIME],
    ...PLACE,
  ],
}

export const FACT_INCIDENTS: TableSchema = {
  table: 'fact_incidents',
  engine: 'ReplacingMergeTree(version)',
  orderBy: 'org_id, product_id, incident_id',
  columns: [
    ['org_id', WORD],
    ['product_id', WORD],
    ['user_id', TEXT],
    ['incident_id', TEXT],
    ['session_id', TEXT],
    ['kind', WORD],
    ['profile', WORD],
    ['version', 'UInt32'],
    ['deleted', 'UInt8'],
    ['open', 'UInt8'],
    ['screen', WORD],
    ['element', WORD],
    ['count', 'UInt32'],
    ['first_at', TIME],
    ['last_at', TIME],
    ['evidence', 'Array(Tuple(partition UInt16, offset UInt64))'],
    ['received_at', TIME],
    ...PLACE,
  ],
}

export const EVENTS_LATE: TableSchema = {
  table: 'events_late',
  engine: 'MergeTree',
  columns: [['reason', WORD], ['source_partition', 'UInt16'], ['source_offset', 'UInt64'], ['watermark', TIME], ['record', TEXT], ...PLACE],
}

export const EVENTS_DLQ: TableSchema = {
  table: 'events_dlq',
  engine: 'MergeTree',
  columns: [
    ['code', WORD],
    ['message', TEXT],
    ['source_partition', 'UInt16'],
    ['source_offset', 'UInt64'],
    ['record', TEXT],
    ['whole_bytes', 'Nullable(Int64)'],
    ...PLACE,
  ],
}

/** A table of sums: one row per cell, lineage and partition once merges are done. `through` is the last offset that is in it. */
function tileTable(
  table: string,
  tile: string,
  cell: readonly (readonly [name: string, type: string])[],
  sums: readonly string[],
): TileSchema {
  const owned = [['org_id', WORD], ['product_id', WORD], ...cell] as const
  return {
    table,
    // Not SummingMergeTree, which drops a row whose sums are 0, and its `through` with it (docs/decisions/0006).
    engine: 'AggregatingMergeTree',
    orderBy: [...owned.map(([name]) => name), 'lineage', 'partition'].join(', '),
    tile,
    cell: owned,
    sums,
    columns: [
      ...owned,
      ...sums.map((name) => [name, 'SimpleAggregateFunction(sum, Int64)'] as const),
      ['lineage', WORD],
      ['partition', 'UInt16'],
      ['through', 'SimpleAggregateFunction(max, UInt64)'],
    ],
  }
}

const HOUR = ['hour', "DateTime64(0, 'UTC')"] as const
const DAY = ['day', 'Date32'] as const

export const FACT_OVERVIEW_HOURLY = tileTable(
  'fact_overview_hourly',
  'overview',
  [HOUR],
  [
    'sessions',
    'events',
    'clicks',
    'duration_ms',
    'rage_clicks',
    'backtracks',
    'dead_clicks',
    'tasks_started',
    'tasks_completed',
    'tasks_failed',
    'tasks_abandoned',
    'errors',
    'context_switches',
    'frustration',
    'efficiency',
  ],
)

export const FACT_SCREEN_HOTSPOTS = tileTable(
  'fact_screen_hotspots',
  'hotspots',
  [DAY, ['screen', TEXT], ['element', TEXT], ['kind', WORD]],
  ['sessions', 'views', 'incidents', 'events'],
)

export const FACT_FLOWS = tileTable(
  'fact_flows',
  'flows',
  [DAY, ['task_type', TEXT], ['screens', 'Array(String)']],
  ['sessions', 'completed', 'duration_ms'],
)

export const FACT_TASKS_HOURLY = tileTable(
  'fact_tasks_hourly',
  'task_types',
  [HOUR, ['task_type', TEXT]],
  ['started', 'completed', 'failed', 'abandoned', 'duration_ms'],
)

/** Tables that a tile sink fills. */
export const TILE_TABLES: readonly TileSchema[] = [FACT_OVERVIEW_HOURLY, FACT_SCREEN_HOTSPOTS, FACT_FLOWS, FACT_TASKS_HOURLY]

/** Columns that are not named like the record's field. */
export const FIELD_OF: Readonly<Record<string, string>> = { source_partition: 'partition', source_offset: 'offset' }
