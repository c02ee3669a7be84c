// A topic into a file of JSON lines, exactly once: how far the topic was read and how long the file was then are one commit.
//
// 1. Lines are durable in the file before the commit that counts them; what a crash leaves behind the counted length is cut off, and written again.
// 2. A file that this sink has not begun is never written to (OUT_EXISTS), and one that has lost what was counted is not gone on with (OUT_CHANGED).
import { createHash } from 'node:crypto'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { EngineError } from '../../engine/errors.ts'
import type { Claim, Log, LogReceipt } from '../../engine/log/contract.ts'

interface FileReceipt extends LogReceipt {
  /** Next offset of each partition. */
  positions: number[]
  /** Of the file, bytes. */
  length: number
}

export interface FileSinkOptions {
  log: Log
  lineage: string
  topic: string
  partitions: number
  /** Absolute. */
  path: string
}

const READ_BYTES = 1 << 20

export class FileSink {
  private readonly options: FileSinkOptions
  private readonly name: string
  private readonly claim: Claim<FileReceipt>
  private readonly file: FileHandle
  private at: Pick<FileReceipt, 'epoch' | 'positions' | 'length'>

  private constructor(options: FileSinkOptions, name: string, claim: Claim<FileReceipt>, file: FileHandle, at: FileSink['at']) {
    this.options = options
    this.name = name
    this.claim = claim
    this.file = file
    this.at = at
  }

  /** Errors: OUT_EXISTS, OUT_CHANGED; the file system's; the log's. */
  static async open(options: FileSinkOptions): Promise<FileSink> {
    const { log, lineage, topic, partitions, path } = options
    const name = `file.${lineage}.${topic}.${createHash('sha256').update(path).digest('hex').slice(0, 32)}`
    const claim = await log.claim<FileReceipt>(name)
    const size = await stat(path).then(
      (found) => found.size,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return 0
        throw error
      },
    )
    const { last } = claim
    // Retention may have deleted what was before.
    const starts = Array.from({ length: partitions }, async (_, partition) => (await log.bounds({ topic, partition })).start)
    const at = last ?? { epoch: 0, positions: await Promise.all(starts), length: 0 }
    if (!last && size > 0)
      throw new EngineError(
        'OUT_EXISTS',
        `${path} is there, and was not begun by this topology`,
        'Name another file with --out, or move it away.',
      )
    if (size < at.length)
      throw new EngineError(
        'OUT_CHANGED',
        `${path} has ${size} bytes, and ${at.length} were written to it`,
        'Bring it back, or name another file with --out: that one gets everything from the beginning of the topic.',
      )
    // From now on what is in the file is known to be this sink's.
    if (!last) await claim.commit({ outputs: [], receipt: { ...at, epoch: 1, to: 0 } })
    for (const [partition, from] of at.positions.entries()) await log.need(name, { topic, partition }, from)
    const file = await open(path, size > 0 || last?.length ? 'r+' : 'w')
    await file.truncate(at.length)
    return new FileSink(options, name, claim, file, { ...at, epoch: Math.max(1, at.epoch) })
  }

  /** Writes what is in the topic. */
  async drain(): Promise<void> {
    const { log, topic, partitions } = this.options
    for (let partition = 0; partition < partitions; partition++) {
      const reader = log.reader({ topic, partition })
      try {
        for (;;) {
          const from = this.at.positions[partition]
          const { bytes, blocks, next } = await reader.read(from, READ_BYTES)
          if (next === from) break
          const parts = blocks.map(({ pos, length, baseOffset }) => after(bytes.subarray(pos, pos + length), from - baseOffset))
          await this.write(Buffer.concat(parts), partition, next)
        }
      } finally {
        reader.close()
      }
    }
  }

  async close(): Promise<void> {
    const { log, topic } = this.options
    for (const [partition, from] of this.at.positions.entries()) await log.need(this.name, { topic, partition }, from)
    await this.claim.release()
    await this.file.close()
  }

  private async write(bytes: Uint8Array, partition: number, next: number): Promise<void> {
    const { at } = this
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done, at.length + done)
      done += bytesWritten
    }
    await this.file.datasync()
    const positions = at.positions.with(partition, next)
    this.at = { epoch: at.epoch + 1, positions, length: at.length + bytes.length }
    const receipt = { ...this.at, to: positions.reduce((sum, one) => sum + one, 0) }
    await this.claim.commit({ outputs: [], receipt, release: { receiptsThrough: at.epoch, inputBefore: 0 } })
  }
}

/** A block's lines without its first `skip`. */
function after(block: Uint8Array, skip: number): Uint8Array {
  let start = 0
  for (let line = 0; line < skip; line++) start = block.indexOf(10, start) + 1
  return block.subarray(start)
}
