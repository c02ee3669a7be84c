// A claim for who would rather wait than fail where the disk is full: what could not be committed is claimed for again and committed again.
// Owns the waiting; what is committed, and that it fits what was committed before, stays the claim's owner's.
//
// A commit whose answer was lost may have been made: whoever claims the name again finds its receipt there, and it is done. One without a receipt
// cannot be told, and its error says so (isUndecided, the log's).
import { setTimeout as sleep } from 'node:timers/promises'
import type { Claim, Log, LogReceipt } from '../../engine/log/contract.ts'

export interface Patience {
  /** How long one commit is tried. */
  patienceMs: number
  /** It waits; told once, as is its end. */
  onWaiting?(error: Error): void
  onResumed?(): void
  /** Ends the waiting. */
  signal?: AbortSignal
  /** Between two tries; ends early where the signal comes. */
  pause?(ms: number, signal: AbortSignal | undefined): Promise<unknown>
}

const PAUSE_FIRST_MS = 100
const PAUSE_MAX_MS = 2_000

/** Errors: the log's; DISK_FULL and other errors that may pass, when patience is over. */
export async function patientClaim<R extends LogReceipt>(
  log: Log,
  name: string,
  { patienceMs, onWaiting, onResumed, signal, pause = paused }: Patience,
): Promise<Pick<Claim<R>, 'last' | 'commit' | 'release'>> {
  const bear = async <T>(work: () => Promise<T>): Promise<T> => {
    const startMs = performance.now()
    for (let pauseMs = PAUSE_FIRST_MS, isWaiting = false; ; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
      try {
        const result = await work()
        if (isWaiting) onResumed?.()
        return result
      } catch (error) {
        const isOver = signal?.aborted || performance.now() - startMs >= patienceMs
        if ((error as { retryable?: boolean }).retryable !== true || isOver) throw error
        if (!isWaiting) onWaiting?.(error as Error)
        isWaiting = true
        await pause(pauseMs, signal)
      }
    }
  }
  let claim: Claim<R> | undefined = await bear(() => log.claim<R>(name))
  const { last } = claim
  let committed = last
  /** Of the last commit that failed: it may have been made. */
  let failed: R | undefined
  /** A failure ends the claim; nobody else may have had the name meanwhile. */
  const claimed = async () => {
    if (claim) return claim
    const again = await log.claim<R>(name)
    if (failed && isSame(again.last, failed)) committed = failed
    else if (again.last?.epoch !== committed?.epoch)
      throw Object.assign(new Error(`${name} was claimed by another meanwhile`), {
        code: 'FENCED',
        advice: 'Somebody else does the same work: when that has ended, do it again. What is done is not done twice.',
      })
    return (claim = again)
  }
  const tried = (work: (claim: Claim<R>) => Promise<void>, receipt?: R) =>
    bear(async () => {
      const current = await claimed()
      if (receipt && committed === receipt) return
      await work(current).catch((error: unknown) => {
        claim = undefined
        failed = receipt
        throw error
      })
    })
  return {
    last,
    async commit(commit) {
      await tried((claim) => claim.commit(commit), commit.receipt)
      committed = commit.receipt ?? committed
    },
    release: () => tried((claim) => claim.release()),
  }
}

const paused = (ms: number, signal: AbortSignal | undefined) => sleep(ms, undefined, { signal }).catch(() => undefined)
const isSame = (a: LogReceipt | undefined, b: LogReceipt) => JSON.stringify(a) === JSON.stringify(b)
