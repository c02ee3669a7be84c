// The wire event: its fields, their limits, and the small integers that stand for its types.
// Source: reference definitions in docs/events.md.

/** Event types, in the order in which events of the same user and millisecond are folded (ties). The index is the type's code and its tie rank. */
export const EVENT_TYPES = ['screen_view', 'task_started', 'click', 'custom', 'error', 'task_completed'] as const
export type EventType = (typeof EVENT_TYPES)[number]

export const typeCode = (type: EventType): number => EVENT_TYPES.indexOf(type)

/** A wire event as a plain object: what a JSON line parses to. Used at the edges (fallback, traffic, tests), never in a lane's hot path. */
export interface WireEvent {
  orgId: string
  /** Idempotency key within (org, product, user); at most 64 characters. */
  eventId: string
  productId: string
  userId?: string
  anonymousId?: string
  type: EventType
  /** For custom events (`add_to_cart`). */
  name?: string
  /** Event time: ms since epoch, or ISO 8601. */
  ts: number | string
  /** ms since epoch; put in at the door. */
  receivedAt?: number
  screen?: string
  /** A stable selector. */
  element?: string
  /** Integers, CSS pixels. */
  x?: number
  y?: number
  taskType?: string
  taskLabel?: string
  success?: boolean
  context?: string
  properties?: Record<string, unknown>
}

export const EVENT_BYTES_MAX = 64 * 1024
/** Of a record of a topic that the engine writes, below the 1 MiB that brokers take: one of more could never be committed, and its partition would stop at it for ever. */
export const RECORD_BYTES_MAX = 900_000
export const PROPERTIES_BYTES_MAX = 32 * 1024
export const EVENT_ID_CHARS_MAX = 64
/** Every other string field, in UTF-8 bytes, so that keys and columns are bounded. */
export const STRING_BYTES_MAX = 8 * 1024
/** orgId, productId, userId and anonymousId, in UTF-8 bytes: they become keys of the state store. */
export const KEY_STRING_BYTES_MAX = 256
/** JSON nesting below `properties`. */
export const NESTING_MAX = 32
/** Event times accepted: 1970-01-01 … 2200-01-01 (exclusive), ms since epoch. Year 0 and year 9999 are rejected. */
export const TS_MIN = 0
export const TS_MAX = 7_258_118_400_000
/** Keys that no object of an event may have: parsed and merged carelessly they reach the prototype of every object. */
export const FORBIDDEN_KEYS: readonly string[] = ['__proto__', 'constructor', 'prototype']
