// A key-value store in memory whose latest transactions are lost by a power loss. SimKeyValueDisk is what survives; open() gives a process's access.
import type { Change, KeyValueStore } from '../../stores/state/key-value.ts'

export class SimKeyValueDisk {
  /** Transactions since the last flush, oldest first. */
  private unflushed: Change[][] = []
  private durable = new Map<string, Uint8Array>()
  private current = new Map<string, Uint8Array>()
  /** Transactions that power losses took so far. */
  lost = 0

  /** A store of its own that holds the same. */
  fork(): SimKeyValueDisk {
    const fork = new SimKeyValueDisk()
    fork.unflushed = [...this.unflushed]
    fork.durable = new Map(this.durable)
    fork.current = new Map(this.current)
    return fork
  }

  open(schedule: (label: string) => Promise<void> = () => Promise.resolve()): KeyValueStore {
    const text = (key: Uint8Array) => Buffer.from(key).toString('latin1')
    return {
      get: (key) => this.current.get(text(key)),
      write: async (changes) => {
        const copy = changes.map(([key, value]): Change => [Buffer.from(key), value && Buffer.from(value)])
        await schedule('key-value write')
        this.unflushed.push(copy)
        this.apply(this.current, copy)
        await schedule('key-value written')
      },
      flush: async () => {
        const flushing = this.unflushed.length
        await schedule('key-value flush')
        for (const changes of this.unflushed.splice(0, flushing)) this.apply(this.durable, changes)
        await schedule('key-value flushed')
      },
      range: (from, to) =>
        [...this.current]
          .filter(([key]) => key >= text(from) && key < text(to))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, value]) => [Buffer.from(key, 'latin1'), value]),
      close: () => Promise.resolve(),
    }
  }

  /** A prefix of the transactions since the last flush stays. */
  powerLoss(random: () => number): void {
    const kept = Math.floor(random() * (this.unflushed.length + 1))
    for (const changes of this.unflushed.slice(0, kept)) this.apply(this.durable, changes)
    this.lost += this.unflushed.length - kept
    this.unflushed = []
    this.current = new Map(this.durable)
  }

  private apply(to: Map<string, Uint8Array>, changes: readonly Change[]): void {
    for (const [key, value] of changes) {
      const text = Buffer.from(key).toString('latin1')
      if (value) to.set(text, value)
      else to.delete(text)
    }
  }
}
