// Reads one partition's committed records as blocks of lines. Owns the buffer that it hands out, and what was fetched ahead.
//
// 1. `next` is behind what is no record (markers, aborted records), too, also where nothing is handed out: retention deletes that as it deletes records,
//    and who stood before it would miss what never was.
import type { Reader, ReadResult, TopicPartition } from '../../engine/log/contract.ts'
import type { Fetched } from './fetched.ts'
import type { KafkaCluster } from './kafka-cluster.ts'

export interface ReaderOptions {
  cluster: KafkaCluster
  /** Named as the broker names it. */
  at: TopicPartition
  /** Nothing can be read from here on; `to`: the end of what was looked at for that. */
  onEnd(from: number, to: number): void
  onClose(): void
}

export class KafkaReader implements Reader {
  readonly at: TopicPartition
  private readonly options: ReaderOptions
  private buffer: Uint8Array = new Uint8Array(0)
  /** Of what was fetched, what was not handed out yet; `from` is where it goes on. */
  private rest: { from: number; fetched: Fetched } | undefined
  /** The fetch after that, on its way. */
  private ahead: { from: number; fetched: Promise<Fetched | undefined> } | undefined
  private maxBytes = 0
  /** The partition's, as they were when what was read last was fetched. */
  bounds = { start: 0, end: 0 }

  constructor(options: ReaderOptions) {
    this.options = options
    this.at = options.at
  }

  /** Errors: LOG_TRIMMED, KAFKA_UNAVAILABLE. */
  async read(from: number, maxBytes: number): Promise<ReadResult> {
    this.maxBytes = maxBytes
    for (let position = from; ; ) {
      const fetched = await this.fetched(position, maxBytes)
      this.bounds = { start: fetched.start, end: Math.max(fetched.end, fetched.after) }
      const result = fetched.take(maxBytes, this.buffer)
      this.buffer = result.bytes
      this.rest = fetched.isEmpty ? undefined : { from: result.next, fetched }
      if (result.blocks.length > 0) {
        // Behind: the next is fetched while this one is worked on. (Caught up, whoever watches fetches it.)
        if (fetched.isEmpty && result.next < fetched.end) this.fetchAhead(result.next)
        return result
      }
      // Only control records and aborted ones: what follows them may be there.
      if (result.next === position) {
        this.options.onEnd(from, position)
        return result
      }
      position = result.next
    }
  }

  close(): void {
    this.rest = this.ahead = undefined
    this.buffer = new Uint8Array(0)
    this.options.onClose()
  }

  /** What came while somebody waited for it. */
  offer(fetched: Fetched): void {
    if (!this.rest && !this.ahead && !fetched.isEmpty) this.ahead = { from: fetched.from, fetched: Promise.resolve(fetched) }
  }

  /** What a fetch may bring: as much as was asked for last. */
  get fetchBytes(): number {
    return Math.max(1, this.maxBytes)
  }

  private async fetched(position: number, maxBytes: number): Promise<Fetched> {
    const { rest, ahead } = this
    this.rest = this.ahead = undefined
    if (rest?.from === position) return rest.fetched
    const fetched = ahead?.from === position ? await ahead.fetched : undefined
    // What was fetched ahead and brought nothing may have been asked for too early.
    if (fetched && !fetched.isEmpty) return fetched
    return this.options.cluster.fetch({ ...this.at, from: position, maxBytes })
  }

  private fetchAhead(from: number): void {
    const fetched = this.options.cluster.fetch({ ...this.at, from, maxBytes: this.maxBytes }).catch(() => undefined)
    this.ahead = { from, fetched }
  }
}
