// Kept events: what the engine keeps of a session's events, packed in chunks of eight, in (time, rank, id) order.
//
// Kept owns the chunks' layout. A session's chain is append-only past its count (so copies of the session's record stay good: they know
// their head and their count); an insertion shifts what is behind it in place, and is only for chains of which no checkpoint has copies.
// An event is one line of memory, because its user is a random one: where each of its words lay in a column of its own, putting it in place
// fetched one line for each. An event is named by its first word.
//   next chunk (of a chunk's first event) · type and success · time ×2 · offset ×2 · id ×4 · declared fields · nothing
import { type EventBatch, FIELD, NO_INT, SUCCESS_ABSENT, SUCCESS_TRUE } from '../../model/batch.ts'
import { EVENT_TYPES, type EventType } from '../../model/event.ts'
import type { ReadableField, SessionEvent } from '../../operators/contract.ts'
import { Arena } from './arena.ts'

export const CHUNK_EVENTS = 8
/** Chunks of a chain of so many events. */
export const chunksOf = (events: number) => Math.ceil(events / CHUNK_EVENTS)
/** Words of an event. Times and offsets are f64. */
const META = 1
const TIME = 2
const OFFSET = 4
const ID = 6
const FIELDS = 10
const LINE_WORDS = 16
const SLOT = CHUNK_EVENTS - 1

const NO_SYMBOLS = { text: () => '' }

const SYMBOL_FIELDS = ['screen', 'element', 'taskType', 'context'] as const

export class Kept {
  readonly arena: Arena
  /** From one event to the next: whole lines where that wastes little. */
  readonly eventWords: number
  /** Words of an event that mean something, from its META on. */
  readonly dataWords: number
  /** Where an event's declared fields are; absent where no operator reads them. */
  readonly words: Partial<Record<ReadableField, number>> = {}
  readonly symbolWords: number[] = []
  /** Fields of a batch (FIELD) that are kept as symbols. */
  readonly symbolFields: number[] = []
  /** Of the chain into which a row is inserted. */
  private readonly chunks: number[] = []
  /** What stored chunks depend on. */
  readonly signature: string

  constructor(reads: ReadonlySet<ReadableField>) {
    let end = FIELDS
    for (const field of SYMBOL_FIELDS)
      if (reads.has(field)) {
        this.symbolWords.push(end)
        this.symbolFields.push(FIELD[field])
        this.words[field] = end++
      }
    for (const field of ['x', 'y'] as const) if (reads.has(field)) this.words[field] = end++
    this.dataWords = this.dataWordsOf(this.words)
    this.eventWords = end <= LINE_WORDS ? LINE_WORDS : end + (end & 1)
    this.arena = new Arena(CHUNK_EVENTS * this.eventWords)
    this.signature = Object.entries(this.words).join(';')
  }

  /** The event in a slot of a chunk. */
  at(chunk: number, slot: number): number {
    return chunk * this.arena.words + slot * this.eventWords
  }

  next(chunk: number): number {
    return this.arena.u32[chunk * this.arena.words]
  }

  link(chunk: number, next: number): void {
    this.arena.u32[chunk * this.arena.words] = next
  }

  /** The chunk of event `index` of a chain. */
  chunkOf(head: number, index: number): number {
    let chunk = head
    for (let left = index; left >= CHUNK_EVENTS; left -= CHUNK_EVENTS) chunk = this.next(chunk)
    return chunk
  }

  time(at: number): number {
    return this.arena.f64[(at + TIME) >> 1]
  }

  offset(at: number): number {
    return this.arena.f64[(at + OFFSET) >> 1]
  }

  typeCode(at: number): number {
    return this.arena.u32[at + META] & 0xff
  }

  idWord(at: number, word: number): number {
    return this.arena.u32[at + ID + word]
  }

  /** Writes row `row` of the batch as the event at `at`; `symbols` are the rows' strings (routed.ts), of each row one for each of symbolFields. */
  write(at: number, batch: EventBatch, row: number, symbols: Uint32Array): void {
    const { f64, u32 } = this.arena
    f64[(at + TIME) >> 1] = batch.ts[row]
    f64[(at + OFFSET) >> 1] = batch.offset[row]
    const id = row * 4
    u32[at + ID] = batch.id[id]
    u32[at + ID + 1] = batch.id[id + 1]
    u32[at + ID + 2] = batch.id[id + 2]
    u32[at + ID + 3] = batch.id[id + 3]
    u32[at + META] = batch.type[row] | (batch.success[row] << 8)
    const fields = this.symbolFields.length
    for (let i = 0; i < fields; i++) u32[at + FIELDS + i] = symbols[row * fields + i]
    if (this.words.x !== undefined) u32[at + this.words.x] = batch.x[row]
    if (this.words.y !== undefined) u32[at + this.words.y] = batch.y[row]
  }

  /** dataWords, where these are an event's fields. */
  dataWordsOf(fields: Kept['words']): number {
    return FIELDS - META + Object.keys(fields).length
  }

  /** Reads the event at `at` from words that have other fields; one that it lacks is absent. Returns where they end. */
  readOther(at: number, words: Uint32Array, from: number, fields: Kept['words']): number {
    const { u32 } = this.arena
    for (let i = META; i < FIELDS; i++) u32[at + i] = words[from + i - META]
    for (const [field, word] of Object.entries(this.words) as [ReadableField, number][]) {
      const other = fields[field]
      u32[at + word] = other !== undefined ? words[from + other - META] : field === 'x' || field === 'y' ? NO_INT : 0
    }
    return from + this.dataWordsOf(fields)
  }

  copy(from: number, to: number): void {
    const { u32 } = this.arena
    for (let word = META; word <= this.dataWords; word++) u32[to + word] = u32[from + word]
  }

  /** Puts a row in its place among the `count` events of a chain, from `head` on. Returns the chain's last chunk. */
  insert(head: number, count: number, batch: EventBatch, row: number, symbols: Uint32Array): number {
    const { arena } = this
    // Found from the front, chunk by chunk: the first chunk whose last event sorts behind the row.
    let chunk = head
    let before = 0
    while (count - before > CHUNK_EVENTS && !this.rowBefore(batch, row, this.at(chunk, SLOT))) {
      chunk = this.next(chunk)
      before += CHUNK_EVENTS
    }
    const { chunks } = this
    let last = 0
    chunks[0] = chunk
    arena.touch(chunk)
    for (let seen = before + CHUNK_EVENTS; seen < count; seen += CHUNK_EVENTS) {
      chunk = this.next(chunk)
      arena.touch(chunk)
      chunks[++last] = chunk
    }
    if (count % CHUNK_EVENTS === 0) {
      const next = arena.allocDirty()
      this.link(chunk, next)
      chunks[++last] = next
    }
    const place = (index: number) => this.at(chunks[(index - before) >> 3], index & SLOT)
    let index = count
    while (index > before && this.rowBefore(batch, row, place(index - 1))) {
      this.copy(place(index - 1), place(index))
      index--
    }
    this.write(place(index), batch, row, symbols)
    return chunks[last]
  }

  /** The order of two kept events: time, rank of type, id. */
  compare(a: number, b: number): number {
    const { f64, u32 } = this.arena
    const byTime = f64[(a + TIME) >> 1] - f64[(b + TIME) >> 1]
    if (byTime !== 0) return byTime
    const byType = (u32[a + META] & 0xff) - (u32[b + META] & 0xff)
    if (byType !== 0) return byType
    for (let w = ID; w < FIELDS; w++) if (u32[a + w] !== u32[b + w]) return u32[a + w] < u32[b + w] ? -1 : 1
    return 0
  }

  /** Whether row `row` of the batch sorts before the kept event. */
  rowBefore(batch: EventBatch, row: number, at: number): boolean {
    const { f64, u32 } = this.arena
    const time = f64[(at + TIME) >> 1]
    if (batch.ts[row] !== time) return batch.ts[row] < time
    const type = u32[at + META] & 0xff
    if (batch.type[row] !== type) return batch.type[row] < type
    for (let w = 0; w < 4; w++) {
      const word = batch.id[row * 4 + w]
      const kept = u32[at + ID + w]
      if (word !== kept) return word < kept
    }
    return false
  }

  /** Whether the first `count` events of the chain hold the row's id. */
  hasId(head: number, count: number, batch: EventBatch, row: number): boolean {
    const { eventWords } = this
    const u32 = this.arena.u32
    const w0 = batch.id[row * 4]
    for (let chunk = head, left = count; left > 0; chunk = this.next(chunk), left -= CHUNK_EVENTS) {
      const first = this.at(chunk, 0) + ID
      const end = first + Math.min(CHUNK_EVENTS, left) * eventWords
      for (let id = first; id < end; id += eventWords)
        if (
          u32[id] === w0 &&
          u32[id + 1] === batch.id[row * 4 + 1] &&
          u32[id + 2] === batch.id[row * 4 + 2] &&
          u32[id + 3] === batch.id[row * 4 + 3]
        )
          return true
    }
    return false
  }

  /** Where each of the first `count` events of a chain lies, in order. */
  places(head: number, count: number, into: number[]): void {
    for (let chunk = head, seen = 0; seen < count; chunk = this.next(chunk))
      for (let slot = 0; slot < CHUNK_EVENTS && seen < count; slot++, seen++) into.push(this.at(chunk, slot))
  }
}

/** The accessor that operators read events through: one object, moved along a chain. */
export class EventCursor implements SessionEvent {
  index = 0
  /** Of the actor whose events are walked. */
  symbols: { text(symbol: number): string } = NO_SYMBOLS
  private at = 0
  private eventWords = 0
  private chunk = 0
  private slot = 0
  /** The arena's views: it does not grow while events are folded. */
  private u32: Uint32Array = new Uint32Array(0)
  private f64: Float64Array = new Float64Array(0)
  private readonly kept: Kept
  private readonly screenWord: number
  private readonly elementWord: number
  private readonly taskTypeWord: number
  private readonly contextWord: number
  private readonly xWord: number
  private readonly yWord: number

  constructor(kept: Kept) {
    this.kept = kept
    this.eventWords = kept.eventWords
    // A field that nobody declared reads as the event's own id would; `reads` is checked when the topology is made (checkReads).
    this.screenWord = kept.words.screen ?? 0
    this.elementWord = kept.words.element ?? 0
    this.taskTypeWord = kept.words.taskType ?? 0
    this.contextWord = kept.words.context ?? 0
    this.xWord = kept.words.x ?? 0
    this.yWord = kept.words.y ?? 0
  }

  /** Before event `index` of a chain, which lies in `chunk`. */
  begin(chunk: number, index: number): void {
    this.u32 = this.kept.arena.u32
    this.f64 = this.kept.arena.f64
    this.chunk = chunk
    this.index = index - 1
    this.slot = (index % CHUNK_EVENTS) - 1
    this.at = this.kept.at(chunk, this.slot)
  }

  next(): void {
    this.index++
    if (++this.slot === CHUNK_EVENTS) {
      this.slot = 0
      this.chunk = this.kept.next(this.chunk)
      this.at = this.kept.at(this.chunk, 0)
    } else this.at += this.eventWords
  }

  get timeMs(): number {
    return this.f64[(this.at + TIME) >> 1]
  }
  get typeCode(): number {
    return this.u32[this.at + META] & 0xff
  }
  get type(): EventType {
    return EVENT_TYPES[this.u32[this.at + META] & 0xff]
  }
  get screen(): number {
    return this.u32[this.at + this.screenWord]
  }
  get element(): number {
    return this.u32[this.at + this.elementWord]
  }
  get taskType(): number {
    return this.u32[this.at + this.taskTypeWord]
  }
  get context(): number {
    return this.u32[this.at + this.contextWord]
  }
  get success(): boolean | undefined {
    const success = this.u32[this.at + META] >>> 8
    return success === SUCCESS_ABSENT ? undefined : success === SUCCESS_TRUE
  }
  get x(): number {
    const x = this.u32[this.at + this.xWord] | 0
    return x === NO_INT ? Number.NaN : x
  }
  get y(): number {
    const y = this.u32[this.at + this.yWord] | 0
    return y === NO_INT ? Number.NaN : y
  }
  text(symbol: number): string {
    return this.symbols.text(symbol)
  }
}
