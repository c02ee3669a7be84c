// A claim for who would rather wait than fail where the disk is full: what could not be committed is claimed for again and committed again.
// Owns the waiting; what is committed, and that it fits what was committed before, stays the claim's owner's.
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
}

const PAUSE_FIRST_MS = 100
const PAUSE_MAX_MS = 2_000

/** Errors: the log's; DISK_FULL and other errors that may pass, when patience is over. */
export async function patientClaim<R extends LogReceipt>(
  log: Log,
  name: string,
  { patienceMs, onWaiting, onResumed, signal }: Patience,
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
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined)
      }
    }
  }
  let claim: Claim<R> | undefined = await bear(() => log.claim<R>(name))
  const { last } = claim
  let committed = last?.epoch
  /** A failure ends the claim; nobody else may have had the name meanwhile. */
  const claimed = async () => {
    if (claim) return claim
    const again = await log.claim<R>(name)
    if (again.last?.epoch !== committed) throw Object.assign(new Error(`${name} was claimed by another meanwhile`), { code: 'FENCED' })
    return (claim = again)
  }
  const tried = (work: (claim: Claim<R>) => Promise<void>) =>
    bear(async () => {
      const current = await claimed()
      await work(current).catch((error: unknown) => {
        claim = undefined
        throw error
      })
    })
  return {
    last,
    async commit(commit) {
      await tried((claim) => claim.commit(commit))
      committed = commit.receipt?.epoch ?? committed
    },
    release: () => tried((claim) => claim.release()),
  }
}
