// One user's state of product events, decoded: sessions, the operators' fields by their declared names, timers, events. Times as ISO 8601.

import { KeyedState, S, SESSION_FLAG } from '../../engine/state/keyed-state.ts'
import type { RecordAccessor, RecordLayout } from '../../engine/state/record.ts'
import { UserCodec } from '../../engine/state/user-codec.ts'
import type { Topology } from '../../engine/topology/topology.ts'
import { EVENT_TYPES } from '../../model/event.ts'
import { Symbols } from '../../model/symbols.ts'

/** Of a snapshot its times and its count are kept, and behind them a hash of the whole (engine/actor/publisher.ts). */
const SNAPSHOT_HASH_BYTES = 16
const withoutHash = (content: string) => (content.startsWith('"closed":0') ? content.slice(0, -SNAPSHOT_HASH_BYTES) : content)

export interface SessionUser {
  org: string
  product: string
  user: string
  /** Oldest first. */
  sessions: KeptSession[]
}

export interface KeptSession {
  startedAt: string
  endedAt: string
  closed: boolean
  /** Ended by a cap. */
  cut: boolean
  /** Its last snapshot, where it left as one. */
  snapshotAt: string | null
  /** What left last for it; null: nothing yet. */
  published: { sessionId: string; version: number; row: unknown } | null
  incidents: { incidentId: string; kind: string; version: number }[]
  /** The earliest timer of its operators. */
  nextTimer: string | null
  /** None where other operators wrote it: theirs is made from the events when the user is touched next. */
  operators: Record<string, { nextTimer: string | null; state: Record<string, unknown> }>
  eventCount: number
  /** The latest of them. */
  events: { at: string; type: string; offset: number; [field: string]: unknown }[]
}

/** Decodes what a checkpoint has of a user. `events`: how many of each session, the latest; `layouts`: of the checkpoint's header. Errors: STATE_CORRUPT. */
export function sessionUser(
  { pipeline }: Topology,
  bytes: Uint8Array,
  { org, product, user }: Omit<SessionUser, 'sessions'>,
  events: number,
  layouts?: unknown,
): SessionUser {
  const state = new KeyedState(pipeline.folds, pipeline.sessionFold)
  const symbols = new Symbols()
  const record = state.users.addKey(0, Buffer.from(user))
  new UserCodec(state, layouts).decode(record, bytes, symbols)
  const text = (symbol: number) => symbols.text(symbol)
  const sessions = [...state.listSessions(record, [])].map((session) => keptSession(state, session, text, events))
  return { org, product, user, sessions }
}

function keptSession(state: KeyedState, session: number, text: (symbol: number) => string, events: number): KeptSession {
  const flags = state.flags(session)
  const published = state.published(session)
  const operators: KeptSession['operators'] = {}
  let due = Number.POSITIVE_INFINITY
  const folds = flags & SESSION_FLAG.STALE ? [] : state.folds
  for (const { fold, layout, state: fields } of folds) {
    fields.move(session)
    const own = flags & SESSION_FLAG.CLOSED ? undefined : fold.nextTimerMs?.(fields as never)
    due = Math.min(due, own ?? Number.POSITIVE_INFINITY)
    operators[fold.name] = { nextTimer: instant(own), state: named(layout, recordValues(layout, fields), text) }
  }
  return {
    startedAt: new Date(state.time(session, S.FIRST)).toISOString(),
    endedAt: new Date(state.time(session, S.LAST)).toISOString(),
    closed: (flags & SESSION_FLAG.CLOSED) !== 0,
    cut: (flags & SESSION_FLAG.CUT) !== 0,
    snapshotAt: instant(state.time(session, S.SNAPSHOT) || undefined),
    published: published
      ? {
          sessionId: published.id,
          version: published.version,
          row: JSON.parse(`{${utf8(withoutHash(published.content))}}`) as unknown,
        }
      : null,
    incidents: (state.sessions.side[session]?.incidents ?? []).map(({ id, kind, version }) => ({ incidentId: id, kind, version })),
    nextTimer: instant(due),
    operators,
    eventCount: state.word(session, S.COUNT),
    events: keptEvents(state, session, text, events),
  }
}

function keptEvents(state: KeyedState, session: number, text: (symbol: number) => string, limit: number): KeptSession['events'] {
  const { kept } = state
  const places: number[] = []
  kept.places(state.word(session, S.HEAD), state.word(session, S.COUNT), places)
  return places.slice(Math.max(0, places.length - limit)).map((at) => {
    const fields: Record<string, unknown> = {}
    for (const name of ['screen', 'element', 'taskType', 'context'] as const) {
      const word = kept.words[name]
      const value = word === undefined ? '' : text(kept.arena.u32[at + word]!)
      if (value !== '') fields[name] = value
    }
    return { at: new Date(kept.time(at)).toISOString(), type: EVENT_TYPES[kept.typeCode(at)]!, offset: kept.offset(at), ...fields }
  })
}

/** Fields as they are declared: times as instants (null: 0, not set), symbols as their strings. */
function named(
  { fields }: RecordLayout,
  values: Record<string, number | boolean | number[]>,
  text: (symbol: number) => string,
): Record<string, unknown> {
  const read = (type: string, value: number | boolean) =>
    type === 'time' ? instant(Number(value) || undefined) : type === 'symbol' ? text(Number(value)) : value
  return Object.fromEntries(
    fields.map(({ name, type }) => {
      const value = values[name]!
      return [name, Array.isArray(value) ? value.map((one) => read(type, one)) : read(type, value)]
    }),
  )
}

const instant = (ms: number | undefined): string | null => (ms !== undefined && Number.isFinite(ms) ? new Date(ms).toISOString() : null)

/** One byte per character. */
const utf8 = (latin1: string) => Buffer.from(latin1, 'latin1').toString('utf8')

/** A record's fields as plain values. */
function recordValues(layout: RecordLayout, accessor: RecordAccessor): Record<string, number | boolean | number[]> {
  const values: Record<string, number | boolean | number[]> = {}
  const fields = accessor as unknown as Record<string, number | boolean | { at(index: number): number }>
  for (const { name, length } of layout.fields) {
    const value = fields[name]
    values[name] = typeof value === 'object' ? Array.from({ length }, (_, i) => value.at(i)) : value
  }
  return values
}
