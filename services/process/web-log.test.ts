// Lines of a web log, one at a time and as a whole.
import { describe, expect, test } from 'vitest'
import { type ConvertedLines, convertWebLog, formatOf, noWebLogCounts, type Skippable } from './web-log.ts'

const LINE =
  '83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a/b?x=1#y HTTP/1.1" 200 203023 "http://example.com/from" "Mozilla/5.0 (Macintosh)"'
const like = (from: string, to: string) => {
  expect(LINE).toContain(from)
  return LINE.replace(from, to)
}

function convert(text: string | Uint8Array, skip: Skippable[] = []) {
  const counts = noWebLogCounts()
  const source = Buffer.concat([Buffer.from(text), Buffer.alloc(16)])
  const converted: ConvertedLines = convertWebLog(source, 0, source.length - 16, { product: 'shop', skip }, counts)
  const lines = Buffer.from(converted.bytes.subarray(0, converted.length)).toString().split('\n').slice(0, -1)
  return { counts, lines, events: lines.filter(Boolean).map((line) => JSON.parse(line)), rejected: converted.rejected }
}

test('a line is a screen view: path without query, time, hashes of the line and of address with agent', () => {
  const { events, counts, rejected } = convert(`${LINE}\n`)
  expect([rejected, counts]).toEqual([[], { assets: 0, bots: 0, filtered: 0 }])
  expect(events).toEqual([
    {
      eventId: expect.stringMatching(/^[0-9a-f]{32}$/),
      productId: 'shop',
      anonymousId: expect.stringMatching(/^[0-9a-f]{32}$/),
      type: 'screen_view',
      ts: Date.UTC(2015, 4, 17, 10, 5, 3),
      screen: '/a/b',
      properties: { method: 'GET', status: 200, bytes: 203023, referrer: 'http://example.com/from' },
    },
  ])
})

test('the same line is the same event; a user is address and agent together', () => {
  const [first, again, later, otherAgent, otherAddress] = convert(
    [LINE, LINE, like('10:05:03', '10:05:04'), like('Macintosh', 'Windows'), like('83.149', '83.148')]
      .map((line) => `${line}\r\n`)
      .join(''),
  ).events
  expect(again).toEqual(first)
  expect(later.eventId).not.toBe(first.eventId)
  expect(later.anonymousId).toBe(first.anonymousId)
  expect(new Set([first, otherAgent, otherAddress].map(({ anonymousId }) => anonymousId)).size).toBe(3)
  // Neither is found in what is stored.
  expect(JSON.stringify(first)).not.toMatch(/83\.149|Mozilla/)
})

describe('what a line may hold', () => {
  test.each([
    ['a zone', '+0000', '-0730', { ts: Date.UTC(2015, 4, 17, 17, 35, 3) }],
    ['a whole address', '/a/b?x=1#y', 'http://example.com/c?d', { screen: '/c' }],
    ['nothing but a host', '/a/b?x=1#y', 'http://example.com', { screen: '/' }],
    ['a user with blanks', '- - [', '- Ann Smith [', { screen: '/a/b' }],
    [
      'quotes within quotes',
      'http://example.com/from',
      'http://example.com/\\"q\\"',
      { properties: { method: 'GET', status: 200, bytes: 203023, referrer: 'http://example.com/"q"' } },
    ],
    ['no size, no referrer', '203023 "http://example.com/from"', '- "-"', { properties: { method: 'GET', status: 200 } }],
    ['fields behind the agent', '(Macintosh)"', '(Macintosh)" 0.004 "-"', { screen: '/a/b' }],
    ['an old request without protocol', ' HTTP/1.1', '', { screen: '/a/b' }],
    ['UTF-8', '/a/b?x=1#y', '/café', { screen: '/café' }],
  ] as const)('%s', (_, from, to, expected) => {
    const { events, rejected } = convert(`${like(from, to)}\n`)
    expect(rejected).toEqual([])
    expect(events).toEqual([expect.objectContaining(expected)])
  })
})

test('what is no line, no time or no request is rejected with its place; its neighbours are converted', () => {
  const bad = [
    'nonsense',
    like('17/May', '31/Feb'),
    like('/May/', '/Mai/'),
    like('GET /a/b?x=1#y HTTP/1.1', '-'),
    like('(Macintosh)"', '(Macintosh)'),
  ]
  const { lines, rejected } = convert(`${LINE}\n${bad.join('\n')}\n\n${LINE}`)
  expect(lines.map((line) => line !== '')).toEqual([true, false, false, false, false, false, false, true])
  expect(rejected.map(({ line, code }) => [line, code])).toEqual([
    [1, 'MALFORMED_LOG_LINE'],
    [2, 'INVALID_TIME'],
    [3, 'INVALID_TIME'],
    [4, 'MALFORMED_REQUEST'],
    [5, 'MALFORMED_LOG_LINE'],
  ])
})

test('assets and robots are marked and counted, and left out only where that is asked for', () => {
  const asset = like('/a/b?x=1#y', '/logo.PNG?v=2')
  const bot = like('Mozilla/5.0 (Macintosh)', 'Mozilla/5.0 (compatible; Googlebot/2.1)')
  const both = like('/a/b?x=1#y', '/style.css').replace('Mozilla/5.0 (Macintosh)', 'curl/8.1')
  const text = [LINE, asset, bot, both].join('\n')
  const all = convert(text)
  expect(all.counts).toEqual({ assets: 2, bots: 2, filtered: 0 })
  expect(all.events.map(({ properties: { asset, bot } }) => [asset, bot])).toEqual([
    [undefined, undefined],
    [true, undefined],
    [undefined, true],
    [true, true],
  ])
  expect(convert(text, ['assets']).counts.filtered).toBe(2)
  const pages = convert(text, ['assets', 'bots'])
  expect(pages.counts).toEqual({ assets: 2, bots: 2, filtered: 3 })
  expect(pages.lines.map((line) => line !== '')).toEqual([true, false, false, false])
})

test('the first lines tell the format', () => {
  const of = (text: string) => formatOf(Buffer.from(text))
  expect(of(`${LINE}\n`)).toBe('combined')
  expect(of(`\n# a comment\n${LINE}\n`)).toBe('combined')
  expect(of(`{"type":"click"}\n${LINE}\n`)).toBe('jsonl')
  expect(of('org,user\n')).toBe('jsonl')
  expect(of('')).toBe('jsonl')
})

test('a line made to be slow is refused as quickly as any', () => {
  for (const evil of ['[', '[] ', '" ', '\\', '"\\'].map((part) => `a - - ${part.repeat(20_000)}`)) {
    const before = process.cpuUsage()
    expect(convert(`${evil}\n`).rejected).toHaveLength(1)
    // A backtracking expression would take minutes.
    expect(process.cpuUsage(before).user).toBeLessThan(2e6)
  }
})

test('a virtual host in front of the address (vhost_combined) is passed over; one that is the address stays', () => {
  const user = (line: string) => convert(`${line}\n`).events[0]!.anonymousId
  const from = (address: string) => LINE.replace('83.149.9.216', address)
  expect(formatOf(Buffer.from(`www.example.com:443 ${LINE}\n`))).toBe('combined')
  expect(user(`www.example.com:443 ${LINE}`)).toBe(user(LINE))
  expect(user(from('[::1]:80 2001:db8::1'))).toBe(user(from('2001:db8::1')))
  // No address behind it.
  expect(user(from('example.com:443'))).not.toBe(user(from('example.com:80')))
  expect(user(from('2001:db8::1'))).not.toBe(user(from('2001:db8::2')))
})
