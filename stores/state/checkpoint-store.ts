// The embedded state store: one task's finished checkpoint files. Numbers go on from store.ts.
//
// Owns the folder `<data>/state/<task>`. A checkpoint is a file, and the files are the store: a table in memory says where the newest value of
// each key lies (place-table.ts), and is made again at a start from their index parts. See docs/decisions/0010.
// 5. A file goes when no key's newest value is in it and no older file is there: what it says to be deleted is in none then. One that is named
//    by the newest checkpoint is kept until the next has finished.
// 6. A file that the newest checkpoint names must be there: what is missing is STATE_CORRUPT, never a step back for some keys.
// 7. Where less than half of what the files hold is in force, slices take along what is in force of the oldest file, as many bytes as they have.
// 8. Where there are more files than filesMax, they take along of the oldest files until there are not: each checkpoint so much of those that
//    are too many that files stay below twice filesMax and a few, however small checkpoints are. Each file is held open, and read at a start.
import { join } from 'node:path'
import type { CheckpointHeader, OpenCheckpoint, StateStore } from '../../engine/state/store.ts'
import type { Files, ReadFile } from '../files/files.ts'
import { storageError } from '../files/storage-error.ts'
import { Changes, type Place } from './changes.ts'
import {
  CRC_BYTES,
  checkpointEpoch,
  checkpointName,
  type Entry,
  entriesOf,
  indexOf,
  isFinished,
  keyOf,
  readEntries,
  readHeader,
  stateCorrupt,
  valueChecksum,
} from './checkpoint-file.ts'
import { CheckpointWriter, SliceBuffer } from './checkpoint-writer.ts'
import { NO_VALUE, PlaceTable } from './place-table.ts'

export interface CheckpointStoreOptions {
  files: Files
  /** `<data>/state/<task>` */
  folder: string
  /** So many bytes that are not in force do not matter … */
  slackBytes?: number
  /** … unless there are more files than this. */
  filesMax?: number
}

const SLACK_BYTES = 32 << 20
const FILES_MAX = 32
/** Of the oldest file, with every slice at least. */
const TAKE_ALONG_BYTES = 1 << 18
/** Where files are too many at most so much, but for a slice that is larger itself: commits wait for it. */
const TAKE_ALONG_BYTES_MAX = 1 << 20
/** An entry that is not in force counts as so many bytes taken along: there may be a million of them in a row. */
const PASSED_BYTES = 32
/** Of one step of maintain(): about a millisecond. */
const STEP_CHANGES = 4000
/** What an entry costs beside its value, about. */
const ENTRY_BYTES = 64
const VALUE_BYTES_AT_FIRST = 1 << 14

interface FinishedFile {
  /** What the table calls it: epochs outgrow its 32 bits. */
  number: number
  epoch: number
  path: string
  file: ReadFile
  /** In force: entries, and about how many bytes. */
  entries: number
  bytes: number
}

/** Errors: STATE_CORRUPT, DATA_READ_ONLY. */
export async function openCheckpointStore(options: CheckpointStoreOptions): Promise<StateStore> {
  const { files, folder } = options
  try {
    await files.makeFolder(folder)
    const store = new CheckpointStore(options)
    await store.load()
    return store
  } catch (error) {
    throw storageError(error, folder)
  }
}

class CheckpointStore implements StateStore {
  header: CheckpointHeader | undefined
  private readonly options: CheckpointStoreOptions
  /** By number, oldest first. */
  private readonly finished = new Map<number, FinishedFile>()
  /** Needed by nobody once the open checkpoint has finished; then by nobody. */
  private leaving: FinishedFile[] = []
  private readonly gone: FinishedFile[] = []
  private removing: Promise<void> | undefined
  private table = new PlaceTable()
  /** It is, by the first who asks: at a start all are asked for once, and one pass is enough. */
  private isFilled = false
  /** Of the open checkpoint, or of the last one until all is moved. */
  private changes: Changes | undefined
  private open: CheckpointWriter | undefined
  /** What is taken along: of the oldest file that is not drained, from where the last slice stopped. */
  private oldest: { file: FinishedFile; entries: Iterator<Entry> } | undefined
  /** Files, oldest first, of which the open checkpoint has all that was in force. */
  private drained = 0
  /** Bytes of the oldest files that the open checkpoint has yet to pass (8). */
  private owed = 0
  private lastNumber = 0
  private readonly slices = [new SliceBuffer(), new SliceBuffer()] as const
  private value = Buffer.allocUnsafeSlow(VALUE_BYTES_AT_FIRST)

  constructor(options: CheckpointStoreOptions) {
    this.options = options
  }

  async load(): Promise<void> {
    const { files, folder } = this.options
    const epochs = files.list(folder).flatMap((name) => checkpointEpoch(name) ?? [])
    const found = new Map(epochs.map((epoch) => [epoch, files.open(this.path(epoch))]))
    try {
      const newest = Math.max(-1, ...epochs.filter((epoch) => isFinished(found.get(epoch)!, epoch)))
      for (const epoch of newest < 0 ? [] : this.needed(newest, found)) {
        const file = found.get(epoch)!
        const path = this.path(epoch)
        // A killed process may have left it in the page cache only: nobody may act on it before it is durable.
        await files.sync(path)
        this.add(epoch, file)
        found.delete(epoch)
      }
      for (const epoch of found.keys()) await files.remove(this.path(epoch))
    } catch (error) {
      await this.close()
      throw error
    } finally {
      for (const file of found.values()) file.close()
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    if (!this.isFilled) this.fill()
    const entry = this.table.find(key)
    return entry === 0 ? undefined : this.read(this.placeOf(entry), this.table.hash(entry))
  }

  *entries(): Iterable<[key: Uint8Array, index: Uint8Array]> {
    if (!this.isFilled) {
      yield* this.filling()
      return
    }
    for (const { number, file, path } of [...this.finished.values()])
      for (const found of readEntries(file, path)) {
        const entry = found.length === NO_VALUE ? 0 : this.table.find(found.part, found.keyAt, found.keyEnd)
        if (entry === 0) continue
        const place = this.placeOf(entry)
        const isThere = place.length !== NO_VALUE && place.file === number && place.position === found.position
        if (isThere) yield [keyOf(found), indexOf(found)]
      }
  }

  begin(header: CheckpointHeader): OpenCheckpoint {
    if (!this.isFilled) this.fill()
    if (this.open) throw new Error('A checkpoint is open already.')
    if (this.header && header.epoch <= this.header.epoch) {
      throw new Error(`A checkpoint of epoch ${header.epoch} cannot follow one of epoch ${this.header.epoch}.`)
    }
    while (this.settle());
    this.chooseOldest()
    const { files } = this.options
    const path = this.path(header.epoch)
    const changes = new Changes(this.table, this.lastNumber + 1)
    this.changes = changes
    const { leaving } = this
    this.open = new CheckpointWriter({
      files,
      path,
      header: { header, before: Array.from(this.finished.values(), ({ epoch }) => epoch) },
      slices: this.slices,
      changes,
      more: (bytes) => this.takeAlong(bytes),
      isMoreOwed: () => this.owed > 0,
      finished: (file) => {
        this.add(header.epoch, file)
        this.open = undefined
        changes.isFinished = true
        this.gone.push(...leaving.splice(0))
        this.header = header
      },
      aborted: () => {
        this.open = undefined
        changes.undo()
        this.changes = undefined
        // What it took along has not moved.
        this.oldest = undefined
        this.owed = 0
      },
    })
    return this.open
  }

  async maintain(): Promise<boolean> {
    if (this.settle()) return true
    if (this.gone.length > 0) this.removing ??= this.removeGone()
    return false
  }

  async close(): Promise<void> {
    await this.open?.abort()
    for (const { file } of [...this.finished.values(), ...this.leaving.splice(0), ...this.gone.splice(0)]) file.close()
    this.finished.clear()
    await this.removing
  }

  /** Files that end here (5), and what is taken along of the oldest that stay (7, 8). */
  private chooseOldest(): void {
    const { slackBytes = SLACK_BYTES, filesMax = FILES_MAX } = this.options
    this.drained = this.owed = 0
    for (const file of this.finished.values()) {
      // The newest has the header.
      if (file.entries > 0 || this.finished.size === 1) break
      this.finished.delete(file.number)
      this.leaving.push(file)
    }
    let all = 0
    let inForce = 0
    let tooMany = 0
    let filesLeft = this.finished.size
    for (const { file, bytes } of this.finished.values()) {
      all += file.size
      inForce += bytes
      if (filesLeft-- > filesMax) tooMany += file.size
    }
    const [first] = this.finished.values()
    if (this.oldest && this.oldest.file !== first) this.oldest = undefined
    if (first === undefined) return
    if (this.finished.size > filesMax || (all > 2 * inForce + slackBytes && this.finished.size > 1)) this.oldest ??= from(first)
    // Each file is passed within filesMax checkpoints of its being one too many.
    this.owed = tooMany / filesMax
  }

  /** Beside what its task does: that of a large file takes its time. What cannot be removed now, the next start removes: nobody reads it any more. */
  private async removeGone(): Promise<void> {
    for (let file = this.gone.shift(); file !== undefined; file = this.gone.shift()) {
      try {
        file.file.close()
        await this.options.files.discard(file.path)
      } catch {}
    }
    this.removing = undefined
  }

  private takeAlong(bytes: number): void {
    for (let left = Math.max(TAKE_ALONG_BYTES, bytes, Math.min(this.owed, TAKE_ALONG_BYTES_MAX)); left > 0 && this.oldest; ) {
      const { file, entries } = this.oldest
      const { value: found, done } = entries.next()
      if (done) {
        this.nextOldest()
        continue
      }
      const taken = this.take(file.number, found)
      left -= taken
      this.owed -= taken
    }
    if (!this.oldest) this.owed = 0
  }

  /** One file is drained. Are there too many still (8)? */
  private nextOldest(): void {
    this.drained++
    const { filesMax = FILES_MAX } = this.options
    this.oldest = this.finished.size - this.drained > filesMax ? from([...this.finished.values()][this.drained]) : undefined
  }

  /** Puts an entry of a file into the open checkpoint if it is in force; returns how many bytes that counts as. */
  private take(file: number, found: Entry): number {
    const { table } = this
    const { position, length } = found
    // A deletion has the position of what follows it.
    const entry = length === NO_VALUE ? 0 : table.find(found.part, found.keyAt, found.keyEnd)
    if (entry === 0) return PASSED_BYTES
    if (table.file(entry) !== file || table.position(entry) !== position) return PASSED_BYTES
    return this.open!.add(keyOf(found), this.read({ file, position, length }, table.hash(entry)), indexOf(found))
  }

  /** Counts some of the finished changes; true while more are left. */
  private settle(): boolean {
    const { changes } = this
    if (!changes?.isFinished) return false
    const file = this.finished.get(changes.file)!
    const moved = (length: number, fileBefore: number, lengthBefore: number) => this.count(file, length, fileBefore, lengthBefore)
    if (changes.settle(STEP_CHANGES, moved)) return true
    this.changes = undefined
    return false
  }

  /** A value in a file is in force instead of one before; each may be none. */
  private count(file: FinishedFile, length: number, fileBefore: number, lengthBefore: number): void {
    const before = lengthBefore === NO_VALUE ? undefined : this.finished.get(fileBefore)
    if (before) {
      before.entries--
      before.bytes -= lengthBefore + ENTRY_BYTES
    }
    if (length === NO_VALUE) return
    file.entries++
    file.bytes += length + ENTRY_BYTES
  }

  private fill(): void {
    const entries = this.filling()
    while (!entries.next().done);
  }

  /** Fills the table, and gives what it puts there: newest first, so that what a file says of a key that is there already is not in force. */
  private *filling(): Generator<[key: Uint8Array, index: Uint8Array], void> {
    let written = 0
    for (const { file } of this.finished.values()) written += entriesOf(file)
    // About half of what the files hold is in force.
    const table = new PlaceTable(written / 2)
    const inForce = new Map<FinishedFile, { entries: number; bytes: number }>()
    const deleted: number[] = []
    for (const finished of [...this.finished.values()].reverse()) {
      const { number, file, path } = finished
      const own = { entries: 0, bytes: 0 }
      inForce.set(finished, own)
      for (const found of readEntries(file, path, 'last first')) {
        const { size } = table
        const entry = table.take(found.part, found.keyAt, found.keyEnd)
        if (table.size === size) continue
        table.set(entry, number, found.position, found.length)
        if (found.length === NO_VALUE) deleted.push(entry)
        else {
          own.entries++
          own.bytes += found.length + ENTRY_BYTES
          yield [keyOf(found), indexOf(found)]
        }
      }
    }
    // Somebody else may have been sooner, who asked for a key meanwhile.
    if (this.isFilled) return
    for (const entry of deleted) table.remove(entry)
    for (const [file, own] of inForce) Object.assign(file, own)
    this.table = table
    this.isFilled = true
  }

  private placeOf(entry: number): Place {
    const { table, changes } = this
    return changes && !changes.isFinished && changes.has(entry)
      ? changes.before(entry)
      : { file: table.file(entry), position: table.position(entry), length: table.length(entry) }
  }

  private read({ file, position, length }: Place, hash: number): Buffer | undefined {
    if (length === NO_VALUE) return undefined
    const { file: from, path } = this.finished.get(file)!
    if (length + CRC_BYTES > this.value.length) this.value = Buffer.allocUnsafeSlow((length + CRC_BYTES) * 2)
    const bytes = this.value.subarray(0, length + CRC_BYTES)
    if (from.readSync(bytes, position) < bytes.length) throw stateCorrupt(path, 'it is shorter than it was')
    const value = bytes.subarray(0, length)
    if (valueChecksum(value, hash) !== bytes.readUInt32LE(length))
      throw stateCorrupt(path, `the value at byte ${position} has a wrong checksum`)
    return value
  }

  /** The files that make up the state as of `newest`, oldest first (6). */
  private needed(newest: number, found: ReadonlyMap<number, ReadFile>): number[] {
    const { header } = readHeader(found.get(newest)!, this.path(newest))
    for (const epoch of header.before) {
      const file = found.get(epoch)
      if (!file || !isFinished(file, epoch)) throw stateCorrupt(this.path(epoch), 'it is not there, or not whole')
    }
    this.header = header.header
    return [...header.before, newest]
  }

  private add(epoch: number, file: ReadFile): FinishedFile {
    const finished = { number: ++this.lastNumber, epoch, path: this.path(epoch), file, entries: 0, bytes: 0 }
    this.finished.set(finished.number, finished)
    return finished
  }

  private path(epoch: number): string {
    return join(this.options.folder, checkpointName(epoch))
  }
}

const from = (file: FinishedFile) => ({ file, entries: readEntries(file.file, file.path)[Symbol.iterator]() })
