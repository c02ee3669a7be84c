// What the door over HTTP refuses: the status, a stable code, what happened and what the sender can do. Never an event's own error, which goes
// into the answer to its batch.

export interface Refusal {
  status: number
  code: string
  message: string
  /** Seconds after which the same request may succeed. */
  retryAfter?: number
  /** The rest of the request is not read. */
  closes?: boolean
}

export class HttpError extends Error implements Refusal {
  override readonly name = 'HttpError'
  readonly status: number
  readonly code: string
  readonly retryAfter: number | undefined
  readonly closes: boolean

  constructor({ status, code, message, retryAfter, closes = false }: Refusal, cause?: unknown) {
    super(message, { cause })
    this.status = status
    this.code = code
    this.retryAfter = retryAfter
    this.closes = closes
  }
}
