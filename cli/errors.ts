// How a failure reads: `CODE: what happened`, and below it what to do. A stack only where it was asked for.

export const EXIT_OK = 0
export const EXIT_FAILURE = 1
/** The command line makes no sense. */
export const EXIT_USAGE = 2

/** Failures of the file system that no part of ours has explained. */
const SYSTEM_ADVICE: Readonly<Record<string, string>> = {
  ENOENT: 'Look at the path: a file or a folder of it is not there.',
  EISDIR: 'Name a file, not a folder.',
  EACCES: 'Give this user the right to it, or choose another path.',
  EPERM: 'Give this user the right to it, or choose another path.',
  EROFS: 'That disk can only be read: choose another path.',
  ENOSPC: 'Free space on that disk, and try again.',
}

/** Prints to stderr. Errors of ours carry `code` and `advice`; Node's carry `code`; the rest are bugs and say so. */
export function reportError(
  error: unknown,
  { verbose, print = console.error }: { verbose: boolean; print?: (text: string) => void },
): void {
  print(describeError(error, verbose))
}

export function describeError(error: unknown, verbose: boolean): string {
  // The engine's errors call it hint, the stores' and the configuration's advice.
  const known = (typeof error === 'object' && error !== null ? error : { message: String(error) }) as Partial<Error> &
    Record<string, unknown>
  const code = typeof known.code === 'string' ? known.code : 'INTERNAL'
  const advice = [known.advice, known.hint].find((text) => typeof text === 'string' && text !== '')
  const message = String(known.message || known.name || 'no message')
  // Node's own messages begin with the code.
  const lines = [message.startsWith(`${code}: `) ? message : `${code}: ${message}`]
  if (advice !== undefined) lines.push(`  ${advice}`)
  else if (SYSTEM_ADVICE[code]) lines.push(`  ${SYSTEM_ADVICE[code]}`)
  else if (code === 'INTERNAL') lines.push('  This is a bug in Packmill: please report it, with what --verbose adds.')
  if (verbose) {
    if (known.stack) lines.push(known.stack)
    for (let cause = known.cause; cause instanceof Error; cause = cause.cause) lines.push(`caused by ${cause.stack}`)
  }
  return lines.join('\n')
}
