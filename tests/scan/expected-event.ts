// What a record must be read as, told a second time: the formatter's own parser and a plain list of rules, sharing nothing with model/ but the
// limits and the list of types. Slow and obvious on purpose.
import {
  EVENT_BYTES_MAX,
  EVENT_ID_CHARS_MAX,
  EVENT_TYPES,
  KEY_STRING_BYTES_MAX,
  NESTING_MAX,
  PROPERTIES_BYTES_MAX,
  STRING_BYTES_MAX,
  TS_MAX,
} from '../../model/event.ts'

const KEYS = ['orgId', 'productId', 'userId', 'anonymousId']
const STRINGS = [...KEYS, 'name', 'screen', 'element', 'taskType', 'taskLabel', 'context', 'eventId']

/** The values of a row; absent ones are left out. `properties` as parsed. */
export type Values = Record<string, unknown>

/** The values of a record's bytes, or null where it is no event. */
export function expectedEvent(record: Uint8Array, atDoor = false): Values | null {
  let text: string
  let event: Record<string, unknown>
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(record)
    event = JSON.parse(text)
  } catch {
    return null
  }
  if (new TextEncoder().encode(text.replace(/\r$/, '')).length > EVENT_BYTES_MAX) return null
  if (event === null || typeof event !== 'object' || Array.isArray(event)) return null
  if (hasForbiddenKey(text) || nesting(text) > NESTING_MAX + 1) return null
  for (const key of Object.keys(event)) if (event[key] === null || (event[key] === '' && STRINGS.includes(key))) delete event[key]

  const values: Values = {}
  const utf8Length = (value: string) => new TextEncoder().encode(value).length
  const isText = (value: unknown, max: number) =>
    value === undefined || (typeof value === 'string' && !/\p{Surrogate}/u.test(value) && utf8Length(value) <= max)
  for (const key of KEYS) {
    if (!isText(event[key], KEY_STRING_BYTES_MAX) || (event[key] as string)?.includes('\0')) return null
  }
  for (const key of STRINGS.slice(KEYS.length)) {
    if (!isText(event[key], STRING_BYTES_MAX)) return null
    if (event[key] !== undefined) values[key] = event[key]
  }
  if (event.eventId !== undefined && Array.from(event.eventId as string).length > EVENT_ID_CHARS_MAX) return null
  if (event.productId === undefined || (event.userId === undefined && event.anonymousId === undefined)) return null
  if (!atDoor && (event.orgId === undefined || event.eventId === undefined)) return null
  values.org = event.orgId
  values.product = event.productId
  values.user = event.userId === undefined ? `a:${event.anonymousId}` : `u:${event.userId}`

  if (!(EVENT_TYPES as readonly unknown[]).includes(event.type)) return null
  values.type = event.type
  const isMs = (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < TS_MAX
  const ts = typeof event.ts === 'string' ? fromIso(event.ts) : event.ts
  if (!isMs(ts)) return null
  values.ts = Math.abs(ts as number)
  if (event.receivedAt !== undefined) {
    if (!isMs(event.receivedAt)) return null
    if (event.receivedAt !== 0) values.receivedAt = event.receivedAt
  }
  for (const key of ['x', 'y']) {
    const value = event[key]
    if (value === undefined) continue
    if (!Number.isInteger(value) || Math.abs(value as number) >= 2 ** 31) return null
    values[key] = value === 0 ? 0 : value
  }
  if (event.success !== undefined) {
    if (event.success !== true && event.success !== false) return null
    values.success = event.success
  }
  if (event.properties !== undefined) {
    if (typeof event.properties !== 'object' || Array.isArray(event.properties)) return null
    if (utf8Length(propertiesText(text)) > PROPERTIES_BYTES_MAX) return null
    values.properties = event.properties
  }
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

/** Strings, brackets and the rest, for a text that is known to be valid JSON. */
const tokens = (text: string) => text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g) ?? []

const hasForbiddenKey = (text: string) => {
  const all = tokens(text)
  return all.some((token, i) => all[i + 1] === ':' && /^(__proto__|constructor|prototype)$/.test(JSON.parse(token)))
}

const nesting = (text: string) => {
  let depth = 0
  let deepest = 0
  for (const token of tokens(text)) {
    if (token === '{' || token === '[') deepest = Math.max(deepest, ++depth)
    if (token === '}' || token === ']') depth--
  }
  return deepest
}

/** The text of the last top-level `properties`: the shortest one behind its key that parses. */
const propertiesText = (text: string) => {
  const starts: number[] = []
  let depth = 0
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    else if (depth === 1 && JSON.parse(token) === 'properties' && /^\s*:/.test(text.slice(index + token.length)))
      starts.push(index + token.length)
  }
  const from = text.indexOf('{', starts.at(-1))
  for (let end = text.indexOf('}', from); ; end = text.indexOf('}', end + 1)) {
    try {
      JSON.parse(text.slice(from, end + 1))
      return text.slice(from, end + 1)
    } catch {
      // not yet the end of it
    }
  }
}

/** Strict ISO 8601 with a zone: Date.parse, where every part written is a part that exists. */
const fromIso = (text: string) => {
  const parts = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?:(:\d\d)(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/.exec(text)
  if (parts === null) return Number.NaN
  const [, day, minute, second = ':00', fraction = ''] = parts
  const zone = parts[5]
  const local = `${day}T${minute}${second}.000Z`
  if (Number.isNaN(Date.parse(local)) || new Date(local).toISOString() !== local) return Number.NaN
  if (zone !== 'Z' && !/^[+-]([01]\d|2[0-3]):[0-5]\d$/.test(zone)) return Number.NaN
  return Date.parse(`${day}T${minute}${second}${fraction.slice(0, 4)}${zone}`)
}
