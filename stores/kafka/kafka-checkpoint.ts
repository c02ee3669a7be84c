// One open checkpoint on Kafka: every entry goes to the cache's own checkpoint and into the changelog's transaction. Numbers are those of kafka-state.ts.
import type { OpenCheckpoint } from '../../engine/state/store.ts'
import { entryRecord } from './changelog.ts'
import type { OutputRecord } from './transactional-producer.ts'

export interface KafkaCheckpointOptions {
  local: OpenCheckpoint
  /** The transaction's last record. */
  header: OutputRecord
  send(records: readonly OutputRecord[]): Promise<void>
  commit(): Promise<void>
  abort(): Promise<void>
  /** It ended, either way. */
  ended(): void
}

export class KafkaCheckpoint implements OpenCheckpoint {
  private readonly options: KafkaCheckpointOptions
  private pending: OutputRecord[] = []
  private over = false

  constructor(options: KafkaCheckpointOptions) {
    this.options = options
  }

  get bytes(): number {
    return this.options.local.bytes
  }

  put(key: Uint8Array, value: Uint8Array, index: Uint8Array): void {
    this.options.local.put(key, value, index)
    this.pending.push(entryRecord(key, value, index))
  }

  delete(key: Uint8Array): void {
    this.options.local.delete(key)
    this.pending.push(entryRecord(key))
  }

  async flush(): Promise<void> {
    const records = this.pending
    this.pending = []
    await this.tried(async () => {
      // Side by side; both have ended before either's failure ends the checkpoint.
      const sent = records.length > 0 ? this.options.send(records) : undefined
      const ends = await Promise.allSettled([this.options.local.flush(), sent])
      for (const end of ends) if (end.status === 'rejected') throw end.reason
    })
  }

  /** The changelog first: what the cache has, the changelog has. */
  async finish(): Promise<void> {
    await this.flush()
    await this.tried(async () => {
      await this.options.send([this.options.header])
      await this.options.commit()
      await this.options.local.finish()
      this.end()
    })
  }

  async abort(): Promise<void> {
    if (this.over) return
    this.end()
    await this.options.abort()
    await this.options.local.abort()
  }

  private end(): void {
    this.over = true
    this.options.ended()
  }

  private async tried(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      await this.abort()
      throw error
    }
  }
}
