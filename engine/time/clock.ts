// Processing time as the engine sees it: injected, so that the simulator and the tests decide when it passes.
export interface Clock {
  /** ms since epoch. */
  now(): number
  /** Resolves after `ms`; at once where the signal is aborted. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  // The system's clock as it was when the thread began, and what has passed since: it may be set back under a process, whose waits would become hours.
  now: () => Math.floor(performance.timeOrigin + performance.now()),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal?.addEventListener('abort', done, { once: true })
    }),
}
