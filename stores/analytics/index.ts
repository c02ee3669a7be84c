// The analytics store: what is queried with SQL. Here: the contract, the embedded implementation, its tables and migrations, and the Native
// blocks that rows go in as. Never here: when rows are written, and what was (the engine's sinks), and anything that reads a topic.
export { AnalyticsError, type AnalyticsErrorCode } from './analytics-error.ts'
export type { BlockEncoder } from './block-encoder.ts'
export { type ChdbOptions, openChdbStore } from './chdb-store.ts'
export type { AnalyticsStore, OffsetRange, StagedBlock, TableSchema, TileSchema } from './contract.ts'
export { eventEncoder } from './event-encoder.ts'
export { rowEncoder } from './row-encoder.ts'
export { sinkTarget } from './sink-target.ts'
export { declaredTable, EVENTS_DLQ, EVENTS_LATE, EVENTS_RAW, FACT_INCIDENTS, FACT_SESSIONS, TILE_TABLES } from './tables.ts'
export { tileTarget } from './tile-target.ts'
export { checkUserStatement } from './user-statement.ts'
