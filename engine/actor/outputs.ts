// The outputs of a task's open epoch: JSON records per topic, and the sums that a receipt proves them by.
//
// Outputs owns the buffers. Per topic: records (each ended by a newline), their count, and the sum modulo 2^128 over output keys of an
// ordered hash of that key's records (protocol 6). Records of a key are written together, between `beginKey` and `endKey`.
import type { BufferPool } from '../../model/buffer-pool.ts'
import { addTo, HASH_SLACK, h128, hash128View } from '../../model/hash.ts'
import { JsonWriter } from '../../model/json-writer.ts'

const NO_ROOM = Buffer.alloc(0)

export class TopicOutput extends JsonWriter {
  readonly topic: string
  count = 0
  readonly sum = new Uint32Array(4)
  private keyStart = 0
  /** Of the last epoch: about what the next one needs. */
  private lastBytes = 0
  private readonly pool: BufferPool

  constructor(topic: string, pool: BufferPool) {
    super()
    this.topic = topic
    this.pool = pool
    this.replace(NO_ROOM)
  }

  beginKey(): void {
    this.keyStart = this.end
  }

  /** Appends a record (without its newline). */
  write(record: string): void {
    this.text(record)
    this.endRecord()
  }

  /** Ends the record that was written piece by piece. */
  endRecord(): void {
    this.byte(10)
    this.count++
  }

  endKey(): void {
    if (this.end === this.keyStart) return
    hash128View(this.view, this.keyStart, this.end - this.keyStart)
    addTo(this.sum, h128)
  }

  /** The records, to be given back to the pool; the topic starts afresh, with another buffer when it has a record. */
  take(): Uint8Array {
    const bytes = this.buffer.subarray(0, this.end)
    this.lastBytes = this.end
    this.replace(NO_ROOM)
    this.clear()
    return bytes
  }

  protected override grow(need: number): void {
    const { buffer, end } = this
    const bigger = this.pool.take(Math.max(buffer.length * 2, end + need + HASH_SLACK, this.lastBytes + (this.lastBytes >> 2)))
    buffer.copy(bigger, 0, 0, end)
    this.replace(bigger)
    if (buffer.length > 0) this.pool.give(buffer)
  }

  clear(): void {
    this.end = this.count = 0
    this.sum.fill(0)
  }
}

interface OutputMark {
  end: number
  count: number
  sum: Uint32Array
}

export class Outputs {
  private readonly topics = new Map<string, TopicOutput>()
  readonly list: TopicOutput[] = []
  private readonly pool: BufferPool

  constructor(pool: BufferPool) {
    this.pool = pool
  }

  to(topic: string): TopicOutput {
    let output = this.topics.get(topic)
    if (output === undefined) {
      output = new TopicOutput(topic, this.pool)
      this.topics.set(topic, output)
      this.list.push(output)
    }
    return output
  }

  mark(): OutputMark[] {
    return this.list.map(({ end, count, sum }) => ({ end, count, sum: sum.slice() }))
  }

  rollback(marks: OutputMark[]): void {
    this.list.forEach((output, i) => {
      const mark = marks[i] as OutputMark | undefined
      output.end = mark?.end ?? 0
      output.count = mark?.count ?? 0
      if (mark) output.sum.set(mark.sum)
      else output.sum.fill(0)
    })
  }
}
