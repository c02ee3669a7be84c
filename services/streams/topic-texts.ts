// The records of topics as text, for whoever shows them. Owns the readers, which stay open: on Kafka what comes for them is fetched while somebody waits for it.
import type { Log, Reader } from '../../engine/log/contract.ts'

const READ_BYTES = 1 << 20

export class TopicTexts {
  private readonly log: Pick<Log, 'reader'>
  private readonly partitions: number
  private readonly readers = new Map<string, Reader[]>()

  constructor(log: Pick<Log, 'reader'>, partitions: number) {
    this.log = log
    this.partitions = partitions
  }

  /** A topic's records from `from` on, partition by partition. Moves `from`. */
  async *records(topic: string, from: number[]): AsyncGenerator<string> {
    for (const [partition, reader] of this.readersOf(topic).entries()) {
      for (;;) {
        const { bytes, blocks, next } = await reader.read(from[partition], READ_BYTES)
        if (next === from[partition]) break
        // The reader's buffer is this block's until it reads again.
        for (const { pos, length, baseOffset } of blocks) {
          const lines = Buffer.from(bytes.buffer, bytes.byteOffset + pos, length)
            .toString()
            .split('\n')
            .slice(0, -1)
          yield* lines.slice(Math.max(0, from[partition] - baseOffset))
        }
        from[partition] = next
      }
    }
  }

  close(): void {
    for (const readers of this.readers.values()) for (const reader of readers) reader.close()
  }

  private readersOf(topic: string): Reader[] {
    let readers = this.readers.get(topic)
    if (!readers) {
      readers = Array.from({ length: this.partitions }, (_, partition) => this.log.reader({ topic, partition }))
      this.readers.set(topic, readers)
    }
    return readers
  }
}
