// Errors that the engine stops for. An error crosses threads as data (toData, fromData), because postMessage drops name and code.

/** `code` is stable; `retryable` is fixed by the code; `hint` says what the person running the system should do. */
export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly code: string
  readonly retryable: boolean
  readonly hint: string

  constructor(code: string, message: string, hint: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
    this.hint = hint
  }
}

export interface ErrorData {
  code: string
  message: string
  hint: string
  retryable: boolean
  stack: string | undefined
}

export function toData(error: unknown): ErrorData {
  const e = error as Partial<EngineError> & Error
  return {
    code: e?.code ?? 'INTERNAL',
    message: e?.message ?? String(error),
    hint: e?.hint ?? 'This is a bug in Packmill: please report it with the stack below.',
    retryable: e?.retryable ?? false,
    stack: e?.stack,
  }
}

export function fromData(data: ErrorData): EngineError {
  const error = new EngineError(data.code, data.message, data.hint, { retryable: data.retryable })
  if (data.stack) error.stack = data.stack
  return error
}
