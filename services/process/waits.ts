// What in an open folder waits for a cause to pass (a full disk), and how long whoever waits for its work bears with that. Owns no work: what
// waits goes on by itself.
import type { Notice } from './embedded.ts'

const LOOK_MS = 100

export class Waits {
  readonly patienceMs: number
  private readonly since = new Map<string, { atMs: number; error: Error }>()

  constructor(patienceMs: number) {
    this.patienceMs = patienceMs
  }

  heard(notice: Notice): void {
    switch (notice.type) {
      case 'partition-waiting':
        return void this.since.set(`partition ${notice.partition}`, { atMs: performance.now(), error: notice.error })
      case 'sink-waiting':
        return void this.since.set(notice.table, { atMs: performance.now(), error: notice.error })
      case 'partition-resumed':
      case 'partition-stopped':
        return void this.since.delete(`partition ${notice.partition}`)
      case 'partitions':
        // Those that went are nobody's to wait for here; those that came go on.
        if (notice.is !== 'failed') for (const partition of notice.partitions) this.since.delete(`partition ${partition}`)
        return
      case 'sink-resumed':
      case 'sink-stopped':
        return void this.since.delete(notice.table)
    }
  }

  /** Settles as `work` does; rejects with the cause of a wait that lasts longer than the patience, counted from the later of the two. */
  bear<T>(work: Promise<T>): Promise<T> {
    const startMs = performance.now()
    return new Promise((resolve, reject) => {
      const timer = setInterval(() => {
        const dueMs = performance.now() - this.patienceMs
        if (startMs > dueMs) return
        for (const { atMs, error } of this.since.values()) if (atMs <= dueMs) reject(error)
      }, LOOK_MS)
      work.then(resolve, reject).finally(() => clearInterval(timer))
    })
  }
}
