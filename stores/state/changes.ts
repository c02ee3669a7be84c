// What one checkpoint changes in the table of places: known at once, in force when the checkpoint has finished, moved there little by little.
//
// A changed entry refers to its change, which holds its place before and after. So a finish, which moves in a million places at once, takes
// no time, and an abort leaves the table as it was.
import type { PlaceTable } from './place-table.ts'

/** As the file of an entry: its position is the number of its change. */
const CHANGED = 0xffff_ffff
/** As the length of a place: there is none. */
const NONE = -1
const FIELDS = 6
const CHUNK_CHANGES = 4096

export interface Place {
  file: number
  position: number
  /** Of the value; -1: there is none. */
  length: number
}

export class Changes {
  /** Of the checkpoint's file. */
  readonly file: number
  count = 0
  /** In force. */
  isFinished = false
  private readonly table: PlaceTable
  /** Per change: entry, position and length after, file, position and length before. */
  private readonly chunks: Float64Array[] = []
  private settled = 0

  constructor(table: PlaceTable, file: number) {
    this.table = table
    this.file = file
  }

  /** The key's value will be there; length -1: deleted. Returns a word of the key's hash. */
  add(key: Uint8Array, position: number, length: number): number {
    const { table } = this
    const { size } = table
    const entry = table.take(key)
    if (table.size === size && table.file(entry) === CHANGED) {
      const [chunk, at] = this.at(table.position(entry))
      chunk[at + 1] = position
      chunk[at + 2] = length
      return table.hash(entry)
    }
    if (this.count % CHUNK_CHANGES === 0) this.chunks.push(new Float64Array(FIELDS * CHUNK_CHANGES))
    const [chunk, at] = this.at(this.count)
    chunk[at] = entry
    chunk[at + 1] = position
    chunk[at + 2] = length
    const isNew = table.size > size
    chunk[at + 3] = isNew ? 0 : table.file(entry)
    chunk[at + 4] = isNew ? 0 : table.position(entry)
    chunk[at + 5] = isNew ? NONE : table.length(entry)
    table.set(entry, CHANGED, this.count++, 0)
    return table.hash(entry)
  }

  /** Whether the checkpoint has the entry. */
  has(entry: number): boolean {
    return this.table.file(entry) === CHANGED
  }

  /** The place in force of an entry that it has. */
  place(entry: number): Place {
    const [chunk, at] = this.at(this.table.position(entry))
    return this.isFinished
      ? { file: this.file, position: chunk[at + 1], length: chunk[at + 2] }
      : { file: chunk[at + 3], position: chunk[at + 4], length: chunk[at + 5] }
  }

  /** Moves up to `most` finished changes into the table; `moved` is told each place before and after. True while more is left. */
  settle(most: number, moved: (file: number, length: number, fileBefore: number, lengthBefore: number) => void): boolean {
    const end = Math.min(this.count, this.settled + most)
    for (; this.settled < end; this.settled++) {
      const [chunk, at] = this.at(this.settled)
      const length = chunk[at + 2]
      if (length === NONE) this.table.remove(chunk[at])
      else this.table.set(chunk[at], this.file, chunk[at + 1], length)
      moved(this.file, length, chunk[at + 3], chunk[at + 5])
    }
    return this.settled < this.count
  }

  /** The table as if it had never been. */
  undo(): void {
    for (let i = 0; i < this.count; i++) {
      const [chunk, at] = this.at(i)
      if (chunk[at + 5] === NONE) this.table.remove(chunk[at])
      else this.table.set(chunk[at], chunk[at + 3], chunk[at + 4], chunk[at + 5])
    }
  }

  private at(change: number): [chunk: Float64Array, at: number] {
    return [this.chunks[Math.floor(change / CHUNK_CHANGES)], (change % CHUNK_CHANGES) * FIELDS]
  }
}
