// The tables that a topology declares, as the sinks' thread is told of them. Pure.
import { declaredTable } from '../../stores/analytics/tables.ts'
import type { Topology } from '../../streams/stream.ts'
import type { ColumnType } from '../../streams/table.ts'
import type { SinkOrder } from '../process/sinks-protocol.ts'

const TYPES: Readonly<Record<ColumnType, string>> = {
  text: 'String',
  word: 'LowCardinality(String)',
  integer: 'Int64',
  number: 'Float64',
  boolean: 'Bool',
  time: "DateTime64(3, 'UTC')",
  'text[]': 'Array(String)',
  'text?': 'Nullable(String)',
  'integer?': 'Nullable(Int64)',
  'number?': 'Nullable(Float64)',
  'boolean?': 'Nullable(Bool)',
  'time?': "Nullable(DateTime64(3, 'UTC'))",
}

export const declaredSinks = ({ branches }: Topology): SinkOrder[] =>
  branches.flatMap(({ topic, table }) => {
    if (!table) return []
    const columns = Object.entries(table.columns).map(([name, type]) => [name, TYPES[type]] as const)
    return [{ topic, table: table.name, declared: declaredTable(table.name, columns) }]
  })
