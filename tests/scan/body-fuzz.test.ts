// Bodies of batches against JSON.parse: the same elements, whichever way they were cut; the same accepted set as a plain list of rules.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Door } from '../../model/door.ts'
import { EVENT_BYTES_MAX } from '../../model/event.ts'
import { cutAny, cutPlain, restore } from '../../model/event-array.ts'
import { acceptBody } from '../../services/ingest/accept-body.ts'
import { expectedEvent } from './expected-event.ts'
import { recordBytes } from './record-arbitraries.ts'

const NOW = 1_760_000_000_000
const MAX = 1_000
const RUNS = 2_000

const utf8 = (text: string) => new TextEncoder().encode(text)
const strict = (bytes: Uint8Array) => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
const parsed = (bytes: Uint8Array): { value?: unknown } => {
  try {
    return { value: JSON.parse(strict(bytes)) }
  } catch {
    return {}
  }
}
const linesOf = (body: Buffer, { pos, length }: { pos: number; length: number }) =>
  body
    .subarray(pos, pos + length)
    .toString('latin1')
    .split('\n')
    .slice(0, -1)
    .map((line) => Buffer.from(line, 'latin1'))

/** Mostly as programs write it. */
const space = fc.oneof({ weight: 12, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.constantFrom(' ', '\n', '\r\n\t', ' \n ') })
const spaces = fc.array(space, { minLength: 8, maxLength: 8 })
const plain = fc.nat(1e9).map((n) => utf8(`{"eventId":"e${n}","orgId":"o","productId":"p","userId":"u","type":"click","ts":${NOW - n}}`))
/** Values of `events` that stand in for an event: JSON, in any of its forms, objects side by side inside included. */
const other = fc.oneof(
  recordBytes.filter((bytes) => 'value' in parsed(bytes)),
  fc
    .constantFrom('{}', '[]', '[{"a":1},{"b":2}]', '{"properties":{"a":[{},{},{"b":"},{"}]}}', '"},{"', '1', '-0.5e3', 'null', 'true')
    .map(utf8),
  recordBytes.filter((bytes) => 'value' in parsed(bytes)).map((bytes) => utf8(JSON.stringify(parsed(bytes).value, null, 2))),
)
const element = fc.oneof({ weight: 3, arbitrary: plain }, { weight: 2, arbitrary: other })
const elements = fc.oneof(
  { weight: 2, arbitrary: fc.array(plain, { minLength: 1, maxLength: 5 }) },
  { weight: 3, arbitrary: fc.array(element, { maxLength: 5 }) },
)
/** No JSON, but brackets and quotes say where each ends. */
const outlined = fc.constantFrom('{"a":tru}', '{a:1}', 'nul', '01', '{"a":1,}', '"\\x"', '[1}', '{"a":"\n"}', '{"a"}', '1"a"').map(utf8)
const spoilt = fc.oneof(elements, fc.array(fc.oneof(plain, outlined), { minLength: 1, maxLength: 4 }))
const before = fc.constantFrom('', '', '', '"sentAt":1,', '"events":[],', '"events":{},', '"a":{"events":[1]},', '"\\u0065vents":[{}],')
const behind = fc.constantFrom('', '', '', ',"sentAt":"},{"', ',"x":[{"a":1},{"b":2}]', ',"event":null')

interface Parts {
  elements: Uint8Array[]
  before: string
  behind: string
  spaces: string[]
  key: string
}
const partsOf = (elements: fc.Arbitrary<Uint8Array[]>): fc.Arbitrary<Parts> =>
  fc.record({ elements, before, behind, spaces, key: fc.constantFrom('events', 'events', 'events', '\u0065vents') })
const bodyOf = ({ elements, before, behind, spaces: [a, b, c, d, e, f, g, h], key }: Parts): Buffer =>
  Buffer.concat([
    utf8(`${a}{${before}${b}"${key}"${c}:${d}[${e}`),
    ...elements.flatMap((bytes, i) => (i === 0 ? [bytes] : [utf8(`${f},${g}`), bytes])),
    utf8(`${e}]${h}${behind}}${a}`),
  ])

test(`${RUNS} batches of any elements: each is accepted or rejected as the rules say of its text alone, whichever way it was cut`, () => {
  const ways = { plain: 0, any: 0, rejected: 0 }
  fc.assert(
    fc.property(partsOf(elements), (parts) => {
      const body = bodyOf(parts)
      const door = new Door({ partitions: 1, org: 'dflt' })
      const copy = Buffer.from(body)
      const cut = cutPlain(copy, MAX)
      if (cut && new Door({ partitions: 1 }).acceptPlain(copy, cut.pos, cut.length, NOW)) ways.plain++
      else ways.any++
      const answer = acceptBody(door, body, body.length, NOW)
      if (parts.elements.length === 0) return void expect(answer).toMatchObject({ code: 'EMPTY_BATCH' })
      if ('code' in answer) throw new Error(answer.message)
      const expected = parts.elements.map((bytes) => expectedEvent(bytes, true))
      // What the door adds may make an event too large.
      const grown = answer.rejected.filter(({ message }) => message.includes('with what')).map(({ line }) => line)
      expect(answer.rejected.map(({ line }) => line).filter((line) => !grown.includes(line))).toEqual(
        expected.flatMap((event, i) => (event === null ? [i] : [])),
      )
      expect(answer.accepted).toBe(parts.elements.length - answer.rejected.length)
      ways.rejected += answer.rejected.length
      const records = door.take().flatMap(({ bytes, count }) => {
        const lines = linesOf(Buffer.from(bytes), { pos: 0, length: bytes.length })
        expect(lines.length).toBe(count)
        return lines
      })
      const key = (event: object | null) => JSON.stringify(Object.entries({ ...event, eventId: 0, receivedAt: 0 }).sort())
      const kept = expected.filter((event, i) => event !== null && !grown.includes(i))
      expect(records.map((record) => key(expectedEvent(record)))).toEqual(kept.map((event) => key({ ...event, org: event?.org ?? 'dflt' })))
    }),
    { numRuns: RUNS },
  )
  for (const count of Object.values(ways)) expect(count).toBeGreaterThan(RUNS / 20)
}, 120_000)

const mutation = fc.tuple(
  fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  fc.constantFrom('', ...'{}[],:"\\\n\t x1'.split(''), '},{', '[]', 'null', '\xff'),
  fc.nat(3),
)

test(`${RUNS} spoilt batches: the elements of JSON.parse where it takes the body; else an error for the body, or for at least one element`, () => {
  const ends = { same: 0, body: 0, element: 0 }
  fc.assert(
    fc.property(partsOf(spoilt), fc.array(mutation, { maxLength: 2 }), (parts, mutations) => {
      const body = mutations.reduce((bytes, [place, put, removed]) => {
        const at = Math.floor(place * bytes.length)
        return Buffer.concat([bytes.subarray(0, at), Buffer.from(put, 'latin1'), bytes.subarray(at + removed)])
      }, bodyOf(parts))
      // The guess leaves no trace.
      const guessed = Buffer.from(body)
      const guess = cutPlain(guessed, MAX)
      if (guess) {
        const proven = new Door({ partitions: 1 }).acceptPlain(guessed, guess.pos, guess.length, NOW)
        if (proven) expect((parsed(body).value as { events: unknown[] }).events.length).toBe(proven.lines)
        restore(guessed, guess)
        expect(guessed.equals(body)).toBe(true)
      }
      const { value } = parsed(body)
      const cut = Buffer.from(body)
      const lines = cutAny(cut, MAX)
      const events = (value as { events?: unknown } | null | undefined)?.events
      if ('code' in lines) {
        expect(Array.isArray(events) && !Array.isArray(value)).toBe(false)
        // Which of them, where it is JSON; keys of invalid UTF-8 are not told apart.
        if (value !== undefined)
          expect(lines.code).toBe(
            typeof value !== 'object' || value === null || Array.isArray(value)
              ? 'NOT_AN_OBJECT'
              : events === undefined
                ? 'MISSING_FIELD'
                : 'WRONG_TYPE',
          )
        ends.body++
        return
      }
      const texts = linesOf(cut, lines)
      expect(texts.length).toBe(lines.count)
      if (value !== undefined) {
        expect(texts.map((text) => parsed(text).value)).toEqual(events)
        ends.same++
      } else if (texts.some((text) => !('value' in parsed(text)))) ends.element++
      // Bytes that are no UTF-8 outside of the events are nobody's.
      else expect(() => strict(body)).toThrow()
    }),
    { numRuns: RUNS },
  )
  for (const count of Object.values(ends)) expect(count).toBeGreaterThan(RUNS / 20)
}, 120_000)

test('any beginning of a batch, and of one with nothing in it, is an error of the body', () => {
  for (const whole of ['{ }', '{"events":[]}', `{"events":[{"a":[1,"\\""]}, {}],"x":1}`]) {
    for (let length = 0; length < whole.length; length++) {
      const body = Buffer.from(whole.slice(0, length))
      expect(acceptBody(new Door({ partitions: 1 }), body, length, NOW)).toMatchObject({ code: 'MALFORMED_JSON' })
    }
  }
})

test('space around an event is no part of it: one of 64 KB is taken, wherever newlines are', () => {
  const largest = JSON.parse(
    strict(utf8(`{"eventId":"e","orgId":"o","productId":"p","userId":"u","type":"click","ts":${NOW},"receivedAt":${NOW},"x":1}`)),
  ) as object
  const fill = EVENT_BYTES_MAX - JSON.stringify({ ...largest, sdk: '' }).length
  const text = JSON.stringify({ ...largest, sdk: 'x'.repeat(fill) })
  for (const space of ['', ' ', '\r\n   ']) {
    const body = Buffer.from(`{"events":[${space}${text}${space},${space}${text}${space}]}`)
    expect(acceptBody(new Door({ partitions: 1 }), body, body.length, NOW)).toMatchObject({ accepted: 2, rejected: [] })
  }
})

test('the largest of nestings and of bodies are walked without recursion', () => {
  for (const text of [
    '['.repeat(5 << 20),
    `{"events":[${'['.repeat(1 << 20)}${']'.repeat(1 << 20)}]}`,
    `{"events":["${'\\'.repeat(1 << 20)}`,
  ]) {
    const body = Buffer.from(text)
    const answer = acceptBody(new Door({ partitions: 1 }), body, body.length, NOW)
    expect('code' in answer ? answer.code : answer.rejected.map(({ code }) => code)).toEqual(
      text.startsWith('[') ? 'NOT_AN_OBJECT' : text.endsWith(']}') ? ['EVENT_TOO_LARGE'] : 'MALFORMED_JSON',
    )
  }
})
