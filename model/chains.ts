// Which of the packed records have a hash: one chain of them per bucket, linked through a word of theirs.
//
// Linear hashing (Litwin, 1980): with each record that is added a bucket or two are split in two. A table that doubles puts all of its records
// in place anew in one go, which takes a sixth of a second for a million: so long would whoever adds one wait.
import { GrowingMemory } from './growing-memory.ts'

/** Buckets at first: what fits into the smallest memory. */
const FIRST = 1 << 14
/** Buckets per record: with fewer, more records are looked at on the way. */
const BUCKETS_PER_RECORD = 2

export class Chains {
  private readonly words: number
  private readonly hashWord: number
  private readonly nextWord: number
  private readonly memory = new GrowingMemory()
  /** The first record of each bucket's chain, 0: none. */
  private heads: Uint32Array
  private buckets: number
  /** Of a hash, the bits that name its bucket, or, where there is none of that number yet, all but the highest of them. */
  private mask: number
  private count = 0

  /** Records of so many words, with their hash and the number of the next record of their chain in these. A record's number is never 0.
   *  `expected`: about so many will come; without that a table that is filled at once is split as often. */
  constructor(words: number, hashWord: number, nextWord: number, expected = 0) {
    this.buckets = Math.max(FIRST, 2 ** Math.ceil(Math.log2(expected * BUCKETS_PER_RECORD + 1)))
    this.mask = this.buckets - 1
    this.heads = new Uint32Array(this.memory.atLeast(this.buckets * 4))
    this.words = words
    this.hashWord = hashWord
    this.nextWord = nextWord
  }

  /** The first record of the chain of records that may have the hash, 0 for none. The others follow through their words. */
  first(hash: number): number {
    return this.heads[this.bucketOf(hash)]
  }

  add(u32: Uint32Array, record: number): void {
    this.link(u32, record)
    this.count++
    while (this.count * BUCKETS_PER_RECORD > this.buckets) this.split(u32)
  }

  /** It was added, and its words are as they were then. */
  remove(u32: Uint32Array, record: number): void {
    const bucket = this.bucketOf(u32[record * this.words + this.hashWord])
    const next = u32[record * this.words + this.nextWord]
    let before = this.heads[bucket]
    if (before === record) this.heads[bucket] = next
    else {
      while (u32[before * this.words + this.nextWord] !== record) before = u32[before * this.words + this.nextWord]
      u32[before * this.words + this.nextWord] = next
    }
    this.count--
  }

  private link(u32: Uint32Array, record: number): void {
    const at = record * this.words
    const bucket = this.bucketOf(u32[at + this.hashWord])
    u32[at + this.nextWord] = this.heads[bucket]
    this.heads[bucket] = record
  }

  private split(u32: Uint32Array): void {
    if (this.buckets > this.mask) {
      this.mask = this.mask * 2 + 1
      this.heads = new Uint32Array(this.memory.atLeast((this.mask + 1) * 4))
    }
    const from = this.buckets++ & (this.mask >> 1)
    let record = this.heads[from]
    this.heads[from] = 0
    while (record !== 0) {
      const next = u32[record * this.words + this.nextWord]
      this.link(u32, record)
      record = next
    }
  }

  private bucketOf(hash: number): number {
    const bucket = hash & this.mask
    return bucket < this.buckets ? bucket : bucket & (this.mask >> 1)
  }
}
