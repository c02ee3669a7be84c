// Errors of what is kept on disk (log, checkpoints, the folder's lock): a stable code, whether trying again can help, and what to do.

const CODES = {
  /** Somebody else claimed the name, or this claim ended with an earlier failure. */
  FENCED: { retryable: false },
  /** The log was closed under a call that waits. */
  LOG_CLOSED: { retryable: false },
  LOG_CORRUPT: { retryable: false },
  /** One process claimed more names than it has room for. */
  LOG_NAMES_FULL: { retryable: false },
  /** The offset asked for was deleted by retention. */
  LOG_TRIMMED: { retryable: false },
  STATE_CORRUPT: { retryable: false },
  DATA_LOCKED: { retryable: false },
  DATA_NOT_A_FOLDER: { retryable: false },
  DATA_ON_NETWORK: { retryable: false },
  DATA_READ_ONLY: { retryable: false },
  /** Nothing of what failed is visible; the same may work once there is room. */
  DISK_FULL: { retryable: true },
  /** Any other failure of the file system. */
  DISK_FAILED: { retryable: true },
} as const
export type StorageErrorCode = keyof typeof CODES

export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly code: StorageErrorCode
  readonly retryable: boolean
  /** What to do about it, for the person running the system. */
  readonly advice: string

  constructor(code: StorageErrorCode, message: string, advice: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
    this.retryable = CODES[code].retryable
    this.advice = advice
  }
}

/** What a failed file operation on `path` means. StorageErrors pass unchanged. */
export function storageError(cause: unknown, path: string): StorageError {
  if (cause instanceof StorageError) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new StorageError(
      'DISK_FULL',
      `No space left to write ${path}.`,
      'Free space on that disk, or lower the retention; then try again.',
      cause,
    )
  }
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') {
    return new StorageError(
      'DATA_READ_ONLY',
      `${path} cannot be written (${code}).`,
      'Give this user write permission, or choose another folder with --data.',
      cause,
    )
  }
  return new StorageError('DISK_FAILED', `${path}: ${message}`, 'Look at the disk and at the system log; then start again.', cause)
}

export const logCorrupt = (path: string, position: number, what: string): StorageError =>
  new StorageError(
    'LOG_CORRUPT',
    `${path} is damaged at byte ${position}: ${what}.`,
    'Restore the data folder from a copy. If its events can be imported again, move the folder away and import them into a new one.',
  )
