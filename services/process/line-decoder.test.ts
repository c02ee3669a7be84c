// A stream that grows between two runs, cut anywhere: every line is an event once, and what cannot be is said.
import { expect, test } from 'vitest'
import { type DecodedBatch, type ImportReceipt, type LineOptions, type Reject, StreamDecoding } from './line-decoder.ts'

const event = (eventId: string, end = '\n') =>
  `${JSON.stringify({ eventId, orgId: 'o', productId: 'p', userId: 'u', type: 'click', ts: 1_772_434_800_000 })}${end}`
const options = { partitions: 1, nowMs: () => 1_772_434_800_000, name: 'a stream' }

interface Seen {
  events: string[]
  rejects: [line: number, code: string][]
  last: ImportReceipt | undefined
}

/** Goes on with `seen`: text is the whole stream, in chunks of so many bytes. */
async function run(seen: Seen, text: string | Uint8Array, { chunk = 50, ...more }: LineOptions & { chunk?: number } = {}): Promise<Seen> {
  const bytes = Buffer.from(text)
  const chunks = async function* () {
    for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk)
  }
  const decoding = new StreamDecoding(chunks(), { ...options, ...more })
  await decoding.name()
  const found: Seen = { events: [...seen.events], rejects: [...seen.rejects], last: seen.last }
  for await (const batch of decoding.batches(seen.last)) {
    found.events.push(...idsOf(batch))
    found.rejects.push(...batch.rejects.map(([line, , { code }]: Reject): [number, string] => [line, code]))
    // As it comes back from the log.
    found.last = JSON.parse(JSON.stringify({ epoch: 1, ...batch.receipt })) as ImportReceipt
  }
  return found
}
const idsOf = ({ records }: DecodedBatch) =>
  records.flatMap(({ bytes }) =>
    [
      ...Buffer.from(bytes)
        .toString()
        .matchAll(/"eventId":"([^"]*)"/g),
    ].map(([, id]) => id!),
  )
const begin = (): Seen => ({ events: [], rejects: [], last: undefined })

test.each([
  ['with newlines', `${event('a')}${event('b')}\n${event('c')}`],
  ['with carriage returns', `${event('a', '\r\n')}${event('b', ' \r\n')}${event('c', '\r\n')}`],
  ['without a newline at the end', `${event('a')}${event('b', '')}`],
  ['behind a byte order mark', `\ufeff${event('a')}${event('b')}`],
])(
  'cut anywhere, and again anywhere behind that: each event once, %s',
  async (_, text) => {
    const whole = await run(begin(), text)
    expect([whole.events.join(''), whole.rejects]).toEqual([expect.stringMatching(/^abc?$/), []])
    const bytes = Buffer.from(text)
    const go = (seen: Seen, end: number) => run(seen, bytes.subarray(0, end), { chunk: 40 })
    for (let cut = 0; cut <= bytes.length; cut += 3) {
      for (const again of [cut, cut + 1, cut + 2, cut + 70, bytes.length].filter((end) => end <= bytes.length)) {
        const found = await go(await go(await go(begin(), cut), again), bytes.length)
        expect([found.events, found.last?.accepted, found.last?.lines], `${cut}, ${again}`).toEqual([
          whole.events,
          whole.last?.accepted,
          whole.last?.lines,
        ])
        expect(found.rejects.length).toBeLessThanOrEqual(2)
        // All is known.
        expect((await go(found, bytes.length)).events).toEqual(whole.events)
      }
    }
  },
  60_000,
)

test('a line that was an event before its newline came, and is a longer one now: it is named, and what follows is read', async () => {
  const first = await run(begin(), `${event('a')}${event('b', '')}`)
  expect(first.events).toEqual(['a', 'b'])
  const grown = await run(first, `${event('a')}${event('b', '')}, "x": 1}\n${event('c')}`)
  expect([grown.events, grown.rejects, grown.last]).toMatchObject([
    ['a', 'b', 'c'],
    [[2, 'LINE_GREW']],
    { lines: 3, accepted: 3, rejected: 1 },
  ])
  expect(await run(grown, `${event('a')}${event('b', '')}, "x": 1}\n${event('c')}`)).toEqual(grown)
  // Still without its newline.
  const more = await run(first, `${event('a')}${event('b', '')}, "x"`)
  const ended = await run(more, `${event('a')}${event('b', '')}, "x"\n${event('c')}`)
  expect([ended.events, ended.rejects]).toEqual([['a', 'b', 'c'], [[2, 'LINE_GREW']]])
})

test('a line of a web log, cut where it is none: it was rejected, and is read when its rest is there', async () => {
  const line = (path: string, end = '\n') =>
    `10.0.0.1 - - [02/Mar/2026:07:00:00 +0000] "GET ${path} HTTP/1.1" 200 12 "-" "Mozilla/5.0"${end}`
  const web = { format: 'combined' as const, name: undefined }
  // The stream is known by its first megabyte.
  const many = Array.from({ length: 10_000 }, (_, i) => line(`/${i}/${'x'.repeat(40)}`)).join('')
  const at = { ...web, chunk: 1 << 16 }
  const cut = await run(begin(), `${many}${line('/last', '').slice(0, 60)}`, at)
  const found = await run(cut, `${many}${line('/last')}`, at)
  expect([cut.last, found.last]).toMatchObject([
    { lines: 10_001, accepted: 10_000, rejected: 1 },
    { lines: 10_001, accepted: 10_001, rejected: 1 },
  ])
}, 60_000)

test.each([
  ['a last line that is another', `${event('a')}${event('x', '')}\n`],
  ['a last line that is gone', event('a')],
  ['a last line that is shorter', `${event('a')}${event('b', '').slice(0, 20)}`],
])('%s: INPUT_CHANGED', async (_, text) => {
  const first = await run(begin(), `${event('a')}${event('b', '')}`)
  await expect(run(first, text)).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
})
