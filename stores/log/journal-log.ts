// The embedded log: one journal per writer thread, read by all (protocol 18). This file owns claims, commits and reads of one thread's instance.
//
// It talks to its writer (journal-writer.ts), which alone appends, and to its index (log-index.ts), which it keeps up with all journals;
// other threads' instances are seen only through the shared log and the files. Numbers are those of contract.ts.
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Claim, Log, LogReceipt, Reader, TopicPartition } from '../../engine/log/contract.ts'
import type { Files } from '../files/files.ts'
import { logCorrupt, storageError } from '../files/storage-error.ts'
import { FileCache } from './file-cache.ts'
import type { LogRecord } from './frame.ts'
import { JournalClaim } from './journal-claim.ts'
import { listJournals, readHead, readHeads, readIndex } from './journal-file.ts'
import { JournalReader } from './journal-reader.ts'
import { type Entry, JournalWriter } from './journal-writer.ts'
import { LogIndex, type ReceiptEntry } from './log-index.ts'
import { type Retention, retain } from './retention.ts'
import { type JournalEnd, type SharedLog, SharedView, type Waits } from './shared-log.ts'

export interface JournalLogOptions {
  files: Files
  /** `<data>/log`, after prepareLog(). */
  folder: string
  /** This thread's name in the shared log's list of writers. */
  writer: string
  shared: SharedLog
  /** A file is closed when it is larger. Default 64 MB. */
  journalBytes?: number
  /** How long each topic is kept beyond what its consumers need. */
  retention?: Retention
  /** The first writer in the list also deletes what earlier processes left. */
  nowMs?: () => number
  waits?: Waits
}

const JOURNAL_BYTES = 64 << 20

/** Opens this thread's view of the log. Errors: LOG_CORRUPT, DISK_FULL, DATA_READ_ONLY. */
export async function openJournalLog(options: JournalLogOptions): Promise<JournalLog> {
  const log = new JournalLog(options)
  await log.load()
  return log
}

export class JournalLog implements Log {
  /** A deleted file gives its bytes back to the disk only when no thread has it open. */
  readonly index = new LogIndex((name) => this.files.forget(name))
  readonly view: SharedView
  readonly writerIndex: number
  private readonly options: JournalLogOptions
  private readonly files: FileCache
  private readonly writer: JournalWriter
  /** Per writer: how far its journal is in the index. */
  private readonly known: JournalEnd[]
  private seen: number
  private closed = false

  constructor(options: JournalLogOptions) {
    this.options = options
    const { files, folder, writer, shared, waits, nowMs = Date.now, journalBytes = JOURNAL_BYTES } = options
    this.view = new SharedView(shared, waits)
    this.writerIndex = shared.writers.indexOf(writer)
    if (this.writerIndex < 0) throw new RangeError(`No writer is named ${writer}: ${shared.writers.join(', ')}`)
    this.files = new FileCache(files, folder)
    this.seen = this.view.commits
    this.known = shared.writers.map((_, w) => ({ seq: this.view.deadSeq(w), position: Infinity }))
    this.writer = new JournalWriter({
      files,
      folder,
      writer: this.writerIndex,
      view: this.view,
      journalBytes,
      nowMs,
      endOf: (topic, partition) => this.index.partition(topic, partition).end,
      onFrame: (name, seq, head) => {
        this.index.apply(this.index.file(name, writer, seq), head)
        this.index.settle()
        this.known[this.writerIndex] = { seq, position: head.end }
      },
    })
  }

  async load(): Promise<void> {
    const { files, folder } = this.options
    const { writers } = this.view
    for (const { name, writer, seq } of listJournals(files, folder)) {
      const w = writers.indexOf(writer)
      if (w >= 0 && seq > this.view.deadSeq(w)) continue
      const heads = readIndex(files, join(folder, name))
      // Deleted since it was listed. (A file without an index was made whole by prepareLog.)
      if (!heads && !files.exists(join(folder, name))) continue
      if (!heads) throw logCorrupt(join(folder, name), 0, 'its index is missing')
      const file = this.index.file(name, writer, seq)
      for (const head of heads) this.index.apply(file, head)
    }
    this.index.settle()
    this.refresh(true)
    // An earlier instance of this writer, in this process, is dead or must be: its journal is taken over before anything is read.
    if (this.view.end(this.writerIndex).seq > this.view.deadSeq(this.writerIndex)) {
      await this.append({ blocks: [], records: [], receipts: [] })
      this.view.clearCommits(this.writerIndex)
    }
  }

  async claim<R extends LogReceipt = LogReceipt>(name: string, input?: TopicPartition, again = false): Promise<Claim<R>> {
    const slot = this.view.slot(name)
    this.refresh()
    const generation = await this.view.takeSlot(slot, this.index.name(name).generation)
    // After the slot is ours no commit of an earlier owner can land: now it is all there to be read.
    this.refresh()
    const count = this.index.name(name).claimsSinceCommit + (again ? 0 : 1)
    const records: LogRecord[] = [{ is: 'claim', name, generation, count }]
    if (input) {
      const { from, version } = this.index.need(name, input.topic, input.partition)
      if (version === 0 || from === Infinity) records.push({ is: 'need', consumer: name, ...input, from: 0, version: version + 1 })
    }
    await this.append({ blocks: [], records, receipts: [] })
    const last = this.index.name(name).receipts.at(-1)
    return new JournalClaim<R>(this, { name, slot, generation, count, input }, last && (this.readReceipt(last) as R))
  }

  reader(at: TopicPartition): Reader {
    return new JournalReader(this, this.files, at)
  }

  async bounds({ topic, partition }: TopicPartition): Promise<{ start: number; end: number }> {
    this.refresh()
    const { start, end } = this.index.partition(topic, partition)
    return { start, end }
  }

  /** The newest committed receipt of a name, for whoever only looks: nobody is fenced, nothing is counted. Undefined where it never committed. */
  async lastReceipt<R extends LogReceipt = LogReceipt>(name: string): Promise<R | undefined> {
    this.refresh()
    const last = this.index.names.get(name)?.receipts.at(-1)
    return last && (this.readReceipt(last) as R)
  }

  /** Every name that ever claimed. */
  names(): string[] {
    this.refresh()
    return [...this.index.names.keys()]
  }

  /** Bytes of the partition from the block that holds `offset` on. */
  bytesFrom({ topic, partition }: TopicPartition, offset: number): number {
    this.refresh()
    const index = this.index.partition(topic, partition)
    let bytes = 0
    for (let at = index.find(offset); at < index.blocks; at++) bytes += index.block(at).length
    return bytes
  }

  /** An offset before which nothing of the partition was appended at `ms` or later: to begin a search at. */
  since({ topic, partition }: TopicPartition, ms: number): number {
    this.refresh()
    const index = this.index.partition(topic, partition)
    for (let at = index.find(0); at < index.blocks; at++) {
      const { file, baseOffset } = index.block(at)
      if (file.lastMs >= ms) return baseOffset
    }
    return index.end
  }

  /** Who has declared to need something of the log, and of what. */
  consumers(): ({ consumer: string } & TopicPartition)[] {
    this.refresh()
    return [...this.index.needs.values()].flatMap((needs) =>
      [...needs.values()].flatMap(({ consumer, topic, partition, from }) => (from < Infinity ? [{ consumer, topic, partition }] : [])),
    )
  }

  async changed(): Promise<void> {
    if (!this.closed) await this.view.committed(this.seen)
    this.seen = this.view.commits
  }

  /** Declares that `consumer` needs the partition from `from` on (Infinity: no more of it); nothing at or above is deleted (protocol 24). Durable
   *  when it resolves, and remembered over restarts. Positions only rise; a claim's own input is declared by the claim and its commits. */
  async need(consumer: string, { topic, partition }: TopicPartition, from: number): Promise<void> {
    const known = this.index.need(consumer, topic, partition)
    const again = known.version === 0 || (from === Infinity) !== (known.from === Infinity)
    const version = known.version + (again ? 1 : 0)
    await this.append({ blocks: [], records: [{ is: 'need', consumer, topic, partition, from, version }], receipts: [] })
  }

  /** Declares, where `consumer` never did anything of the kind, that it needs the partition from its beginning. For who opens a process, before anything
   *  is deleted: a consumer's own first claim may fail, and others would let its input go. */
  async reserve(consumer: string, at: TopicPartition): Promise<void> {
    this.refresh()
    if (this.index.need(consumer, at.topic, at.partition).version === 0) await this.need(consumer, at, 0)
  }

  /** Deletes this thread's files in which nothing is needed any more; returns how many. Called now and then, and after a checkpoint. */
  async retain(): Promise<number> {
    this.refresh()
    const { files, folder, retention, nowMs = Date.now } = this.options
    return retain({
      files,
      folder,
      index: this.index,
      retention,
      nowMs: nowMs(),
      mine: ({ name, writer, seq }) => {
        const w = this.view.writers.indexOf(writer)
        const ownedByFirst = w < 0 || seq <= this.view.deadSeq(w)
        return !this.writer.isWriting(name) && (ownedByFirst ? this.writerIndex === 0 : w === this.writerIndex)
      },
      receiptBytes: (entry) => this.receiptBytes(entry),
      append: (entry) => this.append(entry),
      forget: (name) => this.files.forget(name),
    })
  }

  async close(): Promise<void> {
    this.closed = true
    await this.writer.close()
    this.files.close()
    this.view.wake()
  }

  // ---- for the claim and the reader ----

  append(entry: Entry): Promise<void> {
    return this.writer.append(entry)
  }

  receiptBytes({ file, position, record }: ReceiptEntry): Buffer {
    const bytes = Buffer.allocUnsafe(record.length)
    this.files.read(file.name, bytes, position)
    if (crc32(bytes) !== record.crc)
      throw logCorrupt(this.files.path(file.name), position, `the receipt of epoch ${record.epoch} of ${record.name}`)
    return bytes
  }

  /** Where it lies now: a name's newest receipt is written again before its file goes, and the file may have gone since the index said where.
   *  Undefined where it was released meanwhile, by another owner. */
  readReceipt(entry: ReceiptEntry): unknown {
    try {
      return JSON.parse(this.receiptBytes(entry).toString('utf8'))
    } catch (error) {
      this.refresh()
      const now = this.index.name(entry.record.name).receipts.find(({ epoch }) => epoch === entry.epoch)
      if (now === entry) throw error
      return now && JSON.parse(this.receiptBytes(now).toString('utf8'))
    }
  }

  /** Brings the index up to what all writers have published. */
  refresh(ownToo = false): void {
    let ends = this.view.writers.map((_, w) => this.view.end(w))
    // One moment of all journals: a partition that went from one writer to another must not be read in the second without the first.
    for (let again = ends; ; ends = again) {
      again = this.view.writers.map((_, w) => this.view.end(w))
      if (again.every(({ seq, position }, w) => seq === ends[w].seq && position === ends[w].position)) break
    }
    let changed = false
    for (const [w, end] of ends.entries()) {
      const known = this.known[w]
      if ((w === this.writerIndex && !ownToo) || (known.seq === end.seq && known.position >= end.position)) continue
      try {
        this.follow(w, known, end)
      } catch (error) {
        throw storageError(error, this.options.folder)
      }
      this.known[w] = end
      changed = true
    }
    if (changed) this.index.settle()
  }

  /** Reads a writer's frames from where it is known to `end`, over however many files. */
  private follow(w: number, known: JournalEnd, end: JournalEnd): void {
    const { files, folder } = this.options
    const writer = this.view.writers[w]
    if (known.seq === end.seq) {
      const file = [...this.index.files.values()].find((file) => file.writer === writer && file.seq === end.seq)!
      this.applyHeads(file.name, w, end.seq, known.position, end.position)
      return
    }
    const between = listJournals(files, folder).filter(
      (file) => file.writer === writer && file.seq >= known.seq && file.seq <= end.seq && file.seq > this.view.deadSeq(w),
    )
    let to = end.position
    let prevSeq = end.seq
    const parts: (() => void)[] = []
    for (const { name, seq } of between.reverse()) {
      const from = seq === known.seq ? known.position : 0
      // Only the next file says where one ends; what it does not name has nothing committed. Where the next one was deleted, this one has its index.
      if (seq > prevSeq) continue
      const isNamed = seq === prevSeq
      const until = isNamed ? to : (readIndex(files, join(folder, name))?.at(-1)?.end ?? 0)
      if (until > from) parts.unshift(() => this.applyHeads(name, w, seq, from, until))
      const first = this.files.use(name, (file) => readHead(file, 0))?.records[0]
      // What a failed write left, and could not be removed: who did not name it is deleted.
      if (!isNamed && until === 0 && first?.is !== 'file') continue
      if (first?.is !== 'file') throw logCorrupt(this.files.path(name), 0, 'no whole frame begins here')
      prevSeq = first.prevSeq
      to = first.prevEnd
    }
    for (const part of parts) part()
  }

  private applyHeads(name: string, w: number, seq: number, from: number, to: number): void {
    const file = this.index.file(name, this.view.writers[w], seq)
    this.files.use(name, (read) => {
      for (const head of readHeads(read, this.files.path(name), from, to)) this.index.apply(file, head)
    })
  }
}
