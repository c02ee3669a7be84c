// A small log of everything that goes wrong at a boundary, made from a seed: ties, gaps of exactly gapMs and one more, clicks exactly T
// apart, duplicates with the same and with another content, rows as late as is allowed and one ms later, capped sessions, joins.
// The corpus of the simulator and of the planted bugs. Owns the mischief; what the right answer is, the evaluator says.
import { EVENT_TYPES, type EventType, type WireEvent } from '../../model/event.ts'
import { type RageClickOptions, rageClickDefaults } from '../../operators/rage-clicks.ts'
import { Random } from '../../services/traffic/random.ts'

/** The settings that a nasty log is made for: they bring the boundaries into reach of a few hundred events. */
export interface NastySettings {
  gapMs: number
  allowedDisorderMs: number
  correctionMs: number
  sessionMaxMs: number
  sessionEventsMax: number
  rage: RageClickOptions
  abandonMs: number
  deadClicks: { enabled: boolean; withinMs: number }
}

export interface NastyLog {
  seed: number
  settings: NastySettings
  /** In log order. */
  events: WireEvent[]
}

const SCREENS = ['/a', '/b', '/c', '']
const ELEMENTS = ['x', 'y', 'z', '']
/** Ignored ones, and what only looks like them. */
const STEPPERS = ['button.nav-next', 'form > INPUT#q', 'button[text=+]', 'button.nextstep', 'label.input']
const CONTEXTS = ['shop', 'help', '', undefined]
const TASK_TYPES = ['buy', 'find', undefined]
const CLICK_GAPS_MS = [0, 1, 300, 499, 500, 501, 700, 999, 1000, 1001]
const VIEW_GAPS_MS = [0, 1, 5000, 9999, 10_000, 10_001, 19_999, 20_000, 20_001]
const START_MS = 1_700_000_000_000

interface Person {
  orgId: string
  productId: string
  userId?: string
  anonymousId?: string
}

/** A person's place in time, and what was sent already. */
interface Life {
  person: Person
  actor: { largestMs: number; lives: Life[] }
  lastMs: number
  sent: WireEvent[]
}

class Mischief {
  readonly events: WireEvent[] = []
  readonly #random: Random
  readonly #settings: NastySettings
  readonly #lives: Life[] = []
  #ids = 0

  constructor(random: Random, settings: NastySettings) {
    this.#random = random
    this.#settings = settings
    const actors = [
      ['org-a', 'p1'],
      ['org-a', 'p2'],
      ['org-b', 'p1'],
    ]
    for (const [orgId, productId] of actors) {
      const actor = { largestMs: START_MS, lives: [] as Life[] }
      const names = [{ userId: 'u1' }, { userId: 'ü2 "quoted"' }, { anonymousId: 'u1' }]
      for (const name of names) actor.lives.push({ person: { orgId, productId, ...name }, actor, lastMs: START_MS, sent: [] })
      this.#lives.push(...actor.lives)
    }
  }

  /** One act of one person. */
  act(): void {
    const life = this.#random.pick(this.#lives)
    const often = [this.#burst, this.#trail, this.#gap, this.#again, this.#behind]
    const acts = [...often, ...often, this.#burst, this.#comeBack, this.#ties, this.#wander, this.#otherContent, this.#between]
    acts.push(
      this.#atTheBound,
      this.#tour,
      this.#jump,
      this.#task,
      this.#task,
      this.#lateCompletion,
      this.#silence,
      this.#silence,
      this.#manyTasks,
    )
    this.#random.pick(acts).call(this, life)
  }

  /** Leaves a session open at the end, the watermark exactly at a time when something ends, one ms before it, or one after. */
  end(): void {
    const { gapMs, allowedDisorderMs, sessionEventsMax } = this.#settings
    for (const actor of new Set(this.#lives.map((life) => life.actor))) {
      const [life, other] = actor.lives
      life.lastMs = actor.largestMs + this.#random.pick([1, gapMs, 2 * gapMs])
      const ends: number[] = []
      if (sessionEventsMax <= 30 && this.#random.chance(0.5)) {
        // A burst that a cap cuts, and the cut final before the burst has ended by itself.
        for (let i = 0; i <= sessionEventsMax; i++) this.#send(life, life.lastMs + 20, 'click', { screen: '/a', element: 'x' })
        ends.push(life.lastMs)
      } else {
        for (let left = 4; left > 0; left--)
          this.#send(life, life.lastMs + this.#random.pick([1, 400]), 'click', { screen: '/a', element: 'x' })
        ends.push(life.lastMs + 1000, life.lastMs + 1000, life.lastMs + gapMs)
      }
      if (this.#random.chance(0.8)) this.#send(other, this.#random.pick(ends) + allowedDisorderMs + this.#random.pick([-1, 0, 1]), 'custom')
    }
  }

  #send(life: Life, ts: number, type: EventType, more: Partial<WireEvent> = {}): void {
    this.#put(life, { ...life.person, eventId: `id-${this.#ids++}`, type, ts, ...more } as WireEvent)
  }

  #put(life: Life, event: WireEvent): void {
    const ts = event.ts as number
    this.events.push(event)
    life.sent.push(event)
    life.lastMs = Math.max(life.lastMs, ts)
    life.actor.largestMs = Math.max(life.actor.largestMs, ts)
  }

  /** What comes soon after, in the person's own time. */
  #soon(life: Life): number {
    return life.lastMs + this.#random.pick([0, 1, 10, 700, 1000, 1001, 3000])
  }

  #any(life: Life, ts: number): void {
    const type = this.#random.pick(EVENT_TYPES)
    const more: Partial<WireEvent> = {}
    if (type === 'screen_view' || type === 'click') more.screen = this.#random.pick(SCREENS)
    if (type === 'click') more.element = this.#random.pick(ELEMENTS)
    if (this.#random.chance(0.6)) more.context = this.#random.pick(CONTEXTS)
    if (type === 'task_started' || type === 'task_completed') more.taskType = this.#random.pick(TASK_TYPES)
    if (type === 'task_completed') more.success = this.#random.pick([true, false, undefined])
    if (type === 'error') more.screen = '/error'
    this.#send(life, ts, type, more)
  }

  /** Clicks at the bounds of a burst; the lines may come in another order than the clicks. */
  #burst(life: Life): void {
    const element = this.#random.pick(['x', 'y', 'x', 'y', 'x', 'y', this.#random.pick(STEPPERS)])
    const clicks: (() => void)[] = []
    let ts = this.#soon(life)
    for (let left = this.#random.between(2, 7); left > 0; left--) {
      const at = ts
      const strange = this.#random.below(14)
      if (strange === 0)
        clicks.push(() => this.#send(life, at, 'click', { screen: '/a', element: this.#random.pick(['z', '', undefined]) }))
      else if (strange === 1) clicks.push(() => this.#any(life, at))
      else clicks.push(() => this.#send(life, at, 'click', { screen: this.#random.pick(SCREENS), element }))
      ts += this.#random.pick(CLICK_GAPS_MS)
    }
    if (this.#random.chance(0.3)) clicks.reverse()
    for (const click of clicks) click()
  }

  /** Screens there and back, at the bounds of a backtrack. */
  #trail(life: Life): void {
    const [a, b] = this.#random.pick([
      ['/a', '/b'],
      ['/b', '/c'],
      ['/c', '/a'],
    ])
    let ts = this.#soon(life)
    for (let step = this.#random.between(3, 6), i = 0; i < step; i++) {
      this.#send(life, ts, 'screen_view', { screen: i % 2 ? b : a })
      const gap = this.#random.pick(VIEW_GAPS_MS)
      if (this.#random.chance(0.3))
        this.#send(life, ts + Math.floor(gap / 2), 'screen_view', { screen: this.#random.pick([a, b, '', undefined]) })
      ts += gap
    }
  }

  /** A burst that an earlier click makes another one, and that a click between brings back: the same id again. */
  #comeBack(life: Life): void {
    const ts = this.#soon(life) + 1100
    for (const at of [ts, ts + 500, ts + 1000, ts - 100]) this.#send(life, at, 'click', { screen: '/a', element: 'x' })
    if (this.#random.chance(0.7)) this.#send(life, ts - 50, 'click', { screen: '/a', element: 'y' })
  }

  /** A task that is completed just in time, or just not, with other things in between. */
  #task(life: Life): void {
    const { abandonMs, gapMs } = this.#settings
    const taskType = this.#random.pick(TASK_TYPES)
    const startMs = this.#soon(life)
    this.#send(life, startMs, 'task_started', { taskType, screen: this.#random.pick(SCREENS) })
    const endMs = startMs + this.#random.pick([1, abandonMs - 1, abandonMs, abandonMs, abandonMs + 1])
    for (let ts = startMs + gapMs - 1; ts < endMs; ts += gapMs - 1) this.#any(life, ts)
    if (this.#random.chance(0.3)) this.#any(life, Math.floor((startMs + endMs) / 2))
    if (this.#random.chance(0.8))
      this.#send(life, endMs, 'task_completed', {
        taskType: this.#random.chance(0.8) ? taskType : this.#random.pick(TASK_TYPES),
        success: this.#random.pick([true, false, undefined]),
      })
  }

  /** A task whose time is over by another user's clock before its completion comes. */
  #lateCompletion(life: Life): void {
    const { abandonMs, allowedDisorderMs } = this.#settings
    const startMs = Math.max(life.lastMs, life.actor.largestMs) + 1
    this.#send(life, startMs, 'task_started', { taskType: 'buy', screen: '/a' })
    const other = this.#random.pick(life.actor.lives)
    if (other !== life) this.#send(other, startMs + abandonMs + allowedDisorderMs + this.#random.pick([-1, 0, 1]), 'custom')
    if (this.#random.chance(0.7)) this.#send(life, startMs + this.#random.pick([1, 500, abandonMs]), 'task_completed', { taskType: 'buy' })
  }

  /** More tasks than are watched at a time. */
  #manyTasks(life: Life): void {
    let ts = this.#soon(life)
    for (let left = this.#random.between(7, 10); left > 0; left--)
      this.#send(life, (ts += this.#random.pick([0, 1, 50])), 'task_started', { taskType: this.#random.pick(TASK_TYPES) })
    for (let left = this.#random.below(4); left > 0; left--)
      this.#send(life, (ts += this.#random.pick([0, 1, 50])), 'task_completed', { taskType: this.#random.pick(TASK_TYPES), success: false })
  }

  /** A click, and then nothing for just as long as makes it dead, or just not. */
  #silence(life: Life): void {
    const { withinMs } = this.#settings.deadClicks
    const ts = this.#soon(life) + withinMs + 1
    if (this.#random.chance(0.2)) this.#send(life, ts, 'screen_view', { screen: '/a' })
    this.#send(life, ts, 'click', { screen: '/a', element: this.#random.pick(ELEMENTS) })
    this.#any(life, ts + withinMs + this.#random.pick([-1, 0, 0, 1, 1]))
  }

  #ties(life: Life): void {
    const ts = this.#soon(life)
    for (let left = this.#random.between(2, 6); left > 0; left--) this.#any(life, ts)
  }

  #gap(life: Life): void {
    this.#any(life, life.lastMs + this.#settings.gapMs + this.#random.pick([-1, 0, 0, 1, 1]))
  }

  #wander(life: Life): void {
    for (let left = this.#random.between(1, 6); left > 0; left--) this.#any(life, this.#soon(life))
  }

  /** The same line once more. */
  #again(life: Life): void {
    if (life.sent.length > 0) this.#put(life, this.#random.pick(life.sent.slice(-20)))
  }

  /** An id that was there with another content: in the same session, at its bounds, or in another one. */
  #otherContent(life: Life): void {
    const { gapMs } = this.#settings
    const before = this.#random.pick(life.sent.slice(-8))
    if (!before) return
    const ts = (before.ts as number) + this.#random.pick([-1, 0, 1, 500, gapMs, -gapMs, gapMs + 1, 3 * gapMs])
    this.#put(life, { ...life.person, eventId: before.eventId, type: 'click', ts, element: 'x', screen: '/a' })
  }

  /** Out of order: within the allowed disorder, or beyond it. */
  #behind(life: Life): void {
    const { allowedDisorderMs, correctionMs } = this.#settings
    const byMs = this.#random.chance(0.5) ? this.#random.below(allowedDisorderMs) : this.#random.below(correctionMs)
    this.#any(life, Math.max(life.lastMs, life.actor.largestMs - allowedDisorderMs) - byMs)
  }

  /** Exactly in the middle of two events of the person, which may be of two sessions. */
  #between(life: Life): void {
    if (life.sent.length < 2) return
    const [a, b] = [this.#random.pick(life.sent.slice(-12)), life.sent[life.sent.length - 1]]
    this.#any(life, Math.floor(((a.ts as number) + (b.ts as number)) / 2))
  }

  /** As late as is allowed, and one ms later. */
  #atTheBound(life: Life): void {
    const { allowedDisorderMs, correctionMs } = this.#settings
    this.#any(life, life.actor.largestMs - allowedDisorderMs - correctionMs - this.#random.below(2))
  }

  /** More screens than a sequence holds. */
  #tour(life: Life): void {
    if (this.#random.chance(0.7)) return
    for (let i = 0; i < 66; i++) this.#send(life, life.lastMs + this.#random.pick([0, 200, 900]), 'screen_view', { screen: `/tour-${i}` })
  }

  /** The clock of one product goes on by a lot: sessions close and are forgotten. */
  #jump(life: Life): void {
    const { gapMs, correctionMs, allowedDisorderMs } = this.#settings
    const byMs = this.#random.pick([
      gapMs,
      gapMs + allowedDisorderMs,
      gapMs + allowedDisorderMs + 1,
      gapMs + allowedDisorderMs + correctionMs + 1,
    ])
    this.#any(life, life.actor.largestMs + byMs)
    for (const other of life.actor.lives)
      other.lastMs = Math.max(other.lastMs, life.actor.largestMs - this.#random.pick([0, gapMs, correctionMs]))
  }
}

/** The log of a seed, of about `size` events. */
export function nasty(seed: number, size = 400): NastyLog {
  const random = new Random(seed, 7)
  const settings: NastySettings = {
    gapMs: random.pick([20_000, 30_000]),
    allowedDisorderMs: random.pick([0, 2000, 5000]),
    correctionMs: random.pick([30_000, 90_000]),
    // Caps on every other seed.
    sessionMaxMs: seed % 2 ? random.pick([40_000, 60_000]) : 86_400_000,
    sessionEventsMax: seed % 2 ? random.pick([5, 12, 30]) : 10_000,
    rage: rageClickDefaults,
    // Shorter than the gap, so that the watermark gets there first; longer, so that the session is over before.
    abandonMs: random.pick([10_000, 19_000, 45_000]),
    deadClicks: { enabled: true, withinMs: 2500 },
  }
  const mischief = new Mischief(random, settings)
  while (mischief.events.length < size) mischief.act()
  mischief.end()
  return { seed, settings, events: mischief.events }
}
