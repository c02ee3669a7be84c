// Errors that the engine stops for. An error crosses threads as data (toData, fromData), because postMessage drops name and code.

/** `code` is stable; `retryable` is fixed by the code; `advice` says what the person running the system should do. */
export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly code: string
  readonly retryable: boolean
  readonly advice: string

  constructor(code: string, message: string, advice: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
    this.advice = advice
  }
}

export interface ErrorData {
  code: string
  message: string
  advice: string
  retryable: boolean
  stack: string | undefined
}

export function toData(error: unknown): ErrorData {
  const e = error as Partial<EngineError> & Error
  return {
    code: e?.code ?? 'INTERNAL',
    message: e?.message ?? String(error),
    advice: e?.advice ?? 'This is a bug in Packmill: please report it, with what --verbose adds, or with the stack in the log.',
    retryable: e?.retryable ?? false,
    stack: e?.stack,
  }
}

export function fromData(data: ErrorData): EngineError {
  const error = new EngineError(data.code, data.message, data.advice, { retryable: data.retryable })
  if (data.stack) error.stack = data.stack
  return error
}

/** The error of a log or of a store, as one that the engine stops for. */
export function named(error: unknown): EngineError {
  if (error instanceof EngineError) return error
  return fromData(toData(error))
}
