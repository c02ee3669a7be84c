// How far a recovery is, all partitions together: a line for each that begins, and, where it takes longer than a second, the progress of all. Owns the
// counting; what is said goes where progress does.
import { formatCount } from './print.ts'
import { LONG_MS, type Progress, progress } from './progress.ts'

interface Part {
  done: number
  of: number
}

export interface RecoveryProgress {
  /** In epochs; the first time with 0 done. Of a partition with several stages one after the other. */
  heard(notice: { partition: number } & Part): void
  /** What was heard of it is all there will be. */
  stopped(partition: number): void
  /** The folder is open, or will not be: what was to be recovered with it has been. */
  opened(): void
}

export function recoveryProgress(begin = () => progress({ label: 'recovery', unit: 'epochs', afterMs: LONG_MS })): RecoveryProgress {
  const parts = new Map<number, Part>()
  const all: Part = { done: 0, of: 0 }
  let isOpen = false
  let shown: Progress | undefined
  const end = () => {
    shown?.finish(all.done)
    shown = undefined
    parts.clear()
    all.done = all.of = 0
  }
  /** What is not done of a partition that begins again, or stops, is not to be waited for. */
  const drop = (partition: number) => {
    const part = parts.get(partition)
    if (part) all.of -= part.of - part.done
    parts.delete(partition)
  }
  // Until the folder is open others may still begin.
  const endWhenDone = () => {
    if (isOpen && all.done === all.of) end()
  }
  return {
    heard({ partition, done, of }) {
      if (of === 0) return
      shown ??= begin()
      if (done === 0) {
        drop(partition)
        all.of += of
        shown.note(`partition ${partition}: computing ${formatCount(of)} epochs again after a stop`)
      } else all.done += done - (parts.get(partition)?.done ?? 0)
      parts.set(partition, { done, of })
      shown.update(all.done, all.done / all.of)
      endWhenDone()
    },
    stopped(partition) {
      drop(partition)
      endWhenDone()
    },
    opened() {
      isOpen = true
      end()
    },
  }
}
