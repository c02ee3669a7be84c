import { describe, expect, test } from 'vitest'
import { expectedEvent } from '../tests/scan/expected-event.ts'
import { rowValues } from '../tests/scan/row-values.ts'
import { EVENT_BYTES_MAX, KEY_STRING_BYTES_MAX, NESTING_MAX, PROPERTIES_BYTES_MAX, STRING_BYTES_MAX, TS_MAX } from './event.ts'
import { FALLBACK_REASONS, type FallbackReason } from './fallback-reasons.ts'
import { newBatch, resetBatch, scanBlock, truncateBatch } from './scan.ts'
import { SLACK } from './scan-plain.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)
const base = { eventId: 'e1', orgId: 'acme', productId: 'shop', userId: 'u1', type: 'click', ts: 1_750_000_000_000 }
const line = (changes: Record<string, unknown> = {}) => JSON.stringify({ ...base, ...changes })
/** The base event with raw JSON text behind its fields. */
const and = (text: string) => `${line().slice(0, -1)},${text}}`

/** Scans one block; `reasons` are those that were counted. */
function scan(text: string | Uint8Array, { from = 0, atDoor = false } = {}) {
  const bytes = typeof text === 'string' ? utf8(text) : text
  const batch = newBatch()
  resetBatch(batch, bytes)
  scanBlock(batch, 0, bytes.length, 100, from, atDoor)
  return { batch, reasons: FALLBACK_REASONS.filter((_, i) => batch.fallbackReasons[i] > 0) }
}
/** Each case behind a title that fits a line. */
const titled = <T extends (string | undefined)[]>(cases: T[]) => cases.map((row): [string, ...T] => [row.join(' ').slice(0, 140), ...row])
const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

describe('plain: no fallback, the values of JSON.parse', () => {
  test.each<[string, string]>([
    ['the least', line()],
    [
      'every field',
      line({
        name: 'n',
        screen: '/s',
        element: 'b#x',
        x: -3,
        y: 999_999_999,
        taskType: 't',
        taskLabel: 'l',
        success: false,
        context: 'c',
        receivedAt: 1_750_000_000_001,
        properties: { a: [1, -0.5e3, 'x\n', null, true, false, {}, []] },
      }),
    ],
    ['fields in another order', JSON.stringify(Object.fromEntries(Object.entries({ ...base, x: 1, screen: 's' }).reverse()))],
    [
      'spaces and tabs between everything, a carriage return',
      ` \t${line({ x: 1, properties: { a: [1, 2] } }).replace(/[{}[\]:,]/g, ' $& \t')} \r`,
    ],
    [
      'null and empty for absent',
      line({ screen: '', element: null, x: null, y: null, success: null, properties: null, receivedAt: null, context: '' }),
    ],
    ['anonymousId', line({ userId: undefined, anonymousId: 'anon' })],
    ['userId wins, written first', line({ anonymousId: 'anon' })],
    ['userId wins, written last', JSON.stringify({ anonymousId: 'anon', ...base })],
    ['an empty userId leaves the user to anonymousId', line({ userId: '', anonymousId: 'anon' })],
    ['fields unknown to us', and('"sdk":{"name":"web","v":[1,2]},"flag":true,"x2":-1.5E+3,"":null')],
    ['the same unknown field twice', and('"sdk":1,"sdk":2')],
    ['text outside ASCII', line({ screen: '/größe/€/😀', userId: '用户', taskLabel: '\u007f' })],
    ['escapes inside properties', and('"properties":{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u12aF\\ud800"}')],
    [
      'strings of every length to 20',
      line({
        screen: 'abcdefghijklmnopqrst',
        element: 'abcdefghijklmnopqrs',
        name: 'a',
        taskType: 'ab',
        taskLabel: 'abc',
        context: 'abcde',
      }),
    ],
    ['the longest key strings', line({ userId: 'u'.repeat(KEY_STRING_BYTES_MAX), eventId: 'e'.repeat(64) })],
    ['nesting to the limit', and(`"properties":${nested(NESTING_MAX)}`)],
    ['the last millisecond', line({ ts: TS_MAX - 1 })],
  ])('%s', (_, text) => {
    const { batch, reasons } = scan(`${text}\n`)
    expect(reasons).toEqual([])
    expect(rowValues(batch, 0)).toEqual(expectedEvent(utf8(text)))
    expect(batch.errors.size).toBe(0)
  })

  test.each(['screen_view', 'task_started', 'click', 'custom', 'error', 'task_completed'])('type %s', (type) => {
    const { batch, reasons } = scan(`${line({ type })}\n`)
    expect(reasons).toEqual([])
    expect(rowValues(batch, 0)?.type).toBe(type)
  })
})

describe('not plain, and still an event: the fallback reads the same values as JSON.parse', () => {
  test.each<[FallbackReason, string]>([
    ['escape', line({ taskLabel: 'press "Submit"' })],
    ['escape', line({ userId: 'a\\b\n\u0001', screen: '€"' })],
    ['escape', line().replace('userId', '\\u0075serId')],
    ['escape', and('"properties":{"\\u0061":1}')],
    ['escape', and('"propert\\u0069es":{"a":1}')],
    ['escape', and('"sdk\\n":1')],
    ['duplicate', and('"userId":"second"')],
    ['duplicate', and('"properties":{"a":1},"properties":{"a":[{}]}')],
    ['duplicate', and('"x":null,"x":1')],
    ['duplicate', and('"orgId":"other","screen":"","screen":"s"')],
    ['number', line({ x: 1.5 }).replace('1.5', '15e1')],
    ['number', line({ y: 1 }).replace('"y":1', '"y":2.0')],
    ['number', and('"x":-0')],
    ['number', and('"x":2147483647')],
    ['number', and('"y":-2147483647')],
    ['number', line({ receivedAt: 5 })],
    ['time', line({ ts: '2025-06-15T15:06:40Z' })],
    ['time', line({ ts: '2025-06-15T15:06:40.1239+02:30' })],
    ['time', line({ ts: '1969-12-31T23:00-01:00' })],
    ['time', line({ ts: '2024-02-29T00:00:00Z' })],
    ['time', line({ ts: 0 })],
    ['time', line({ ts: 999_999_999_999 })],
    ['time', line().replace('1750000000000', '1.75e12')],
    ['time', line().replace('1750000000000', '-0')],
    ['length', line({ eventId: '€'.repeat(64) })],
  ])('%s: %s', (reason, text) => {
    const { batch, reasons } = scan(`${text}\n`)
    expect(reasons).toEqual([reason])
    const values = expectedEvent(utf8(text))
    expect(values).not.toBeNull()
    expect(rowValues(batch, 0)).toEqual(values)
  })

  test('unterminated: a last record without a newline, with and without room behind it', () => {
    for (const room of [0, 1, SLACK, 100]) {
      const bytes = new Uint8Array(utf8(line()).length + room).fill(34)
      bytes.set(utf8(line()))
      const batch = newBatch()
      resetBatch(batch, bytes)
      scanBlock(batch, 0, bytes.length - room, 0)
      expect(batch.fallbackReasons[FALLBACK_REASONS.indexOf('unterminated')]).toBe(1)
      expect(rowValues(batch, 0)).toEqual(expectedEvent(utf8(line())))
    }
  })
})

describe('rejected: each with its reason to fall back, its code and its field', () => {
  const long = 'x'.repeat(STRING_BYTES_MAX + 1)
  test.each(
    titled<[FallbackReason, string, string | undefined, string]>([
      ['structure', 'MALFORMED_JSON', undefined, ''],
      ['structure', 'MALFORMED_JSON', undefined, '  \t\r'],
      ['structure', 'MALFORMED_JSON', undefined, 'hello'],
      ['structure', 'MALFORMED_JSON', undefined, line().slice(0, -1)],
      ['structure', 'MALFORMED_JSON', undefined, `${line()}}`],
      ['structure', 'MALFORMED_JSON', undefined, `${line()}${line()}`],
      ['structure', 'MALFORMED_JSON', undefined, line().replace(',"orgId"', ';"orgId"')],
      ['structure', 'MALFORMED_JSON', undefined, line().replace('"orgId":', '"orgId"')],
      ['structure', 'MALFORMED_JSON', undefined, `${and('').slice(0, -2)},}`],
      ['structure', 'MALFORMED_JSON', undefined, `\ufeff${line()}`],
      ['structure', 'NOT_AN_OBJECT', undefined, `[${line()}]`],
      ['structure', 'NOT_AN_OBJECT', undefined, 'null'],
      ['structure', 'NOT_AN_OBJECT', undefined, '12'],
      ['structure', 'MISSING_FIELD', 'userId', '{}'],
      ['control', 'MALFORMED_JSON', undefined, and('"screen":"a\tb"')],
      ['control', 'MALFORMED_JSON', undefined, and('"screen":"abc')],
      ['nested', 'MALFORMED_JSON', undefined, and('"properties":{"a":NaN}')],
      ['nested', 'MALFORMED_JSON', undefined, and('"properties":{"a":01}')],
      ['nested', 'MALFORMED_JSON', undefined, and('"properties":{"a":1,}')],
      ['nested', 'MALFORMED_JSON', undefined, and('"properties":{"a":"\\x"}')],
      ['nested', 'MALFORMED_JSON', undefined, and('"properties":{"a":"\\u12g4"}')],
      ['nested', 'MALFORMED_JSON', undefined, and('"properties":{"a":"\\u123g"}')],
      ['nested', 'MALFORMED_JSON', undefined, and('"properties":{"a":[1}')],
      ['nested', 'MALFORMED_JSON', undefined, and('"properties":{a:1}')],
      ['nested', 'MALFORMED_JSON', undefined, and('"properties":{"a"')],
      ['nested', 'MALFORMED_JSON', undefined, and('"other":1.')],
      ['nested', 'MALFORMED_JSON', undefined, and('"other":-')],
      ['nested', 'MALFORMED_JSON', undefined, and('"other":1e')],
      ['nested', 'MALFORMED_JSON', undefined, and('"other":tru')],
      ['nested', 'MALFORMED_JSON', undefined, and('"ot\ther":1')],
      ['value', 'MALFORMED_JSON', undefined, and('"success":truth')],
      ['value', 'MALFORMED_JSON', undefined, and('"screen":nil')],
      ['number', 'MALFORMED_JSON', undefined, and('"x":01')],
      ['number', 'MALFORMED_JSON', undefined, and('"x":-')],
      ['number', 'MALFORMED_JSON', undefined, and('"x":NaN')],
      ['forbidden-key', 'FORBIDDEN_KEY', '__proto__', and('"__proto__":{}')],
      ['forbidden-key', 'FORBIDDEN_KEY', 'constructor', and('"properties":{"a":[{"constructor":1}]}')],
      ['forbidden-key', 'FORBIDDEN_KEY', 'prototype', and('"sdk":{"prototype":1}')],
      ['escape', 'FORBIDDEN_KEY', '__proto__', and('"properties":{"__pr\\u006fto__":1}')],
      ['forbidden-key', 'FORBIDDEN_KEY', '__proto__', and('"properties":{"__proto__":1},"properties":{}')],
      ['deep', 'NESTED_TOO_DEEP', undefined, and(`"properties":${nested(NESTING_MAX + 1)}`)],
      ['deep', 'NESTED_TOO_DEEP', undefined, and(`"other":${'['.repeat(NESTING_MAX + 1)}${']'.repeat(NESTING_MAX + 1)}`)],
      ['deep', 'NESTED_TOO_DEEP', undefined, and(`"other":${'['.repeat(20_000)}${']'.repeat(20_000)}`)],
      ['value', 'WRONG_TYPE', 'userId', line({ userId: 12 })],
      ['value', 'WRONG_TYPE', 'screen', line({ screen: ['a'] })],
      ['value', 'WRONG_TYPE', 'type', line({ type: 3 })],
      ['number', 'WRONG_TYPE', 'x', line({ x: '12' })],
      ['value', 'WRONG_TYPE', 'success', line({ success: 'true' })],
      ['value', 'WRONG_TYPE', 'success', line({ success: 1 })],
      ['value', 'WRONG_TYPE', 'properties', line({ properties: [1] })],
      ['value', 'WRONG_TYPE', 'properties', line({ properties: 'a' })],
      ['number', 'WRONG_TYPE', 'receivedAt', line({ receivedAt: '2025-06-15T15:06:40Z' })],
      ['number', 'WRONG_TYPE', 'x', line({ x: 1.5 })],
      ['number', 'WRONG_TYPE', 'y', line({ y: 2_147_483_648 })],
      ['number', 'WRONG_TYPE', 'y', line({ y: -2_147_483_648 })],
      ['number', 'WRONG_TYPE', 'x', and('"x":1e400')],
      ['number', 'WRONG_TYPE', 'x', line({ x: true })],
      ['number', 'INVALID_TIME', 'receivedAt', line({ receivedAt: -1 })],
      ['time', 'WRONG_TYPE', 'ts', line({ ts: true })],
      ['time', 'WRONG_TYPE', 'ts', line({ ts: {} })],
      ['time', 'INVALID_TIME', 'ts', line({ ts: -1 })],
      ['time', 'INVALID_TIME', 'ts', line({ ts: 1_750_000_000_000.5 })],
      ['time', 'INVALID_TIME', 'ts', line({ ts: TS_MAX })],
      ['time', 'INVALID_TIME', 'ts', line({ ts: 17_500_000_000_000 })],
      ['time', 'INVALID_TIME', 'ts', line().replace('1750000000000', '1e400')],
      ['time', 'INVALID_TIME', 'ts', line({ ts: '0000-01-01T00:00:00Z' })],
      ['time', 'INVALID_TIME', 'ts', line({ ts: '0080-01-01T00:00:00Z' })],
      ['time', 'INVALID_TIME', 'ts', line({ ts: '9999-12-31T23:59:59Z' })],
      ['time', 'INVALID_TIME', 'ts', line({ ts: '2025-02-30T00:00:00Z' })],
      ['time', 'INVALID_TIME', 'ts', line({ ts: '2025-06-15T24:00:00Z' })],
      ['time', 'INVALID_TIME', 'ts', line({ ts: '2025-06-15T15:06:40' })],
      ['time', 'INVALID_TIME', 'ts', line({ ts: '15 June 2025' })],
      ['type', 'UNKNOWN_TYPE', 'type', line({ type: 'clicks' })],
      ['type', 'UNKNOWN_TYPE', 'type', line({ type: 'Click' })],
      ['type', 'UNKNOWN_TYPE', 'type', line({ type: 'task_complete' })],
      ['length', 'TOO_LONG', 'eventId', line({ eventId: 'e'.repeat(65) })],
      ['length', 'TOO_LONG', 'userId', line({ userId: 'u'.repeat(KEY_STRING_BYTES_MAX + 1) })],
      ['length', 'TOO_LONG', 'anonymousId', line({ anonymousId: '€'.repeat(86) })],
      ['length', 'TOO_LONG', 'screen', line({ screen: long })],
      ['length', 'TOO_LONG', 'properties', line({ properties: { a: 'x'.repeat(PROPERTIES_BYTES_MAX - 7) } })],
      ['large', 'EVENT_TOO_LARGE', undefined, line({ other: 'x'.repeat(EVENT_BYTES_MAX) })],
      ['large', 'EVENT_TOO_LARGE', undefined, '['.repeat(1_000_000)],
      ['large', 'EVENT_TOO_LARGE', undefined, line({ screen: 'x'.repeat(1_000_000) })],
      ['missing', 'MISSING_FIELD', 'orgId', line({ orgId: undefined })],
      ['missing', 'MISSING_FIELD', 'eventId', line({ eventId: '' })],
      ['missing', 'MISSING_FIELD', 'productId', line({ productId: null })],
      ['missing', 'MISSING_FIELD', 'userId', line({ userId: null })],
      ['missing', 'MISSING_FIELD', 'type', line({ type: undefined })],
      ['missing', 'MISSING_FIELD', 'ts', line({ ts: null })],
      ['escape', 'LONE_SURROGATE', 'userId', and('"userId":"a\\ud800"').replace('"userId":"u1",', '')],
      ['escape', 'LONE_SURROGATE', 'screen', and('"screen":"\\udc00\\ud800"')],
      ['escape', 'FORBIDDEN_CHARACTER', 'userId', line({ userId: 'a\0b' })],
      ['escape', 'FORBIDDEN_CHARACTER', 'anonymousId', line({ anonymousId: '\0' })],
      ['escape', 'FORBIDDEN_CHARACTER', 'orgId', line({ orgId: 'a\0' })],
      ['escape', 'FORBIDDEN_CHARACTER', 'productId', line({ productId: '\0a' })],
    ]),
  )('%s', (_, reason, code, field, text) => {
    const before = line({ eventId: 'before' })
    const after = line({ eventId: 'after', x: 3 })
    const { batch, reasons } = scan(`${before}\n${text}\n${after}\n`)
    expect(reasons).toEqual([reason])
    expect(batch.errors.get(1)).toMatchObject({ code, ...(field === undefined ? {} : { field }) })
    expect(rowValues(batch, 1)).toBeNull()
    expect(expectedEvent(utf8(text))).toBeNull()
    // One bad record never rejects its neighbours.
    expect(rowValues(batch, 0)).toEqual(expectedEvent(utf8(before)))
    expect(rowValues(batch, 2)).toEqual(expectedEvent(utf8(after)))
  })

  test('utf8: invalid bytes reject their record only', () => {
    const bytes = utf8(`${line({ screen: 'é' })}\n${line({ screen: '#' })}\n${line({ screen: '€', taskLabel: '"' })}\n`)
    bytes[bytes.indexOf(35)] = 0xff
    const { batch, reasons } = scan(bytes)
    expect(reasons).toEqual(['utf8', 'escape'])
    expect(batch.errors.get(1)).toMatchObject({ code: 'INVALID_UTF8' })
    expect([0, 1, 2].map((row) => rowValues(batch, row)?.screen)).toEqual(['é', undefined, '€'])
  })

  test('a surrogate encoded in UTF-8 is no valid UTF-8', () => {
    const bytes = utf8(`${line({ screen: '###' })}\n`)
    bytes.set([0xed, 0xa0, 0x80], bytes.indexOf(35))
    expect(scan(bytes).batch.errors.get(0)).toMatchObject({ code: 'INVALID_UTF8' })
  })
})

describe('blocks', () => {
  const lines = (count: number) => Array.from({ length: count }, (_, i) => line({ eventId: `e${i}`, x: i }))

  test('offsets count from the base; records below `from` are skipped', () => {
    const text = `${lines(5).join('\n')}\n`
    expect([...scan(text).batch.offset.subarray(0, 5)]).toEqual([100, 101, 102, 103, 104])
    const { batch } = scan(text, { from: 103 })
    expect(batch.count).toBe(2)
    expect([...batch.offset.subarray(0, 2)]).toEqual([103, 104])
    expect(rowValues(batch, 0)?.eventId).toBe('e3')
    expect(scan(text, { from: 105 }).batch.count).toBe(0)
    expect(scan(text, { from: 1000 }).batch.count).toBe(0)
  })

  test('rejected records keep their offsets', () => {
    const { batch } = scan(`${line()}\nbad\n${line()}\n`)
    expect([...batch.offset.subarray(0, 3)]).toEqual([100, 101, 102])
  })

  test('an empty block has no rows', () => {
    expect(scan('').batch.count).toBe(0)
  })

  test('several blocks of one buffer, and what lies between them is not read', () => {
    const first = utf8(`${line({ screen: 'one' })}\n`)
    const second = utf8(`${line({ screen: 'two "2"' })}\n`)
    const bytes = new Uint8Array(500).fill(0xff)
    bytes.set(first, 7)
    bytes.set(second, 250)
    const batch = newBatch()
    resetBatch(batch, bytes)
    scanBlock(batch, 7, first.length, 0)
    scanBlock(batch, 250, second.length, 50)
    expect([0, 1].map((row) => rowValues(batch, row)?.screen)).toEqual(['one', 'two "2"'])
    expect([...batch.offset.subarray(0, 2)]).toEqual([0, 50])
  })

  test('more rows than the arrays had room for, at every path', () => {
    const all = lines(5000).map((text, i) => (i % 7 === 0 ? text.replace('shop', 'sh\\u006fp') : text))
    const { batch } = scan(`${all.join('\n')}\n`)
    expect(batch.count).toBe(5000)
    expect([batch.scannedRows, batch.fallbackRows]).toEqual([5000 - 715, 715])
    for (const row of [0, 1, 1023, 1024, 2047, 2048, 4998, 4999]) expect(rowValues(batch, row)).toEqual(expectedEvent(utf8(all[row])))
  })

  test('the records and what is behind `used` stay as they were where no string was decoded', () => {
    const bytes = new Uint8Array(400).fill(7)
    const text = utf8(`${line()}\n`)
    bytes.set(text)
    const copy = bytes.slice()
    const batch = newBatch()
    resetBatch(batch, bytes, text.length)
    scanBlock(batch, 0, text.length, 0)
    expect(batch.bytes).toBe(bytes)
    expect(bytes).toEqual(copy)
  })

  test('decoded strings go behind `used` where there is room, without a copy', () => {
    const bytes = new Uint8Array(1000)
    const text = utf8(`${line({ taskLabel: '"€"' })}\n`)
    bytes.set(text)
    const batch = newBatch()
    resetBatch(batch, bytes, text.length)
    scanBlock(batch, 0, text.length, 0)
    expect(batch.bytes).toBe(bytes)
    expect(bytes.subarray(0, text.length)).toEqual(text)
    expect(rowValues(batch, 0)?.taskLabel).toBe('"€"')
  })

  test('a Buffer, and bytes in shared memory', () => {
    const text = utf8(`${line({ screen: 'é', taskLabel: '"' })}\n`)
    const shared = new Uint8Array(new SharedArrayBuffer(1024), 100)
    shared.set(text)
    for (const bytes of [Buffer.from(text), shared]) {
      const batch = newBatch()
      resetBatch(batch, bytes, text.length)
      scanBlock(batch, 0, text.length, 0)
      expect(rowValues(batch, 0)).toEqual(expectedEvent(text.subarray(0, -1)))
    }
  })

  test('a batch used again shows nothing of the rows before', () => {
    const batch = newBatch()
    const full = utf8(
      `${line({ screen: 's', element: 'e', x: 1, y: 2, name: 'n', taskType: 't', taskLabel: 'l', context: 'c', success: true, receivedAt: 1_750_000_000_000, properties: {} })}\n`,
    )
    const bad = utf8(`${line({ x: 'no', screen: 's' })}\n`)
    const least = utf8(`${line()}\n`)
    for (const bytes of [full, bad, full, least, bad, least]) {
      resetBatch(batch, bytes)
      scanBlock(batch, 0, bytes.length, 0)
      expect(rowValues(batch, 0)).toEqual(expectedEvent(bytes.subarray(0, -1)))
      expect(batch.errors.size).toBe(bytes === bad ? 1 : 0)
    }
  })

  test('a batch cut short and added to', () => {
    const bytes = utf8(`${line({ screen: 's', taskLabel: 'l' })}\nbad\n${line()}\n`)
    const batch = newBatch()
    resetBatch(batch, bytes)
    scanBlock(batch, 0, bytes.length, 0)
    truncateBatch(batch, 0)
    expect(batch.errors.size).toBe(0)
    const at = bytes.lastIndexOf(10, bytes.length - 2) + 1
    scanBlock(batch, at, bytes.length - at, 2)
    expect(rowValues(batch, 0)).toEqual(expectedEvent(utf8(line())))
  })
})

describe('at the door', () => {
  test('orgId and eventId may be absent, nothing else', () => {
    const { batch, reasons } = scan(
      `${line({ orgId: undefined, eventId: undefined })}\n${line({ orgId: '', eventId: null })}\n${line({ productId: '' })}\n`,
      { atDoor: true },
    )
    expect(reasons).toEqual(['missing'])
    expect(rowValues(batch, 0)).toEqual(expectedEvent(utf8(line({ orgId: undefined, eventId: undefined })), true))
    expect(rowValues(batch, 1)?.org).toBeUndefined()
    expect(batch.errors.get(2)).toMatchObject({ code: 'MISSING_FIELD', field: 'productId' })
  })

  test('so too in the fallback', () => {
    const text = line({ orgId: undefined, eventId: undefined, screen: '"' })
    const { batch } = scan(`${text}\n`, { atDoor: true })
    expect(rowValues(batch, 0)).toEqual(expectedEvent(utf8(text), true))
  })
})
