// How far a long command is: one line that is redrawn on a terminal, a plain line every few seconds elsewhere. Goes to stderr, so that data may
// go to stdout. Owns what the line says and how often; reads the clock only through `nowMs`.
import { formatCount, formatSeconds } from './print.ts'

export interface ProgressOptions {
  /** What is going on: `import events.jsonl` */
  readonly label: string
  /** What is counted: `events` */
  readonly unit: string
  /** How many there will be, where that is known. */
  readonly total?: number
  /** Nothing is said before, and nothing at all of what is over by then. */
  readonly afterMs?: number
  readonly stream?: { write(text: string): unknown; isTTY?: boolean; columns?: number }
  readonly nowMs?: () => number
}

export interface Progress {
  /** `count` so far, and which share of all that is (0 … 1) where it is not count / total. Call it as often as you like. */
  update(count: number, share?: number): void
  /** A line of its own above the progress. */
  note(text: string): void
  /** The last line, with the total and the mean rate; progress is over. */
  finish(count: number): void
}

/** What takes longer than this is long. */
export const LONG_MS = 1_000
const REDRAW_MS = 100
const PLAIN_MS = 5_000

export function progress(options: ProgressOptions): Progress {
  const { label, unit, total, afterMs, stream = process.stderr, nowMs = () => performance.now() } = options
  const terminal = stream.isTTY === true
  const startMs = nowMs()
  let shownMs: number | undefined
  let drawn = ''

  const erase = () => {
    if (drawn !== '') stream.write('\r\u001b[2K')
    drawn = ''
  }
  const show = (line: string) => {
    if (!terminal) return stream.write(`${line}\n`)
    erase()
    // A line that wraps could not be erased.
    drawn = line.slice(0, (stream.columns ?? 80) - 1)
    return stream.write(drawn)
  }
  const rate = (count: number, seconds: number) => (seconds > 0 ? `  ${formatCount(count / seconds)}/s` : '')

  return {
    update(count, share = total ? count / total : undefined) {
      const now = nowMs()
      const everyMs = terminal ? REDRAW_MS : PLAIN_MS
      if (shownMs === undefined ? now - startMs < (afterMs ?? everyMs) : now - shownMs < everyMs) return
      shownMs = now
      const seconds = (now - startMs) / 1000
      const percent = share === undefined ? '' : `  ${Math.floor(Math.min(share, 1) * 100)} %`
      const left = share === undefined || share <= 0 ? '' : `  ${formatSeconds((seconds * (1 - Math.min(share, 1))) / share)} left`
      show(`${label}${percent}  ${formatCount(count)} ${unit}${rate(count, seconds)}${left}`)
    },
    note(text) {
      const line = drawn
      erase()
      stream.write(`${text}\n`)
      if (line !== '') show(line)
    },
    finish(count) {
      erase()
      const seconds = (nowMs() - startMs) / 1000
      if (afterMs !== undefined && shownMs === undefined && seconds * 1000 < afterMs) return
      stream.write(`${label}  ${formatCount(count)} ${unit} in ${formatSeconds(seconds)}${rate(count, seconds)}\n`)
    },
  }
}
