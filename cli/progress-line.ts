// One thing after the other that may take long, and what is said meanwhile: above its line. Owns which progress there is now.
import { LONG_MS, type Progress, progress } from './progress.ts'

export class ProgressLine {
  /** Of what is going on; absent where there is nothing, or nothing of it is to be shown. */
  private shown: Progress | undefined

  /** A line on stderr. */
  readonly say = (text: string): void => (this.shown ? this.shown.note(text) : console.error(text))

  /** Settles as `work` does, and says how far it is from a second on. */
  async during<T>(label: string, unit: string, work: (update: Progress['update']) => Promise<T>): Promise<T> {
    const shown = progress({ label, unit, afterMs: LONG_MS })
    this.shown = shown
    let last = 0
    try {
      return await work((count, share) => shown.update((last = count), share))
    } finally {
      this.shown = undefined
      shown.finish(last)
    }
  }
}
