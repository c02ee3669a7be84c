// Errors of the analytics store: a stable code, whether trying again can help, and what the person running it should do.

const CODES = {
  ANALYTICS_CORRUPT: { retryable: false },
  ANALYTICS_UNREADABLE: { retryable: false },
  TARGET_TABLE_WRONG: { retryable: false },
  MIGRATION_CHANGED: { retryable: false },
  MIGRATION_FAILED: { retryable: false },
  QUERY_FAILED: { retryable: false },
  /** A statement that would leave the store. */
  QUERY_FORBIDDEN: { retryable: false },
  /** A statement that would do something. */
  SQL_READ_ONLY: { retryable: false },
  /** The engine refused the rows: they will be refused again. */
  INSERT_REFUSED: { retryable: false },
  /** Memory, disk, time: the same insert may work later. */
  INSERT_FAILED: { retryable: true },
  /** The same of what a sink asks for: memory, time, too much at once. */
  ANALYTICS_BUSY: { retryable: true },
  /** No room for the rows; the same code as of the log's files. */
  DISK_FULL: { retryable: true },
} as const
export type AnalyticsErrorCode = keyof typeof CODES

export class AnalyticsError extends Error {
  override readonly name = 'AnalyticsError'
  readonly code: AnalyticsErrorCode
  readonly retryable: boolean
  /** What to do about it, for the person running the system. */
  readonly advice: string

  constructor(code: AnalyticsErrorCode, message: string, advice: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
    this.retryable = CODES[code].retryable
    this.advice = advice
  }
}
