// A stack of numbers from 0 to 2³² − 1 that keeps its memory. An array that shrinks gives half of it back, and takes as much again when it grows:
// hundreds of megabytes a minute for the collector, where records come and go.
export class Stack {
  length = 0
  /** From 0 to length; replaced when it grows. */
  words = new Uint32Array(16)

  push(word: number): void {
    if (this.length === this.words.length) {
      const bigger = new Uint32Array(this.words.length * 2)
      bigger.set(this.words)
      this.words = bigger
    }
    this.words[this.length++] = word
  }

  /** It is not empty. */
  pop(): number {
    return this.words[--this.length]
  }
}
