// Where the records of a partition end. Brokers say only where what is decided ends: behind it may stand markers, and records that were aborted, which
// nobody ever reads. Whoever waits until all has been read waits for a record's end, never for theirs. Owns what was found.
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { KafkaCluster } from './kafka-cluster.ts'

/** Of a look for the last record, from behind: the first is at so many offsets, each further one at so many times as many. */
const LOOK_BACK = 4
const LOOK_BYTES = 1 << 16

export class Tails {
  private readonly cluster: Pick<KafkaCluster, 'fetch'>
  /** By partition: between these is no record. */
  private readonly found = new Map<string, { from: number; to: number }>()

  constructor(cluster: Pick<KafkaCluster, 'fetch'>) {
    this.cluster = cluster
  }

  /** A reader has looked: there is no record between the two. */
  saw({ topic, partition }: TopicPartition, from: number, to: number): void {
    const key = `${topic}/${partition}`
    const found = this.found.get(key)
    this.found.set(key, { from: found?.to === to ? Math.min(found.from, from) : from, to })
  }

  /** The offset after the last record, of what is decided up to `end`. Where somebody reads it who has not come so far, that is `end`: he will look. */
  async end(at: TopicPartition, { start, end }: { start: number; end: number }, isRead: boolean): Promise<number> {
    const found = this.found.get(`${at.topic}/${at.partition}`)
    if (found?.to === end) return Math.max(start, found.from)
    if (isRead || end <= start) return end
    const from = await this.look(at, start, end)
    this.saw(at, from, end)
    return from
  }

  /** The offset after the last record of [start, end). */
  async look(at: TopicPartition, start: number, end: number): Promise<number> {
    for (let back = LOOK_BACK; ; back *= LOOK_BACK) {
      const from = Math.max(start, end - back)
      let behind = from
      for (let position = from; position < end; ) {
        const fetched = await this.cluster.fetch({ ...at, from: position, maxBytes: LOOK_BYTES })
        for (let record = fetched.record(); record && record.offset < end; record = fetched.record()) behind = record.offset + 1
        if (fetched.after === position) break
        position = fetched.after
      }
      if (behind > from || from === start) return behind
    }
  }
}
