// A state store in memory: the contract of engine/state/store.ts and nothing else. For laws that need many stores, and forks of one.
import type { CheckpointHeader, OpenCheckpoint, StateStore } from '../engine/state/store.ts'

const text = (key: Uint8Array) => Buffer.from(key).toString('latin1')

export class MemoryStore implements StateStore {
  header: CheckpointHeader | undefined
  private kept = new Map<string, { value: Uint8Array; index: Uint8Array }>()
  private isOpen = false
  private read = Buffer.alloc(1 << 10)

  /** A store of its own that holds the same finished checkpoint. */
  fork(): MemoryStore {
    const fork = new MemoryStore()
    fork.header = this.header
    fork.kept = new Map(this.kept)
    return fork
  }

  /** A view of what the next call overwrites, as a file's would be. */
  get(key: Uint8Array): Uint8Array | undefined {
    const kept = this.kept.get(text(key))
    if (!kept) return undefined
    const { value } = kept
    if (value.length > this.read.length) this.read = Buffer.alloc(2 * value.length)
    this.read.fill(0xff)
    this.read.set(value)
    return this.read.subarray(0, value.length)
  }

  *entries(): Iterable<[key: Uint8Array, index: Uint8Array]> {
    for (const [key, { index }] of this.kept) yield [Buffer.from(key, 'latin1'), index]
  }

  begin(header: CheckpointHeader): OpenCheckpoint {
    if (this.isOpen) throw new Error('A checkpoint is open already.')
    this.isOpen = true
    const changes: [string, { value: Uint8Array; index: Uint8Array } | undefined][] = []
    let bytes = 0
    return {
      put(key, value, index) {
        bytes += key.length + value.length + index.length
        changes.push([text(key), { value: value.slice(), index: index.slice() }])
      },
      delete(key) {
        bytes += key.length
        changes.push([text(key), undefined])
      },
      get bytes() {
        return bytes
      },
      flush: () => Promise.resolve(),
      finish: async () => {
        for (const [key, value] of changes)
          if (value) this.kept.set(key, value)
          else this.kept.delete(key)
        this.isOpen = false
        // As a file would give it back.
        this.header = JSON.parse(JSON.stringify(header)) as CheckpointHeader
      },
      abort: async () => {
        this.isOpen = false
      },
    }
  }

  maintain(): Promise<boolean> {
    return Promise.resolve(false)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
