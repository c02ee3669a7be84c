// The local cache of a changelog: the embedded store, in a folder that may be lost. Owns what damage to it means.
//
// 1. Damage costs nothing but time, as the changelog has all of it: it is an error that passes, and never STATE_CORRUPT, which stops a partition for good.
// 2. From then on nothing is read of it, and nothing taken along into newer files, until it was emptied and is made anew. Whoever closes it before that empties it:
//    the next to open it would trust the same files.
import { join } from 'node:path'
import type { CheckpointHeader, OpenCheckpoint, StateStore } from '../../engine/state/store.ts'
import type { Files } from '../files/files.ts'
import { openCheckpointStore } from '../state/checkpoint-store.ts'
import { KafkaError } from './kafka-error.ts'

export interface LocalCacheOptions {
  files: Files
  folder: string
}

/** Errors of all that reads it: KAFKA_STATE_CACHE_DAMAGED. */
export class LocalCache implements StateStore {
  private readonly options: LocalCacheOptions
  private store: StateStore | undefined
  private damage: KafkaError | undefined

  constructor(options: LocalCacheOptions) {
    this.options = options
  }

  /** Errors: those of the disk. */
  async open(): Promise<void> {
    this.store = await openCheckpointStore(this.options).catch(this.refuse)
  }

  get isDamaged(): boolean {
    return this.damage !== undefined
  }

  get header(): CheckpointHeader | undefined {
    return this.store?.header
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const { sound } = this
    try {
      return sound.get(key)
    } catch (error) {
      return this.refuse(error)
    }
  }

  *entries(): Iterable<[key: Uint8Array, index: Uint8Array]> {
    const { sound } = this
    try {
      yield* sound.entries()
    } catch (error) {
      this.refuse(error)
    }
  }

  begin(header: CheckpointHeader): OpenCheckpoint {
    const open = this.begun(header)
    return {
      get bytes() {
        return open.bytes
      },
      put: (key, value, index) => open.put(key, value, index),
      delete: (key) => open.delete(key),
      // Both read what they take along of older files.
      flush: () => open.flush().catch(this.refuse),
      finish: () => open.finish().catch(this.refuse),
      abort: () => open.abort(),
    }
  }

  maintain(): Promise<boolean> {
    return this.sound.maintain()
  }

  /** Closes it and empties its folder: it can be opened again, with nothing in it. */
  async drop(): Promise<void> {
    const { files, folder } = this.options
    await this.closeStore()
    for (const name of files.list(folder)) await files.remove(join(folder, name))
    this.damage = undefined
  }

  async close(): Promise<void> {
    await this.closeStore()
    // What cannot be removed now is met again.
    if (this.isDamaged) await this.drop().catch(() => undefined)
  }

  /** Once: what was closed may be another file's handle by now. */
  private async closeStore(): Promise<void> {
    const { store } = this
    this.store = undefined
    await store?.close()
  }

  private get sound(): StateStore {
    if (this.damage) throw this.damage
    if (!this.store) throw new Error('The cache is not open.')
    return this.store
  }

  private begun(header: CheckpointHeader): OpenCheckpoint {
    const { sound } = this
    try {
      return sound.begin(header)
    } catch (error) {
      return this.refuse(error)
    }
  }

  private readonly refuse = (error: unknown): never => {
    if ((error as { code?: string }).code !== 'STATE_CORRUPT') throw error
    this.damage ??= new KafkaError(
      'KAFKA_STATE_CACHE_DAMAGED',
      `${(error as Error).message} It is only a cache of the state's changelog on Kafka, and is made anew from that.`,
      'Nothing: the partition goes on by itself. Where it comes again, look at the disk of the data folder (and at the memory).',
      error,
    )
    throw this.damage
  }
}
