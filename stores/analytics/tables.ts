// The tables that sinks write, column by column in the order of the migrations, and where each value comes from.
import type { TableSchema } from './contract.ts'

const TIME = "DateTime64(3, 'UTC')"
const TEXT = 'String'
const WORD = 'LowCardinality(String)'

/** A record's place in its topic: every sink adds it to its rows, for the read-back. */
const PLACE = [
  ['lineage', WORD],
  ['partition', 'UInt16'],
  ['offset', 'UInt64'],
] as const

export const EVENTS_RAW: TableSchema = {
  table: 'events_raw',
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
    ['received_at', TIME],
    ...PLACE,
  ],
}

export const FACT_INCIDENTS: TableSchema = {
  table: 'fact_incidents',
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
  columns: [['reason', WORD], ['source_partition', 'UInt16'], ['source_offset', 'UInt64'], ['watermark', TIME], ['record', TEXT], ...PLACE],
}

export const EVENTS_DLQ: TableSchema = {
  table: 'events_dlq',
  columns: [['code', WORD], ['message', TEXT], ['source_partition', 'UInt16'], ['source_offset', 'UInt64'], ['record', TEXT], ...PLACE],
}

/** Columns that are not named like the record's field. */
export const FIELD_OF: Readonly<Record<string, string>> = { source_partition: 'partition', source_offset: 'offset' }
