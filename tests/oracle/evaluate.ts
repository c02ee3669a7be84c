// The batch evaluator: what the stores must hold in the end, computed plainly from the log by docs/events.md. For tests only; it
// shares no code with engine/ or operators/, so that a mistake has to be made twice to go unseen.
//
// Owns: which rows are late, duplicates or accepted, what the sessions and incidents are, and the accounting. Knows nothing of
// epochs, versions or crashes: its answer is a function of the records in the log's order.
//
// Row by row, per actor, in log order:
//   late?  →  cap?  →  duplicate?  →  put in its place among the user's runs   →  the watermark moves
// A run that no accepted row can reach any more is turned into rows and let go, which bounds memory and changes no answer.
import type { WireEvent } from '../../model/event.ts'
import { hashText } from './hash.ts'
import { type ContentSettings, type IncidentAnswer, type Kept, type Piece, rowsOf, type SessionAnswer, type User } from './session-rows.ts'

export interface OracleSettings extends ContentSettings {
  gapMs: number
  allowedDisorderMs: number
  correctionMs: number
  sessionMaxMs: number
  sessionEventsMax: number
  /** Close what is open at the end, as `import --close` does: the watermark moves past everything. */
  closeAll: boolean
}

export const oracleDefaults: OracleSettings = {
  gapMs: 1_800_000,
  allowedDisorderMs: 60_000,
  correctionMs: 3_600_000,
  sessionMaxMs: 86_400_000,
  sessionEventsMax: 10_000,
  rage: {
    profile: 'default',
    clicks: 3,
    withinMs: 1000,
    ignore: { kinds: ['input', 'input_text', 'textarea'], texts: ['next', 'prev', '+', '−'] },
  },
  backtrackMs: 20_000,
  abandonMs: 900_000,
  deadClicks: { enabled: false, withinMs: 2500 },
  scores: {
    frustration: {
      rageClicks: 0.8,
      deadClicks: 0.2,
      backtracks: 0.3,
      contextSwitches: 0.05,
      tasksAbandoned: 0.6,
      tasksFailed: 0.5,
      errors: 0.4,
    },
    efficiency: {
      rageClicks: 0.2,
      deadClicks: 0.1,
      backtracks: 0.3,
      contextSwitches: 0.1,
      tasksAbandoned: 0.8,
      tasksFailed: 0.6,
      errors: 0.2,
    },
  },
  closeAll: false,
}

/** A record of the log that is a valid event, as text or parsed. */
export interface LogRecord {
  partition: number
  offset: number
  event: string | WireEvent
}

/** Where the log's epochs moved an idle actor's watermark on by processing time: it is at least this from here on. */
export interface IdleAdvance {
  orgId: string
  productId: string
  watermark: number
}

/** Where the log's epochs gave a user up whose timers kept throwing: all that it has is gone. For logs in which nothing is final yet. */
export interface Forgotten {
  orgId: string
  productId: string
  /** `u:` and the user's id, or `a:` and the anonymous one. */
  forgotten: string
}

/** Events of an org by what became of them: accepted = closed + open + duplicates + late + capLate, and what was forgotten with its user. */
export interface OracleCounters {
  accepted: number
  closed: number
  open: number
  duplicates: number
  /** ts < watermark − correctionMs. */
  late: number
  /** Before a final cut. */
  capLate: number
}

export interface LatePosition {
  partition: number
  offset: number
  reason: 'late' | 'cap'
  watermark: number
}

export interface Evaluation {
  /** Last versions, by session_id and incident_id. */
  sessions: Map<string, SessionAnswer>
  incidents: Map<string, IncidentAnswer>
  /** By orgId. */
  counters: Map<string, OracleCounters>
  late: LatePosition[]
  duplicates: { partition: number; offset: number }[]
  /** How many events were forgotten with their users. */
  forgotten: number
}

const RANKS = ['screen_view', 'task_started', 'click', 'custom', 'error', 'task_completed']
/** How far a watermark moves between two looks for runs that can be let go. */
const SWEEP_MS = 600_000

/** A maximal chain of a user's accepted events with gaps ≤ gapMs (what is left of it where its first pieces are final and let go). */
interface Run {
  events: Kept[]
  ids: Set<string>
}

interface UserState extends User {
  /** In order of time. */
  runs: Run[]
}

interface Actor {
  watermark: number
  sweptAt: number
  users: Map<string, UserState>
}

/** The order of a user's events: ts, rank of type, hash of the id. */
export function compareKept(a: Kept, b: Kept): number {
  if (a.ts !== b.ts) return a.ts - b.ts
  if (a.rank !== b.rank) return a.rank - b.rank
  const hashA = hashText(a.eventId)
  const hashB = hashText(b.eventId)
  return hashA < hashB ? -1 : hashA > hashB ? 1 : 0
}

const firstOf = (events: Kept[]) => events[0]
const lastOf = (events: Kept[]) => events[events.length - 1]

class Evaluator {
  readonly result: Evaluation = { sessions: new Map(), incidents: new Map(), counters: new Map(), late: [], duplicates: [], forgotten: 0 }
  #settings: OracleSettings
  #rowsOf: RowsOf
  #actors = new Map<string, Actor>()

  constructor(settings: Partial<OracleSettings>, rows: RowsOf) {
    this.#settings = { ...oracleDefaults, ...settings }
    this.#rowsOf = rows
  }

  /** The next record of the log. Records of different partitions may come in any order, those of one in offset order. */
  add({ partition, offset, event: given }: LogRecord): void {
    const event = typeof given === 'string' ? (JSON.parse(given) as WireEvent) : given
    const { allowedDisorderMs, correctionMs } = this.#settings
    const actor = this.#actor(event.orgId, event.productId)
    const counters = this.#counters(event.orgId)
    const kept = keep(event, partition, offset)
    counters.accepted++
    if (kept.ts < actor.watermark - correctionMs) {
      counters.late++
      this.result.late.push({ partition, offset, reason: 'late', watermark: actor.watermark })
    } else {
      const fate = this.#place(actor, this.#user(actor, event), kept)
      if (fate === 'cap') {
        counters.capLate++
        this.result.late.push({ partition, offset, reason: 'cap', watermark: actor.watermark })
      } else if (fate === 'duplicate') {
        counters.duplicates++
        this.result.duplicates.push({ partition, offset })
      }
    }
    this.#advance(actor, kept.ts - allowedDisorderMs)
  }

  idle({ orgId, productId, watermark }: IdleAdvance): void {
    this.#advance(this.#actor(orgId, productId), watermark)
  }

  forget({ orgId, productId, forgotten }: Forgotten): void {
    const actor = this.#actor(orgId, productId)
    const user = actor.users.get(forgotten)
    if (!user) throw new Error(`nothing is known of ${forgotten}`)
    for (const { events } of user.runs) this.result.forgotten += events.length
    actor.users.delete(forgotten)
  }

  /** The answer for what was added. Nothing can be added afterwards. */
  finish(): Evaluation {
    for (const actor of this.#actors.values()) {
      if (this.#settings.closeAll) actor.watermark = Infinity
      for (const user of actor.users.values()) {
        for (const run of user.runs)
          for (const piece of this.#pieces(run.events, actor.watermark)) this.#settle(user, piece, actor.watermark)
      }
    }
    this.#actors.clear()
    return this.result
  }

  /** Puts an event that is not late in its place, or says why it has none. */
  #place(actor: Actor, user: UserState, kept: Kept): 'accepted' | 'cap' | 'duplicate' {
    const { gapMs } = this.#settings
    const near = (events: Kept[]) => kept.ts >= firstOf(events).ts - gapMs && kept.ts <= lastOf(events).ts + gapMs
    const joined = user.runs.filter((run) => near(run.events))
    for (const run of joined) {
      // The first event of each later piece is where a cut is.
      for (const { events } of this.#pieces(run.events, actor.watermark).slice(1)) {
        if (actor.watermark > firstOf(events).ts && compareKept(kept, firstOf(events)) < 0) return 'cap'
      }
    }
    for (const run of joined) {
      if (!run.ids.has(kept.eventId)) continue
      for (const { events } of this.#pieces(run.events, actor.watermark)) {
        if (near(events) && events.some((event) => event.eventId === kept.eventId)) return 'duplicate'
      }
    }
    if (joined.length === 0) {
      const after = user.runs.findIndex((run) => firstOf(run.events).ts > kept.ts)
      user.runs.splice(after < 0 ? user.runs.length : after, 0, { events: [kept], ids: new Set([kept.eventId]) })
      return 'accepted'
    }
    const [run, next] = joined
    if (next) {
      run.events.push(...next.events)
      for (const id of next.ids) run.ids.add(id)
      user.runs.splice(user.runs.indexOf(next), 1)
    }
    let at = run.events.length
    while (at > 0 && compareKept(kept, run.events[at - 1]) < 0) at--
    run.events.splice(at, 0, kept)
    run.ids.add(kept.eventId)
    return 'accepted'
  }

  /** A run cut greedily by the caps, each piece as it stands at the watermark. */
  #pieces(events: Kept[], watermark: number): Piece[] {
    const { gapMs, sessionMaxMs, sessionEventsMax } = this.#settings
    const pieces: Piece[] = []
    let from = 0
    const capped = events.length > sessionEventsMax || lastOf(events).ts - firstOf(events).ts > sessionMaxMs
    for (let at = 1; capped && at < events.length; at++) {
      if (events[at].ts - events[from].ts <= sessionMaxMs && at - from < sessionEventsMax) continue
      pieces.push({ events: events.slice(from, at), cut: true, closed: watermark > events[at].ts, overMs: events[at].ts })
      from = at
    }
    const overMs = lastOf(events).ts + gapMs
    pieces.push({ events: capped ? events.slice(from) : events, cut: false, closed: watermark > overMs, overMs })
    return pieces
  }

  #settle(user: User, piece: Piece, watermark: number): void {
    const { session, incidents } = this.#rowsOf(user, piece, watermark, this.#settings)
    this.result.sessions.set(session.session_id, session)
    for (const incident of incidents) this.result.incidents.set(incident.incident_id, incident)
    this.#counters(user.orgId)[piece.closed ? 'closed' : 'open'] += piece.events.length
  }

  #advance(actor: Actor, watermark: number): void {
    if (watermark <= actor.watermark) return
    actor.watermark = watermark
    if (watermark - actor.sweptAt < SWEEP_MS) return
    actor.sweptAt = watermark
    for (const [key, user] of actor.users) {
      user.runs = user.runs.filter((run) => !this.#letGo(user, run, watermark))
      if (user.runs.length === 0) actor.users.delete(key)
    }
  }

  /** Settles the pieces that are closed and out of reach of accepted rows; true when nothing is left of the run. */
  #letGo(user: User, run: Run, watermark: number): boolean {
    const { gapMs, correctionMs } = this.#settings
    const unreachable = (events: Kept[]) => lastOf(events).ts + gapMs < watermark - correctionMs
    if (!unreachable([firstOf(run.events)])) return false
    const pieces = this.#pieces(run.events, watermark)
    let gone = 0
    while (gone < pieces.length && pieces[gone].closed && unreachable(pieces[gone].events)) this.#settle(user, pieces[gone++], watermark)
    if (gone === pieces.length) return true
    if (gone > 0) {
      run.events = pieces.slice(gone).flatMap((piece) => piece.events)
      run.ids = new Set(run.events.map((event) => event.eventId))
    }
    return false
  }

  #actor(orgId: string, productId: string): Actor {
    const key = `${orgId}\0${productId}`
    let actor = this.#actors.get(key)
    if (!actor) this.#actors.set(key, (actor = { watermark: -Infinity, sweptAt: -Infinity, users: new Map() }))
    return actor
  }

  #user(actor: Actor, { orgId, productId, userId, anonymousId }: WireEvent): UserState {
    const key = userId ? `u:${userId}` : `a:${anonymousId}`
    let user = actor.users.get(key)
    if (!user) actor.users.set(key, (user = { orgId, productId, user: key, runs: [] }))
    return user
  }

  #counters(orgId: string): OracleCounters {
    let counters = this.result.counters.get(orgId)
    if (!counters) {
      counters = { accepted: 0, closed: 0, open: 0, duplicates: 0, late: 0, capLate: 0 }
      this.result.counters.set(orgId, counters)
    }
    return counters
  }
}

/** What the evaluator needs of an event. Absent strings, null and '' are the same. */
function keep(event: WireEvent, partition: number, offset: number): Kept {
  const rank = RANKS.indexOf(event.type)
  const ts = typeof event.ts === 'number' ? event.ts : Date.parse(event.ts)
  if (rank < 0 || !Number.isInteger(ts)) throw new Error(`no valid event at ${partition}:${offset}: ${JSON.stringify(event)}`)
  return {
    ts,
    rank,
    eventId: event.eventId,
    type: event.type,
    screen: event.screen || '',
    element: event.element || '',
    taskType: event.taskType || '',
    context: event.context || '',
    success: event.success ?? undefined,
    x: event.x ?? undefined,
    y: event.y ?? undefined,
    partition,
    offset,
  }
}

export type { Evaluator }

/** What a session amounts to. */
export type RowsOf = typeof rowsOf

/** An evaluator to be fed record by record. */
export const evaluator = (settings: Partial<OracleSettings> = {}): Evaluator => new Evaluator(settings, rowsOf)

/**
 * The answer for a whole log. Records that are no valid event are the caller's to leave out. With `rows` the sessions are found
 * here and what they amount to is asked elsewhere (fold-runner.ts: the product's operators alone, without the engine).
 */
export function evaluate(
  records: Iterable<LogRecord | IdleAdvance | Forgotten>,
  settings: Partial<OracleSettings> = {},
  rows: RowsOf = rowsOf,
): Evaluation {
  const it = new Evaluator(settings, rows)
  for (const record of records) {
    if ('event' in record) it.add(record)
    else if ('forgotten' in record) it.forget(record)
    else it.idle(record)
  }
  return it.finish()
}
