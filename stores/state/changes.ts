// What one checkpoint changes in the table of places: there at once, in force when the checkpoint has finished.
//
// An entry that is changed says where its value will be; where it is until then is kept here, and is found by the position, which grows from change
// to change (of a deletion, by the number of its change: it has no position). So a finish, which moves in a million places at once, takes no time,
// and an abort puts back what was there.
import { NO_VALUE, type PlaceTable } from './place-table.ts'

const FIELDS = 6
const CHUNK_CHANGES = 4096
/** The entry of a change after which its key was changed again. */
const AGAIN = 0

export interface Place {
  file: number
  position: number
  /** Of the value; NO_VALUE: there is none. */
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

  /** The key's value will be there, behind all that were added before; NO_VALUE: deleted. Returns a word of the key's hash. */
  add(key: Uint8Array, position: number, length: number): number {
    const { table, count } = this
    const { size } = table
    const entry = table.take(key)
    if (count % CHUNK_CHANGES === 0) this.chunks.push(new Float64Array(FIELDS * CHUNK_CHANGES))
    const chunk = this.chunks[Math.floor(count / CHUNK_CHANGES)]
    const at = (count % CHUNK_CHANGES) * FIELDS
    chunk[at] = entry
    chunk[at + 1] = position
    chunk[at + 2] = length
    if (table.size > size) chunk[at + 5] = NO_VALUE
    else if (table.file(entry) === this.file) {
      const [other, from] = this.changeOf(entry)
      chunk[at + 3] = other[from + 3]
      chunk[at + 4] = other[from + 4]
      chunk[at + 5] = other[from + 5]
      other[from] = AGAIN
    } else {
      chunk[at + 3] = table.file(entry)
      chunk[at + 4] = table.position(entry)
      chunk[at + 5] = table.length(entry)
    }
    table.set(entry, this.file, length === NO_VALUE ? count : position, length)
    this.count++
    return table.hash(entry)
  }

  /** Whether the checkpoint has the entry. */
  has(entry: number): boolean {
    return this.table.file(entry) === this.file
  }

  /** Where the value of an entry that it has was before. */
  before(entry: number): Place {
    const [chunk, at] = this.changeOf(entry)
    return { file: chunk[at + 3], position: chunk[at + 4], length: chunk[at + 5] }
  }

  /** Tells each place before and after of up to `most` finished changes, and forgets the keys that they deleted. True while more is left. */
  settle(most: number, moved: (length: number, fileBefore: number, lengthBefore: number) => void): boolean {
    const end = Math.min(this.count, this.settled + most)
    for (; this.settled < end; this.settled++) {
      const [chunk, at] = this.at(this.settled)
      if (chunk[at] === AGAIN) continue
      if (chunk[at + 2] === NO_VALUE) this.table.remove(chunk[at])
      moved(chunk[at + 2], chunk[at + 3], chunk[at + 5])
    }
    return this.settled < this.count
  }

  /** The table as if it had never been. */
  undo(): void {
    for (let i = 0; i < this.count; i++) {
      const [chunk, at] = this.at(i)
      if (chunk[at] === AGAIN) continue
      if (chunk[at + 5] === NO_VALUE) this.table.remove(chunk[at])
      else this.table.set(chunk[at], chunk[at + 3], chunk[at + 4], chunk[at + 5])
    }
  }

  private changeOf(entry: number): [chunk: Float64Array, at: number] {
    const position = this.table.position(entry)
    if (this.table.length(entry) === NO_VALUE) return this.at(position)
    // The last one that is not behind it: what was deleted just before has the same position.
    let low = 0
    let high = this.count - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      const [chunk, at] = this.at(middle)
      if (chunk[at + 1] <= position) low = middle
      else high = middle - 1
    }
    return this.at(low)
  }

  private at(change: number): [chunk: Float64Array, at: number] {
    return [this.chunks[Math.floor(change / CHUNK_CHANGES)], (change % CHUNK_CHANGES) * FIELDS]
  }
}
