// Records of one layout in one packed buffer. An index names a record; 0 is none.
//
// Arena owns the bytes, the free list, and what a turn needs to be undone. It does not know what a field means.
// 1. A turn is a transaction: touch(i) before the first change of record i leaves a copy on the undo stack; what was allocated
//    in the turn goes on rollback, what was dropped goes on settle (protocol 10, 19).
// 2. While a checkpoint is open (hold), dropped records keep their bytes, because its list may still refer to them.
// 3. Views are replaced when the arena grows: hold the arena, not its views, across an allocation.
// 4. A `side` value (plain immutable data by reference) travels with its record through copies and undo. It counts as its record does.
// 5. A free record keeps its old bytes until it is taken again.
// 6. A chain is records of which each names the next in its first word. It is freed as a whole, unread: nothing of it is in the core's
//    cache by then, and whoever takes a record of it writes there anyway.
import { GrowingMemory, MEMORY_BYTES_MAX } from '../../model/growing-memory.ts'
import { grown, WordList } from '../../model/word-list.ts'
import { EngineError } from '../errors.ts'

/** Records by which an arena may always grow. */
const SPARE = 1024

export interface Mark {
  touched: number
  allocated: number
  dropped: number
  droppedChains: number
}

/** Leaves the first `length` of a list that is filled again and again: set to a length, it would give its memory back. */
export function shorten(list: unknown[], length: number): void {
  while (list.length > length) list.pop()
}

function pushChain(chains: WordList, first: number, count: number): void {
  chains.push(first)
  chains.push(count)
}

export class Arena<Side = undefined> {
  f64!: Float64Array
  u32!: Uint32Array
  /** Words (4 bytes) of a record: even, so that every record is aligned for f64. */
  readonly words: number
  /** As long as there is room for records, where it is used: a list written beyond its end by far is put into a table, all of it at once. */
  private readonly sides: (Side | undefined)[] = []
  private readonly sideBytes: ((side: Side) => number) | undefined
  private inSides = 0
  private stamps!: Uint32Array
  private memory = new GrowingMemory()
  private readonly stampMemory = new GrowingMemory()
  private capacity = 0
  private top = 1
  private readonly free = new WordList()
  private readonly touched = new WordList()
  /** Copies of the touched records, one after the other, and their side values. */
  private undo = new Uint32Array(1024)
  private undoEnd = 0
  private readonly undoSide: (Side | undefined)[] = []
  private readonly allocated = new WordList()
  private readonly dropped = new WordList()
  private readonly held = new WordList()
  /** Chains, each as its first record and its count: what is left of the free ones, and those dropped or held like records. */
  private readonly freeChains = new WordList()
  private readonly droppedChains = new WordList()
  private readonly heldChains = new WordList()
  private inFreeChains = 0
  private holding = false
  private stamp = 1

  /** `sideBytes`: what a side value takes, where records have them. */
  constructor(words: number, { capacity = 1024, sideBytes }: { capacity?: number; sideBytes?: (side: Side) => number } = {}) {
    this.sideBytes = sideBytes
    this.words = words + (words & 1)
    this.grow(capacity)
  }

  /** The largest index that was ever taken. */
  get last(): number {
    return this.top - 1
  }

  get bytesUsed(): number {
    return (this.top - 1 - this.free.length - this.inFreeChains) * this.words * 4 + this.inSides
  }

  /** With what lies free: memory that was taken is not given back. */
  get bytesHeld(): number {
    return (this.top - 1) * this.words * 4 + this.inSides
  }

  get side(): readonly (Side | undefined)[] {
    return this.sides
  }

  /** The record was touched, or no turn is under way. */
  setSide(index: number, value: Side | undefined): void {
    const { sides, sideBytes } = this
    const before = sides[index]
    if (value === before || sideBytes === undefined) return
    this.inSides += (value === undefined ? 0 : sideBytes(value)) - (before === undefined ? 0 : sideBytes(before))
    sides[index] = value
  }

  /** Less than one of so many parts lies free, and that is not much. */
  isTight(parts: number): boolean {
    return (this.free.length + this.inFreeChains + SPARE) * parts < this.top
  }

  /** A zeroed record that a rollback takes back. May replace the views. Errors, here and wherever records are taken: STATE_FULL. */
  alloc(): number {
    const index = this.take()
    this.allocated.push(index)
    return index
  }

  /** A record of whatever bytes, for who writes before reading, that a rollback takes back. May replace the views. */
  allocDirty(): number {
    const index = this.takeDirty()
    this.allocated.push(index)
    return index
  }

  /** Gives the record back when the turn settles. */
  drop(index: number): void {
    this.dropped.push(index)
  }

  /** Gives a chain of `count` records back when the turn settles. */
  dropChain(first: number, count: number): void {
    if (count > 0) pushChain(this.droppedChains, first, count)
  }

  /** Gives it back at once. */
  releaseChain(first: number, count: number): void {
    if (count === 0) return
    pushChain(this.freeChains, first, count)
    this.inFreeChains += count
  }

  /** A copy of the record, side value included, outside of any turn; `release` gives it back. */
  copy(index: number): number {
    const spare = this.takeDirty()
    const { u32, words } = this
    u32.copyWithin(spare * words, index * words, (index + 1) * words)
    this.setSide(spare, this.sides[index])
    return spare
  }

  /** Gives a record back at once. */
  release(index: number): void {
    this.setSide(index, undefined)
    this.free.push(index)
  }

  /** Opens a turn, or a savepoint inside one: from here on the first touch of a record copies it. */
  savepoint(): Mark {
    this.stamp++
    const { touched, allocated, dropped, droppedChains } = this
    return { touched: touched.length, allocated: allocated.length, dropped: dropped.length, droppedChains: droppedChains.length }
  }

  touch(index: number): void {
    if (this.stamps[index] === this.stamp) return
    this.stamps[index] = this.stamp
    const { u32, words, undoEnd } = this
    while (undoEnd + words > this.undo.length) this.undo = grown(this.undo)
    const { undo } = this
    const at = index * words
    // A record is short: copied sooner than the built-in is called.
    for (let i = 0; i < words; i++) undo[undoEnd + i] = u32[at + i]
    this.undoEnd = undoEnd + words
    if (this.sideBytes) this.undoSide.push(this.sides[index])
    this.touched.push(index)
  }

  /** Everything as it was at the mark. */
  rollback(mark: Mark): void {
    while (this.touched.length > mark.touched) {
      const index = this.touched.pop()
      this.undoEnd -= this.words
      this.u32.set(this.undo.subarray(this.undoEnd, this.undoEnd + this.words), index * this.words)
      this.setSide(index, this.undoSide.pop())
    }
    this.dropped.length = mark.dropped
    this.droppedChains.length = mark.droppedChains
    while (this.allocated.length > mark.allocated) this.release(this.allocated.pop())
    this.stamp++
  }

  /** Ends the turn: it cannot be undone any more. */
  settle(): void {
    const { dropped, droppedChains } = this
    this.undoEnd = this.touched.length = this.allocated.length = 0
    shorten(this.undoSide, 0)
    for (let i = 0; i < dropped.length; i++)
      if (this.holding) this.held.push(dropped.words[i])
      else this.release(dropped.words[i])
    for (let i = 0; i < droppedChains.length; i += 2)
      if (this.holding) pushChain(this.heldChains, droppedChains.words[i], droppedChains.words[i + 1])
      else this.releaseChain(droppedChains.words[i], droppedChains.words[i + 1])
    dropped.length = droppedChains.length = 0
    this.stamp++
  }

  /** A checkpoint opened. */
  hold(): void {
    this.holding = true
  }

  /** The checkpoint no longer refers to anything. */
  unhold(): void {
    const { held, heldChains } = this
    this.holding = false
    for (let i = 0; i < held.length; i++) this.release(held.words[i])
    for (let i = 0; i < heldChains.length; i += 2) this.releaseChain(heldChains.words[i], heldChains.words[i + 1])
    held.length = heldChains.length = 0
  }

  /** Begins anew without a record, in other memory. Between turns, while no checkpoint is open. */
  renew(): void {
    this.memory = new GrowingMemory()
    this.top = 1
    this.free.length = this.freeChains.length = this.inFreeChains = 0
    this.grow(SPARE)
  }

  /** A zeroed record that no rollback takes back. May replace the views. */
  take(): number {
    const index = this.takeDirty()
    const at = index * this.words
    for (let i = at; i < at + this.words; i++) this.u32[i] = 0
    return index
  }

  /** The same, of whatever bytes. */
  takeDirty(): number {
    if (this.free.length > 0) return this.free.pop()
    if (this.inFreeChains > 0) return this.takeOfChain()
    if (this.top === this.capacity) this.grow(Math.ceil(this.capacity * 1.6))
    return this.top++
  }

  private takeOfChain(): number {
    const { freeChains } = this
    const last = freeChains.length - 2
    const { words } = freeChains
    const index = words[last]
    this.inFreeChains--
    if (words[last + 1] > 1) {
      words[last] = this.u32[index * this.words]
      words[last + 1]--
    } else freeChains.length = last
    return index
  }

  /** To so many records, or as many as there can be. */
  private grow(capacity: number): void {
    const most = Math.floor(MEMORY_BYTES_MAX / (this.words * 4))
    if (this.capacity === most) throw stateFull()
    let buffer: ArrayBuffer
    try {
      buffer = this.memory.atLeast(Math.min(capacity, most) * this.words * 4)
    } catch (cause) {
      throw stateFull(cause)
    }
    this.capacity = Math.floor(buffer.byteLength / (this.words * 4))
    if (this.sideBytes) this.sides.length = this.capacity
    this.u32 = new Uint32Array(buffer)
    this.f64 = new Float64Array(buffer)
    this.stamps = new Uint32Array(this.stampMemory.atLeast(this.capacity * 4))
  }
}

/** No row's fault. Begun anew, the task has in memory what its rows touch from then on. */
const stateFull = (cause?: unknown) =>
  new EngineError(
    'STATE_FULL',
    'the memory for keyed state of a partition cannot grow: 4 GiB of one kind is the most, or the system has no more',
    'The partition begins anew with less of it in memory. If this comes back, lower engine.cacheBytes or use more partitions.',
    { retryable: true, cause },
  )
