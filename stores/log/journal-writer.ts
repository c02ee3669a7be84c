// Owns the journal of one writer thread: puts commits into frames, appends, syncs, publishes, rolls files. It alone appends.
//
// 1. One frame is in flight. What arrives meanwhile goes together into the next: one append, one fdatasync (group commit).
// 2. A frame is committed when its end is published, after the sync (protocol 7). A frame that failed is never published, and the
//    next file says that its file ends before it: nothing of it is ever seen.
// 3. Offsets are given when a frame is made, so that a frame that failed leaves no hole.
// 4. A full file is closed beside what comes after it: its index takes some flushes, for which no commit waits. One is closed at a time.
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { OutputBlock } from '../../engine/log/contract.ts'
import type { AppendFile, Files } from '../files/files.ts'
import { StorageError, storageError } from '../files/storage-error.ts'
import { type Directory, encodeHead, type FrameHead, type LogRecord } from './frame.ts'
import { journalName, writeIndex } from './journal-file.ts'
import type { JournalEnd, SharedView } from './shared-log.ts'

/** A frame takes waiting commits until it has this many bytes: a small commit does not wait behind more than that. */
export const FRAME_BYTES_MAX = 16 << 20

/** What one commit adds to a frame. `receipts`: the JSON of its receipt records, in their order. */
export interface Entry {
  blocks: readonly OutputBlock[]
  records: readonly LogRecord[]
  receipts: readonly Uint8Array[]
}

interface Waiting extends Entry {
  resolve(): void
  reject(error: StorageError): void
}

interface OpenFile {
  name: string
  file: AppendFile
  seq: number
  heads: FrameHead[]
}

export interface JournalWriterOptions {
  files: Files
  folder: string
  /** Index of the writer in the shared log's list. */
  writer: number
  view: SharedView
  /** A file is closed when it is larger than this. */
  journalBytes: number
  nowMs: () => number
  /** The partition's next offset. */
  endOf(topic: string, partition: number): number
  /** A frame was committed. */
  onFrame(name: string, seq: number, head: FrameHead): void
}

export class JournalWriter {
  private readonly options: JournalWriterOptions
  private readonly incarnation: number
  private end: JournalEnd
  private open: OpenFile | undefined
  private closing: { name: string; done: Promise<void> } | undefined
  private waiting: Waiting[] = []
  private running: Promise<void> | undefined
  private over: StorageError | undefined

  constructor(options: JournalWriterOptions) {
    this.options = options
    this.incarnation = options.view.nextIncarnation()
    this.end = options.view.end(options.writer)
  }

  /** Whether the file, or its index, is being written. */
  isWriting(name: string): boolean {
    return name === this.open?.name || name === this.closing?.name
  }

  /** Resolves when the entry is durable and can be read. Rejects with a StorageError: nothing of it will ever be seen. */
  append(entry: Entry): Promise<void> {
    if (this.over) return Promise.reject(this.over)
    return new Promise((resolve, reject) => {
      this.waiting.push({ ...entry, resolve, reject })
      this.running ??= this.run()
    })
  }

  /** Waits for what was appended, then closes the file. */
  async close(): Promise<void> {
    this.over ??= new StorageError('LOG_CLOSED', 'The log was closed.', 'Nothing: the process is stopping.')
    await this.running
    if (this.open) await this.closeFile(this.open)
    await this.closing?.done
  }

  private async run(): Promise<void> {
    // What is appended in the same turn goes into one frame.
    await undefined
    while (this.waiting.length) {
      const batch = this.takeBatch()
      try {
        await this.write(batch)
        for (const { resolve } of batch) resolve()
      } catch (cause) {
        const error = storageError(cause, join(this.options.folder, this.open?.name ?? ''))
        await this.abandon()
        for (const { reject } of batch) reject(error)
      }
    }
    this.running = undefined
  }

  private takeBatch(): Waiting[] {
    let count = 0
    for (let bytes = 0; count < this.waiting.length && bytes < FRAME_BYTES_MAX; count++) {
      for (const block of this.waiting[count].blocks) bytes += block.bytes.length
    }
    return this.waiting.splice(0, count)
  }

  private async write(batch: readonly Entry[]): Promise<void> {
    if (this.over?.code === 'FENCED') throw this.over
    const { folder, writer, view, nowMs } = this.options
    const directory: Directory = { blocks: [], records: [] }
    let open = this.open
    if (!open) {
      const seq = view.nextSeq(writer)
      const name = journalName(view.writers[writer], this.incarnation, seq)
      open = this.open = { name, seq, heads: [], file: await this.options.files.create(join(folder, name)) }
      directory.records.push({ is: 'file', prevSeq: this.end.seq, prevEnd: this.end.position })
    }
    const body = this.fill(directory, batch)
    const position = open.seq === this.end.seq ? this.end.position : 0
    const writtenMs = nowMs()
    const encoded = encodeHead(directory, position, writtenMs)
    await open.file.append([encoded, ...body])
    await open.file.sync()
    const start = position + encoded.length
    const head: FrameHead = {
      ...directory,
      position,
      body: start,
      end: body.reduce((sum, { length }) => sum + length, start),
      writtenMs,
    }
    const end = { seq: open.seq, position: head.end }
    if (!view.publish(writer, this.end, end)) {
      throw (this.over = new StorageError(
        'FENCED',
        `The journal of ${view.writers[writer]} was taken over.`,
        'Nothing: whoever took over goes on.',
      ))
    }
    this.end = end
    open.heads.push(head)
    this.options.onFrame(open.name, open.seq, head)
    if (head.end >= this.options.journalBytes) await this.roll(open)
  }

  /** Gives the blocks their offsets and checksums (3); returns the body's parts. */
  private fill(directory: Directory, batch: readonly Entry[]): Uint8Array[] {
    const ends = new Map<string, number>()
    const body: Uint8Array[] = []
    for (const { blocks } of batch) {
      for (const { topic, partition, count, bytes } of blocks) {
        const key = `${topic}/${partition}`
        const base = ends.get(key) ?? this.options.endOf(topic, partition)
        ends.set(key, base + count)
        directory.blocks.push([topic, partition, base, count, bytes.length, crc32(bytes)])
        body.push(bytes)
      }
    }
    for (const { records, receipts } of batch) {
      directory.records.push(...records)
      body.push(...receipts)
    }
    return body
  }

  /** The next commit goes into another file. */
  private async roll(open: OpenFile): Promise<void> {
    await this.closing?.done
    const done = this.closeFile(open).then(() => {
      this.closing = undefined
    })
    this.closing = { name: open.name, done }
  }

  /** The index only saves work later, so that its failure fails nothing. */
  private async closeFile(open: OpenFile): Promise<void> {
    this.open = undefined
    const path = join(this.options.folder, open.name)
    await open.file.close().catch(() => undefined)
    await writeIndex(this.options.files, path, open.heads).catch(() => undefined)
  }

  /** After a failed frame: its file is left as it is, or removed if nothing was committed in it. */
  private async abandon(): Promise<void> {
    const open = this.open
    if (!open) return
    if (open.heads.length) return this.closeFile(open)
    this.open = undefined
    await open.file.close().catch(() => undefined)
    await this.options.files.remove(join(this.options.folder, open.name)).catch(() => undefined)
  }
}
