// The outputs of a task's open epoch: JSON records per topic, and the sums that a receipt proves them by.
//
// Outputs owns the buffers. Per topic: records (each ended by a newline), their count, and the sum modulo 2^128 over output keys of an
// ordered hash of that key's records (protocol 6). Records of a key are written together, between `beginKey` and `endKey`.
import { addTo, h128, hash128View } from '../../model/hash.ts'
import { JsonWriter } from '../../model/json-writer.ts'

const POOL_BUFFERS_MAX = 16

/** Buffers of committed epochs, to be filled again: one allocated for each epoch costs the collector more than filling it. */
export class BufferPool {
  private readonly free: Buffer<ArrayBuffer>[] = []

  /** A buffer of at least `bytes`; its content is whatever it was. */
  take(bytes: number): Buffer<ArrayBuffer> {
    const at = this.free.findIndex(({ length }) => length >= bytes)
    return at < 0 ? Buffer.allocUnsafeSlow(bytes) : this.free.splice(at, 1)[0]
  }

  /** Takes a buffer, or a part of one, back: nobody reads it any more. */
  give({ buffer }: Uint8Array): void {
    if (this.free.length < POOL_BUFFERS_MAX) this.free.push(Buffer.from(buffer as ArrayBuffer))
  }
}

export class TopicOutput extends JsonWriter {
  readonly topic: string
  count = 0
  readonly sum = new Uint32Array(4)
  private keyStart = 0
  private readonly pool: BufferPool

  constructor(topic: string, pool: BufferPool) {
    super()
    this.topic = topic
    this.pool = pool
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

  /** The records, to be given back to the pool; the topic starts afresh with another buffer. */
  take(): Uint8Array {
    const bytes = this.buffer.subarray(0, this.end)
    if (this.end > 0) this.replace(this.pool.take(this.buffer.length))
    this.clear()
    return bytes
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
