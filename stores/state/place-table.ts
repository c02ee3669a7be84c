// Owns a table in packed memory: a key's 128-bit hash → where its newest value lies in the checkpoint files. About 45 bytes per key.
//
// A key is known by its hash here, as an event is known by its id's: its bytes are in the files. Entries keep their number while they live.
import { Chains } from '../../model/chains.ts'
import { GrowingMemory } from '../../model/growing-memory.ts'
import { h128, hash128 } from '../../model/hash.ts'
import { WordList } from '../../model/word-list.ts'

/** As the length of a value: there is none. */
export const NO_VALUE = 0xffff_ffff
/** Words of an entry: its hash, number of the file, length of the value, its position (low, high), the next of its chain. */
const FILE = 4
const LENGTH = 5
const POSITION = 6
const NEXT = 8
const WORDS = 9
const HIGH = 2 ** 32

export class PlaceTable {
  /** Keys. */
  size = 0
  private readonly memory = new GrowingMemory()
  private u32 = new Uint32Array(this.memory.atLeast(1 << 16))
  private readonly chains: Chains
  private top = 1
  private readonly free = new WordList()

  /** `expected`: about so many keys will come. */
  constructor(expected = 0) {
    this.chains = new Chains(WORDS, 0, NEXT, expected)
  }

  /** The entry of the key bytes[from … to), 0 where it has none. */
  find(bytes: Uint8Array, from = 0, to = bytes.length): number {
    hash128(bytes, from, to - from)
    return this.found()
  }

  /** The same; it gets one without a place where it has none. */
  take(bytes: Uint8Array, from = 0, to = bytes.length): number {
    hash128(bytes, from, to - from)
    const known = this.found()
    if (known !== 0) return known
    const entry = this.free.length > 0 ? this.free.pop() : this.top++
    if ((entry + 1) * WORDS > this.u32.length) this.u32 = new Uint32Array(this.memory.atLeast(this.u32.byteLength * 1.5))
    const at = entry * WORDS
    for (let i = 0; i < 4; i++) this.u32[at + i] = h128[i]
    this.chains.add(this.u32, entry)
    this.size++
    return entry
  }

  remove(entry: number): void {
    this.chains.remove(this.u32, entry)
    this.free.push(entry)
    this.size--
  }

  set(entry: number, file: number, position: number, length: number): void {
    const { u32 } = this
    const at = entry * WORDS
    u32[at + FILE] = file
    u32[at + LENGTH] = length
    u32[at + POSITION] = position
    u32[at + POSITION + 1] = position / HIGH
  }

  file(entry: number): number {
    return this.u32[entry * WORDS + FILE]
  }

  position(entry: number): number {
    const at = entry * WORDS + POSITION
    return this.u32[at] + this.u32[at + 1] * HIGH
  }

  length(entry: number): number {
    return this.u32[entry * WORDS + LENGTH]
  }

  /** A word of its key's hash. */
  hash(entry: number): number {
    return this.u32[entry * WORDS]
  }

  /** The entry of the key whose hash is in h128. */
  private found(): number {
    const { u32 } = this
    for (let entry = this.chains.first(h128[0]); entry !== 0; entry = u32[entry * WORDS + NEXT]) {
      const at = entry * WORDS
      if (u32[at] === h128[0] && u32[at + 1] === h128[1] && u32[at + 2] === h128[2] && u32[at + 3] === h128[3]) return entry
    }
    return 0
  }
}
