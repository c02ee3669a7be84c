// The analytics store's contract: SQL out, Native blocks in. Embedded it is chDB, deployed ClickHouse over HTTP: the same client, the same SQL.
//
// 1. A staged block inserted twice under one token leaves its rows once, while the engine lives (protocol 27).
// 2. One insert is one request: its rows come from one block, in one order, with the same settings each time (protocol 29).
// 3. query never changes anything.

/** Offsets from ≤ o < to. */
export interface OffsetRange {
  from: number
  to: number
}

/** A table as a sink writes it: columns in the order of the Native block. */
export interface TableSchema {
  table: string
  /** With its arguments, as in `ReplacingMergeTree(version)`. */
  engine: string
  /** Rows that are alike in these are one to a merge; absent where merges leave all rows. */
  orderBy?: string
  columns: readonly (readonly [name: string, type: string])[]
}

/** A table of sums per cell, filled from the records of one tile. The columns begin with those that name the cell. */
export interface TileSchema extends TableSchema {
  /** The word that its records begin with. */
  tile: string
  cell: TableSchema['columns']
  sums: readonly string[]
}

/** A Native block that the store holds until it is inserted; the bytes it came from may be reused. */
export interface StagedBlock {
  readonly bytes: number
  /** Rejects with AnalyticsError; may be called again with the same token. */
  insert(token: string): Promise<void>
  discard(): void
}

export interface AnalyticsStore {
  /** Names this very store: made once, kept in it. Another value means another (or an emptied) store. Known after migrate. */
  readonly identity: string
  /** Rows of a read-only statement; `{name:Type}` in the SQL is bound from params. 64-bit integers beyond 2^53 lose digits. */
  query<T = Record<string, unknown>>(sql: string, params?: Record<string, unknown>): Promise<T[]>
  /** The result as text in a ClickHouse format (`PrettyCompact`, `CSVWithNames`, `JSONEachRow` …). */
  queryText(sql: string, format: string, params?: Record<string, unknown>): Promise<string>
  stageNative(schema: TableSchema, block: readonly Uint8Array[]): StagedBlock
  /** Which offsets of [from, to) the table holds, as sorted, disjoint ranges: the read-back of protocol 27. */
  present(table: string, lineage: string, partition: number, from: number, to: number): Promise<OffsetRange[]>
  /** The cells to which something from offsets [from, to) has been added: values in the order of `cell`, times in ms. */
  presentCells(schema: TileSchema, lineage: string, partition: number, from: number, to: number): Promise<unknown[][]>
  /** Rejects with TARGET_TABLE_WRONG unless the table can be written exactly once. */
  checkTable(schema: TableSchema): Promise<void>
  /** Makes a table that somebody declared, where it is missing. Rejects with TARGET_TABLE_WRONG where one is there with other columns. After migrate. */
  makeTable(schema: TableSchema): Promise<void>
  /** Applies the migrations that are missing, in order. */
  migrate(onStep?: (name: string) => void): Promise<void>
  close(): Promise<void>
}
