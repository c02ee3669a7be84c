// Owns a table in packed memory: a key's 128-bit hash → where its newest value lies in the checkpoint files. About 45 bytes per key.
//
// A key is known by its hash here, as an event is known by its id's: its bytes are in the files. Entries keep their number while they live.
import { GrowingMemory } from '../../model/growing-memory.ts'
import { h128, hash128 } from '../../model/hash.ts'

/** Words of an entry: its hash, number of the file (or what its owner says instead), length of the value, its position. */
const FILE = 4
const LENGTH = 5
const POSITION = 6
const WORDS = 8

export class PlaceTable {
  /** Keys. */
  size = 0
  private readonly memory = new GrowingMemory()
  private u32 = new Uint32Array(0)
  private f64 = new Float64Array(0)
  private top = 0
  private readonly free: number[] = []
  /** Entry + 1 per slot, 0: free. Never more than three quarters of them are taken. */
  private slots = new Int32Array(1 << 11)

  /** The entry of a key, -1 where it has none. */
  find(key: Uint8Array): number {
    hash128(key, 0, key.length)
    return this.slots[this.slotOf()] - 1
  }

  /** The same; it gets one without a place where it has none. */
  take(key: Uint8Array): number {
    hash128(key, 0, key.length)
    let slot = this.slotOf()
    if (this.slots[slot] !== 0) return this.slots[slot] - 1
    if ((this.size + 1) * 4 > this.slots.length * 3) {
      this.grow()
      slot = this.slotOf()
    }
    const entry = this.free.pop() ?? this.top++
    if ((entry + 1) * WORDS > this.u32.length) this.makeRoom()
    const at = entry * WORDS
    for (let i = 0; i < 4; i++) this.u32[at + i] = h128[i]
    this.slots[slot] = entry + 1
    this.size++
    return entry
  }

  remove(entry: number): void {
    const { slots, u32 } = this
    const mask = slots.length - 1
    let slot = u32[entry * WORDS] & mask
    while (slots[slot] !== entry + 1) slot = (slot + 1) & mask
    // Linear probing: what follows in the cluster moves up, so that no search stops short.
    for (let next = (slot + 1) & mask; slots[next] !== 0; next = (next + 1) & mask) {
      const home = u32[(slots[next] - 1) * WORDS] & mask
      if (((next - home) & mask) < ((next - slot) & mask)) continue
      slots[slot] = slots[next]
      slot = next
    }
    slots[slot] = 0
    this.free.push(entry)
    this.size--
  }

  set(entry: number, file: number, position: number, length: number): void {
    this.u32[entry * WORDS + FILE] = file
    this.u32[entry * WORDS + LENGTH] = length
    this.f64[(entry * WORDS + POSITION) >> 1] = position
  }

  file(entry: number): number {
    return this.u32[entry * WORDS + FILE]
  }

  position(entry: number): number {
    return this.f64[(entry * WORDS + POSITION) >> 1]
  }

  length(entry: number): number {
    return this.u32[entry * WORDS + LENGTH]
  }

  /** A word of its key's hash. */
  hash(entry: number): number {
    return this.u32[entry * WORDS]
  }

  /** The slot of the key whose hash is in h128, or the free one where it would be. */
  private slotOf(): number {
    const { slots, u32 } = this
    const mask = slots.length - 1
    for (let slot = h128[0] & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot] - 1
      if (entry < 0) return slot
      const at = entry * WORDS
      if (u32[at] === h128[0] && u32[at + 1] === h128[1] && u32[at + 2] === h128[2] && u32[at + 3] === h128[3]) return slot
    }
  }

  private grow(): void {
    const old = this.slots
    this.slots = new Int32Array(old.length * 2)
    const mask = this.slots.length - 1
    for (const taken of old) {
      if (taken === 0) continue
      let slot = this.u32[(taken - 1) * WORDS] & mask
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask
      this.slots[slot] = taken
    }
  }

  private makeRoom(): void {
    const buffer = this.memory.atLeast(Math.max(1 << 16, this.u32.byteLength + (this.u32.byteLength >> 1)))
    this.u32 = new Uint32Array(buffer)
    this.f64 = new Float64Array(buffer)
  }
}
