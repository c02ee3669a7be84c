// What the sinks' thread and the main thread say to each other. Types only; errors cross as data (engine/errors.ts).
import type { ErrorData } from '../../engine/errors.ts'
import type { SinkStats } from '../../engine/sink/sink-task.ts'
import type { SinkEdge } from '../../engine/topology/topology.ts'
import type { TableSchema } from '../../stores/analytics/contract.ts'
import type { KafkaLogOptions } from '../../stores/kafka/kafka-log.ts'
import type { Retention } from '../../stores/log/retention.ts'
import type { SharedLog } from '../../stores/log/shared-log.ts'

/** A topic into a table; `declared`: one that is made where it is missing, and whose rows are its records' fields by name. */
export interface SinkOrder extends SinkEdge {
  declared?: TableSchema
}

/** What the thread is started with. */
export interface SinksSetup {
  /** Its name in the shared log's list of writers. */
  name: string
  /** The data folder: the log is in `log`, the analytics store in `analytics`. */
  folder: string
  shared: SharedLog
  /** Records are read from brokers; the receipts of the sinks stay in the folder's log, beside the tables that they are about. */
  kafka?: KafkaLogOptions
  journalBytes: number
  retention: Retention
  lineage: string
  /** Writes that another version left unfinished are finished by this one. */
  acceptVersion: boolean
  partitions: number
  sinks: readonly SinkOrder[]
  /** The configuration's `sink` and `analytics`, threads resolved. */
  sink: { intervalMs: number; batchBytes: number; fsync: boolean }
  analytics: { memoryBytes: number; threads: number; ttlDays: { events: number; facts: number } }
}

/** Per topic, the offset after the last row of each partition. */
export type TopicPositions = Readonly<Record<string, readonly number[]>>

export type ToSinks =
  | { type: 'query'; id: number; sql: string; params: Record<string, unknown> | undefined }
  | { type: 'query-text'; id: number; sql: string; format: string; params: Record<string, unknown> | undefined }
  /** Answered when everything below the positions can be queried; without positions, everything that is in the log now. */
  | { type: 'drain'; id: number; to: TopicPositions | undefined }
  | { type: 'stats'; id: number }
  | { type: 'stop' }

export type FromSinks =
  | { type: 'migrating'; name: string }
  /** The analytics engine is loaded. */
  | { type: 'opened' }
  /** Every sink has recovered. */
  | { type: 'ready' }
  | { type: 'rows'; id: number; rows: Record<string, unknown>[] }
  | { type: 'text'; id: number; text: string }
  | { type: 'drained'; id: number }
  | { type: 'stats'; id: number; sinks: SinkStats[] }
  | { type: 'failed'; id: number; error: ErrorData }
  /** A write that is tried again. */
  | { type: 'sink-failed'; table: string; error: ErrorData }
  /** One sink waits for what may pass, and goes on then. */
  | { type: 'sink-waiting'; table: string; error: ErrorData }
  | { type: 'sink-resumed'; table: string }
  /** One sink cannot go on; the others do, and queries are answered. */
  | { type: 'sink-stopped'; table: string; error: ErrorData }
  /** One sink has ended, one way or the other. */
  | { type: 'sink-ended'; table: string }
  /** The thread could not start, or cannot go on. The last word. */
  | { type: 'ended'; error: ErrorData | undefined }
