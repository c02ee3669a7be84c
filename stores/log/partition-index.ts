// Owns where one topic partition's blocks lie: columns sorted by base offset, grown and trimmed in place. 40 bytes per block.
import type { JournalFile } from './log-index.ts'

const BLOCKS_AT_FIRST = 64

export class PartitionIndex {
  /** The offset after the last committed record. */
  end = 0
  private first = 0
  private size = 0
  private sorted = true
  /** Blocks before this index have been looked at for gaps. */
  private settled = 0
  private base = new Float64Array(BLOCKS_AT_FIRST)
  private position = new Float64Array(BLOCKS_AT_FIRST)
  private counts = new Uint32Array(BLOCKS_AT_FIRST)
  private lengths = new Uint32Array(BLOCKS_AT_FIRST)
  private crcs = new Uint32Array(BLOCKS_AT_FIRST)
  private files: JournalFile[] = []

  /** The oldest offset still there; `end` where none is. */
  get start(): number {
    return this.first < this.size ? this.base[this.first] : this.end
  }

  add(file: JournalFile, position: number, base: number, count: number, length: number, crc: number): void {
    if (this.size === this.base.length) this.makeRoom()
    const at = this.size++
    if (at > this.first && base < this.base[at - 1]) this.sorted = false
    this.base[at] = base
    this.position[at] = position
    this.counts[at] = count
    this.lengths[at] = length
    this.crcs[at] = crc
    this.files[at] = file
    this.end = Math.max(this.end, base + count)
  }

  /** After files were read in any order: sorts, and forgets what lies before a gap (the files between were deleted, so nobody needs it). */
  settle(): void {
    if (!this.sorted) this.sort()
    for (let at = Math.max(this.first + 1, this.settled); at < this.size; at++) {
      if (this.base[at - 1] + this.counts[at - 1] !== this.base[at]) this.first = at
    }
    this.settled = this.size
    // An end that was written down again belongs to blocks that are gone.
    if (this.first < this.size && this.base[this.size - 1] + this.counts[this.size - 1] !== this.end) this.first = this.size
  }

  /** Forgets blocks that end at or before `offset`. */
  trim(offset: number): void {
    while (this.first < this.size && this.base[this.first] + this.counts[this.first] <= offset) this.first++
  }

  /** Index of the block that holds `offset`, or of the first after it; `blocks` where there is none. */
  find(offset: number): number {
    let low = this.first
    let high = this.size
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.base[middle] + this.counts[middle] > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  /** One more than the last block's index. Indexes hold until the next add, settle or trim. */
  get blocks(): number {
    return this.size
  }

  block(at: number): { file: JournalFile; position: number; baseOffset: number; count: number; length: number; crc: number } {
    return {
      file: this.files[at],
      position: this.position[at],
      baseOffset: this.base[at],
      count: this.counts[at],
      length: this.lengths[at],
      crc: this.crcs[at],
    }
  }

  private makeRoom(): void {
    const live = this.size - this.first
    const capacity = live * 2 > this.base.length ? this.base.length * 2 : this.base.length
    this.rebuild(
      Array.from({ length: live }, (_, i) => this.first + i),
      capacity,
    )
  }

  private sort(): void {
    const order = Array.from({ length: this.size - this.first }, (_, i) => this.first + i)
    this.rebuild(
      order.sort((a, b) => this.base[a] - this.base[b]),
      this.base.length,
    )
    this.sorted = true
    this.settled = 0
  }

  private rebuild(order: number[], capacity: number): void {
    const moved = <T extends Float64Array | Uint32Array>(from: T, to: T): T => {
      for (const [to_, at] of order.entries()) to[to_] = from[at]
      return to
    }
    this.base = moved(this.base, new Float64Array(capacity))
    this.position = moved(this.position, new Float64Array(capacity))
    this.counts = moved(this.counts, new Uint32Array(capacity))
    this.lengths = moved(this.lengths, new Uint32Array(capacity))
    this.crcs = moved(this.crcs, new Uint32Array(capacity))
    this.files = order.map((at) => this.files[at])
    this.settled = Math.max(0, this.settled - this.first)
    this.first = 0
    this.size = order.length
  }
}
