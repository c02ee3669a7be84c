// A seeded generator of product traffic as JSON lines: the same options, the same bytes, on any machine.
//
// Owns who comes when (Zipf over users and orgs, diurnal load), the merging of all visits by event time, and what happens to a line on
// its way: delayed (disorder), sent again (duplicates), far too late. visit.ts owns what a user does. Never reads a clock, keeps no
// events but the delayed ones; memory goes with the users.
import type { WireEvent } from '../../model/event.ts'
import { utf8Text } from '../../model/utf8.ts'
import { LineWriter } from './line-writer.ts'
import { Random } from './random.ts'
import { type PlantedThing, Story } from './story.ts'
import { TimeHeap } from './time-heap.ts'
import { beginVisit, type Planted, VISIT_EVENTS_MEAN, type Visit, writeEvent } from './visit.ts'
import { makeWorld, type World } from './world.ts'

export interface TrafficOptions {
  /** Any integer. */
  seed: number
  /** Lines in all, duplicates included. */
  events: number
  orgs: number
  users: number
  /** Event time of the beginning, ms since epoch. */
  startMs: number
  /** Density: the mean over users, whose weights differ by a factor of 100. 5 M events of 30,000 users take 3 days. */
  eventsPerUserPerDay: number
  /** Shares of the lines, 0 … 1. A duplicate is the same line once more, 0.2–30 s later. */
  duplicates: number
  /** Delayed behind younger lines, by at most allowedDisorderMs. */
  disorder: number
  /** Delayed by more than allowedDisorderMs, but not so much that it is late. */
  lateBeyondDisorder: number
  /** Delayed by more than allowedDisorderMs + correctionMs: late, where its product saw other events meanwhile. */
  late: number
  allowedDisorderMs: number
  correctionMs: number
}

export const trafficDefaults: TrafficOptions = {
  seed: 1,
  events: 100_000,
  orgs: 16,
  users: 30_000,
  startMs: 1_772_434_800_000, // Monday 2026-03-02, 07:00 UTC
  eventsPerUserPerDay: 55.6,
  duplicates: 0.05,
  disorder: 0.01,
  lateBeyondDisorder: 0,
  late: 0,
  allowedDisorderMs: 60_000,
  correctionMs: 3_600_000,
}

/** What was put into the lines so far. */
export interface TrafficTruth extends Planted {
  lines: number
  duplicates: number
  disordered: number
  lateBeyondDisorder: number
  late: number
  visits: number
}

/** Load by hour of the day (UTC), in percent of the mean. */
const HOURLY_LOAD = [38, 26, 20, 18, 20, 30, 54, 88, 124, 150, 162, 158, 140, 144, 154, 152, 142, 132, 136, 150, 152, 134, 92, 64]
const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
/** Longest line that a fragment table can make, with room to spare. */
const LINE_BYTES_MAX = 2048

type Fate = 'duplicates' | 'disordered' | 'lateBeyondDisorder' | 'late'

class Traffic implements Iterable<Uint8Array> {
  readonly truth: TrafficTruth = {
    lines: 0,
    duplicates: 0,
    disordered: 0,
    lateBeyondDisorder: 0,
    late: 0,
    visits: 0,
    rageBursts: 0,
    backtracks: 0,
    tasksStarted: 0,
    tasksCompleted: 0,
  }
  #options: TrafficOptions
  #random: Random
  #world: World
  #writer = new LineWriter()
  #visits = new TimeHeap<Visit>()
  #delayed = new TimeHeap<{ line: Uint8Array; fate: Fate }>()
  #arrivalMs: number
  #arrivalsPerDay: number
  /** Per user: when they may come again. */
  #freeMs: Float64Array

  #onPlanted: ((thing: PlantedThing) => void) | undefined

  constructor(options: TrafficOptions, onPlanted?: (thing: PlantedThing) => void) {
    this.#options = options
    this.#onPlanted = onPlanted
    this.#random = new Random(options.seed)
    this.#world = makeWorld(options.seed, options.orgs, options.users)
    this.#arrivalMs = options.startMs
    this.#arrivalsPerDay = (options.users * options.eventsPerUserPerDay * (1 - options.duplicates)) / VISIT_EVENTS_MEAN
    this.#freeMs = new Float64Array(options.users)
  }

  /** The next lines, each ended by a newline: at most `maxEvents` of them, undefined when all are made. The bytes are the caller's. */
  nextChunk(maxEvents: number): Uint8Array | undefined {
    const wanted = Math.min(maxEvents, this.#options.events - this.truth.lines)
    if (wanted <= 0) return undefined
    this.#writer.pos = 0
    for (let i = 0; i < wanted; i++) this.#writeLine()
    this.truth.lines += wanted
    return this.#writer.bytes.slice(0, this.#writer.pos)
  }

  /** Chunks of 1,000 lines. */
  *[Symbol.iterator](): Iterator<Uint8Array> {
    for (let chunk = this.nextChunk(1000); chunk; chunk = this.nextChunk(1000)) yield chunk
  }

  #writeLine(): void {
    const writer = this.#writer
    const random = this.#random
    writer.reserve(LINE_BYTES_MAX)
    for (;;) {
      if (this.#arrivalMs <= this.#visits.nextMs && this.#arrivalMs < this.#delayed.nextMs) {
        this.#arrive()
        continue
      }
      // What was delayed until t goes before the events of t, so that no line is overtaken by more than its delay.
      if (this.#delayed.nextMs <= this.#visits.nextMs) {
        const { line, fate } = this.#delayed.pop()
        writer.put(line)
        this.truth[fate]++
        return
      }
      const visit = this.#visits.pop()
      const start = writer.pos
      const ms = visit.nextMs
      if (writeEvent(visit, random, writer, this.truth)) this.#visits.push(visit.nextMs, visit)
      else this.#freeMs[visit.user] = visit.nextMs + this.#restMs()
      if (this.#stays(ms, start)) return
      writer.pos = start
    }
  }

  /** How long a user stays away: now and then so short that the visits are one session. */
  #restMs(): number {
    return this.#random.chance(0.9) ? this.#random.between(2_400_000, 10_800_000) : this.#random.between(60_000, 2_400_000)
  }

  /** Decides the fate of the line just written from `start` on: false when it comes later. */
  #stays(ms: number, start: number): boolean {
    const { duplicates, disorder, lateBeyondDisorder, late, allowedDisorderMs, correctionMs } = this.#options
    const random = this.#random
    const line = () => this.#writer.bytes.slice(start, this.#writer.pos)
    // Per original, so that the share is of all lines.
    if (random.chance(duplicates / (1 - duplicates))) {
      this.#delayed.push(ms + random.between(200, 30_000), { line: line(), fate: 'duplicates' })
      return true
    }
    // What was not sent twice is this part of all lines.
    let share = (random.word() / 0x1_0000_0000) * (1 - 2 * duplicates)
    if (share < disorder) {
      this.#delayed.push(ms + random.between(100, allowedDisorderMs), { line: line(), fate: 'disordered' })
      return false
    }
    share -= disorder
    if (share < lateBeyondDisorder) {
      const delayMs = random.between(allowedDisorderMs + 1, allowedDisorderMs + correctionMs)
      this.#delayed.push(ms + delayMs, { line: line(), fate: 'lateBeyondDisorder' })
      return false
    }
    if (share - lateBeyondDisorder < late) {
      const delayMs = allowedDisorderMs + correctionMs + random.between(60_000, 3_600_000)
      this.#delayed.push(ms + delayMs, { line: line(), fate: 'late' })
      return false
    }
    return true
  }

  /** Somebody comes; then the next arrival, sooner by day than by night. */
  #arrive(): void {
    const { heads, productOf } = this.#world
    const nowMs = this.#arrivalMs
    for (let attempt = 0; attempt < 8; attempt++) {
      const user = this.#pickUser()
      if (this.#freeMs[user] > nowMs) continue
      this.#freeMs[user] = Infinity
      this.#visits.push(nowMs, beginVisit(user, heads[user], productOf[user], nowMs, this.#random, this.#story(user)))
      this.truth.visits++
      break
    }
    const hour = nowMs / HOUR_MS
    const whole = Math.floor(hour)
    const load = HOURLY_LOAD[whole % 24] + (hour - whole) * (HOURLY_LOAD[(whole + 1) % 24] - HOURLY_LOAD[whole % 24])
    const meanMs = (DAY_MS * 100) / (this.#arrivalsPerDay * load)
    this.#arrivalMs = nowMs + Math.floor((this.#random.word() / 0x1_0000_0000) * 2 * meanMs + 0.5)
  }

  #story(user: number): Story | undefined {
    const onPlanted = this.#onPlanted
    if (onPlanted === undefined) return undefined
    const { heads, productOf } = this.#world
    // What begins a line, ended before the type.
    const text = utf8Text(heads[user])
    const who = JSON.parse(`{"eventId":"${text.slice(0, text.lastIndexOf(','))}}`) as WireEvent
    const { orgId, productId, userId, anonymousId } = who
    const name = userId === undefined ? `a:${anonymousId}` : `u:${userId}`
    return new Story(productOf[user], (told) => onPlanted({ orgId, productId, user: name, ...told }))
  }

  #pickUser(): number {
    const { weights } = this.#world
    const at = (this.#random.word() / 0x1_0000_0000) * weights[weights.length - 1]
    let low = 0
    let high = weights.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (weights[middle] > at) high = middle
      else low = middle + 1
    }
    return low
  }
}

export type { Traffic }

/** A generator of lines from its beginning; what is not given is as in trafficDefaults. `onPlanted` is told what was put into them, when it is complete. */
export const traffic = (options: Partial<TrafficOptions> = {}, onPlanted?: (thing: PlantedThing) => void): Traffic =>
  new Traffic({ ...trafficDefaults, ...options }, onPlanted)

/** The same events as objects, for tests. */
export function* trafficEvents(options: Partial<TrafficOptions> = {}): Generator<WireEvent> {
  for (const chunk of traffic(options)) {
    for (const line of utf8Text(chunk).trimEnd().split('\n')) yield JSON.parse(line) as WireEvent
  }
}
