// Ctrl-C and SIGTERM for commands that have something to bring to an end. Owns: the first asks, the second ends the process at once.
import { exitNow } from '../services/process/exit-now.ts'

export const EXIT_INTERRUPTED = 130

export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  readonly code = 'INTERRUPTED'
  readonly exitCode = EXIT_INTERRUPTED
  readonly advice = 'Run the same command again: it goes on where it stopped.'

  readonly by: NodeJS.Signals

  constructor(by: NodeJS.Signals) {
    super(`stopped by ${by}`)
    this.by = by
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

/** `onFirst` may say something. */
export function interrupt(onFirst: (signal: NodeJS.Signals) => void): Interrupt {
  const control = new AbortController()
  const { signal } = control
  const onSignal = (name: NodeJS.Signals) => {
    if (signal.aborted) return exitNow(name as 'SIGINT' | 'SIGTERM')
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
