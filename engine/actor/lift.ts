// Lifts an operator's fold into an RxJS OperatorFunction over turns: one pass over the sessions that the turn touched.
//
// A hop through RxJS costs per batch, never per event. Each lifted fold runs a copy of the loop of its own: its call sites see one
// operator only. Pipelines hold no state: after a throw the actor builds a new one (protocol 19).
import type { OperatorFunction } from 'rxjs'
import { map } from 'rxjs/internal/operators/map'
import { EVENT_TYPES } from '../../model/event.ts'
import type { Emit, Fold, Incident, StateFields } from '../../operators/contract.ts'
import { type Arena, shorten } from '../state/arena.ts'
import type { EventCursor } from '../state/kept.ts'
import { type KeyedState, type LiftedFold, S, SESSION_FLAG } from '../state/keyed-state.ts'
import { ownCopy, type RecordAccessor } from '../state/record.ts'
import type { Draft, Turn } from './turn.ts'

/** Where folds emit to: it stamps the session and keeps the draft for the end of the turn. */
export class DraftEmit implements Emit {
  session = 0
  drafts: Draft[] = []

  incident(incident: Incident): void {
    const draft = incident as Draft
    draft.session = this.session
    this.drafts.push(draft)
  }
}

// Runs from its own source (ownCopy): it may use its parameters only. F = [words, COUNT, FOLDED, FOLD_CHUNK].
function foldSessions(
  sessions: readonly number[],
  records: Arena<unknown>,
  F: readonly number[],
  event: EventCursor,
  state: RecordAccessor & object,
  fold: Fold<StateFields>,
  emit: DraftEmit,
  timer: Float64Array,
  shown: Uint8Array,
): void {
  const nextTimerMs = fold.nextTimerMs
  const u32 = records.u32
  for (let i = 0; i < sessions.length; i++) {
    const session = sessions[i]
    const at = session * F[0]
    const count = u32[at + F[1]]
    const from = u32[at + F[2]]
    if (from === count) continue
    state.move(session)
    emit.session = session
    event.begin(u32[at + F[3]], from)
    if (nextTimerMs === undefined) {
      for (let n = from; n < count; n++) {
        event.next()
        if (shown[event.typeCode] !== 0) fold.onEvent(state as never, event, emit)
      }
    } else {
      // In an array of its own: as a variable it would be an object for each event.
      timer[0] = nextTimerMs(state as never)
      for (let n = from; n < count; n++) {
        event.next()
        // Mostly there is no timer: a time that is read for nothing is an object made for nothing.
        while (timer[0] !== Number.POSITIVE_INFINITY && timer[0] < event.timeMs) {
          const at = timer[0]
          fold.onTimer?.(state as never, at, emit)
          timer[0] = nextTimerMs(state as never)
          if (!(timer[0] > at)) throw new Error(`${fold.name}: nextTimerMs must move on after onTimer, and stays at ${timer[0]}`)
        }
        if (shown[event.typeCode] === 0) continue
        fold.onEvent(state as never, event, emit)
        timer[0] = nextTimerMs(state as never)
      }
    }
  }
}

/** The copies of the loop: one for each operator of a thread, whatever the number of partitions and actors. */
const loops = new WeakMap<object, typeof foldSessions>()

/** The operator for the pipeline of one task's actors. */
export function lift(state: KeyedState, { fold, state: accessor }: LiftedFold, emit: DraftEmit): OperatorFunction<Turn, Turn> {
  let loop = loops.get(fold)
  if (loop === undefined) {
    loop = ownCopy(foldSessions)
    loops.set(fold, loop)
  }
  const run = loop
  const fields = [state.sessions.words, S.COUNT, S.FOLDED, S.FOLD_CHUNK]
  const timer = new Float64Array(1)
  const { types } = fold
  const shown = Uint8Array.from(EVENT_TYPES, (type) => (types === undefined || types.includes(type) ? 1 : 0))
  return map((turn) => {
    emit.drafts = turn.drafts
    state.cursor.symbols = turn.actor.symbols
    run(turn.sessions, state.sessions as Arena<unknown>, fields, state.cursor, accessor, fold, emit, timer, shown)
    return turn
  })
}

/** Before the folds: lists what was touched since the last pass, and clears what is to be folded from its start. */
export function gather(
  state: KeyedState,
  hasExpired: (turn: Turn, lastMs: number) => boolean,
  orphan: (turn: Turn, user: number, session: number, keepsRow: boolean) => void,
): OperatorFunction<Turn, Turn> {
  return map((turn) => {
    shorten(turn.sessions, 0)
    const { words } = state.sessions
    const own: number[] = []
    for (let i = turn.usersFrom; i < Math.min(turn.usersTo, state.touched.length); i++) {
      const user = state.touched.words[i]
      for (const session of state.listSessions(user, own)) {
        const at = session * words
        const { u32, f64 } = state.sessions
        const flags = u32[at + S.FLAGS]
        if ((flags & SESSION_FLAG.TOUCHED) === 0) continue
        if (flags & (SESSION_FLAG.REFOLD | SESSION_FLAG.STALE)) {
          state.sessions.touch(session)
          const isStale = (flags & SESSION_FLAG.REFOLD) === 0
          const isClosed = (flags & SESSION_FLAG.CLOSED) !== 0
          // One that has expired may have been swept or not.
          if (isStale && isClosed && hasExpired(turn, f64[(at >> 1) + S.LAST])) {
            state.sessions.u32[at + S.FLAGS] &= ~(SESSION_FLAG.STALE | SESSION_FLAG.TOUCHED)
            continue
          }
          // Of the same events: what has left for it as an open session is replaced when its next snapshot is due, no sooner.
          const keepsRow = isStale && !isClosed
          if (u32[at + S.VERSION] !== 0 && !keepsRow) state.sessions.u32[at + S.FLAGS] |= SESSION_FLAG.CORRECTS
          orphan(turn, user, session, keepsRow)
          if (turn.drafts.length > 0) turn.refolded.push({ session, drafts: turn.drafts.length })
          state.sessions.u32[at + S.FLAGS] &= ~(SESSION_FLAG.REFOLD | SESSION_FLAG.STALE | SESSION_FLAG.CLOSED)
          state.sessions.u32[at + S.FOLDED] = 0
          state.sessions.u32[at + S.FOLD_CHUNK] = u32[at + S.HEAD]
          if (!isStale) f64[(at >> 1) + S.HORIZON] = Number.NEGATIVE_INFINITY
          state.sessions.u32.fill(0, at + S.WORDS, at + words)
        }
        if (state.sessions.u32[at + S.FOLDED] < state.sessions.u32[at + S.COUNT]) turn.sessions.push(session)
      }
    }
    return turn
  })
}

/** After the folds: what was folded is not folded again. */
export function folded(state: KeyedState): OperatorFunction<Turn, Turn> {
  return map((turn) => {
    const { u32, words } = state.sessions
    for (const session of turn.sessions) {
      const at = session * words
      u32[at + S.FOLDED] = u32[at + S.COUNT]
      u32[at + S.FOLD_CHUNK] = u32[at + S.TAIL]
    }
    return turn
  })
}
