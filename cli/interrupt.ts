// Ctrl-C and SIGTERM for commands that have something to bring to an end. Owns: the first asks, the second ends the process at once.
export const EXIT_INTERRUPTED = 130

export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  readonly code = 'INTERRUPTED'
  readonly exitCode = EXIT_INTERRUPTED
  readonly advice = 'Run the same command again: it goes on where it stopped.'

  constructor(signal: string) {
    super(`stopped by ${signal}`)
  }
}

export interface Interrupt {
  /** Aborted by the first, with an Interrupted as the reason. */
  readonly signal: AbortSignal
  /** Settles as `work` does; rejects with the Interrupted where that comes first. */
  race<T>(work: Promise<T>): Promise<T>
  /** The same chunks, until the interrupt: then the stream fails with the Interrupted. */
  stream<T>(chunks: AsyncIterable<T>): AsyncIterable<T>
}

/** `onFirst` may say something; `force` is what the second does. */
export function interrupt(onFirst: (signal: string) => void, force: () => void = () => process.exit(EXIT_INTERRUPTED)): Interrupt {
  const control = new AbortController()
  const { signal } = control
  const onSignal = (name: string) => {
    if (signal.aborted) return force()
    control.abort(new Interrupted(name))
    onFirst(name)
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)

  const race = <T>(work: Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const onAbort = () => reject(signal.reason as Error)
      if (signal.aborted) onAbort()
      signal.addEventListener('abort', onAbort, { once: true })
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    })
  return {
    signal,
    race,
    async *stream<T>(chunks: AsyncIterable<T>) {
      const iterator = chunks[Symbol.asyncIterator]()
      for (;;) {
        const { value, done } = await race(iterator.next())
        if (done) return
        yield value as T
      }
    },
  }
}
