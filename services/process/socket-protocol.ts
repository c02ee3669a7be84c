// What processes say to each other through the local socket: HTTP, one request per connection. Types only; errors cross as data.
//   POST /sql      SqlRequest → text in the format asked for, or a JSON array of rows
//   POST /settle   SettleRequest → {}
//   POST /import   ?org=&name=&format=&product=&skip=&again=, the bytes of the lines → a line of JSON for each ImportReply; the last one is a result or an error
//   POST /dlq      DeadLetterRequest → its DeadLetterAnswer
//   POST /state    StateQuestion → a JSON array of StateAnswer
//   GET  /lag      → a JSON array of Lag
//   GET  /stats    → Stats
// A request that fails is answered with status 500 and ErrorData. A body that ended because its sender failed says so in the trailer
// CUT_SHORT: what it held is kept, and the stream counts as unfinished.
import type { ErrorData } from '../../engine/errors.ts'
import type { RejectedLine } from '../../model/door.ts'
import type { ImportProgress, ImportResult } from './importer.ts'
import type { StateRequest } from './state-view.ts'

export const CUT_SHORT = 'packmill-cut-short'

export interface SqlRequest {
  sql: string
  /** Rows as JSON where there is none. */
  format?: string
}

export interface StateQuestion {
  request: StateRequest
  /** All, where there are none. */
  partitions?: readonly number[]
}

export interface SettleRequest {
  snapshots: boolean
  close: boolean
}

export type ImportReply =
  | { type: 'progress'; progress: ImportProgress }
  /** The line's bytes as base64: they need not be text. */
  | { type: 'reject'; line: number; bytes: string; reason: RejectedLine }
  | { type: 'result'; result: ImportResult }
  | { type: 'error'; error: ErrorData }
