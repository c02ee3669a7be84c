// What has begun and not ended, in words: for whoever waits for an end that does not come. Owns no work.

/** As in 'partition 3'; asked for when somebody wants to know. */
type Words = string | (() => string)

export class UnderWay {
  private readonly works = new Set<{ what: Words }>()

  async during<T>(what: Words, work: Promise<T> | undefined): Promise<T | undefined> {
    const one = { what }
    this.works.add(one)
    try {
      return await work
    } finally {
      this.works.delete(one)
    }
  }

  /** How all of them ended. */
  settled(works: readonly [what: Words, work: Promise<unknown> | undefined][]): Promise<PromiseSettledResult<unknown>[]> {
    return Promise.allSettled(works.map(([what, work]) => this.during(what, work)))
  }

  /** In the order in which they began. */
  get list(): string[] {
    return Array.from(this.works, ({ what }) => (typeof what === 'string' ? what : what()))
  }
}
