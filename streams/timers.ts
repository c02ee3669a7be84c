// The next timer of each key, in the order of (time, key). Timers owns nothing else: what a timer does is record-computer.ts's.
//
// 1. A key has one entry while it has a timer, and none else: memory goes by keys, not by records.
// 2. A timer that is put off, as a session's is by each record, stays where it lies, and moves when it comes first: most are put off many times.

export interface Timer {
  readonly key: string
  readonly atMs: number
}
interface Entry {
  key: string
  atMs: number
  /** What it lies by: never later than atMs. */
  queuedMs: number
  /** Where in the heap. */
  place: number
}

const NEVER = Number.POSITIVE_INFINITY

export class Timers {
  private readonly keys = new Map<string, Entry>()
  private readonly heap: Entry[] = []

  get size(): number {
    return this.heap.length
  }

  /** Valid until the next `set`. */
  get first(): Timer | undefined {
    for (;;) {
      const first = this.heap.at(0)
      if (!first || !(first.queuedMs < first.atMs)) return first
      first.queuedMs = first.atMs
      this.sink(first)
    }
  }

  /** In no order. */
  [Symbol.iterator](): Iterator<Timer> {
    return this.heap[Symbol.iterator]()
  }

  /** Infinity for none. */
  atMs(key: string): number {
    return this.keys.get(key)?.atMs ?? NEVER
  }

  /** Infinity: it has none from now on. */
  set(key: string, atMs: number): void {
    const entry = this.keys.get(key)
    if (!entry) {
      if (atMs === NEVER) return
      const made = { key, atMs, queuedMs: atMs, place: this.heap.length }
      this.keys.set(key, made)
      this.heap.push(made)
      this.rise(made)
      return
    }
    if (atMs === NEVER) {
      this.remove(entry)
      return
    }
    entry.atMs = atMs
    if (atMs >= entry.queuedMs) return
    entry.queuedMs = atMs
    this.rise(entry)
  }

  private remove(entry: Entry): void {
    this.keys.delete(entry.key)
    const last = this.heap.pop()!
    if (last === entry) return
    this.put(last, entry.place)
    this.rise(last)
    this.sink(last)
  }

  private rise(entry: Entry): void {
    let { place } = entry
    while (place > 0) {
      const parent = this.heap[(place - 1) >> 1]
      if (!before(entry, parent)) break
      this.put(parent, place)
      place = (place - 1) >> 1
    }
    this.put(entry, place)
  }

  private sink(entry: Entry): void {
    const { heap } = this
    let { place } = entry
    for (;;) {
      let child = place * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++
      if (!before(heap[child], entry)) break
      this.put(heap[child], place)
      place = child
    }
    this.put(entry, place)
  }

  private put(entry: Entry, place: number): void {
    this.heap[place] = entry
    entry.place = place
  }
}

const before = (a: Entry, b: Entry) => a.queuedMs < b.queuedMs || (a.queuedMs === b.queuedMs && a.key < b.key)
