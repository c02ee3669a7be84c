// One task's keyed state: users → sessions → kept events, and each operator's record inside its session's.
//
// KeyedState owns the arenas and the rules of touching them. What a row means is window.ts's and fire.ts's; what a checkpoint
// writes is snapshot.ts's. Nothing here is visible to operators except through accessors.
// 1. A user is touched before any of its records changes: it is loaded if evicted, its old state is left to an open checkpoint,
//    it is marked dirty, and a copy goes to the undo (protocol 10, 13, 14).
// 2. A session is touched before its record changes.
import { WordList } from '../../model/word-list.ts'
import type { Fold, ReadableField, SessionFold, StateFields } from '../../operators/contract.ts'
import { Arena, type Mark, shorten } from './arena.ts'
import { chunksOf, EventCursor, Kept } from './kept.ts'
import { type RecordAccessor, type RecordLayout, recordAccessor, recordLayout } from './record.ts'
import { Texts } from './texts.ts'
import { USER, USER_FLAG, Users } from './users.ts'

/** Fields of a session record: the first five count f64, the others words. Operator state follows. */
export const S = {
  FIRST: 0,
  LAST: 1,
  /** Time of its last snapshot, 0 for none. */
  SNAPSHOT: 2,
  /** The latest time at which a timer ran because the watermark got there; Infinity once closed. What comes before it is a refold. */
  HORIZON: 3,
  RECEIVED: 4,
  HEAD: 10,
  TAIL: 11,
  COUNT: 12,
  /** Events folded so far, and the chunk that holds the next one. */
  FOLDED: 13,
  FOLD_CHUNK: 14,
  OLDER: 15,
  USER: 16,
  FLAGS: 17,
  /** Events of it in the actor's counters, as open or closed by the flag COUNTED_CLOSED. */
  COUNTED: 18,
  /** A small Bloom filter of its ids: four words. */
  BLOOM: 19,
  /** What was emitted last for it: version (0 for nothing), id (four words), content (texts.ts). */
  VERSION: 23,
  ID: 24,
  CONTENT: 28,
  CONTENT_LENGTH: 29,
  WORDS: 30,
} as const
export const SESSION_FLAG = {
  CLOSED: 1,
  /** Ended by a cap; the next newer session goes on from it. */
  CUT: 2,
  /** Begins at a cap of the next older session. */
  AFTER_CUT: 4,
  TOUCHED: 8,
  /** To be folded from its start. */
  REFOLD: 16,
  COUNTED_CLOSED: 32,
  /** What it was made of had been published: publish it at the next cut. */
  CORRECTS: 64,
  /** Was stored under another layout: its operators' state is to be made from its events (layouts.ts). */
  STALE: 128,
} as const

/** What was emitted last for an id: immutable, so that copies may share it. */
export interface Published {
  id: string
  version: number
  /** The content fields as JSON text, without braces: its UTF-8 bytes, one per character. */
  content: string
}
export interface SessionSide {
  incidents: readonly (Published & { kind: string })[]
  /** Retracted ids whose first event lies within this session's time (`content` is that time): one that comes back goes on counting. */
  gone: readonly Published[]
}
/** Of an entry, what its content does not take: its id, and what V8 puts around both. */
const ENTRY_BYTES = 128
export const sideBytes = ({ incidents, gone }: SessionSide): number => {
  let bytes = (incidents.length + gone.length) * ENTRY_BYTES
  for (const { content } of incidents) bytes += content.length
  for (const { content } of gone) bytes += content.length
  return bytes
}

/** The clickstream's window over a user's events. Times in ms. */
export interface WindowSettings {
  gapMs: number
  allowedDisorderMs: number
  idleTimeoutMs: number
  correctionMs: number
  snapshotMs: number
  sessionMaxMs: number
  sessionEventsMax: number
}

export interface LiftedFold {
  fold: Fold<StateFields>
  layout: RecordLayout
  state: RecordAccessor
  /** Word of its record inside a session's. */
  base: number
}

export class KeyedState {
  readonly users = new Users()
  readonly kept: Kept
  readonly sessions: Arena<SessionSide>
  /** Contents of the sessions that were published. */
  readonly texts = new Texts()
  /** Of what is evicted, and held for a checkpoint. */
  readonly arenas: readonly Arena<unknown>[]
  readonly folds: LiftedFold[]
  readonly cursor: EventCursor
  /** Users touched in this turn. */
  readonly touched = new WordList()
  /** Users changed since the last checkpoint began. */
  dirty: number[] = []
  /** Of sessions with more than 64 events, by session: a filter of their ids, before the exact comparison. */
  readonly idFilters = new Map<number, Uint32Array>()
  /** Users whose sessions are in the state store, not in memory. */
  evictedUsers = 0
  /** Advances with every epoch; what eviction goes by. */
  epoch = 0
  /** Advances with every checkpoint that begins. Told by it, and not by flags, which users changed: a begin touches none of a million. */
  generation = 2
  /** A checkpoint is open: of the generation before. */
  isSaving = false
  /** Dirty users that are not in the open checkpoint. */
  fresh = 0
  /** Brings an evicted user's sessions back. Set by the state cache. */
  load: (user: number) => void = () => undefined
  /** Leaves the user's present state to the open checkpoint. Set while one is open. */
  freeze: (user: number) => void = () => undefined
  /** Whether the open checkpoint has copies of the user's session records, which rely on the chains of kept events as they were. */
  isFrozen: (user: number) => boolean = () => false

  constructor(folds: readonly Fold<StateFields>[], sessionFold: SessionFold<object>) {
    const reads = new Set<ReadableField>([...folds, sessionFold].flatMap((f) => f.reads))
    this.kept = new Kept(reads)
    this.cursor = new EventCursor(this.kept)
    let words: number = S.WORDS
    const layouts = folds.map((fold) => {
      const layout = recordLayout(fold.state)
      const base = words
      words += layout.words
      return { fold, layout, base }
    })
    this.sessions = new Arena<SessionSide>(words, { sideBytes })
    this.arenas = [this.sessions as Arena<unknown>, this.kept.arena as Arena<unknown>, this.texts.arena as Arena<unknown>]
    this.folds = layouts.map((lifted) => ({
      ...lifted,
      state: recordAccessor(lifted.layout, this.sessions as Arena<unknown>, lifted.base),
    }))
  }

  /** What records take; where an arena is about to grow, as less than one of so many parts of it lies free, what all of them hold: memory that lies
   *  free in another is of no use to it. */
  bytesUsed(parts = 8): number {
    let used = 0
    let held = 0
    let isTight = false
    for (const arena of this.arenas) {
      used += arena.bytesUsed
      held += arena.bytesHeld
      isTight ||= arena.isTight(parts)
    }
    return isTight ? held : used
  }

  touchUser(user: number): void {
    const at = user * this.users.arena.words
    const flags = this.users.arena.u32[at + USER.FLAGS]
    if (flags & USER_FLAG.TOUCHED) {
      this.users.arena.touch(user)
      return
    }
    if (flags & USER_FLAG.EVICTED) this.load(user)
    if (this.isUnsaved(user) && (flags & USER_FLAG.WRITTEN) === 0) this.freeze(user)
    // Set before the undo copy: a turn that is undone leaves the user dirty, which costs a write, never a loss.
    this.markDirty(user)
    this.users.arena.u32[at + USER.USED] = this.epoch
    this.users.arena.touch(user)
    this.users.arena.u32[at + USER.FLAGS] |= USER_FLAG.TOUCHED
    this.touched.push(user)
  }

  /** Changed since the last checkpoint began (protocol 13). */
  isDirty(user: number): boolean {
    return this.users.arena.u32[user * this.users.arena.words + USER.CHANGED] === this.generation
  }

  /** In the open checkpoint, written or not: what it had is in no finished one yet, so it is not evicted (protocol 14). */
  isUnsaved(user: number): boolean {
    return this.isSaving && this.users.arena.u32[user * this.users.arena.words + USER.CHANGED] === this.generation - 1
  }

  /** Its sessions are in memory, or it has none. */
  markDirty(user: number): void {
    const { u32, words } = this.users.arena
    const at = user * words
    if (u32[at + USER.CHANGED] !== this.generation) {
      this.dirty.push(user)
      if (this.isSaving && !this.isUnsaved(user)) this.fresh++
    }
    if (u32[at + USER.FLAGS] & USER_FLAG.EVICTED) this.evictedUsers--
    u32[at + USER.CHANGED] = this.generation
    u32[at + USER.FLAGS] &= ~(USER_FLAG.WRITTEN | USER_FLAG.EVICTED)
  }

  touchSession(session: number): void {
    this.sessions.touch(session)
    this.sessions.u32[session * this.sessions.words + S.FLAGS] |= SESSION_FLAG.TOUCHED
  }

  /** The user's newest session, 0 for none. */
  newest(user: number): number {
    return this.users.arena.u32[user * this.users.arena.words + USER.HEAD]
  }

  older(session: number): number {
    return this.sessions.u32[session * this.sessions.words + S.OLDER]
  }

  flags(session: number): number {
    return this.sessions.u32[session * this.sessions.words + S.FLAGS]
  }

  time(session: number, field: 0 | 1 | 2 | 3 | 4): number {
    return this.sessions.f64[((session * this.sessions.words) >> 1) + field]
  }

  word(session: number, field: number): number {
    return this.sessions.u32[session * this.sessions.words + field]
  }

  /** A user's sessions, oldest first. */
  listSessions(user: number, into: number[]): number[] {
    let count = 0
    for (let session = this.newest(user); session !== 0; session = this.older(session)) into[count++] = session
    shorten(into, count)
    return count > 1 ? into.reverse() : into
  }

  /** What was emitted last for a session. */
  published(session: number): Published | undefined {
    const at = session * this.sessions.words
    const { u32 } = this.sessions
    const version = u32[at + S.VERSION]
    if (version === 0) return undefined
    let id = ''
    for (let i = 0; i < 4; i++) id += u32[at + S.ID + i].toString(16).padStart(8, '0')
    return { id, version, content: this.texts.latin1(u32[at + S.CONTENT], u32[at + S.CONTENT_LENGTH]) }
  }

  /** Forgets it; the session was touched. */
  unpublish(session: number): void {
    const at = session * this.sessions.words
    const { u32 } = this.sessions
    if (u32[at + S.VERSION] === 0) return
    this.texts.drop(u32[at + S.CONTENT], u32[at + S.CONTENT_LENGTH])
    u32[at + S.VERSION] = u32[at + S.CONTENT] = u32[at + S.CONTENT_LENGTH] = 0
  }

  /** Drops a session's record, its chunks and its content; its user's list is the caller's. */
  dropSession(session: number): void {
    this.kept.arena.dropChain(this.word(session, S.HEAD), chunksOf(this.word(session, S.COUNT)))
    this.texts.drop(this.word(session, S.CONTENT), this.word(session, S.CONTENT_LENGTH))
    this.idFilters.delete(session)
    this.sessions.drop(session)
  }

  /** Moves the texts into other memory where theirs is large and most of it lies free: it is not given back otherwise. Between turns, while
   *  no checkpoint is open. */
  compactTexts(largeBytes = 4 << 20): void {
    const { texts, sessions } = this
    const { u32: from, bytesHeld, bytesUsed } = texts.arena
    if (bytesHeld < largeBytes || bytesUsed * 2 > bytesHeld) return
    texts.arena.renew()
    for (const user of this.users)
      for (let session = this.newest(user); session !== 0; session = this.older(session)) {
        const at = session * sessions.words
        sessions.u32[at + S.CONTENT] = texts.moved(from, sessions.u32[at + S.CONTENT], sessions.u32[at + S.CONTENT_LENGTH])
      }
  }

  savepoint(): { marks: Mark[]; touched: number } {
    return { marks: [this.users.arena, ...this.arenas].map((arena) => arena.savepoint()), touched: this.touched.length }
  }

  rollback({ marks, touched }: ReturnType<KeyedState['savepoint']>): void {
    for (const [i, arena] of [this.users.arena, ...this.arenas].entries()) arena.rollback(marks[i])
    this.touched.length = touched
    this.idFilters.clear()
  }

  /** Ends the turn. */
  settle(): void {
    const { u32, words } = this.users.arena
    for (let i = 0; i < this.touched.length; i++) u32[this.touched.words[i] * words + USER.FLAGS] &= ~USER_FLAG.TOUCHED
    this.touched.length = 0
    this.users.arena.settle()
    for (const arena of this.arenas) arena.settle()
  }
}
