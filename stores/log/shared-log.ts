// What the threads of one process share about its log: how far each writer's journal is durable, who owns which name, and a wake-up word.
//
// Owns the layout of one SharedArrayBuffer. Never touches a file.
// 1. A writer's cell holds (file seq, durable end) in one 64-bit word; it moves by compare-and-exchange only, so that a new instance
//    of a writer takes it over, and whatever an earlier instance still had in flight is never published.
// 2. A name's slot holds (generation, who is committing). A claim raises the generation, but not in the middle of a commit: a commit
//    is wholly before the next claim, which then reads it, or refused (protocol 15).
import { h128, hash128 } from '../../model/hash.ts'
import { StorageError } from '../files/storage-error.ts'

/** Plain data: it can be sent to a worker thread as it is. */
export interface SharedLog {
  readonly buffer: SharedArrayBuffer
  readonly writers: readonly string[]
}

/** Names that can be claimed in one process: tasks, sinks, and each input that is imported, which has one of its own. 4 MB, touched as they come.
 *  None is given back: a thread may be about to take it, and two slots of one name would be two owners. A file a minute takes half a year. */
const NAMES_MAX = 1 << 18
const SLOT_WORDS = 4
const WRITER_WORDS = 2
/** Low bits of a slot's state: 1 + the writer whose commit is under way, or 0. The generation is above them: eight million claims. */
const WRITER_BITS = 8
const WRITER_MASK = (1 << WRITER_BITS) - 1
const HEADER_WORDS = 3
const COMMITS = 0
const OWNERS = 1
const INCARNATION = 2
/** Bits of a cell that hold the position: 64 GB per file. */
const POSITION_BITS = 36n
const POSITION_MASK = (1n << POSITION_BITS) - 1n

/** Where a writer's journal ends: all bytes before `position` of file `seq` are committed, and all of its files before that one. */
export interface JournalEnd {
  seq: number
  position: number
}

/** How a thread waits for a word to change, and tells that it did. The simulator puts its own in. */
export interface Waits {
  wait(words: Int32Array, at: number, seen: number): Promise<unknown>
  notify(words: Int32Array, at: number): void
}

/** Longer than anyone waits: the timer is there only because a wait alone does not keep a thread's event loop running. */
const FOREVER_MS = 2 ** 31 - 1

export const threadWaits: Waits = {
  async wait(words, at, seen) {
    const waiting = Atomics.waitAsync(words, at, seen)
    if (!waiting.async) return
    const alive = setInterval(() => undefined, FOREVER_MS)
    await waiting.value
    clearInterval(alive)
  },
  notify: (words, at) => void Atomics.notify(words, at),
}

/** For one thread: plain promises, resolved in the order in which they were made. */
export function localWaits(): Waits {
  let waiting: (() => void)[] = []
  return {
    wait: (words, at, seen) => (words[at] === seen ? new Promise<void>((resolve) => waiting.push(resolve)) : Promise.resolve()),
    notify() {
      const woken = waiting
      waiting = []
      for (const resolve of woken) resolve()
    },
  }
}

const packEnd = (end: JournalEnd): bigint => (BigInt(end.seq) << POSITION_BITS) | BigInt(end.position)
const unpackEnd = (cell: bigint): JournalEnd => ({ seq: Number(cell >> POSITION_BITS), position: Number(cell & POSITION_MASK) })

/** Made once per process by the main thread. `ends`: where each writer's journal ended before this process; `incarnation`: first number free. */
export function newSharedLog(
  writers: readonly string[],
  ends: ReadonlyMap<string, JournalEnd>,
  incarnation: number,
  namesMax = NAMES_MAX,
): SharedLog {
  const bytes = writers.length * 8 + (HEADER_WORDS + writers.length * WRITER_WORDS + namesMax * SLOT_WORDS) * 4
  const shared = { buffer: new SharedArrayBuffer(bytes), writers }
  const view = new SharedView(shared)
  view.start(ends, incarnation)
  return shared
}

export class SharedView {
  readonly writers: readonly string[]
  private readonly cells: BigInt64Array
  private readonly words: Int32Array
  private readonly slotsAt: number
  private readonly namesMax: number
  private readonly waits: Waits

  constructor({ buffer, writers }: SharedLog, waits: Waits = threadWaits) {
    this.writers = writers
    this.waits = waits
    this.cells = new BigInt64Array(buffer, 0, writers.length)
    this.words = new Int32Array(buffer, writers.length * 8)
    this.slotsAt = HEADER_WORDS + writers.length * WRITER_WORDS
    this.namesMax = (this.words.length - this.slotsAt) / SLOT_WORDS
  }

  start(ends: ReadonlyMap<string, JournalEnd>, incarnation: number): void {
    this.words[INCARNATION] = incarnation
    for (const [w, writer] of this.writers.entries()) {
      const end = ends.get(writer) ?? { seq: 0, position: 0 }
      this.cells[w] = packEnd(end)
      this.words[this.seqAt(w)] = end.seq
      this.words[this.seqAt(w) + 1] = end.seq
    }
  }

  // ---- wake-up ----

  /** Changes with every commit of any thread. */
  get commits(): number {
    return Atomics.load(this.words, COMMITS)
  }

  /** Resolves once `commits` is not `seen`. */
  committed(seen: number): Promise<void> {
    return this.changed(COMMITS, seen)
  }

  private async changed(word: number, seen: number): Promise<void> {
    while (Atomics.load(this.words, word) === seen) await this.waits.wait(this.words, word, seen)
  }

  /** Wakes whoever waits for commits, with or without one. */
  wake(word = COMMITS): void {
    Atomics.add(this.words, word, 1)
    this.waits.notify(this.words, word)
  }

  // ---- journals ----

  nextIncarnation(): number {
    return Atomics.add(this.words, INCARNATION, 1)
  }

  private seqAt(writer: number): number {
    return HEADER_WORDS + writer * WRITER_WORDS
  }

  nextSeq(writer: number): number {
    return Atomics.add(this.words, this.seqAt(writer), 1) + 1
  }

  /** The last file of the writer that an earlier process left; files after it are this process's own. */
  deadSeq(writer: number): number {
    return this.words[this.seqAt(writer) + 1]
  }

  end(writer: number): JournalEnd {
    return unpackEnd(Atomics.load(this.cells, writer))
  }

  /** Moves the writer's end, if it is still where this instance left it. */
  publish(writer: number, from: JournalEnd, to: JournalEnd): boolean {
    const expected = packEnd(from)
    if (Atomics.compareExchange(this.cells, writer, expected, packEnd(to)) !== expected) return false
    this.wake()
    return true
  }

  // ---- owners ----

  /** The name's slot, made at its first use. Names are told apart by 96 bits of their hash. Errors: LOG_NAMES_FULL. */
  slot(name: string): number {
    const bytes = new TextEncoder().encode(name)
    hash128(bytes, 0, bytes.length)
    const key = [h128[0] | 0 || 1, h128[1] | 0 || 1, h128[2] | 0 || 1]
    for (let probe = 0; probe < this.namesMax; probe++) {
      const at = this.slotsAt + (((h128[3] + probe) >>> 0) % this.namesMax) * SLOT_WORDS
      // Word by word, each set once: two threads that register names at the same time never share a slot unless the names are equal.
      if (key.every((word, i) => [0, word].includes(Atomics.compareExchange(this.words, at + i, 0, word)))) return at + 3
    }
    throw new StorageError(
      'LOG_NAMES_FULL',
      `${name} cannot be claimed: this process has claimed ${this.namesMax} names already, one for each input that it imported.`,
      'Restart the process: they are counted from its start. Nothing of what was imported is lost or comes twice.',
    )
  }

  /** The name's generation raised above `atLeast`, as soon as no commit of its owner is under way. */
  async takeSlot(slot: number, atLeast: number): Promise<number> {
    for (;;) {
      const seen = Atomics.load(this.words, OWNERS)
      const state = Atomics.load(this.words, slot)
      if (state & WRITER_MASK) {
        await this.changed(OWNERS, seen)
        continue
      }
      const generation = Math.max(state >> WRITER_BITS, atLeast) + 1
      if (Atomics.compareExchange(this.words, slot, state, generation << WRITER_BITS) === state) return generation
    }
  }

  holdsSlot(slot: number, generation: number): boolean {
    return Atomics.load(this.words, slot) >> WRITER_BITS === generation
  }

  /** Marks a commit of this generation as under way; false where the generation is no longer the name's. */
  enterCommit(slot: number, generation: number, writer: number): boolean {
    const free = generation << WRITER_BITS
    return Atomics.compareExchange(this.words, slot, free, free | (writer + 1)) === free
  }

  leaveCommit(slot: number, generation: number, writer: number): void {
    const free = generation << WRITER_BITS
    Atomics.compareExchange(this.words, slot, free | (writer + 1), free)
    this.wake(OWNERS)
  }

  /** Ends what commits a dead instance of the writer had under way: its journal has been taken over, so none of them will land. */
  clearCommits(writer: number): void {
    for (let slot = this.slotsAt + SLOT_WORDS - 1; slot < this.words.length; slot += SLOT_WORDS) {
      const state = Atomics.load(this.words, slot)
      if ((state & WRITER_MASK) === writer + 1) this.leaveCommit(slot, state >> WRITER_BITS, writer)
    }
  }
}
