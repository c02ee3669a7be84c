// What leaves the clickstream topology: session and incident versions, what they change of sums, late events, dead letters. One JSON record each
// on its topic; times are ms since epoch; ids are 32 lower-case hex digits. Field order is fixed (engine/actor/rows writes
// by these lists). The sinks add lineage, partition and offset: the record's position in its topic.

/** A version of a session, on `events.sessionized`. Consumers keep the largest version per session_id. */
export interface SessionRow {
  org_id: string
  product_id: string
  /** `u:` + userId or `a:` + anonymousId. */
  user_id: string
  session_id: string
  /** 1, 2, … per session_id. */
  version: number
  /** 1: this id no longer exists; the other fields are those of the version before. */
  deleted: 0 | 1
  /** The session that now holds the first event of a deleted one, else ''. */
  replaced_by: string
  closed: 0 | 1
  /** 1: ended by a cap (sessionMaxMs, sessionEventsMax), not by a gap. */
  cut: 0 | 1
  started_at: number
  ended_at: number
  duration_ms: number
  event_count: number
  click_count: number
  /** Distinct screens of its screen views. */
  unique_screens: number
  rage_clicks: number
  backtracks: number
  dead_clicks: number
  tasks_started: number
  /** task_completed events with success other than false. */
  tasks_completed: number
  /** task_completed events with success false. */
  tasks_failed: number
  tasks_abandoned: number
  error_count: number
  /** Screens of its screen views, repeats collapsed, at most 64. */
  screen_sequence: string[]
  /** Changes of `context`. */
  context_switches: number
  /** 0 … 1, to four decimals. */
  frustration_score: number
  efficiency_score: number
  /** In the order of their first events: type, start and end (0: not seen, or not yet), outcome: open, completed, failed, abandoned. */
  tasks: readonly (readonly [string, number, number, string])[]
  /** The largest receivedAt of the events seen for it. */
  received_at: number
}

/** A version of an incident, on `events.incidents`. Consumers keep the largest version per incident_id. */
export interface IncidentRow {
  org_id: string
  product_id: string
  user_id: string
  incident_id: string
  session_id: string
  /** `rage_click`, `backtrack`, `abandoned_task`, `dead_click`, or what an operator of one's own calls it. */
  kind: string
  /** Which definition found it: `default`, or a named one. */
  profile: string
  version: number
  deleted: 0 | 1
  /** 1 while the burst goes on. */
  open: 0 | 1
  screen: string
  element: string
  count: number
  first_at: number
  last_at: number
  /** Its events as [partition, offset] pairs in `events.raw`, at most 64. */
  evidence: [number, number][]
  received_at: number
}

/** What the versions that left in one epoch change of one cell, on `events.tiles`: the columns that name the cell, and integers to add. */
export interface TileRow {
  /** overview, hotspots, flows, task_types. */
  tile: string
  org_id: string
  product_id: string
  [column: string]: string | number | readonly string[]
}

/**
 * An event that came too late, on `events.late`: the record as it was, with the reason. `old`: too far behind the time at which the HTTP door received it; it
 * is not on `events.raw`, so its offset is NO_OFFSET, its partition the one that it would have had, and `watermark` what it was behind.
 */
export interface LateRow {
  reason: 'late' | 'cap' | 'old'
  partition: number
  offset: number
  watermark: number
  record: string
}

/** A record that could not be processed, on `events.dlq`. */
export interface DeadLetterRow {
  code: string
  message: string
  partition: number
  offset: number
  record: string
  /** Bytes of the record, where it is longer than an event may be: then `record` is its beginning (kept-record.ts). */
  whole_bytes?: number
}

export const NO_OFFSET = Number.MAX_SAFE_INTEGER

export const TOPICS = {
  raw: 'events.raw',
  sessions: 'events.sessionized',
  incidents: 'events.incidents',
  tiles: 'events.tiles',
  deadLetters: 'events.dlq',
  late: 'events.late',
} as const
