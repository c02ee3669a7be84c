import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expectedEvent } from '../tests/scan/expected-event.ts'
import { blockBytes } from '../tests/scan/record-arbitraries.ts'
import { Door } from './door.ts'
import { EVENT_BYTES_MAX } from './event.ts'
import { h128, hash128, kafkaPartition } from './hash.ts'
import { LineCutter } from './line-cutter.ts'
import { NO_OFFSET } from './rows.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const NOW = 1_760_000_000_000
const base = { eventId: 'e1', orgId: 'acme', productId: 'shop', userId: 'u1', type: 'click', ts: 1_750_000_000_000, receivedAt: NOW - 5 }
const line = (changes: Record<string, unknown> = {}) => JSON.stringify({ ...base, ...changes })

/** What one partition's door makes of lines. */
function through(text: string, options: { org?: string } = {}) {
  const door = new Door({ partitions: 1, ...options })
  const bytes = utf8(text)
  const result = door.accept(bytes, 0, bytes.length, NOW)
  return {
    ...result,
    records: door
      .take()
      .map(({ bytes }) => decode(bytes))
      .join(''),
  }
}
const idOf = (text: string) => {
  hash128(utf8(text), 0, utf8(text).length)
  return [...h128].map((word) => word.toString(16).padStart(8, '0')).join('')
}

describe('what a line lacks is put in before its closing brace', () => {
  const least = line({ eventId: undefined, orgId: undefined, receivedAt: undefined })
  test.each<[string, string, string]>([
    ['nothing', line(), line()],
    ['receivedAt', line({ receivedAt: undefined }), line({ receivedAt: NOW })],
    ['orgId', line({ orgId: undefined }), `${line({ orgId: undefined }).slice(0, -1)},"orgId":"o\\"rg"}`],
    [
      'eventId: the hash of the line',
      line({ eventId: undefined }),
      `${line({ eventId: undefined }).slice(0, -1)},"eventId":"${idOf(line({ eventId: undefined }))}"}`,
    ],
    ['all three', least, `${least.slice(0, -1)},"orgId":"o\\"rg","eventId":"${idOf(least)}","receivedAt":${NOW}}`],
    [
      'an empty orgId, a null eventId',
      line({ orgId: '', eventId: null }),
      `${line({ orgId: '', eventId: null }).slice(0, -1)},"orgId":"o\\"rg","eventId":"${idOf(line({ orgId: '', eventId: null }))}"}`,
    ],
    ['space around is cut off, space inside stays', ` \t${line().replace('}', ' \t}')} \r`, line().replace('}', ' \t}')],
    [
      'the id does not depend on the space around',
      `  ${least}\r`,
      `${least.slice(0, -1)},"orgId":"o\\"rg","eventId":"${idOf(least)}","receivedAt":${NOW}}`,
    ],
    [
      'a line that falls back',
      line({ taskLabel: '"€"', receivedAt: undefined }),
      line({ taskLabel: '"€"', receivedAt: undefined }).replace(/}$/, `,"receivedAt":${NOW}}`),
    ],
  ])('%s', (_, text, record) => {
    const result = through(`${text}\n`, { org: 'o"rg' })
    expect(result).toMatchObject({ lines: 1, accepted: 1, rejected: [] })
    expect(result.records).toBe(`${record}\n`)
  })
})

describe('rejected lines', () => {
  test('say which line, where, and why; the others pass', () => {
    const good = line()
    const { lines, accepted, rejected, records } = through(`${good}\nbad\n\n  \r\n${line({ type: 'no' })}\n${good}\n`)
    expect([lines, accepted, records]).toEqual([6, 2, `${good}\n${good}\n`])
    expect(rejected).toMatchObject([
      { line: 1, pos: good.length + 1, length: 3, code: 'MALFORMED_JSON' },
      { line: 4, length: line({ type: 'no' }).length, code: 'UNKNOWN_TYPE', field: 'type' },
    ])
  })

  test('a line without orgId, where no org is given', () => {
    expect(through(`${line({ orgId: undefined })}\n`)).toMatchObject({ accepted: 0, rejected: [{ code: 'MISSING_FIELD', field: 'orgId' }] })
  })

  test('a line that would be too large with what is put in', () => {
    const fill = (length: number) =>
      line({ receivedAt: undefined, sdk: 'x'.repeat(length - line({ receivedAt: undefined, sdk: '' }).length) })
    const put = `,"receivedAt":${NOW}`.length
    expect(through(`${fill(EVENT_BYTES_MAX - put)}\n`)).toMatchObject({ accepted: 1 })
    expect(through(`${fill(EVENT_BYTES_MAX - put + 1)}\n`)).toMatchObject({ accepted: 0, rejected: [{ code: 'EVENT_TOO_LARGE' }] })
  })

  test.each(['o\0', '\ud800', 'o'.repeat(257)])('an org that cannot be one (%#)', (org) => {
    expect(() => new Door({ partitions: 1, org })).toThrow(expect.objectContaining({ code: 'INVALID_ORG' }))
  })
})

describe('partitions', () => {
  test('are those of Kafka for orgId:productId, in the order of the lines, over many actors and calls', () => {
    const door = new Door({ partitions: 8, org: 'dflt' })
    const expected: string[][] = Array.from({ length: 8 }, () => [])
    const got: string[][] = Array.from({ length: 8 }, () => [])
    for (let call = 0; call < 4; call++) {
      let block = ''
      for (let i = 0; i < 2000; i++) {
        const [org, product] = [i % 5 === 0 ? '' : `org-${i % 613}"`, `product-€-${i % 7}`]
        const text = line({ eventId: `${call}-${i}`, orgId: org, productId: product })
        block += `${text}\n`
        const record = org === '' ? text.replace(/}$/, ',"orgId":"dflt"}') : text
        expected[kafkaPartition(utf8(`${org || 'dflt'}:${product}`), 8)].push(record)
      }
      const bytes = utf8(block)
      expect(door.accept(bytes, 0, bytes.length, NOW)).toMatchObject({ accepted: 2000, rejected: [] })
      for (const { partition, count, bytes } of door.take()) {
        const records = decode(bytes).trimEnd().split('\n')
        expect(records.length).toBe(count)
        got[partition].push(...records)
      }
    }
    expect(door.take()).toEqual([])
    expect(got).toEqual(expected)
  })

  test('what was taken stays as it is while more is accepted', () => {
    const door = new Door({ partitions: 1 })
    const bytes = utf8(`${line()}\n`)
    door.accept(bytes, 0, bytes.length, NOW)
    const [taken] = door.take()
    const copy = taken.bytes.slice()
    const more = utf8(`${line({ eventId: 'e2' })}\n`)
    door.accept(more, 0, more.length, NOW)
    expect(taken.bytes).toEqual(copy)
  })
})

test('any lines: accepted are those that are events, behind the door each is a whole event on one line with the same values', () => {
  fc.assert(
    fc.property(blockBytes, (block) => {
      const door = new Door({ partitions: 3, org: 'dflt' })
      const cutter = new LineCutter()
      const all = [cutter.push(block), cutter.end()].map(({ bytes, pos, length }) => door.accept(bytes, pos, length, NOW))
      const lines = decodeLines(block)
      const events = lines.map((text) => expectedEvent(text, true))
      const taken = door.take().flatMap(({ bytes, count }) => {
        const records = decodeLines(bytes)
        expect(records.length).toBe(count)
        return records
      })
      // What the door adds may make a line too large, so the accepted are counted with the rejected.
      const rejected = all.flatMap(({ rejected }) => rejected)
      const grown = rejected.filter(({ code, message }) => code === 'EVENT_TOO_LARGE' && message.includes('with what')).length
      expect(taken.length).toBe(events.filter((event) => event !== null).length - grown)
      expect(all.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(taken.length)
      const key = (event: object) => JSON.stringify(Object.entries(event).sort())
      const behind = taken.map((record) => expectedEvent(record)).map((event) => key({ ...event, eventId: 0, receivedAt: 0 }))
      const wanted = events
        .filter((event) => event !== null)
        .map((event) => key({ ...event, org: event.org ?? 'dflt', eventId: 0, receivedAt: 0 }))
      expect(behind.filter((event) => !wanted.includes(event))).toEqual([])
    }),
    { numRuns: 1_500 },
  )
})

const decodeLines = (bytes: Uint8Array) => {
  const lines: Uint8Array[] = []
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(10, start)
    lines.push(bytes.subarray(start, end < 0 ? bytes.length : end))
    start = end < 0 ? bytes.length : end + 1
  }
  return lines
}

describe('events of clients', () => {
  const AHEAD = 300_000
  const BEHIND = 7 * 86_400_000
  function fromClient(text: string) {
    let ids = 0
    const door = new Door({ partitions: 4, client: { newId: () => `new-${++ids}`, aheadMs: AHEAD, behindMs: BEHIND } })
    const bytes = utf8(text)
    const result = door.accept(bytes, 0, bytes.length, NOW)
    const late = door.takeLate()
    return {
      ...result,
      records: door.take().map(({ bytes }) => decode(bytes).trimEnd()),
      lateLines: late && decode(late.bytes),
      count: late?.count,
    }
  }
  const own = (changes: Record<string, unknown>) => line({ ts: NOW, receivedAt: undefined, ...changes })
  const received = `"receivedAt":${NOW}`

  test.each<[string, string, string]>([
    ['an id is made', own({ eventId: undefined }), own({ eventId: undefined }).replace(/}$/, `,"eventId":"new-1",${received}}`)],
    ['receivedAt is the door’s, whatever they say', own({ receivedAt: 5 }), own({ receivedAt: NOW })],
    [
      'of two the last, which counts',
      own({}).replace('{', '{"receivedAt" : 7 , ').replace(/}$/, ',"receivedAt": 8 }'),
      own({}).replace('{', '{"receivedAt" : 7 , ').replace(/}$/, `,"receivedAt": ${NOW}}`),
    ],
    ['a clock as far ahead as allowed stays', own({ ts: NOW + AHEAD }), own({ ts: NOW + AHEAD }).replace(/}$/, `,${received}}`)],
    ['one further ahead becomes that', own({ ts: NOW + AHEAD + 1 }), own({ ts: NOW + AHEAD }).replace(/}$/, `,${received}}`)],
    [
      'in ISO 8601 too, under an escaped key',
      own({ ts: undefined }).replace('{', '{"\\u0074s":"2199-01-01T00:00:00Z",'),
      own({ ts: undefined })
        .replace('{', `{"\\u0074s":${NOW + AHEAD},`)
        .replace(/}$/, `,${received}}`),
    ],
    [
      'a key of properties is none of the event’s',
      own({ ts: NOW * 2, properties: { ts: 1, a: ['"ts":1'] } }),
      own({ ts: NOW + AHEAD, properties: { ts: 1, a: ['"ts":1'] } }).replace(/}$/, `,${received}}`),
    ],
    ['as far behind as allowed is not late', own({ ts: NOW - BEHIND }), own({ ts: NOW - BEHIND }).replace(/}$/, `,${received}}`)],
  ])('%s', (_, text, record) => {
    const { records, lateLines, accepted } = fromClient(`${text}\n`)
    expect([records, lateLines, accepted]).toEqual([[record], undefined, 1])
  })

  test('further behind is accepted and late: kept with all that the door puts in, and not among the records', () => {
    const old = own({ ts: NOW - BEHIND - 1, name: 'a"€' })
    const { records, lateLines, ...result } = fromClient(`${old}\n${own({})}\n${old}\n`)
    expect(result).toMatchObject({ accepted: 3, late: 2, clamped: 0, count: 2 })
    expect(records).toEqual([own({}).replace(/}$/, `,${received}}`)])
    const [first, second, rest] = lateLines!.split('\n')
    expect([second, rest]).toEqual([first, ''])
    expect(JSON.parse(first)).toEqual({
      reason: 'old',
      partition: kafkaPartition(utf8('acme:shop'), 4),
      offset: NO_OFFSET,
      watermark: NOW - BEHIND,
      record: old.replace(/}$/, `,${received}}`),
    })
  })
})
