// Why the scanner hands a record to parse-event.ts: one name per reason, in the order in which EventBatch.fallbackReasons counts them.

/** The index of a reason is its place in EventBatch.fallbackReasons. */
export const FALLBACK_REASONS = [
  'structure', // not the outline of an object: a missing quote, colon, comma or brace, something behind it, an empty line
  'unterminated', // the block ended without a newline
  'utf8', // the record is not valid UTF-8
  'large', // more than EVENT_BYTES_MAX
  'escape', // a backslash in a kept string or in a key
  'control', // a control character in a kept string
  'duplicate', // a field stands twice
  'forbidden-key',
  'nested', // properties, an unknown key or its value is not valid JSON
  'deep', // nested too deep
  'value', // a value of the wrong kind for its field, `"12"` for x
  'number', // x, y or receivedAt is not written as a plain integer
  'time', // ts is ISO 8601, or not a plain integer of 13 digits in range
  'type', // an event type we do not know
  'length', // a string or properties over its limit
  'missing', // a required field is absent, null or empty
] as const
export type FallbackReason = (typeof FALLBACK_REASONS)[number]

export const fallbackReason = (name: FallbackReason): number => FALLBACK_REASONS.indexOf(name)
