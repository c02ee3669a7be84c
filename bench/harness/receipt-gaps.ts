// How long the partitions of a stage stand still: the time between the receipts of each, as a reader of committed records sees them come.
import type { Log } from '../../engine/log/contract.ts'

const READ_BYTES = 1 << 20

export class Gaps {
  private readonly lastMs: (number | undefined)[]
  private readonly waiting: (() => void)[] = []
  private longestMs = 0
  private isOver = false

  /** `topic`: of the receipts; its records so far are not looked at. */
  constructor(log: Log, topic: string, partitions: number) {
    this.lastMs = new Array<undefined>(partitions).fill(undefined)
    for (let partition = 0; partition < partitions; partition++) void this.watch(log, topic, partition)
  }

  /** Resolves when every partition has committed from now on. */
  async first(): Promise<void> {
    const fromMs = performance.now()
    while (!this.lastMs.every((ms) => ms !== undefined && ms > fromMs)) await new Promise<void>((resolve) => this.waiting.push(resolve))
  }

  /** The longest of all, ms. */
  end(): number {
    this.isOver = true
    return this.longestMs
  }

  private async watch(log: Log, topic: string, partition: number): Promise<void> {
    const reader = log.reader({ topic, partition })
    for (let next = (await log.bounds({ topic, partition })).end; !this.isOver; ) {
      const { bytes, blocks, next: after } = await reader.read(next, READ_BYTES)
      next = after
      if (blocks.length === 0) {
        await log.changed()
        continue
      }
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      if (blocks.some(({ pos, length }) => text.toString('utf8', pos, pos + length).includes('"is":"receipt"'))) this.committed(partition)
    }
    reader.close()
  }

  private committed(partition: number): void {
    const nowMs = performance.now()
    this.longestMs = Math.max(this.longestMs, nowMs - (this.lastMs[partition] ?? nowMs))
    this.lastMs[partition] = nowMs
    for (const wake of this.waiting.splice(0)) wake()
  }
}
