// What one finished set of sorted events amounts to: its session row and its incidents, by plain loops over arrays. Straight from
// docs/events.md; shares no code with the operators.
import type { IncidentRow, SessionRow } from '../../model/rows.ts'
import { hashText } from './hash.ts'
import { abandonedTasksOf, backtracksOf, deadClicksOf, type Found, tasksOf } from './session-incidents.ts'
import { type RageSettings, rageClicksOf } from './session-rage.ts'

export type SessionAnswer = Omit<SessionRow, 'version' | 'deleted' | 'replaced_by' | 'received_at'>
export type IncidentAnswer = Omit<IncidentRow, 'version' | 'deleted' | 'received_at'>

/** An accepted event. Absent strings are ''. */
export interface Kept {
  ts: number
  /** Tie rank of its type. */
  rank: number
  eventId: string
  type: string
  screen: string
  element: string
  taskType: string
  context: string
  success: boolean | undefined
  x: number | undefined
  y: number | undefined
  partition: number
  offset: number
}

export interface User {
  orgId: string
  productId: string
  /** `u:` or `a:` and the id. */
  user: string
}

/** A session's events, in order, and how it stands at the watermark that it is looked at with. */
export interface Piece {
  events: Kept[]
  closed: boolean
  cut: boolean
  /** When it is over: the first event behind its cut, or last + gap. */
  overMs: number
}

export interface Weights {
  rageClicks: number
  deadClicks: number
  backtracks: number
  contextSwitches: number
  tasksAbandoned: number
  tasksFailed: number
  errors: number
}

export interface ContentSettings {
  rage: RageSettings
  backtrackMs: number
  abandonMs: number
  deadClicks: { enabled: boolean; withinMs: number }
  scores: { frustration: Weights; efficiency: Weights }
}

const SEQUENCE_MAX = 64

const userText = ({ orgId, productId, user }: User) => `${orgId}\0${productId}\0${user}\0`
const firstText = (first: Kept) => `${first.ts}\0${hashText(first.eventId)}`

export const sessionId = (user: User, first: Kept): string => hashText(userText(user) + firstText(first))
export const incidentId = (user: User, kind: string, profile: string, first: Kept): string =>
  hashText(`${userText(user)}${kind}\0${profile}\0${firstText(first)}`)

/** The session row and the incidents of one session, seen with its actor's watermark. */
export function rowsOf(
  user: User,
  piece: Piece,
  watermark: number,
  settings: ContentSettings,
): { session: SessionAnswer; incidents: IncidentAnswer[] } {
  const { events } = piece
  const first = events[0]
  const last = events[events.length - 1]
  const session_id = sessionId(user, first)
  const found: Found[] = [
    ...rageClicksOf(piece, watermark, settings.rage),
    ...backtracksOf(piece, settings.backtrackMs),
    ...abandonedTasksOf(piece, watermark, settings.abandonMs),
    ...(settings.deadClicks.enabled ? deadClicksOf(piece, watermark, settings.deadClicks.withinMs) : []),
  ]
  const foundOf = (kind: string) => found.filter((one) => one.kind === kind).length
  const areas = events.map((event) => event.context).filter((context) => context !== '')
  const screens = events.filter((event) => event.type === 'screen_view' && event.screen !== '').map((event) => event.screen)
  const completions = events.filter((event) => event.type === 'task_completed')
  const countOf = (type: string) => events.filter((event) => event.type === type).length
  const session: Omit<SessionAnswer, keyof Scores> = {
    org_id: user.orgId,
    product_id: user.productId,
    user_id: user.user,
    session_id,
    closed: piece.closed ? 1 : 0,
    cut: piece.cut ? 1 : 0,
    started_at: first.ts,
    ended_at: last.ts,
    duration_ms: last.ts - first.ts,
    event_count: events.length,
    click_count: countOf('click'),
    unique_screens: new Set(screens).size,
    rage_clicks: foundOf('rage_click'),
    backtracks: foundOf('backtrack'),
    dead_clicks: foundOf('dead_click'),
    tasks_started: countOf('task_started'),
    tasks_completed: completions.filter((event) => event.success !== false).length,
    tasks_failed: completions.filter((event) => event.success === false).length,
    tasks_abandoned: foundOf('abandoned_task'),
    error_count: countOf('error'),
    screen_sequence: screens.filter((screen, at) => screen !== screens[at - 1]).slice(0, SEQUENCE_MAX),
    context_switches: areas.filter((area, at) => at > 0 && area !== areas[at - 1]).length,
    tasks: tasksOf(piece, watermark, settings.abandonMs).map(({ start, type, endedAt, outcome }) => [
      type,
      start?.ts ?? 0,
      endedAt,
      outcome,
    ]),
  }
  const ids = { org_id: user.orgId, product_id: user.productId, user_id: user.user }
  const incidents = found.map(({ first, evidence, ...rest }): IncidentAnswer => {
    const incident_id = incidentId(user, rest.kind, rest.profile, first)
    return { ...ids, incident_id, session_id, ...rest, first_at: first.ts, evidence: evidence.slice(0, EVIDENCE_MAX).map(placeOf) }
  })
  return { session: { ...session, ...scoresOf(session, settings.scores) }, incidents }
}

type Scores = Pick<SessionAnswer, 'frustration_score' | 'efficiency_score'>

function scoresOf(session: Omit<SessionAnswer, keyof Scores>, { frustration, efficiency }: ContentSettings['scores']): Scores {
  const sum = (weights: Weights) =>
    [
      weights.errors * session.error_count,
      weights.tasksFailed * session.tasks_failed,
      weights.tasksAbandoned * session.tasks_abandoned,
      weights.contextSwitches * session.context_switches,
      weights.backtracks * session.backtracks,
      weights.deadClicks * session.dead_clicks,
      weights.rageClicks * session.rage_clicks,
    ].reduce((total, part) => total + part, 0)
  // 2σ(x) − 1 is tanh(x / 2).
  const toFour = (score: number) => Number(score.toFixed(4))
  return { frustration_score: toFour(Math.tanh(sum(frustration) / 2)), efficiency_score: toFour(1 - Math.tanh(sum(efficiency) / 2)) }
}

const EVIDENCE_MAX = 64
const placeOf = ({ partition, offset }: Kept): [number, number] => [partition, offset]
