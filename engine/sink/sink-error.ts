// Errors of a sink: a stable code and what the person running it should do. The rows stay in the log: nothing is lost by any of them.

const CODES = {
  /** The store is another one than the sink wrote to, or the log is another one than the rows came from. */
  SINK_TARGET_CHANGED: { retryable: false },
  /** A batch that another version of the code had under way. */
  SINK_VERSION: { retryable: false },
  /** The log no longer holds what the sink has not written yet. */
  SINK_INPUT_GONE: { retryable: false },
  /** A write that was refused, or failed too often. */
  SINK_STOPPED: { retryable: false },
} as const
export type SinkErrorCode = keyof typeof CODES

export class SinkError extends Error {
  override readonly name = 'SinkError'
  readonly code: SinkErrorCode
  readonly retryable: boolean
  readonly advice: string

  constructor(code: SinkErrorCode, message: string, advice: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
    this.retryable = CODES[code].retryable
    this.advice = advice
  }
}
