// The session window: puts rows in their place among a user's kept events. Definitions: docs/events.md.
//
// SessionWindow decides late, duplicate and cap, row by row, and keeps each user's sessions in order. It emits nothing but late events;
// the folds see what it touched. The common row is an append to the user's newest session; everything else takes the slow road.
// 1. A row's lateness is decided by its actor's rows before it (protocol 3).
// 2. Pieces of a capped run are sessions linked by CUT and AFTER_CUT; a final cut never moves.
import type { EventBatch } from '../../model/batch.ts'
import { CHUNK_EVENTS } from '../state/kept.ts'
import { type KeyedState, S, SESSION_FLAG, type WindowSettings } from '../state/keyed-state.ts'
import { USER } from '../state/users.ts'
import type { Actor } from './actor.ts'
import type { Turn } from './turn.ts'

/** Sessions of more events have a filter of their own: of what the 128 bits in the record let through by then, nearly all is new. */
const FILTER_FROM = 64
/** Of a filter, per event at least, two of them set: of new ids it lets one of 70 through. */
const FILTER_BITS = 16

export class SessionWindow {
  private readonly state: KeyedState
  private readonly settings: WindowSettings
  private readonly writeLate: (turn: Turn, row: number, reason: 'late' | 'cap') => void
  private readonly pieces: number[] = []
  private readonly places: number[] = []

  constructor(state: KeyedState, settings: WindowSettings, writeLate: (turn: Turn, row: number, reason: 'late' | 'cap') => void) {
    this.state = state
    this.settings = settings
    this.writeLate = writeLate
  }

  /** Puts the turn's rows in place. */
  place(turn: Turn): void {
    const { actor, batch, rows } = turn
    for (let i = turn.from; i < turn.to; i++) {
      const row = rows[i]
      if (turn.skip?.has(row)) {
        actor.counters.accepted++
        actor.counters.deadLettered++
        continue
      }
      this.placeRow(turn, row)
      actor.advance(batch.ts[row], this.settings.allowedDisorderMs)
    }
  }

  private placeRow(turn: Turn, row: number): void {
    const { actor, batch } = turn
    const { state, settings } = this
    const ts = batch.ts[row]
    actor.counters.accepted++
    if (ts < actor.watermark - settings.correctionMs) {
      this.late(turn, row, 'late')
      return
    }
    const user = turn.routed.users[row]
    state.touchUser(user)
    const newest = state.newest(user)
    if (newest === 0) {
      this.begin(turn, user, 0, 0, row, 0)
      return
    }
    const { f64, u32, words } = state.sessions
    const at = newest * words
    const last = f64[(at >> 1) + S.LAST]
    if (ts - last > settings.gapMs) {
      this.begin(turn, user, newest, 0, row, 0)
      return
    }
    if (
      (u32[at + S.FLAGS] & SESSION_FLAG.AFTER_CUT) === 0 &&
      u32[at + S.COUNT] < settings.sessionEventsMax &&
      ts - f64[(at >> 1) + S.FIRST] <= settings.sessionMaxMs
    ) {
      if (ts > last) {
        if (this.holds(newest, batch, row)) actor.counters.duplicates++
        else {
          this.append(newest, turn, row)
          if (ts <= f64[(at >> 1) + S.HORIZON]) u32[at + S.FLAGS] |= SESSION_FLAG.REFOLD
        }
        return
      }
      if (this.placeInNewest(turn, user, newest, row)) return
    }
    this.placeSlowly(turn, user, row)
  }

  /** A row that ties with the last event or comes before it, where no other session is near and no cap: false if it is not so. */
  private placeInNewest(turn: Turn, user: number, session: number, row: number): boolean {
    const { actor, batch } = turn
    const { state, settings } = this
    const ts = batch.ts[row]
    const first = state.time(session, S.FIRST)
    const last = state.time(session, S.LAST)
    const older = state.older(session)
    if (ts < first - settings.gapMs || last - Math.min(first, ts) > settings.sessionMaxMs) return false
    if (older !== 0 && ts <= state.time(older, S.LAST) + settings.gapMs) return false
    if (this.holds(session, batch, row)) {
      actor.counters.duplicates++
      return true
    }
    const { kept } = state
    const count = state.word(session, S.COUNT)
    const behind = !kept.rowBefore(batch, row, kept.at(state.word(session, S.TAIL), (count - 1) % CHUNK_EVENTS))
    if (!behind && state.isFrozen(user)) return false
    state.touchSession(session)
    const at = session * state.sessions.words
    if (!behind || ts <= state.time(session, S.HORIZON)) state.sessions.u32[at + S.FLAGS] |= SESSION_FLAG.REFOLD
    if (behind) this.append(session, turn, row)
    else {
      const tail = kept.insert(state.word(session, S.HEAD), count, batch, row, turn.routed.symbols)
      state.sessions.u32[at + S.TAIL] = tail
      this.counted(session, batch, row)
      if (ts < first) state.sessions.f64[(at >> 1) + S.FIRST] = ts
    }
    return true
  }

  /** Rows that tie, come out of order, meet a closed session, a cap, or more than one session. */
  private placeSlowly(turn: Turn, user: number, row: number): void {
    const { actor, batch } = turn
    const { state, settings } = this
    const ts = batch.ts[row]
    const gap = settings.gapMs
    const pieces = state.listSessions(user, this.pieces)
    let a = -1
    let b = -1
    for (let i = 0; i < pieces.length; i++)
      if (ts >= state.time(pieces[i], S.FIRST) - gap && ts <= state.time(pieces[i], S.LAST) + gap) {
        if (a < 0) a = i
        b = i
      }
    if (a < 0) {
      let older = pieces.length - 1
      while (older >= 0 && state.time(pieces[older], S.FIRST) > ts) older--
      this.begin(turn, user, pieces[older] ?? 0, pieces[older + 1] ?? 0, row, 0)
      return
    }
    const joinedTo = b
    while (b + 1 < pieces.length && state.flags(pieces[b + 1]) & SESSION_FLAG.AFTER_CUT) b++
    for (let i = a; i <= b; i++)
      if (
        state.flags(pieces[i]) & SESSION_FLAG.AFTER_CUT &&
        state.time(pieces[i], S.FIRST) < actor.watermark &&
        state.kept.rowBefore(batch, row, state.kept.at(state.word(pieces[i], S.HEAD), 0))
      ) {
        this.late(turn, row, 'cap')
        return
      }
    for (let i = a; i <= joinedTo; i++)
      if (this.holds(pieces[i], batch, row)) {
        actor.counters.duplicates++
        return
      }
    let p = a
    while (p < b && !state.kept.rowBefore(batch, row, state.kept.at(state.word(pieces[p + 1], S.HEAD), 0))) p++
    const piece = pieces[p]
    const tail = (state.word(piece, S.COUNT) - 1) % CHUNK_EVENTS
    if (p === b && !state.kept.rowBefore(batch, row, state.kept.at(state.word(piece, S.TAIL), tail))) {
      if (this.fits(piece, ts)) {
        this.append(piece, turn, row)
        if (ts <= state.time(piece, S.HORIZON)) state.sessions.u32[piece * state.sessions.words + S.FLAGS] |= SESSION_FLAG.REFOLD
      } else {
        // It ends otherwise than its folds thought.
        state.touchSession(piece)
        state.sessions.u32[piece * state.sessions.words + S.FLAGS] |= SESSION_FLAG.CUT | SESSION_FLAG.REFOLD
        this.begin(turn, user, piece, pieces[p + 1] ?? 0, row, SESSION_FLAG.AFTER_CUT)
      }
      return
    }
    this.rebuild(turn, user, pieces, p, b, row)
  }

  private fits(session: number, ts: number): boolean {
    return (
      this.state.word(session, S.COUNT) < this.settings.sessionEventsMax &&
      ts - this.state.time(session, S.FIRST) <= this.settings.sessionMaxMs
    )
  }

  /** A new session of one row between two others (0 for none). */
  private begin(turn: Turn, user: number, older: number, newer: number, row: number, flags: number): void {
    const session = this.insert(user, older, newer)
    const { u32, words } = this.state.sessions
    u32[session * words + S.FLAGS] |= flags
    this.append(session, turn, row)
  }

  /** An empty session, linked in. */
  private insert(user: number, older: number, newer: number): number {
    const { state } = this
    const session = state.sessions.alloc()
    const { u32, f64, words } = state.sessions
    const at = session * words
    u32[at + S.USER] = user
    u32[at + S.OLDER] = older
    u32[at + S.FLAGS] = SESSION_FLAG.TOUCHED
    f64[(at >> 1) + S.HORIZON] = Number.NEGATIVE_INFINITY
    if (newer === 0) {
      state.users.arena.u32[user * state.users.arena.words + USER.HEAD] = session
    } else {
      state.sessions.touch(newer)
      state.sessions.u32[newer * words + S.OLDER] = session
    }
    return session
  }

  /** Puts the row behind a session's events. */
  private append(session: number, { batch, routed }: Turn, row: number): void {
    const { state } = this
    state.touchSession(session)
    state.kept.write(this.behind(session, batch.ts[row]), batch, row, routed.symbols)
    this.counted(session, batch, row)
  }

  /** A place behind a session's events, in another chunk where the last one is full, for an event of this time. */
  private behind(session: number, ts: number): number {
    const { kept, sessions } = this.state
    const { u32, f64 } = sessions
    const at = session * sessions.words
    const count = u32[at + S.COUNT]
    if (count % CHUNK_EVENTS === 0) {
      const next = kept.arena.allocDirty()
      if (count === 0) u32[at + S.HEAD] = u32[at + S.FOLD_CHUNK] = next
      else {
        kept.link(u32[at + S.TAIL], next)
        if (u32[at + S.FOLDED] === count) u32[at + S.FOLD_CHUNK] = next
      }
      u32[at + S.TAIL] = next
    }
    if (count === 0) f64[(at >> 1) + S.FIRST] = ts
    f64[(at >> 1) + S.LAST] = ts
    return kept.at(u32[at + S.TAIL], count % CHUNK_EVENTS)
  }

  /** What a session knows of a row besides its place. */
  private counted(session: number, batch: EventBatch, row: number): void {
    const { sessions, idFilters } = this.state
    const { u32, f64 } = sessions
    const at = session * sessions.words
    u32[at + S.COUNT]++
    if (batch.receivedAt[row] > f64[(at >> 1) + S.RECEIVED]) f64[(at >> 1) + S.RECEIVED] = batch.receivedAt[row]
    const word = batch.id[row * 4]
    u32[at + S.BLOOM + ((word >>> 5) & 3)] |= 1 << (word & 31)
    const filter = idFilters.size > 0 ? idFilters.get(session) : undefined
    if (filter) for (let w = 1; w <= 2; w++) setBit(filter, batch.id[row * 4 + w])
  }

  /** Whether the row's id is among the session's. */
  private holds(session: number, batch: EventBatch, row: number): boolean {
    const { state } = this
    const word = batch.id[row * 4]
    if ((state.word(session, S.BLOOM + ((word >>> 5) & 3)) & (1 << (word & 31))) === 0) return false
    const head = state.word(session, S.HEAD)
    const count = state.word(session, S.COUNT)
    if (count > FILTER_FROM) {
      const filter = this.idFilter(session, head, count)
      for (let w = 1; w <= 2; w++) if (!hasBit(filter, batch.id[row * 4 + w])) return false
    }
    return state.kept.hasId(head, count, batch, row)
  }

  private idFilter(session: number, head: number, count: number): Uint32Array {
    const { kept, idFilters } = this.state
    let filter = idFilters.get(session)
    if (filter && filter.length * 32 >= count * FILTER_BITS) return filter
    // Room for as many again, at least.
    filter = new Uint32Array(2 ** Math.ceil(Math.log2((count * 2 * FILTER_BITS) / 32)))
    this.places.length = 0
    kept.places(head, count, this.places)
    for (const at of this.places) for (let w = 1; w <= 2; w++) setBit(filter, kept.idWord(at, w))
    idFilters.set(session, filter)
    return filter
  }

  /** The events of pieces[from … to] and the row, in order, cut anew from the first of them. */
  private rebuild(turn: Turn, user: number, pieces: number[], from: number, to: number, row: number): void {
    const { actor, batch } = turn
    const { state, settings } = this
    const { kept } = state
    const places = this.places
    places.length = 0
    let received = batch.receivedAt[row]
    let snapshot = 0
    let published = false
    const afterCut = state.flags(pieces[from]) & SESSION_FLAG.AFTER_CUT
    for (let i = from; i <= to; i++) {
      const piece = pieces[i]
      kept.places(state.word(piece, S.HEAD), state.word(piece, S.COUNT), places)
      received = Math.max(received, state.time(piece, S.RECEIVED))
      snapshot = Math.max(snapshot, state.time(piece, S.SNAPSHOT))
      if (state.word(piece, S.VERSION) !== 0 || state.flags(piece) & SESSION_FLAG.CORRECTS) published = true
      orphan(state, turn, user, piece)
      uncount(state, actor, piece)
      state.dropSession(piece)
    }
    // The row goes into a chunk of its own first, so that from here on there are only kept events.
    const own = kept.arena.allocDirty()
    const ownAt = kept.at(own, 0)
    kept.write(ownAt, batch, row, turn.routed.symbols)
    kept.arena.drop(own)
    const behind = places.findIndex((place) => kept.compare(place, ownAt) >= 0)
    places.splice(behind < 0 ? places.length : behind, 0, ownAt)

    let older = pieces[from - 1] ?? 0
    const newer = pieces[to + 1] ?? 0
    let session = 0
    for (const place of places) {
      const ts = kept.time(place)
      if (session === 0 || !this.fits(session, ts)) {
        let flags: number = session === 0 ? afterCut : SESSION_FLAG.AFTER_CUT
        if (session !== 0) state.sessions.u32[session * state.sessions.words + S.FLAGS] |= SESSION_FLAG.CUT
        if (published) flags |= SESSION_FLAG.CORRECTS
        if (session !== 0) older = session
        session = this.insert(user, older, newer)
        state.sessions.u32[session * state.sessions.words + S.FLAGS] |= flags
        state.sessions.f64[((session * state.sessions.words) >> 1) + S.SNAPSHOT] = snapshot
        state.sessions.f64[((session * state.sessions.words) >> 1) + S.RECEIVED] = received
      }
      this.appendKept(session, place)
    }
    if (settings.sessionEventsMax < places.length) state.idFilters.delete(session)
  }

  private appendKept(session: number, place: number): void {
    const { kept, sessions } = this.state
    const at = session * sessions.words
    kept.copy(place, this.behind(session, kept.time(place)))
    sessions.u32[at + S.COUNT]++
    const word = kept.idWord(place, 0)
    sessions.u32[at + S.BLOOM + ((word >>> 5) & 3)] |= 1 << (word & 31)
  }

  private late(turn: Turn, row: number, reason: 'late' | 'cap'): void {
    turn.actor.counters.late++
    this.writeLate(turn, row, reason)
  }
}

const hasBit = (filter: Uint32Array, hash: number) => (filter[(hash >>> 5) & (filter.length - 1)] & (1 << (hash & 31))) !== 0
function setBit(filter: Uint32Array, hash: number): void {
  filter[(hash >>> 5) & (filter.length - 1)] |= 1 << (hash & 31)
}

/** Gives up what was published for a session that is to be folded anew (`keepsRow`: but for its own row): adopted by id later in the turn, or retracted. */
export function orphan(state: KeyedState, turn: Turn, user: number, session: number, keepsRow = false): void {
  const published = keepsRow ? undefined : state.published(session)
  const side = state.sessions.side[session]
  if (published === undefined && side === undefined) return
  if (published) turn.orphans.push({ ...published, kind: 'session', user })
  for (const incident of side?.incidents ?? []) turn.orphans.push({ ...incident, kind: 'incident', user })
  for (const gone of side?.gone ?? []) turn.orphans.push({ ...gone, kind: 'gone', user })
  // Its side value is part of what an undo brings back.
  state.sessions.touch(session)
  if (published) state.unpublish(session)
  state.sessions.setSide(session, undefined)
}

/** Takes a session's events out of the actor's counters. */
export function uncount(state: KeyedState, actor: Actor, session: number): void {
  const counted = state.word(session, S.COUNTED)
  if (state.flags(session) & SESSION_FLAG.COUNTED_CLOSED) actor.counters.closed -= counted
  else actor.counters.open -= counted
}
