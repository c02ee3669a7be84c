// Kept events: what the engine keeps of a session's events, packed in chunks of eight, in (time, rank, id) order.
//
// Kept owns the chunks' layout. A session's chain is append-only past its count; an insertion writes a new chain
// (so copies of the session's record stay good: they know their head and their count).

import { type EventBatch, FIELD, FIELD_COUNT, NO_INT, SUCCESS_ABSENT, SUCCESS_TRUE } from '../../model/batch.ts'
import { EVENT_TYPES, type EventType } from '../../model/event.ts'
import type { ReadableField, SessionEvent } from '../../operators/contract.ts'
import { Arena } from './arena.ts'
import type { Symbols } from './symbols.ts'

export const CHUNK_EVENTS = 8
/** Words of a chunk before its events: the next chunk. */
const CHUNK_HEAD = 2
/** Words of an event: time, offset (f64), the id's four words, type and success, then the declared fields. */
const TIME = 0
const OFFSET = 2
const ID = 4
const META = 8
const FIELDS = 9

const SYMBOL_FIELDS = ['screen', 'element', 'taskType', 'context'] as const
const TYPES: readonly EventType[] = EVENT_TYPES

export class Kept {
  readonly arena: Arena
  readonly eventWords: number
  /** Word of each declared field within an event; absent where no operator reads it. */
  readonly words: Partial<Record<ReadableField, number>> = {}
  readonly symbolWords: number[] = []
  private readonly symbolFields: number[] = []
  /** What stored chunks depend on. */
  readonly signature: string

  constructor(reads: ReadonlySet<ReadableField>) {
    let word = FIELDS
    for (const field of SYMBOL_FIELDS)
      if (reads.has(field)) {
        this.words[field] = word
        this.symbolWords.push(word)
        this.symbolFields.push(FIELD[field])
        word++
      }
    for (const field of ['x', 'y'] as const) if (reads.has(field)) this.words[field] = word++
    this.eventWords = word + (word & 1)
    this.arena = new Arena(CHUNK_HEAD + CHUNK_EVENTS * this.eventWords)
    this.signature = Object.entries(this.words).join(';')
  }

  /** Word of event `slot` of a chunk. */
  at(chunk: number, slot: number): number {
    return chunk * this.arena.words + CHUNK_HEAD + slot * this.eventWords
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

  /** Writes row `row` of the batch as the event at `at`. */
  write(at: number, batch: EventBatch, row: number, symbols: Symbols): void {
    const { f64, u32 } = this.arena
    f64[(at + TIME) >> 1] = batch.ts[row]
    f64[(at + OFFSET) >> 1] = batch.offset[row]
    const id = row * 4
    u32[at + ID] = batch.id[id]
    u32[at + ID + 1] = batch.id[id + 1]
    u32[at + ID + 2] = batch.id[id + 2]
    u32[at + ID + 3] = batch.id[id + 3]
    u32[at + META] = batch.type[row] | (batch.success[row] << 8)
    const fields = this.symbolFields
    for (let i = 0; i < fields.length; i++) {
      const cell = row * FIELD_COUNT + fields[i]
      const length = batch.spans[cell * 2 + 1]
      u32[at + FIELDS + i] = length === 0 ? 0 : symbols.intern(batch.bytes, batch.spans[cell * 2], length, batch.hash[cell])
    }
    if (this.words.x !== undefined) u32[at + this.words.x] = batch.x[row]
    if (this.words.y !== undefined) u32[at + this.words.y] = batch.y[row]
  }

  copy(from: number, to: number): void {
    this.arena.u32.copyWithin(to, from, from + this.eventWords)
  }

  /** The order of two kept events: time, rank of type, id. */
  compare(a: number, b: number): number {
    const { f64, u32 } = this.arena
    const byTime = f64[a >> 1] - f64[b >> 1]
    if (byTime !== 0) return byTime
    const byType = (u32[a + META] & 0xff) - (u32[b + META] & 0xff)
    if (byType !== 0) return byType
    for (let w = ID; w < ID + 4; w++) if (u32[a + w] !== u32[b + w]) return u32[a + w] < u32[b + w] ? -1 : 1
    return 0
  }

  /** Whether row `row` of the batch sorts before the kept event. */
  rowBefore(batch: EventBatch, row: number, at: number): boolean {
    const { f64, u32 } = this.arena
    const time = f64[at >> 1]
    if (batch.ts[row] !== time) return batch.ts[row] < time
    const type = u32[at + META] & 0xff
    if (batch.type[row] !== type) return batch.type[row] < type
    for (let w = 0; w < 4; w++) {
      const word = batch.id[row * 4 + w]
      if (word !== u32[at + ID + w]) return word < u32[at + ID + w]
    }
    return false
  }

  /** Whether the first `count` events of the chain hold the row's id. */
  hasId(head: number, count: number, batch: EventBatch, row: number): boolean {
    const u32 = this.arena.u32
    const w0 = batch.id[row * 4]
    for (let chunk = head, seen = 0; seen < count; chunk = this.next(chunk)) {
      const inChunk = Math.min(CHUNK_EVENTS, count - seen)
      for (let slot = 0; slot < inChunk; slot++) {
        const id = this.at(chunk, slot) + ID
        if (
          u32[id] === w0 &&
          u32[id + 1] === batch.id[row * 4 + 1] &&
          u32[id + 2] === batch.id[row * 4 + 2] &&
          u32[id + 3] === batch.id[row * 4 + 3]
        )
          return true
      }
      seen += inChunk
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
  private at = 0
  private chunk = 0
  private slot = 0
  private readonly kept: Kept
  private readonly screenWord: number
  private readonly elementWord: number
  private readonly taskTypeWord: number
  private readonly contextWord: number
  private readonly xWord: number
  private readonly yWord: number

  constructor(kept: Kept) {
    this.kept = kept
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
    this.chunk = chunk
    this.index = index - 1
    this.slot = (index % CHUNK_EVENTS) - 1
  }

  next(): void {
    this.index++
    if (++this.slot === CHUNK_EVENTS) {
      this.slot = 0
      this.chunk = this.kept.next(this.chunk)
    }
    this.at = this.kept.at(this.chunk, this.slot)
  }

  get timeMs(): number {
    return this.kept.arena.f64[this.at >> 1]
  }
  get type(): EventType {
    return TYPES[this.kept.arena.u32[this.at + META] & 0xff]
  }
  get screen(): number {
    return this.kept.arena.u32[this.at + this.screenWord]
  }
  get element(): number {
    return this.kept.arena.u32[this.at + this.elementWord]
  }
  get taskType(): number {
    return this.kept.arena.u32[this.at + this.taskTypeWord]
  }
  get context(): number {
    return this.kept.arena.u32[this.at + this.contextWord]
  }
  get success(): boolean | undefined {
    const success = this.kept.arena.u32[this.at + META] >>> 8
    return success === SUCCESS_ABSENT ? undefined : success === SUCCESS_TRUE
  }
  get x(): number {
    const x = this.kept.arena.u32[this.at + this.xWord] | 0
    return x === NO_INT ? Number.NaN : x
  }
  get y(): number {
    const y = this.kept.arena.u32[this.at + this.yWord] | 0
    return y === NO_INT ? Number.NaN : y
  }
}
