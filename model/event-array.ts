// The elements of the array in a body `{"events":[ … ]}` as lines: each on its own line, ended by a newline, in the body's own bytes. So a body
// becomes what the scanner reads, without being parsed or copied.
//
// Owns the outline of a body: where elements begin and end. What is in one is its own matter: any element that brackets and quotes delimit is
// a line, valid or not, so that a bad event is told from its neighbours. Where JSON.parse takes the body, the lines are its elements.
//
// Two ways, the same answer:
// 1. cutPlain guesses: it cuts at each `},{`. If then every line is proven to be one whole object (Door.acceptPlain), the guess was right, because
//    no beginning of an object's text is itself an object. This costs a search for three bytes.
// 2. Else `restore` takes the cuts back and cutAny walks the bytes.

/** Lines of bytes[pos … pos + length). */
export interface ElementLines {
  pos: number
  length: number
  count: number
}

/** Why a body is no batch. */
export interface BodyError {
  code: 'MALFORMED_JSON' | 'NOT_AN_OBJECT' | 'MISSING_FIELD' | 'WRONG_TYPE' | 'TOO_LONG' | 'EMPTY_BATCH' | 'TOO_MANY_EVENTS'
  message: string
}

/** A guess, and what is needed to take it back. */
export interface PlainCut extends ElementLines {
  /** The byte that the last newline stands in for. */
  last: number
}

const NEWLINE = 10
const SPACE = 32
const QUOTE = 34
const COMMA = 44
const COLON = 58
const OPEN_BRACKET = 91
const BACKSLASH = 92
const CLOSE_BRACKET = 93
const OPEN_BRACE = 123
const CLOSE_BRACE = 125
/** In place of a newline in a string, which JSON forbids: forbidden too, and no end of a line. */
const CONTROL = 1
/** JSON.parse of many megabytes of brackets takes seconds. */
const OTHER_BYTES_MAX = 64 * 1024
const BETWEEN = Buffer.from('},{')
const KEY = Buffer.from('"events"')

/** Cuts a body as programs write it: the one key `events`, elements side by side, no newline. Undefined where it does not look so. */
export function cutPlain(body: Buffer, countMax: number): PlainCut | undefined {
  let p = skipSpace(body, 0)
  if (body[p] !== OPEN_BRACE) return undefined
  p = skipSpace(body, p + 1)
  if (!body.subarray(p, p + KEY.length).equals(KEY)) return undefined
  p = skipSpace(body, p + KEY.length)
  if (body[p] !== COLON) return undefined
  p = skipSpace(body, p + 1)
  if (body[p] !== OPEN_BRACKET) return undefined
  const pos = skipSpace(body, p + 1)
  let end = spaceBefore(body, body.length)
  if (body[end - 1] !== CLOSE_BRACE) return undefined
  end = spaceBefore(body, end - 1)
  if (body[end - 1] !== CLOSE_BRACKET) return undefined
  end = spaceBefore(body, end - 1)
  // Text without an object in it, or with newlines.
  if (end <= pos || body[pos] !== OPEN_BRACE || body.subarray(pos, end).includes(NEWLINE)) return undefined
  const cut: PlainCut = { pos, length: end + 1 - pos, count: 1, last: body[end] }
  for (let at = body.indexOf(BETWEEN, pos); at >= 0 && at < end; at = body.indexOf(BETWEEN, at + 2)) {
    body[at + 1] = NEWLINE
    cut.count++
  }
  body[end] = NEWLINE
  if (cut.count <= countMax) return cut
  // Perhaps of objects inside one event.
  restore(body, cut)
  return undefined
}

/** The bytes as they were before cutPlain. */
export function restore(body: Buffer, { pos, length, last }: PlainCut): void {
  const end = pos + length - 1
  for (let at = body.indexOf(NEWLINE, pos); at < end; at = body.indexOf(NEWLINE, at + 1)) body[at] = COMMA
  body[end] = last
}

/** Cuts any body. Of two keys `events` the last counts; other keys must be valid JSON and mean nothing. */
export function cutAny(body: Buffer, countMax: number): ElementLines | BodyError {
  const found = findEvents(body)
  return 'code' in found ? found : cutArray(body, found.start, found.end, countMax)
}

/** Where the value of `events` lies. */
function findEvents(body: Buffer): { start: number; end: number } | BodyError {
  let p = skipSpace(body, 0)
  if (body[p] !== OPEN_BRACE) return beginsValue(body[p]) ? NOT_AN_OBJECT : malformed(p, 'an opening brace')
  let found: { start: number; end: number } | undefined
  p = skipSpace(body, p + 1)
  for (let isFirst = true; !isFirst || body[p] !== CLOSE_BRACE; isFirst = false) {
    const keyEnd = body[p] === QUOTE ? behindString(body, p + 1) : -1
    if (keyEnd < 0 || !isJson(body, p, keyEnd)) return malformed(p, 'a key')
    const key = JSON.parse(body.toString('utf8', p, keyEnd)) as string
    p = skipSpace(body, keyEnd)
    if (body[p] !== COLON) return malformed(p, 'a colon')
    const start = skipSpace(body, p + 1)
    const end = behindValue(body, start)
    if (end < 0) return malformed(start, 'a value')
    const isEvents = key === 'events'
    // The events are the scanner's to judge, unless others stand in for them.
    const other = isEvents ? found : { start, end }
    if (other && other.end - other.start > OTHER_BYTES_MAX) return TOO_LONG
    if (other && !isJson(body, other.start, other.end)) return malformed(other.start, 'a value')
    if (isEvents) found = { start, end }
    p = skipSpace(body, end)
    if (body[p] === CLOSE_BRACE) break
    if (body[p] !== COMMA) return malformed(p, 'a comma or a closing brace')
    p = skipSpace(body, p + 1)
  }
  p = skipSpace(body, p + 1)
  if (p !== body.length) return malformed(p, 'the end of the body')
  if (!found) return NO_EVENTS
  if (body[found.start] === OPEN_BRACKET) return found
  return beginsValue(body[found.start]) ? WRONG_TYPE : malformed(found.start, 'a value')
}

/** `start`: the array's bracket; `end`: behind the other one. */
function cutArray(body: Buffer, start: number, end: number, countMax: number): ElementLines | BodyError {
  const close = end - 1
  if (body[close] !== CLOSE_BRACKET) return malformed(close, 'a closing bracket')
  let p = skipSpace(body, start + 1)
  const lines: ElementLines = { pos: p, length: 0, count: 0 }
  if (p === close) return lines
  for (let end = p; ; ) {
    const behind = behindValue(body, p)
    if (behind < 0 || behind > close) return malformed(p, 'an event')
    const next = skipSpace(body, behind)
    if (next !== close && body[next] !== COMMA) return malformed(next, 'a comma or a closing bracket')
    if (++lines.count > countMax) return tooMany(countMax)
    const following = skipSpace(body, next + 1)
    unwrap(body, p, behind)
    // Close up: space between elements is part of none, and must not count in its size.
    body.copyWithin(end, p, behind)
    end += behind - p
    body[end++] = NEWLINE
    lines.length = end - lines.pos
    if (next === close) return lines
    p = following
  }
}

/** Takes newlines out of an element. */
function unwrap(body: Buffer, from: number, to: number): void {
  let at = body.indexOf(NEWLINE, from)
  if (at < 0 || at >= to) return
  for (let p = from; p < to; p++) {
    if (body[p] === NEWLINE) body[p] = SPACE
    else if (body[p] === QUOTE) {
      const behind = behindString(body, p + 1)
      for (at = body.indexOf(NEWLINE, p); at >= 0 && at < behind; at = body.indexOf(NEWLINE, at)) body[at] = CONTROL
      p = behind - 1
    }
  }
}

const isSpace = (c: number) => c === SPACE || c === NEWLINE || c === 9 || c === 13

function skipSpace(body: Buffer, p: number): number {
  while (p < body.length && isSpace(body[p])) p++
  return p
}

function spaceBefore(body: Buffer, p: number): number {
  while (p > 0 && isSpace(body[p - 1])) p--
  return p
}

/** From behind a string's opening quote to behind its closing one; -1 where there is none. */
function behindString(body: Buffer, p: number): number {
  for (; p < body.length; p++) {
    const c = body[p]
    if (c === QUOTE) return p + 1
    if (c === BACKSLASH) p++
  }
  return -1
}

/** By its brackets and quotes alone: behind the value that begins at p; -1 where there is none, or it does not end. */
function behindValue(body: Buffer, p: number): number {
  const start = p
  for (let depth = 0; p < body.length; p++) {
    const c = body[p]
    if (c === QUOTE) {
      p = behindString(body, p + 1) - 1
      if (p < 0) return -1
    } else if (c === OPEN_BRACE || c === OPEN_BRACKET) depth++
    else if (c === CLOSE_BRACE || c === CLOSE_BRACKET) {
      if (depth === 0) return p > start ? p : -1
      depth--
    } else if (depth > 0) continue
    else if (c === COMMA || isSpace(c)) return p > start ? p : -1
    else continue
    if (depth === 0) return p + 1
  }
  return -1
}

function isJson(body: Buffer, start: number, end: number): boolean {
  try {
    JSON.parse(body.toString('utf8', start, end))
    return true
  } catch {
    return false
  }
}

/** Objects, strings, numbers, true, false, null. */
const beginsValue = (c: number) =>
  c === OPEN_BRACE || c === OPEN_BRACKET || c === QUOTE || c === 45 || (c >= 48 && c <= 57) || [116, 102, 110].includes(c)

const SHAPE = 'the body is {"events":[…]} with one JSON object for each event'
const NOT_AN_OBJECT: BodyError = { code: 'NOT_AN_OBJECT', message: SHAPE }
const NO_EVENTS: BodyError = { code: 'MISSING_FIELD', message: `events is required: ${SHAPE}` }
const WRONG_TYPE: BodyError = { code: 'WRONG_TYPE', message: `events is an array: ${SHAPE}` }
const TOO_LONG: BodyError = { code: 'TOO_LONG', message: `a value beside events has at most ${OTHER_BYTES_MAX} bytes` }
const malformed = (at: number, expected: string): BodyError => ({
  code: 'MALFORMED_JSON',
  message: `the body is no valid JSON: there should be ${expected} at byte ${at}`,
})
const tooMany = (countMax: number): BodyError => ({
  code: 'TOO_MANY_EVENTS',
  message: `a batch has at most ${countMax} events: send the others in another one`,
})
