// What a soak sends: believable traffic moved to now, each line when it is due, and among it patterns of which it is known when they are complete.
// Owns the choice of lines and their due times; sends nothing, reads no clock.
import { traffic } from '../../../services/traffic/traffic.ts'

export interface SoakShape {
  /** Lines per second, about: traffic has its own ups and downs. Patterns come on top. */
  rate: number
  /** Patterns completed per second. */
  patterns: number
  seed: number
  allowedDisorderMs: number
  correctionMs: number
}

export interface DueLine {
  /** Without its newline. */
  line: Buffer
  /** ms since the beginning. */
  dueMs: number
}

/** Of a pattern: so many clicks, so long after each other. */
export const CLICKS = 3
const CLICK_EVERY_MS = 100
/** Organisations of the patterns, and what their users' names begin with. */
const ORGS = 16
export const PATTERN_USER = 'soak-'
/** Monday 2026-03-02, 14:00 UTC: the load of the hours after it is nearly the same. */
const BEGIN_MS = 1_772_460_000_000
/** Load of that hour, of its mean. */
const LOAD = 1.53
/** Visits are under way at the beginning. */
const BEFORE_MS = 300_000
const DAY_MS = 86_400_000
/** Per line and second: enough that few come twice within an hour. */
const USERS = 250
const DUPLICATES = 0.05
const CHUNK = 256
const TS = Buffer.from('"ts":')
const TS_DIGITS = 13
const NEWLINE = 10

export class SoakTraffic {
  /** Lines taken, those of patterns among them. */
  taken = 0
  private readonly shape: SoakShape
  private readonly startMs: number
  private readonly lines: Iterator<DueLine, undefined>
  private next: DueLine | undefined
  /** Per click of a pattern: of how many it was taken. */
  private readonly clicks = new Array<number>(CLICKS).fill(0)

  /** `startMs`: event time of what is due at 0, ms since epoch. */
  constructor(shape: SoakShape, startMs: number) {
    this.shape = shape
    this.startMs = startMs
    this.lines = moved(shape, startMs)
    this.next = this.lines.next().value
  }

  /** Patterns that are complete. */
  get patterns(): number {
    return this.clicks[CLICKS - 1]
  }

  /** What is due until then, at most `most` lines, in the order of their due times. */
  take(untilMs: number, most: number): DueLine[] {
    const found: DueLine[] = []
    while (found.length < most) {
      const click = this.nextClick()
      const clickMs = this.dueOf(click)
      const lineMs = this.next?.dueMs ?? Number.POSITIVE_INFINITY
      if (Math.min(clickMs, lineMs) > untilMs) break
      if (clickMs <= lineMs) {
        found.push({ line: this.clickLine(this.clicks[click], clickMs), dueMs: clickMs })
        this.clicks[click]++
      } else {
        found.push(this.next!)
        this.next = this.lines.next().value
      }
    }
    this.taken += found.length
    return found
  }

  private dueOf(click: number): number {
    return Math.floor((this.clicks[click] * 1000) / this.shape.patterns) + click * CLICK_EVERY_MS
  }

  private nextClick(): number {
    let first = 0
    for (let click = 1; click < CLICKS; click++) if (this.dueOf(click) < this.dueOf(first)) first = click
    return first
  }

  /** Each pattern is of a user of its own, who is never seen again. */
  private clickLine(pattern: number, dueMs: number): Buffer {
    const who = `"orgId":"${PATTERN_USER}${pattern % ORGS}","productId":"shop","userId":"${PATTERN_USER}${pattern}"`
    const what = `"type":"click","ts":${this.startMs + dueMs},"screen":"/pay","element":"button.pay","x":40,"y":80,"context":"checkout"`
    return Buffer.from(`{"eventId":"${PATTERN_USER}${pattern}-${dueMs}",${who},${what}}`)
  }
}

/** The generator's lines with their times moved: due is each with the youngest time so far, so that what was delayed stays so. */
function* moved({ rate, seed, allowedDisorderMs, correctionMs }: SoakShape, startMs: number): Generator<DueLine, undefined> {
  const users = Math.ceil(rate * USERS)
  const generator = traffic({
    ...{ seed, users, events: Number.MAX_SAFE_INTEGER, startMs: BEGIN_MS - BEFORE_MS, allowedDisorderMs, correctionMs },
    ...{ eventsPerUserPerDay: (rate * DAY_MS) / 1000 / users / LOAD, duplicates: DUPLICATES, disorder: 0.02 },
    ...{ lateBeyondDisorder: 0.005, late: 0.001 },
  })
  let youngestMs = Number.NEGATIVE_INFINITY
  for (;;) {
    const bytes = Buffer.from(generator.nextChunk(CHUNK)!)
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(NEWLINE, at)
      const line = bytes.subarray(at, end)
      at = end + 1
      const digits = line.indexOf(TS) + TS.length
      const ms = Number(line.toString('latin1', digits, digits + TS_DIGITS)) - BEGIN_MS
      youngestMs = Math.max(youngestMs, ms)
      if (youngestMs < 0) continue
      line.write(String(startMs + ms), digits, 'latin1')
      yield { line, dueMs: youngestMs }
    }
  }
}
