// The end of an actor's turn: timers that are due, sessions that close, and the difference to what was published.
//
// Fire owns versions: everything that leaves goes through `publish`. What is emitted is the set {id → content} of the folds; a changed
// content is the next version, an id that is no longer in the set is retracted (docs/events.md).
// 1. Timers run in time order per key, with now = their time, when the watermark gets there (protocol 3).
// 2. All outputs of a user are written together, so that the receipt can hash them per key (protocol 6).
import type { Incident, SessionFold, Sym, Walk } from '../../operators/contract.ts'
import type { SessionEvent } from '../../operators/contract.ts'
import { h128, hash128 } from '../../model/hash.ts'

import { type KeyedState, type Published, S, SESSION_FLAG, type SessionSide, type WindowSettings } from '../state/keyed-state.ts'
import { USER } from '../state/users.ts'
import type { Actor } from './actor.ts'
import type { DraftEmit } from './lift.ts'
import { hex128, type TopicOutput } from './outputs.ts'
import type { Draft, Orphan, Turn } from './turn.ts'
import { uncount } from './window.ts'

export const EVIDENCE_MAX = 64
const NO_DRAFTS: readonly Draft[] = []
const NONE: SessionSide = { session: undefined, incidents: [], gone: [] }

export class Fire {
  private readonly state: KeyedState
  private readonly settings: WindowSettings
  private readonly sessionFold: SessionFold<object>
  private readonly emit: DraftEmit
  private readonly sessionsOut: TopicOutput
  private readonly incidentsOut: TopicOutput
  private readonly partition: number
  private readonly scratch = Buffer.alloc(2048)
  private readonly places: number[] = []
  private readonly list: number[] = []
  private readonly walk: SessionWalk

  constructor(state: KeyedState, settings: WindowSettings, sessionFold: SessionFold<object>, emit: DraftEmit, sessionsOut: TopicOutput, incidentsOut: TopicOutput, partition: number) {
    this.state = state
    this.settings = settings
    this.sessionFold = sessionFold
    this.emit = emit
    this.sessionsOut = sessionsOut
    this.incidentsOut = incidentsOut
    this.partition = partition
    this.walk = new SessionWalk(state)
  }

  /** Touches the users whose timers the watermark has reached; returns them with the times they had, to be put back if the turn fails. */
  due(actor: Actor): [number, number][] {
    const { state } = this
    const popped: [number, number][] = []
    while (actor.timers.firstMs <= actor.watermark) {
      const at = actor.timers.firstMs
      const user = actor.timers.pop()
      popped.push([at, user])
      const record = user * state.users.arena.words
      if (state.users.arena.u32[record + USER.ACTOR] === actor.index && state.users.arena.f64[(record >> 1) + USER.DUE] === at) state.touchUser(user)
    }
    return popped
  }

  /** Ends the turn of one user: timers, closes, outputs, what is forgotten, and the next timer. `orphans` are the user's own, by id. */
  user(turn: Turn, user: number, snapshots: boolean, drafts: ReadonlyMap<number, Draft[]>, orphans: Map<string, Orphan>): void {
    const { state, settings } = this
    const { actor } = turn
    const sessions = state.listSessions(user, this.list)
    this.sessionsOut.beginKey()
    this.incidentsOut.beginKey()
    let dueMs = Number.POSITIVE_INFINITY
    let endsMs = Number.NEGATIVE_INFINITY
    for (let i = 0; i < sessions.length; i++) {
      const session = sessions[i]
      const flags = state.flags(session)
      const last = state.time(session, S.LAST)
      endsMs = Math.max(endsMs, last + settings.gapMs)
      if (flags & SESSION_FLAG.CLOSED && (flags & SESSION_FLAG.TOUCHED) === 0) {
        if (last + settings.gapMs < actor.watermark - settings.correctionMs) this.forget(user, sessions, i)
        continue
      }
      const cut = flags & SESSION_FLAG.CUT ? state.time(sessions[i + 1], S.FIRST) : undefined
      const endMs = cut ?? last + settings.gapMs
      const before = turn.drafts.length
      const next = this.runTimers(turn, session, endMs)
      const closes = actor.watermark > endMs
      if (closes) this.close(turn, session)
      this.count(actor, session)
      let own = drafts.get(session) ?? NO_DRAFTS
      if (turn.drafts.length > before) own = [...own, ...turn.drafts.slice(before)]
      this.publish(turn, user, session, snapshots, own, orphans)
      state.sessions.u32[session * state.sessions.words + S.FLAGS] &= ~SESSION_FLAG.TOUCHED
      if (!closes) dueMs = Math.min(dueMs, next, endMs)
      else if (last + settings.gapMs < actor.watermark - settings.correctionMs) this.forget(user, sessions, i)
    }
    for (const orphan of orphans.values()) this.retract(turn, orphan)
    this.sessionsOut.endKey()
    this.incidentsOut.endKey()
    state.users.arena.f64[((user * state.users.arena.words) >> 1) + USER.DUE] = dueMs
    state.users.arena.f64[((user * state.users.arena.words) >> 1) + USER.ENDS] = endsMs
    if (dueMs < Number.POSITIVE_INFINITY) actor.timers.push(dueMs, user)
  }

  /** Retracts all that a user has published and drops its sessions; events in no closed session count as dead-lettered (protocol 21). */
  forgetUser(turn: Turn, user: number, orphans: Iterable<Orphan>): void {
    const { state } = this
    const { actor } = turn
    this.sessionsOut.beginKey()
    this.incidentsOut.beginKey()
    const gone: Orphan[] = [...orphans]
    for (const session of state.listSessions(user, this.list).slice()) {
      const side = state.sessions.side[session]
      if (side?.session) gone.push({ ...side.session, kind: 'session', user })
      for (const incident of side?.incidents ?? []) gone.push({ ...(incident as Published & { kind: Incident['kind'] }), user })
      if ((state.flags(session) & SESSION_FLAG.COUNTED_CLOSED) === 0) {
        uncount(state, actor, session)
        actor.counters.deadLettered += state.word(session, S.COUNT)
      }
      state.dropSession(session)
    }
    state.users.arena.u32[user * state.users.arena.words + USER.HEAD] = 0
    state.users.arena.f64[((user * state.users.arena.words) >> 1) + USER.DUE] = Number.POSITIVE_INFINITY
    for (const orphan of gone) this.retract(turn, orphan)
    this.sessionsOut.endKey()
    this.incidentsOut.endKey()
  }

  private runTimers(turn: Turn, session: number, endMs: number): number {
    const { state } = this
    const until = Math.min(turn.actor.watermark, endMs)
    let next = Number.POSITIVE_INFINITY
    for (const { fold, state: record } of state.folds) {
      if (fold.nextTimerMs === undefined) continue
      record.move(session)
      let timer = fold.nextTimerMs(record as never)
      while (timer <= until) {
        state.touchSession(session)
        this.emit.session = session
        this.emit.drafts = turn.drafts
        fold.onTimer?.(record as never, timer, this.emit)
        const at = (session * state.sessions.words) >> 1
        if (timer > state.sessions.f64[at + S.HORIZON]) state.sessions.f64[at + S.HORIZON] = timer
        const after = fold.nextTimerMs(record as never)
        if (!(after > timer)) throw new Error(`${fold.name}: nextTimerMs must move on after onTimer, and stays at ${after}`)
        timer = after
      }
      next = Math.min(next, timer)
    }
    return next
  }

  private close(turn: Turn, session: number): void {
    const { state } = this
    if (state.flags(session) & SESSION_FLAG.CLOSED) return
    state.touchSession(session)
    for (const { fold, state: record } of state.folds) {
      if (fold.onClose === undefined) continue
      record.move(session)
      this.emit.session = session
      this.emit.drafts = turn.drafts
      fold.onClose(record as never, this.emit)
    }
    state.sessions.u32[session * state.sessions.words + S.FLAGS] |= SESSION_FLAG.CLOSED
    state.sessions.f64[((session * state.sessions.words) >> 1) + S.HORIZON] = Number.POSITIVE_INFINITY
  }

  private count(actor: Actor, session: number): void {
    const { state } = this
    const closed = state.flags(session) & SESSION_FLAG.CLOSED
    const count = state.word(session, S.COUNT)
    if (state.word(session, S.COUNTED) === count && ((state.flags(session) & SESSION_FLAG.COUNTED_CLOSED) !== 0) === (closed !== 0)) return
    state.sessions.touch(session)
    uncount(state, actor, session)
    const at = session * state.sessions.words
    if (closed) {
      actor.counters.closed += count
      state.sessions.u32[at + S.FLAGS] |= SESSION_FLAG.COUNTED_CLOSED
    } else {
      actor.counters.open += count
      state.sessions.u32[at + S.FLAGS] &= ~SESSION_FLAG.COUNTED_CLOSED
    }
    state.sessions.u32[at + S.COUNTED] = count
  }

  private forget(user: number, sessions: number[], i: number): void {
    const { state } = this
    const session = sessions[i]
    const newer = sessions[i + 1] ?? 0
    const older = state.older(session)
    if (newer === 0) state.users.arena.u32[user * state.users.arena.words + USER.HEAD] = older
    else {
      state.sessions.touch(newer)
      state.sessions.u32[newer * state.sessions.words + S.OLDER] = older
    }
    state.dropSession(session)
  }

  private publish(turn: Turn, user: number, session: number, snapshots: boolean, own: readonly Draft[], orphans: Map<string, Orphan>): void {
    const { state, settings } = this
    const flags = state.flags(session)
    const first = state.time(session, S.FIRST)
    const side = state.sessions.side[session]
    const closed = (flags & SESSION_FLAG.CLOSED) !== 0
    const moved = state.time(session, S.LAST) >= Math.max(first, state.time(session, S.SNAPSHOT)) + settings.snapshotMs
    const whole = closed || (flags & SESSION_FLAG.CORRECTS) !== 0 || snapshots || (settings.snapshotMs > 0 && moved)
    if (!whole && own.length === 0) return
    state.touchSession(session)
    const { actor } = turn
    // The first event of a session that was published is still its first, or it would have been built anew.
    const sessionId = side?.session?.id ?? this.idOfSession(actor, user, state.kept.at(state.word(session, S.HEAD), 0))
    let next = side ?? NONE
    if (own.length > 0) {
      this.places.length = 0
      state.kept.places(state.word(session, S.HEAD), state.word(session, S.COUNT), this.places)
      const incidents = next.incidents.slice()
      for (const draft of lastOfEach(own)) {
        const id = this.idOfIncident(actor, user, draft)
        const at = incidents.findIndex((incident) => incident.id === id)
        const published = this.version(turn, user, session, id, incidents[at] ?? orphans.get(id), this.incidentContent(actor, sessionId, draft), this.incidentsOut)
        orphans.delete(id)
        if (at < 0) incidents.push({ ...published, kind: draft.kind })
        else incidents[at] = { ...published, kind: draft.kind }
      }
      next = { session: next.session, incidents, gone: next.gone }
    }
    if (whole) {
      const incidents = next.incidents
      const metrics = this.sessionFold.run(
        this.walk.over(session),
        (symbol: Sym) => actor.symbols.text(symbol),
        (kind) => incidents.reduce((n, incident) => n + (incident.kind === kind ? 1 : 0), 0),
      )
      const last = state.time(session, S.LAST)
      const cut = flags & SESSION_FLAG.CUT ? 1 : 0
      const count = state.word(session, S.COUNT)
      const content =
        `"closed":${closed ? 1 : 0},"cut":${cut},"started_at":${first},"ended_at":${last},"duration_ms":${last - first},"event_count":${count},` +
        JSON.stringify(metrics).slice(1, -1)
      const published = this.version(turn, user, session, sessionId, next.session ?? orphans.get(sessionId), content, this.sessionsOut)
      orphans.delete(sessionId)
      next = { session: published, incidents, gone: next.gone }
      state.sessions.f64[((session * state.sessions.words) >> 1) + S.SNAPSHOT] = last
      state.sessions.u32[session * state.sessions.words + S.FLAGS] &= ~SESSION_FLAG.CORRECTS
    }
    state.sessions.side[session] = next
  }

  /** Writes the next version where the content changed; returns what is published now. */
  private version(turn: Turn, user: number, session: number, id: string, before: Published | undefined, content: string, out: TopicOutput): Published {
    if (before?.content === content) return before.id === id && !('user' in before) ? before : { id, version: before.version, content }
    const version = (before?.version ?? 0) + 1
    this.write(turn.actor, user, id, version, content, 0, '', this.state.time(session, S.RECEIVED), out)
    return { id, version, content }
  }

  private retract(turn: Turn, orphan: Orphan): void {
    const { kind, user, id, content } = orphan
    const version = kind === 'gone' ? orphan.version : orphan.version + 1
    const firstMs = Number(kind === 'gone' ? content : /"(?:started|first)_at":(\d+)/.exec(content)?.[1])
    if (kind === 'session') this.write(turn.actor, user, id, version, content, 1, this.holderOf(turn.actor, user, id, firstMs), 0, this.sessionsOut)
    else if (kind !== 'gone') this.write(turn.actor, user, id, version, content, 1, '', 0, this.incidentsOut)
    this.remember(user, firstMs, { id, version, content: `${firstMs}` })
  }

  /** Leaves the version of a retracted id with the session that has the event which it began with. */
  private remember(user: number, firstMs: number, gone: Published): void {
    const { state } = this
    for (let session = state.newest(user); session !== 0; session = state.older(session)) {
      if (firstMs < state.time(session, S.FIRST) || firstMs > state.time(session, S.LAST)) continue
      state.sessions.touch(session)
      const side = state.sessions.side[session] ?? NONE
      state.sessions.side[session] = { ...side, gone: [...side.gone.filter(({ id }) => id !== gone.id), gone] }
    }
  }

  /** Id of the session that holds the event which a former session of this id began with, '' for none. */
  private holderOf(actor: Actor, user: number, formerId: string, firstMs: number): string {
    const { state } = this
    const { kept } = state
    for (let session = state.newest(user); session !== 0; session = state.older(session)) {
      if (firstMs < state.time(session, S.FIRST) || firstMs > state.time(session, S.LAST)) continue
      this.places.length = 0
      kept.places(state.word(session, S.HEAD), state.word(session, S.COUNT), this.places)
      for (const place of this.places)
        if (kept.time(place) === firstMs && this.idOfSession(actor, user, place) === formerId)
          return this.idOfSession(actor, user, this.places[0])
    }
    return ''
  }

  private write(actor: Actor, user: number, id: string, version: number, content: string, deleted: 0 | 1, replacedBy: string, received: number, out: TopicOutput): void {
    const userId = JSON.stringify(Buffer.from(this.state.users.key(user)).toString())
    const head = `{${actor.json}"user_id":${userId},`
    out.write(
      out === this.sessionsOut
        ? `${head}"session_id":"${id}","version":${version},"deleted":${deleted},"replaced_by":"${replacedBy}",${content},"received_at":${received}}`
        : `${head}"incident_id":"${id}","version":${version},"deleted":${deleted},${content},"received_at":${received}}`,
    )
  }

  private incidentContent(actor: Actor, sessionId: string, draft: Draft): string {
    const { kept } = this.state
    const evidence: string[] = []
    const code = TYPE_CODES[draft.of]
    const needScreen = draft.of === 'screen_view' ? kept.words.screen : undefined
    for (let i = draft.first; i <= draft.last && evidence.length < EVIDENCE_MAX; i++) {
      const at = this.places[i]
      if (kept.typeCode(at) !== code || (needScreen !== undefined && kept.arena.u32[at + needScreen] === 0)) continue
      evidence.push(`[${this.partition},${kept.offset(at)}]`)
    }
    const { symbols } = actor
    return (
      `"session_id":"${sessionId}","kind":"${draft.kind}","profile":"${draft.profile}","open":${draft.open ? 1 : 0},` +
      `"screen":${symbols.quoted(draft.screen)},"element":${symbols.quoted(draft.element)},"count":${draft.count},` +
      `"first_at":${draft.firstMs},"last_at":${draft.lastMs},"evidence":[${evidence.join(',')}]`
    )
  }

  /** hash(org, product, user, ts and id of the first event). */
  private idOfSession(actor: Actor, user: number, first: number): string {
    return this.hash(actor, user, '', first)
  }

  private idOfIncident(actor: Actor, user: number, draft: Draft): string {
    return this.hash(actor, user, `${draft.kind}\0${draft.profile}\0`, this.places[draft.first])
  }

  private hash(actor: Actor, user: number, middle: string, first: number): string {
    const { kept } = this.state
    const key = this.state.users.key(user)
    const buffer = this.scratch
    buffer.set(actor.prefix, 0)
    buffer.set(key, actor.prefix.length)
    let end = actor.prefix.length + key.length
    buffer[end++] = 0
    const id = hex128([kept.idWord(first, 0), kept.idWord(first, 1), kept.idWord(first, 2), kept.idWord(first, 3)])
    end += buffer.write(`${middle}${kept.time(first)}\0${id}`, end, 'latin1')
    hash128(buffer, 0, end)
    return hex128(h128)
  }
}

const TYPE_CODES: Record<string, number> = { screen_view: 0, task_started: 1, click: 2, custom: 3, error: 4, task_completed: 5 }

/** The last draft of each (kind, profile, first). */
function lastOfEach(drafts: readonly Draft[]): readonly Draft[] {
  if (drafts.length === 1) return drafts
  const last = new Map<string, Draft>()
  for (const draft of drafts) last.set(`${draft.kind}\0${draft.profile}\0${draft.first}`, draft)
  return [...last.values()]
}

class SessionWalk implements Walk<SessionEvent> {
  private session = 0
  private readonly state: KeyedState

  constructor(state: KeyedState) {
    this.state = state
  }

  get length(): number {
    return this.state.word(this.session, S.COUNT)
  }

  over(session: number): this {
    this.session = session
    return this
  }

  forEach(visit: (event: SessionEvent) => void): void {
    const { cursor } = this.state
    const count = this.length
    cursor.begin(this.state.word(this.session, S.HEAD), 0)
    for (let i = 0; i < count; i++) {
      cursor.next()
      visit(cursor)
    }
  }
}

