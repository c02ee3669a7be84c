// Seeded random numbers in 32-bit integer arithmetic only, so that a seed means the same numbers on every machine and version.
// Owns the generator (sfc32). Never asks Math.random, never rounds through transcendental functions.

export class Random {
  #a = 0
  #b = 0
  #c = 0
  #counter = 1

  /** Any integer is a seed; `stream` gives independent numbers under the same seed. */
  constructor(seed: number, stream = 0) {
    this.#a = seed >>> 0
    this.#b = Math.floor(seed / 0x1_0000_0000) >>> 0
    this.#c = stream >>> 0
    for (let i = 0; i < 20; i++) this.word()
  }

  /** An integer in 0 … 2^32 − 1. */
  word(): number {
    const t = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + t) | 0
    return t >>> 0
  }

  /** An integer in 0 … limit − 1; limit is 1 … 2^31. */
  below(limit: number): number {
    return Math.floor((this.word() / 0x1_0000_0000) * limit)
  }

  /** An integer in low … high, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  /** True with the given probability (0 … 1). */
  chance(probability: number): boolean {
    return this.word() < probability * 0x1_0000_0000
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]
  }
}
