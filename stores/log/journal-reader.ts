// Reads one partition's committed blocks, from the journals of all writers. Owns the buffer that it hands out.
import { crc32 } from 'node:zlib'
import type { BlockRange, Reader, ReadResult, TopicPartition } from '../../engine/log/contract.ts'
import { logCorrupt, StorageError } from '../files/storage-error.ts'
import type { FileCache } from './file-cache.ts'
import type { JournalLog } from './journal-log.ts'

/** Behind the blocks: for whoever writes what it decodes there (ReadResult). */
const ROOM_BYTES = 1 << 16
/** Blocks this near to each other in a file are read in one go: what lies between is read for nothing, but costs less than a call. */
const GAP_BYTES_MAX = 4096

type Block = ReturnType<ReturnType<JournalLog['index']['partition']>['block']>

export class JournalReader implements Reader {
  private readonly log: JournalLog
  private readonly files: FileCache
  private readonly at: TopicPartition
  private buffer = new Uint8Array(0)

  constructor(log: JournalLog, files: FileCache, at: TopicPartition) {
    this.log = log
    this.files = files
    this.at = at
  }

  /** Errors: LOG_TRIMMED where retention has deleted `from`, LOG_CORRUPT where a block's checksum is wrong. */
  async read(from: number, maxBytes: number): Promise<ReadResult> {
    try {
      return this.readNow(from, maxBytes)
    } catch (error) {
      // The file may have been deleted by its writer since: then the index says so now, and the offset is gone, not damaged.
      const before = this.start()
      this.log.refresh()
      if (this.start() === before) throw error
      return this.readNow(from, maxBytes)
    }
  }

  close(): void {
    this.buffer = new Uint8Array(0)
  }

  private start(): number {
    return this.log.index.partition(this.at.topic, this.at.partition).start
  }

  private readNow(from: number, maxBytes: number): ReadResult {
    this.log.refresh()
    const { topic, partition } = this.at
    const index = this.log.index.partition(topic, partition)
    if (from < index.start) {
      throw new StorageError(
        'LOG_TRIMMED',
        `${topic}/${partition} begins at offset ${index.start}; ${from} was deleted by retention.`,
        'Raise log.retentionMs, or log.retentionBytes where it is set. What is missing can only be imported again, into a new data folder.',
      )
    }
    const blocks: Block[] = []
    let bytes = 0
    for (let at = index.find(from); at < index.blocks; at++) {
      const block = index.block(at)
      if (blocks.length && bytes + block.length > maxBytes) break
      blocks.push(block)
      bytes += block.length
    }
    return this.readBlocks(blocks, from)
  }

  private readBlocks(blocks: readonly Block[], from: number): ReadResult {
    const last = blocks.at(-1)
    if (!last) return { bytes: this.buffer, blocks: [], next: from }
    const ranges: BlockRange[] = []
    const runs: { first: Block; at: number; length: number }[] = []
    let used = 0
    for (const block of blocks) {
      let run = runs.at(-1)
      const gap = run?.first.file === block.file ? block.position - (run.first.position + run.length) : -1
      if (!run || gap < 0 || gap > GAP_BYTES_MAX) runs.push((run = { first: block, at: used, length: 0 }))
      run.length = block.position + block.length - run.first.position
      used = run.at + run.length
      ranges.push({ baseOffset: block.baseOffset, count: block.count, pos: used - block.length, length: block.length })
    }
    if (this.buffer.length < used + ROOM_BYTES) this.buffer = new Uint8Array(used + ROOM_BYTES)
    for (const { first, at, length } of runs) this.files.read(first.file.name, this.buffer.subarray(at, at + length), first.position)
    for (const [i, { pos, length }] of ranges.entries()) {
      if (crc32(this.buffer.subarray(pos, pos + length)) === blocks[i].crc) continue
      const { file, position, baseOffset } = blocks[i]
      throw logCorrupt(this.files.path(file.name), position, `the block of ${this.at.topic}/${this.at.partition} from offset ${baseOffset}`)
    }
    return { bytes: this.buffer, blocks: ranges, next: last.baseOffset + last.count }
  }
}
