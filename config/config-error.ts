// What is thrown for a setting that cannot be used: which, what it was, where it came from and what is allowed, in one message.

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'CONFIG_INVALID'
  readonly retryable = false
  /** What to do about it, for the person running the system. */
  readonly advice: string

  constructor(
    message: string,
    advice = 'Correct it there; `packmill config` shows every setting, its value and where that comes from.',
    cause?: unknown,
  ) {
    super(message, { cause })
    this.advice = advice
  }
}
