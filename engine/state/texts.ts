// Texts: byte strings that the engine keeps for long, in chains of small blocks outside of the collector's reach.
//
// Texts owns the blocks' layout. A text never changes; its owner keeps its first block and its length, drops it inside a turn like any
// record (so an undo brings it back, and an open checkpoint still reads it), or releases it outside of one.
//   next · 31 words of bytes: two lines of memory, what is kept of an open session
import { Arena } from './arena.ts'

const BLOCK_WORDS = 31

export class Texts {
  readonly arena = new Arena(1 + BLOCK_WORDS)

  /** Keeps length bytes of the view at pos, of which up to 3 behind them are read. In a turn, or as what no rollback takes back. */
  put(view: DataView, pos: number, length: number, inTurn: boolean): number {
    const { arena } = this
    let head = 0
    let last = 0
    for (let left = (length + 3) >> 2; left > 0; left -= BLOCK_WORDS) {
      const block = inTurn ? arena.allocDirty() : arena.takeDirty()
      const { u32, words } = arena
      if (head === 0) head = block
      else u32[last * words] = block
      last = block
      const at = block * words + 1
      const count = Math.min(left, BLOCK_WORDS)
      for (let i = 0; i < count; i++, pos += 4) u32[at + i] = view.getUint32(pos, true)
    }
    return head
  }

  /** Whether the text is the bytes of the view at pos. Both are `length` long. */
  same(head: number, length: number, view: DataView, pos: number): boolean {
    const { u32, words } = this.arena
    const whole = length >> 2
    let block = head
    let at = head * words + 1
    for (let i = 0, inBlock = 0; i < whole; i++, inBlock++) {
      if (inBlock === BLOCK_WORDS) {
        block = u32[block * words]
        at = block * words + 1
        inBlock = 0
      }
      if (u32[at + inBlock] !== view.getUint32(pos + i * 4, true)) return false
    }
    const rest = length & 3
    if (rest === 0) return true
    const inBlock = whole % BLOCK_WORDS
    if (whole > 0 && inBlock === 0) at = u32[block * words] * words + 1
    return ((u32[at + inBlock] ^ view.getUint32(pos + whole * 4, true)) & ((1 << (rest * 8)) - 1)) === 0
  }

  /** Writes the text to words[at …), the last filled up with whatever; returns the end. */
  copy(head: number, length: number, words: Uint32Array, at: number): number {
    const { u32 } = this.arena
    for (let block = head, left = (length + 3) >> 2; left > 0; left -= BLOCK_WORDS, block = u32[block * this.arena.words]) {
      const from = block * this.arena.words + 1
      const count = Math.min(left, BLOCK_WORDS)
      for (let i = 0; i < count; i++) words[at++] = u32[from + i]
    }
    return at
  }

  /** Keeps a text that was in `from`, the arena's words before it was renewed: nothing is free yet, so that its blocks follow each other. */
  moved(from: Uint32Array, head: number, length: number): number {
    const { words, last } = this.arena
    for (let left = blocksOf(length), block = head; left > 0; left--, block = from[block * words]) {
      const to = this.arena.takeDirty()
      for (let i = 1; i < words; i++) this.arena.u32[to * words + i] = from[block * words + i]
      this.arena.u32[to * words] = to + 1
    }
    return last + 1
  }

  /** The text, each of its bytes as a character. */
  latin1(head: number, length: number): string {
    const words = new Uint32Array((length + 3) >> 2)
    this.copy(head, length, words, 0)
    return Buffer.from(words.buffer, 0, length).toString('latin1')
  }

  /** Gives a text up: when the turn settles. */
  drop(head: number, length: number): void {
    this.arena.dropChain(head, blocksOf(length))
  }

  /** Gives a text up at once. */
  release(head: number, length: number): void {
    this.arena.releaseChain(head, blocksOf(length))
  }
}

const blocksOf = (length: number) => Math.ceil(length / (BLOCK_WORDS * 4))
