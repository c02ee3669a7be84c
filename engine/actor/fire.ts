// The end of an actor's turn: timers that are due, sessions that close or are forgotten, counters.
//
// Fire owns when things happen to a user at the end of a turn; what leaves then is publisher.ts's.
// 1. Timers run in time order per key, with now = their time, when the watermark gets there (protocol 3).
import { type KeyedState, S, SESSION_FLAG, type WindowSettings } from '../state/keyed-state.ts'
import { USER } from '../state/users.ts'
import type { Actor } from './actor.ts'
import type { DraftEmit } from './lift.ts'
import type { Publisher } from './publisher.ts'
import type { Draft, Orphan, Turn } from './turn.ts'
import { uncount } from './window.ts'

const NO_DRAFTS: readonly Draft[] = []

export class Fire {
  private readonly state: KeyedState
  private readonly settings: WindowSettings
  private readonly emit: DraftEmit
  private readonly publisher: Publisher
  private readonly list: number[] = []

  constructor(state: KeyedState, settings: WindowSettings, emit: DraftEmit, publisher: Publisher) {
    this.state = state
    this.settings = settings
    this.emit = emit
    this.publisher = publisher
  }

  /** Touches the users whose timers the watermark has reached, with `all` every user who has one; adds them to `popped` with the times they had,
   *  to be put back if the turn fails. */
  due(actor: Actor, all: boolean, popped: [number, number][]): void {
    const { state } = this
    const until = all ? Number.MAX_VALUE : actor.watermark
    while (actor.timers.firstMs <= until) {
      const at = actor.timers.firstMs
      const user = actor.timers.pop()
      popped.push([at, user])
      const { u32, f64, words } = state.users.arena
      const record = user * words
      if (u32[record + USER.ACTOR] !== actor.index || f64[(record >> 1) + USER.QUEUED] !== at) continue
      f64[(record >> 1) + USER.QUEUED] = Number.POSITIVE_INFINITY
      if (f64[(record >> 1) + USER.DUE] <= until) state.touchUser(user)
      else state.users.queue(actor.timers, user)
    }
  }

  /** After a turn that failed and was undone. */
  putBack(actor: Actor, popped: readonly [number, number][]): void {
    const { u32, f64, words } = this.state.users.arena
    for (const [timeMs, user] of popped) {
      // The record may be another actor's user by now.
      if (u32[user * words + USER.ACTOR] !== actor.index) continue
      actor.timers.push(timeMs, user)
      const at = ((user * words) >> 1) + USER.QUEUED
      f64[at] = Math.min(f64[at], timeMs)
    }
  }

  /** Ends the turn of one user: timers, closes, outputs, what is forgotten, and the next timer. `orphans` are the user's own, by id. */
  user(turn: Turn, user: number, snapshots: boolean, drafts: ReadonlyMap<number, Draft[]>, orphans: Map<string, Orphan>): void {
    const { state, settings } = this
    const { actor } = turn
    const sessions = state.listSessions(user, this.list)
    this.publisher.beginKey()
    let dueMs = Number.POSITIVE_INFINITY
    let endsMs = Number.NEGATIVE_INFINITY
    for (let i = 0; i < sessions.length; i++) {
      const session = sessions[i]
      const flags = state.flags(session)
      const last = state.time(session, S.LAST)
      endsMs = Math.max(endsMs, last + settings.gapMs)
      if (flags & SESSION_FLAG.CLOSED && (flags & SESSION_FLAG.TOUCHED) === 0) {
        if (this.hasExpired(actor.watermark, last)) this.forget(user, sessions, i)
        continue
      }
      const endMs = flags & SESSION_FLAG.CUT ? state.time(sessions[i + 1], S.FIRST) : last + settings.gapMs
      const before = turn.drafts.length
      const next = this.runTimers(turn, session, endMs)
      const closes = actor.watermark > endMs
      if (closes) this.close(turn, session)
      this.count(actor, session)
      let own = drafts.get(session) ?? NO_DRAFTS
      if (turn.drafts.length > before) own = [...own, ...turn.drafts.slice(before)]
      this.publisher.session(turn, user, session, snapshots, own, orphans)
      state.sessions.u32[session * state.sessions.words + S.FLAGS] &= ~SESSION_FLAG.TOUCHED
      if (!closes) dueMs = Math.min(dueMs, next, endMs)
      else if (this.hasExpired(actor.watermark, last)) this.forget(user, sessions, i)
    }
    if (orphans.size > 0) this.publisher.retract(turn, user, orphans.values())
    this.publisher.endKey()
    state.users.arena.f64[((user * state.users.arena.words) >> 1) + USER.DUE] = dueMs
    state.users.arena.f64[((user * state.users.arena.words) >> 1) + USER.ENDS] = endsMs
    state.users.queue(actor.timers, user)
  }

  /** Retracts all that a user has published and drops its sessions; their events count as dead-lettered (protocol 21): where these are in the input. */
  forgetUser(turn: Turn, user: number, orphans: Iterable<Orphan>): number[] {
    const { state } = this
    const { actor } = turn
    this.publisher.beginKey()
    const gone: Orphan[] = [...orphans]
    const places: number[] = []
    for (const session of state.listSessions(user, this.list).slice()) {
      // One that had expired before may have been swept or not: it is no part of the state any more.
      if ((state.flags(session) & SESSION_FLAG.CLOSED) === 0 || !this.hasExpired(turn.beganAt, state.time(session, S.LAST))) {
        const published = state.published(session)
        if (published) gone.push({ ...published, kind: 'session', user })
        for (const incident of state.sessions.side[session]?.incidents ?? []) gone.push({ ...incident, kind: 'incident', user })
        // All of them: what a session was counted with is gone where a row had it made anew, as one does while a checkpoint is under way.
        uncount(state, actor, session)
        actor.counters.deadLettered += state.word(session, S.COUNT)
        state.kept.places(state.word(session, S.HEAD), state.word(session, S.COUNT), places)
      }
      state.dropSession(session)
    }
    state.users.arena.u32[user * state.users.arena.words + USER.HEAD] = 0
    state.users.arena.f64[((user * state.users.arena.words) >> 1) + USER.DUE] = Number.POSITIVE_INFINITY
    this.publisher.retract(turn, user, gone)
    this.publisher.endKey()
    return places.map((place) => state.kept.offset(place))
  }

  /** No row that is accepted can reach a session with this last event. */
  hasExpired(watermark: number, lastMs: number): boolean {
    return lastMs + this.settings.gapMs < watermark - this.settings.correctionMs
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
    const cut = (state.flags(session) & SESSION_FLAG.CUT) !== 0
    for (const { fold, state: record } of state.folds) {
      if (fold.onClose === undefined) continue
      record.move(session)
      this.emit.session = session
      this.emit.drafts = turn.drafts
      fold.onClose(record as never, this.emit, state.time(session, S.LAST), cut)
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
}
