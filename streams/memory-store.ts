// A state store in memory: the contract of engine/state/store.ts and nothing else. For laws that need many stores, and forks of one.
import type { CheckpointHeader, Namespace, OpenCheckpoint, StateStore } from '../engine/state/store.ts'

const text = (key: Uint8Array) => Buffer.from(key).toString('latin1')

export class MemoryStore implements StateStore {
  header: CheckpointHeader | undefined
  private spaces: Record<Namespace, Map<string, Uint8Array>> = { state: new Map(), index: new Map() }
  private isOpen = false

  /** A store of its own that holds the same finished checkpoint. */
  fork(): MemoryStore {
    const fork = new MemoryStore()
    fork.header = this.header
    fork.spaces = { state: new Map(this.spaces.state), index: new Map(this.spaces.index) }
    return fork
  }

  get(space: Namespace, key: Uint8Array): Uint8Array | undefined {
    return this.spaces[space].get(text(key))
  }

  *entries(space: Namespace): Iterable<[key: Uint8Array, value: Uint8Array]> {
    for (const [key, value] of this.spaces[space]) yield [Buffer.from(key, 'latin1'), value]
  }

  begin(header: CheckpointHeader): OpenCheckpoint {
    if (this.isOpen) throw new Error('A checkpoint is open already.')
    this.isOpen = true
    const changes: [Namespace, string, Uint8Array | undefined][] = []
    let bytes = 0
    return {
      put(space, key, value) {
        bytes += key.length + value.length
        changes.push([space, text(key), value.slice()])
      },
      delete(space, key) {
        bytes += key.length
        changes.push([space, text(key), undefined])
      },
      get bytes() {
        return bytes
      },
      flush: () => Promise.resolve(),
      finish: async () => {
        for (const [space, key, value] of changes)
          if (value) this.spaces[space].set(key, value)
          else this.spaces[space].delete(key)
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
