// What one finished set of sorted events amounts to: its session row and its incidents, by plain loops over arrays. Straight from
// docs/events.md; shares no code with the operators.
import type { IncidentRow, SessionRow } from '../../model/rows.ts'
import { hashText } from './hash.ts'

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
  success: boolean | undefined
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
}

export interface ContentSettings {
  rageClicks: number
  rageWithinMs: number
  backtrackWithinMs: number
}

const EVIDENCE_MAX = 64
const SEQUENCE_MAX = 64
const PROFILE = 'default'

const userText = ({ orgId, productId, user }: User) => `${orgId}\0${productId}\0${user}\0`
const firstText = (first: Kept) => `${first.ts}\0${hashText(first.eventId)}`
const evidence = (events: Kept[]) => events.slice(0, EVIDENCE_MAX).map(({ partition, offset }): [number, number] => [partition, offset])

export const sessionId = (user: User, first: Kept): string => hashText(userText(user) + firstText(first))
export const incidentId = (user: User, kind: string, first: Kept): string =>
  hashText(`${userText(user)}${kind}\0${PROFILE}\0${firstText(first)}`)

/** Chains of clicks on one element, each at most rageWithinMs after the one before. */
function clickChains(events: Kept[], withinMs: number): { clicks: Kept[]; broken: boolean }[] {
  const chains: { clicks: Kept[]; broken: boolean }[] = []
  for (const event of events) {
    if (event.type !== 'click') continue
    const chain = chains.at(-1)
    const before = chain?.clicks.at(-1)
    if (chain && before && !chain.broken && event.element === before.element && event.ts - before.ts <= withinMs) {
      chain.clicks.push(event)
      continue
    }
    if (chain) chain.broken = true
    if (event.element !== '') chains.push({ clicks: [event], broken: false })
  }
  return chains
}

function rageClicksOf(user: User, piece: Piece, watermark: number, settings: ContentSettings, session_id: string): IncidentAnswer[] {
  const found: IncidentAnswer[] = []
  const n = settings.rageClicks
  const lastOfSession = piece.events[piece.events.length - 1].ts
  for (const { clicks, broken } of clickChains(piece.events, settings.rageWithinMs)) {
    const firing = clicks.findIndex((click, i) => i >= n - 1 && click.ts - clicks[i - n + 1].ts <= settings.rageWithinMs)
    if (firing < 0) continue
    const burst = clicks.slice(firing - n + 1)
    const first = burst[0]
    const last = burst[burst.length - 1]
    const endsAt = last.ts + settings.rageWithinMs
    const ended = piece.closed || broken || lastOfSession > endsAt || watermark >= endsAt
    found.push({
      org_id: user.orgId,
      product_id: user.productId,
      user_id: user.user,
      incident_id: incidentId(user, 'rage_click', first),
      session_id,
      kind: 'rage_click',
      profile: PROFILE,
      open: ended ? 0 : 1,
      screen: first.screen,
      element: first.element,
      count: burst.length,
      first_at: first.ts,
      last_at: last.ts,
      evidence: evidence(burst),
    })
  }
  return found
}

function backtracksOf(user: User, piece: Piece, settings: ContentSettings, session_id: string): IncidentAnswer[] {
  const found: IncidentAnswer[] = []
  const views = piece.events.filter((event) => event.type === 'screen_view' && event.screen !== '')
  /** Positions in `views` where the screen changes. */
  const entries = views.map((_, at) => at).filter((at) => at === 0 || views[at].screen !== views[at - 1].screen)
  for (let i = 2; i < entries.length; i++) {
    const first = views[entries[i - 2]]
    const third = views[entries[i]]
    if (first.screen !== third.screen || third.ts - first.ts > settings.backtrackWithinMs) continue
    found.push({
      org_id: user.orgId,
      product_id: user.productId,
      user_id: user.user,
      incident_id: incidentId(user, 'backtrack', first),
      session_id,
      kind: 'backtrack',
      profile: PROFILE,
      open: 0,
      screen: first.screen,
      element: '',
      count: 3,
      first_at: first.ts,
      last_at: third.ts,
      evidence: evidence(views.slice(entries[i - 2], entries[i] + 1)),
    })
  }
  return found
}

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
  const rage = rageClicksOf(user, piece, watermark, settings, session_id)
  const backtracks = backtracksOf(user, piece, settings, session_id)
  const screens = events.filter((event) => event.type === 'screen_view' && event.screen !== '').map((event) => event.screen)
  const completions = events.filter((event) => event.type === 'task_completed')
  const countOf = (type: string) => events.filter((event) => event.type === type).length
  const session: SessionAnswer = {
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
    rage_clicks: rage.length,
    backtracks: backtracks.length,
    tasks_started: countOf('task_started'),
    tasks_completed: completions.filter((event) => event.success !== false).length,
    tasks_failed: completions.filter((event) => event.success === false).length,
    error_count: countOf('error'),
    screen_sequence: screens.filter((screen, at) => screen !== screens[at - 1]).slice(0, SEQUENCE_MAX),
  }
  return { session, incidents: [...rage, ...backtracks] }
}
