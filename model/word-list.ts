// A list of numbers from 0 to 2³² − 1, filled and emptied at its end, that keeps its memory. An array that shrinks gives half of it back, and takes
// as much again when it grows: hundreds of megabytes a minute for the collector, where records come and go.
export class WordList {
  length = 0
  /** From 0 to length; replaced when it grows. */
  words = new Uint32Array(16)

  push(word: number): void {
    if (this.length === this.words.length) this.words = grown(this.words)
    this.words[this.length++] = word
  }

  /** It is not empty. */
  pop(): number {
    return this.words[--this.length]
  }
}

/** The words with room for as many more. */
export function grown(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const bigger = new Uint32Array(words.length * 2)
  bigger.set(words)
  return bigger
}
