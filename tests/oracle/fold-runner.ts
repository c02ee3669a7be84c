// Runs the product's operators over sessions that the evaluator found: the folds alone, without the engine. So that an operator, or a
// planted bug of one, can be compared with the evaluator directly. Owns plain-object states and symbols; decides nothing about sessions.
import type { ContextSwitches } from '../../operators/context-switches.ts'
import type { Fold, Incident, SessionEvent, SessionFold, StateFields, StateOf } from '../../operators/contract.ts'
import type { Scores } from '../../operators/scores.ts'
import type { SessionMetrics } from '../../operators/session-metrics.ts'
import type { SessionTasks } from '../../operators/tasks.ts'
import type { RowsOf } from './evaluate.ts'
import { type IncidentAnswer, incidentId, type Kept, type SessionAnswer, sessionId } from './session-rows.ts'

export interface Operators {
  folds: readonly Fold[]
  session: SessionFold<SessionColumns>
}

/** All columns that the topology's folds give a session. */
export type SessionColumns = SessionMetrics & ContextSwitches & Scores & SessionTasks

type PlainState = Record<string, unknown>

function freshState(fields: StateFields): PlainState {
  const state: PlainState = {}
  for (const [name, type] of Object.entries(fields)) {
    if (typeof type === 'string') state[name] = type === 'bool' ? false : 0
    else {
      const items = new Array<number>(type[1]).fill(0)
      state[name] = { at: (index: number) => items[index], set: (index: number, value: number) => (items[index] = value) }
    }
  }
  return state
}

/** The rows of a session by these operators, in the place of the evaluator's own. */
export const rowsByFolds =
  ({ folds, session: metrics }: Operators): RowsOf =>
  (user, piece, watermark) => {
    const texts = ['']
    const symbols = new Map([['', 0]])
    const symbol = (text: string) => {
      let found = symbols.get(text)
      if (found === undefined) {
        found = texts.push(text) - 1
        symbols.set(text, found)
      }
      return found
    }
    const events = piece.events.map((kept, index) => eventOf(kept, index, symbol, (one) => texts[one]))
    const drafts = new Map<string, Incident>()
    const emit = {
      incident: (one: Incident) => void drafts.set(`${one.kind} ${one.profile} ${one.first}`, one),
    }
    for (const fold of folds) {
      const state = freshState(fold.state) as StateOf<StateFields>
      const runTimers = (due: (timerMs: number) => boolean) => {
        for (
          let timer = fold.nextTimerMs?.(state) ?? Infinity;
          due(timer) && timer < Infinity;
          timer = fold.nextTimerMs?.(state) ?? Infinity
        ) {
          fold.onTimer?.(state, timer, emit)
        }
      }
      for (const event of events) {
        runTimers((timer) => timer < event.timeMs)
        if (fold.types === undefined || fold.types.includes(event.type)) fold.onEvent(state, event, emit)
      }
      runTimers((timer) => timer <= watermark && timer <= piece.overMs)
      if (piece.closed) fold.onClose?.(state, emit, piece.events[piece.events.length - 1].ts, piece.cut)
    }
    const session_id = sessionId(user, piece.events[0])
    const ids = { org_id: user.orgId, product_id: user.productId, user_id: user.user }
    const incidents = [...drafts.values()].map(
      (one): IncidentAnswer => ({
        ...ids,
        incident_id: incidentId(user, one.kind, one.profile, piece.events[one.first]),
        session_id,
        kind: one.kind,
        profile: one.profile,
        open: one.open ? 1 : 0,
        screen: texts[one.screen],
        element: texts[one.element],
        count: one.count,
        first_at: one.firstMs,
        last_at: one.lastMs,
        evidence: piece.events
          .slice(one.first, one.last + 1)
          .filter((kept) => kept.type === one.of && (kept.type !== 'screen_view' || kept.screen !== ''))
          .slice(0, 64)
          .map(({ partition, offset }): [number, number] => [partition, offset]),
      }),
    )
    const first = piece.events[0]
    const last = piece.events[piece.events.length - 1]
    const session: SessionAnswer = {
      ...ids,
      session_id,
      closed: piece.closed ? 1 : 0,
      cut: piece.cut ? 1 : 0,
      started_at: first.ts,
      ended_at: last.ts,
      duration_ms: last.ts - first.ts,
      event_count: events.length,
      ...rowOf(
        metrics,
        events,
        (one) => texts[one],
        (kind) => incidents.filter((incident) => incident.kind === kind).length,
      ),
    }
    return { session, incidents }
  }

const eventOf = (kept: Kept, index: number, symbol: (text: string) => number, text: (symbol: number) => string): SessionEvent => ({
  type: kept.type as SessionEvent['type'],
  timeMs: kept.ts,
  index,
  screen: symbol(kept.screen),
  element: symbol(kept.element),
  taskType: symbol(kept.taskType),
  context: symbol(kept.context),
  success: kept.success,
  x: kept.x ?? Number.NaN,
  y: kept.y ?? Number.NaN,
  text,
})

/** A session's columns by a fold of it. */
export function rowOf<R>(
  fold: SessionFold<R>,
  events: readonly SessionEvent[],
  text: (symbol: number) => string,
  incidents: (kind: string) => number,
): R {
  fold.begin()
  for (const event of events) fold.onEvent(event)
  return fold.row(text, incidents)
}
