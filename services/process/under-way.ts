// What has begun and not ended, in words: for whoever waits for an end that does not come. Owns no work.

export class UnderWay {
  private readonly works = new Set<{ what: string | (() => string) }>()

  /** `what`: as in 'partition 3'; asked for when somebody wants to know. */
  async during<T>(what: string | (() => string), work: Promise<T>): Promise<T> {
    const one = { what }
    this.works.add(one)
    try {
      return await work
    } finally {
      this.works.delete(one)
    }
  }

  /** In the order in which they began. */
  get list(): string[] {
    return Array.from(this.works, ({ what }) => (typeof what === 'string' ? what : what()))
  }
}
