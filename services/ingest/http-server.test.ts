// The door over HTTP as its clients meet it: the real server on a real port, with a real log below it or a claim that does what the test says.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Claim, Log, OutputBlock } from '../../engine/log/contract.ts'
import type { WireEvent } from '../../model/event.ts'
import type { LateRow } from '../../model/rows.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { storageError } from '../../stores/files/storage-error.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { type HttpOptions, type HttpServer, listenHttp, newEventId } from './http-server.ts'
import { AHEAD_MS, BEHIND_MS, openIngest } from './ingest.ts'

const NOW = 1_760_000_000_000
const PARTITIONS = 3
const MB = 1 << 20

let folder: string
const left: (() => Promise<unknown> | unknown)[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-http-'))
})
afterEach(async () => {
  for (const end of left.splice(0).reverse()) await end()
  rmSync(folder, { recursive: true })
})

const event = (changes: Record<string, unknown> = {}) => ({
  eventId: 'e1',
  orgId: 'acme',
  productId: 'shop',
  userId: 'u1',
  type: 'click',
  ts: NOW,
  ...changes,
})
const batch = (...events: unknown[]) => JSON.stringify({ events })
const observed = { topic: 'events.raw', stats: () => Promise.resolve({ tasks: [], sinks: [] }), ends: () => Promise.resolve([]) }

async function openLog(): Promise<JournalLog> {
  const at = join(folder, 'log')
  const shared = await prepareLog({ files: realFiles, folder: at, writers: ['main'] })
  return openJournalLog({ files: realFiles, folder: at, writer: 'main', shared })
}

interface Given extends Partial<HttpOptions> {
  log?: Pick<Log, 'claim'>
  org?: string
  waitingBytesMax?: number
}

async function serve({ log, org, waitingBytesMax, ...options }: Given = {}): Promise<HttpServer> {
  const http = await listenHttp({ port: 0, nowMs: () => NOW, ...options })
  left.push(() => http.stop())
  const ingest = await openIngest({
    log: log ?? (await openLog()),
    lineage: 'main',
    partitions: PARTITIONS,
    org,
    waitingBytesMax,
    nowMs: () => NOW,
    newId: newEventId,
    onCommit: (commit) => http.metrics.committed(commit),
  })
  http.open(ingest, observed)
  return http
}

/** A log whose commits end when the test says so. */
function heldLog() {
  const commits: { outputs: OutputBlock[]; resolve(): void; reject(error: unknown): void }[] = []
  const claim = {
    commit: ({ outputs }: { outputs: OutputBlock[] }) =>
      new Promise<void>((resolve, reject) => {
        commits.push({ outputs, resolve, reject })
      }),
    release: () => Promise.resolve(),
  }
  return { commits, log: { claim: () => Promise.resolve(claim as unknown as Claim) } as unknown as Pick<Log, 'claim'> }
}

interface Reply {
  status: number
  headers: IncomingHttpHeaders
  text: string
}
const JSON_TYPE = { 'content-type': 'application/json' }

function send(http: HttpServer, body: string | Uint8Array | undefined, more: RequestOptions = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options = {
      port: http.port,
      host: '127.0.0.1',
      path: '/v1/events/batch',
      method: 'POST',
      headers: JSON_TYPE,
      agent: false,
      ...more,
    }
    const request = httpRequest(options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }))
    })
    request.on('error', reject)
    request.end(body)
  })
}
const get = (http: HttpServer, path: string) => send(http, undefined, { method: 'GET', path, headers: {} })
const code = ({ status, text }: Reply) => [status, (JSON.parse(text) as { code: string }).code]
const answer = ({ status, text }: Reply) => ({ status, ...(JSON.parse(text) as { accepted: number; rejected: number; errors: object[] }) })
const metric = async (http: HttpServer, name: string) =>
  Number(new RegExp(`^packmill_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec((await get(http, '/metrics')).text)?.[1])
/** Turns of the event loop until it is so; a test that never gets there times out. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve))
}

async function recordsOf<T>(topic: string, partitions: number[]): Promise<T[]> {
  const log = await openLog()
  const records: T[] = []
  for (const partition of partitions) {
    const reader = log.reader({ topic, partition })
    for (let read = await reader.read(0, MB); read.blocks.length > 0; read = await reader.read(read.next, MB))
      for (const { pos, length } of read.blocks)
        for (const line of Buffer.from(read.bytes.subarray(pos, pos + length))
          .toString()
          .trimEnd()
          .split('\n'))
          records.push(JSON.parse(line) as T)
    reader.close()
  }
  await log.close()
  return records
}
const rawEvents = () => recordsOf<WireEvent>('events.raw', [0, 1, 2])

describe('a batch', () => {
  test('is answered 202 when it is in the log; each bad event with its index, the others are taken', async () => {
    const http = await serve()
    const reply = await send(http, batch(event(), 5, event({ eventId: 'e2', type: 'clack' }), event({ eventId: 'e3', userId: 'ü' })))
    expect(answer(reply)).toEqual({
      status: 202,
      accepted: 2,
      rejected: 2,
      errors: [
        { index: 1, code: 'NOT_AN_OBJECT', message: expect.stringContaining('JSON object') },
        { index: 2, code: 'UNKNOWN_TYPE', message: expect.stringContaining('screen_view') },
      ],
    })
    expect(await rawEvents()).toEqual([event({ receivedAt: NOW }), event({ eventId: 'e3', userId: 'ü', receivedAt: NOW })])
  })

  test('with the same event twice: both are in the log, the sessions count one', async () => {
    const http = await serve()
    expect(answer(await send(http, batch(event(), event())))).toMatchObject({ accepted: 2, rejected: 0 })
    expect(await rawEvents()).toHaveLength(2)
  })

  test('of 1,000 events is taken, one of 1,001 is not; nor is one of 5 MB and a byte', async () => {
    const http = await serve()
    const many = Array.from({ length: 1_001 }, (_, i) => event({ eventId: `e${i}` }))
    expect(code(await send(http, batch(...many)))).toEqual([413, 'TOO_MANY_EVENTS'])
    expect(answer(await send(http, batch(...many.slice(1))))).toMatchObject({ status: 202, accepted: 1_000 })
    const fill = (bytes: number) => `${batch(event())}${' '.repeat(bytes - batch(event()).length)}`
    expect(answer(await send(http, fill(5 * MB)))).toMatchObject({ accepted: 1 })
    expect(code(await send(http, fill(5 * MB + 1)))).toEqual([413, 'BODY_TOO_LARGE'])
    // Without a length announced.
    const chunked = { headers: { ...JSON_TYPE, 'transfer-encoding': 'chunked' } }
    expect(answer(await send(http, fill(5 * MB), chunked))).toMatchObject({ accepted: 1 })
    expect(code(await send(http, fill(5 * MB + 1), chunked))).toEqual([413, 'BODY_TOO_LARGE'])
    expect(await rawEvents()).toHaveLength(1_002)
  })

  test.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ])('in %s is decompressed up to 5 MB, however small it came', async (encoding, compress) => {
    const http = await serve()
    const headers = { ...JSON_TYPE, 'content-encoding': encoding }
    expect(answer(await send(http, compress(batch(event())), { headers }))).toMatchObject({ status: 202, accepted: 1 })
    const bomb = compress(Buffer.alloc(200 * MB))
    expect(bomb.length).toBeLessThan(MB)
    expect(code(await send(http, bomb, { headers }))).toEqual([413, 'BODY_TOO_LARGE'])
    expect(code(await send(http, compress(`${batch(event())}${' '.repeat(5 * MB)}`), { headers }))).toEqual([413, 'BODY_TOO_LARGE'])
    expect(code(await send(http, compress(batch(event())).subarray(0, 20), { headers }))).toEqual([400, 'INVALID_ENCODING'])
    expect(code(await send(http, batch(event()), { headers }))).toEqual([400, 'INVALID_ENCODING'])
    expect(await metric(http, 'ingest_waiting_bytes')).toBe(0)
  })

  test('whose events lack ids, orgs and a receive time gets them; a clock ahead is set back, a week behind is late', async () => {
    const http = await serve({ org: 'dflt' })
    const bare = { productId: 'shop', anonymousId: 'a', type: 'click', ts: NOW }
    const old = event({ ts: NOW - BEHIND_MS - 1 })
    const reply = await send(http, batch(bare, bare, event({ ts: NOW + AHEAD_MS + 1, receivedAt: 1 }), old))
    expect(answer(reply)).toMatchObject({ status: 202, accepted: 4, rejected: 0, errors: [] })
    const events = await rawEvents()
    expect(events.filter(({ orgId }) => orgId === 'dflt')).toMatchObject([
      { ...bare, receivedAt: NOW },
      { ...bare, receivedAt: NOW },
    ])
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(3)
    expect(events.find(({ orgId }) => orgId === 'acme')).toEqual(event({ ts: NOW + AHEAD_MS, receivedAt: NOW }))
    const [late, ...more] = await recordsOf<LateRow>('events.late', [PARTITIONS])
    expect(late).toMatchObject({ reason: 'old', watermark: NOW - BEHIND_MS })
    expect([JSON.parse(late.record), more]).toEqual([{ ...old, receivedAt: NOW }, []])
    expect(await metric(http, 'ingest_late_total')).toBe(1)
    expect(await metric(http, 'ingest_clamped_total')).toBe(1)
  })
})

describe('bad input: an answer with a code, and the next batch is taken', () => {
  const utf16 = Buffer.from(batch(event()), 'utf16le')
  const deep = `${'['.repeat(40)}${']'.repeat(40)}`
  test.each<[string, string | Uint8Array | undefined, RequestOptions, [number, string]]>([
    ['no body', undefined, {}, [400, 'EMPTY_BODY']],
    ['no body and no type', undefined, { headers: {} }, [400, 'EMPTY_BODY']],
    ['malformed JSON', '{"events":[', {}, [400, 'MALFORMED_JSON']],
    ['text', 'hello', {}, [400, 'MALFORMED_JSON']],
    ['two bodies', `${batch(event())}${batch(event())}`, {}, [400, 'MALFORMED_JSON']],
    ['a trailing comma', `{"events":[${JSON.stringify(event())},]}`, {}, [400, 'MALFORMED_JSON']],
    ['UTF-16', utf16, {}, [400, 'MALFORMED_JSON']],
    ['a byte order mark', `\ufeff${batch(event())}`, {}, [400, 'MALFORMED_JSON']],
    ['an array', '[]', {}, [400, 'NOT_AN_OBJECT']],
    ['null', 'null', {}, [400, 'NOT_AN_OBJECT']],
    ['an event without its batch', JSON.stringify(event()), {}, [400, 'MISSING_FIELD']],
    ['an empty object', '{}', {}, [400, 'MISSING_FIELD']],
    ['events that are an object', '{"events":{}}', {}, [400, 'WRONG_TYPE']],
    ['an empty batch', '{"events":[]}', {}, [400, 'EMPTY_BATCH']],
    ['a large value beside the events', `{"sdk":"${'x'.repeat(1 << 16)}","events":[1]}`, {}, [400, 'TOO_LONG']],
    ['another type', batch(event()), { headers: { 'content-type': 'text/plain' } }, [415, 'UNSUPPORTED_TYPE']],
    ['no type', batch(event()), { headers: {} }, [415, 'UNSUPPORTED_TYPE']],
    ['a type that is none', batch(event()), { headers: { 'content-type': 'a/b/c;;' } }, [415, 'UNSUPPORTED_TYPE']],
    ['another encoding', batch(event()), { headers: { ...JSON_TYPE, 'content-encoding': 'deflate' } }, [415, 'UNSUPPORTED_ENCODING']],
    ['two encodings', batch(event()), { headers: { ...JSON_TYPE, 'content-encoding': 'gzip, br' } }, [415, 'UNSUPPORTED_ENCODING']],
    ['GET', undefined, { method: 'GET' }, [405, 'METHOD_NOT_ALLOWED']],
    ['PUT with a body that nobody reads', batch(event()), { method: 'PUT' }, [405, 'METHOD_NOT_ALLOWED']],
    ['PATCH of another type', 'x', { method: 'PATCH', headers: { 'content-type': 'x/y' } }, [405, 'METHOD_NOT_ALLOWED']],
    ['another path', batch(event()), { path: '/v1/events' }, [404, 'NOT_FOUND']],
    ['POST to a path that is read', '{}', { path: '/readyz' }, [405, 'METHOD_NOT_ALLOWED']],
  ])('%s', async (_, body, more, expected) => {
    const http = await serve()
    const reply = await send(http, body, more)
    expect(code(reply)).toEqual(expected)
    expect((JSON.parse(reply.text) as { message: string }).message).not.toBe('')
    if (expected[0] === 405) expect(reply.headers.allow).toMatch(more.path ? 'GET, HEAD' : 'POST')
    expect(answer(await send(http, batch(event())))).toMatchObject({ status: 202, accepted: 1 })
    expect(await metric(http, 'ingest_waiting_bytes')).toBe(0)
  })

  test.each<[string, string | Uint8Array, string]>([
    ['invalid UTF-8', Buffer.from(JSON.stringify(event({ screen: 'ÿ' })), 'latin1'), 'INVALID_UTF8'],
    ['half a surrogate pair', JSON.stringify(event({ screen: 'X' })).replace('X', '\\ud800'), 'LONE_SURROGATE'],
    ['deep nesting', JSON.stringify(event({ properties: 'X' })).replace('"X"', `{"a":${deep}}`), 'NESTED_TOO_DEEP'],
    ['forbidden keys', JSON.stringify(event({ properties: { X: 1 } })).replace('X', '__proto__'), 'FORBIDDEN_KEY'],
    ['64 KB and more', JSON.stringify(event({ sdk: 'x'.repeat(1 << 16) })), 'EVENT_TOO_LARGE'],
    ['the year 9999', JSON.stringify(event({ ts: '9999-01-01T00:00:00Z' })), 'INVALID_TIME'],
    ['no user', JSON.stringify(event({ userId: undefined })), 'MISSING_FIELD'],
    ['no org', JSON.stringify(event({ orgId: undefined })), 'MISSING_FIELD'],
    ['malformed JSON', '{"a":tru}', 'MALFORMED_JSON'],
    ['a newline in a string', JSON.stringify(event({ screen: 'X' })).replace('X', '\n'), 'MALFORMED_JSON'],
    ['a batch', batch(event()), 'MISSING_FIELD'],
  ])('an event with %s is rejected alone', async (_, bad, expected) => {
    const http = await serve()
    const good = (eventId: string) => JSON.stringify(event({ eventId }))
    const body = Buffer.concat(['{"events":[', good('a'), ',', bad, ',', good('b'), ']}'].map((part) => Buffer.from(part as string)))
    expect(answer(await send(http, body))).toMatchObject({ status: 202, accepted: 2, rejected: 1, errors: [{ index: 1, code: expected }] })
    expect((await rawEvents()).map(({ eventId }) => eventId)).toEqual(['a', 'b'])
  })
})

describe('a body that does not come', () => {
  const part = 'POST /v1/events/batch HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"events":['

  test('is refused when its time is over', async () => {
    const due: (() => void)[] = []
    const http = await serve({
      bodyTimeoutMs: 7,
      startTimer: (ms, callback) => {
        if (ms === 7) due.push(callback)
        return () => undefined
      },
    })
    const socket = connect(http.port, '127.0.0.1')
    let text = ''
    socket.setEncoding('utf8').on('data', (more: string) => (text += more))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(part)
    await until(async () => (await metric(http, 'ingest_waiting_bytes')) > 0)
    // The timers of other requests were for nothing.
    due[0]()
    await closed
    expect(text).toMatch(/^HTTP\/1\.1 408 .*connection: close.*"code":"BODY_TIMEOUT"/is)
    await until(async () => (await metric(http, 'ingest_waiting_bytes')) === 0)
    expect(answer(await send(http, batch(event())))).toMatchObject({ status: 202 })
    expect(await rawEvents()).toHaveLength(1)
  })

  test('because its sender went away leaves nothing', async () => {
    const http = await serve()
    const socket = connect(http.port, '127.0.0.1')
    socket.write(part)
    await until(async () => (await metric(http, 'ingest_waiting_bytes')) > 0)
    socket.destroy()
    await until(async () => (await metric(http, 'ingest_aborted_total')) === 1)
    await until(async () => (await metric(http, 'ingest_waiting_bytes')) === 0)
    expect(answer(await send(http, batch(event())))).toMatchObject({ status: 202 })
    expect(await rawEvents()).toHaveLength(1)
  })
})

test('a sender that goes away before the answer: its batch is taken, and nothing is held', async () => {
  const { log, commits } = heldLog()
  const http = await serve({ log })
  const socket = connect(http.port, '127.0.0.1')
  const body = batch(event())
  socket.write(
    `POST /v1/events/batch HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  await until(() => commits.length === 1)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.destroy()
  await closed
  expect(await metric(http, 'ingest_waiting_bytes')).toBe(body.length)
  commits[0].resolve()
  await until(async () => (await metric(http, 'ingest_waiting_bytes')) === 0)
  expect(await metric(http, 'ingest_events_total')).toBe(1)
})

describe('commits', () => {
  test('are shared by what came while one was in flight; nobody is answered before theirs', async () => {
    const { log, commits } = heldLog()
    const http = await serve({ log })
    const answered: number[] = []
    const post = async (n: number) => {
      const reply = await send(http, batch(event({ eventId: `e${n}` })))
      answered.push(n)
      return reply
    }
    const first = post(0)
    await until(() => commits.length === 1)
    const others = [1, 2, 3, 4].map(post)
    await until(async () => (await metric(http, 'ingest_waiting_bytes')) === 5 * batch(event({ eventId: 'e0' })).length)
    expect([answered, commits.length]).toEqual([[], 1])
    commits[0].resolve()
    expect(answer(await first)).toMatchObject({ status: 202, accepted: 1 })
    await until(() => commits.length === 2)
    expect(commits[1].outputs.reduce((sum, { count }) => sum + count, 0)).toBe(4)
    expect(answered).toEqual([0])
    commits[1].resolve()
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual([202, 202, 202, 202])
  })

  test('that find the disk full: 503 with when to try again, nothing was taken; with room it goes on', async () => {
    const { log, commits } = heldLog()
    const http = await serve({ log })
    const [full, again] = [send(http, batch(event())), send(http, batch(event({ eventId: 'e2' })))]
    await until(() => commits.length === 1)
    commits[0].reject(storageError(Object.assign(new Error('write'), { code: 'ENOSPC' }), '/data/log'))
    // Both in one commit, or one after the other.
    await until(async () => commits.length === 2 || (await metric(http, 'ingest_waiting_bytes')) === 0)
    commits[1]?.reject(storageError(Object.assign(new Error('write'), { code: 'ENOSPC' }), '/data/log'))
    for (const reply of await Promise.all([full, again])) {
      expect(code(reply)).toEqual([503, 'DISK_FULL'])
      expect(reply.text).toContain('nothing of this batch was taken')
      expect(reply.headers['retry-after']).toBe('5')
    }
    const seen = commits.length
    const later = send(http, batch(event({ eventId: 'e3' })))
    await until(() => commits.length === seen + 1)
    expect(Buffer.concat(commits[seen].outputs.map(({ bytes }) => bytes)).toString()).toBe(
      `${JSON.stringify(event({ eventId: 'e3', receivedAt: NOW }))}\n`,
    )
    commits[seen].resolve()
    expect(answer(await later)).toMatchObject({ status: 202, accepted: 1 })
  })

  test('that are slow: more than may wait is refused with 503, and taken again later', async () => {
    const { log, commits } = heldLog()
    const size = batch(event()).length
    const http = await serve({ log, waitingBytesMax: size * 2 })
    const waiting = [send(http, batch(event())), send(http, batch(event()))]
    await until(async () => (await metric(http, 'ingest_waiting_bytes')) === size * 2)
    const refused = await send(http, batch(event()))
    expect(code(refused)).toEqual([503, 'BUSY'])
    expect(refused.headers['retry-after']).toBe('1')
    let resolved = 0
    await until(async () => {
      for (; resolved < commits.length; resolved++) commits[resolved].resolve()
      return (await metric(http, 'ingest_waiting_bytes')) === 0
    })
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([202, 202])
    const later = send(http, batch(event()))
    await until(() => commits.length === resolved + 1)
    commits[resolved].resolve()
    expect(answer(await later)).toMatchObject({ status: 202 })
  })
})

describe('starting and stopping', () => {
  test('before the log is open it is alive and not ready: 503 with when to try again', async () => {
    const http = await listenHttp({ port: 0 })
    left.push(() => http.stop())
    expect(await get(http, '/healthz')).toMatchObject({ status: 200, text: '{"status":"alive"}' })
    expect(code(await get(http, '/readyz'))).toEqual([503, 'STARTING'])
    const refused = await send(http, batch(event()))
    expect([code(refused), refused.headers['retry-after']]).toEqual([[503, 'STARTING'], '1'])
    expect(await metric(http, 'ready')).toBe(0)
    http.open(await openIngest({ log: await openLog(), lineage: 'main', partitions: 1, nowMs: () => NOW, newId: newEventId }), observed)
    http.partitionStopped(2)
    expect(await get(http, '/readyz')).toMatchObject({ status: 200, text: '{"status":"ready","stoppedPartitions":[2]}' })
    expect(answer(await send(http, batch(event())))).toMatchObject({ status: 202 })
    expect(await metric(http, 'ready')).toBe(1)
  })

  test('a stop answers what is under way, and takes nothing new', async () => {
    const { log, commits } = heldLog()
    const http = await serve({ log })
    const underWay = send(http, batch(event()))
    await until(() => commits.length === 1)
    const stopped = http.stop()
    await expect(send(http, batch(event()))).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    commits[0].resolve()
    expect(answer(await underWay)).toMatchObject({ status: 202, accepted: 1 })
    await stopped
    expect(commits).toHaveLength(1)
    left.length = 0
  })

  test('a port that another has: PORT_IN_USE, and what to do', async () => {
    const { port } = await serve()
    await expect(listenHttp({ port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: `another process listens on 127.0.0.1:${port}`,
      advice: expect.stringContaining('--port'),
    })
  })

  test('it listens on loopback only', async () => {
    const http = await serve()
    expect(http.port).toBeGreaterThan(0)
    // Linux answers on all of 127.0.0.0/8 where a server listens on every address.
    const other = connect(http.port, '127.0.0.2')
    await expect(new Promise((resolve, reject) => other.once('connect', resolve).once('error', reject))).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    })
    expect(existsSync(folder)).toBe(true)
  })
})

test('/metrics: the running process in the words of Prometheus', async () => {
  const http = await listenHttp({ port: 0, nowMs: () => NOW })
  left.push(() => http.stop())
  const task = {
    partition: 1,
    position: 70,
    epoch: 9,
    epochMs: 1500,
    checkpointMs: 250,
    watermark: NOW - 60_000,
    accepted: 65,
    open: 5,
    closed: 50,
  }
  const rest = {
    duplicates: 4,
    late: 3,
    deadLettered: 2,
    invalid: 0,
    users: 11,
    stateBytes: 1234,
    checkpoints: 3,
    restarts: 1,
    loads: 6,
    evictions: 7,
    fallbackRows: 0,
  }
  const sink = { sink: 'events_raw', topic: 'events.raw', done: [10, 60], rows: 70, writes: 8, retries: 1, readBacks: 0, missingRows: 0 }
  http.open(await openIngest({ log: heldLog().log, lineage: 'main', partitions: 2, nowMs: () => NOW, newId: newEventId }), {
    topic: 'events.raw',
    stats: () => Promise.resolve({ tasks: [{ ...task, ...rest }], sinks: [sink] }),
    ends: () => Promise.resolve([10, 100]),
  })
  const { headers, text } = await get(http, '/metrics')
  expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
  for (const line of [
    'lag_records{partition="1"} 30',
    'processed_records{partition="1"} 70',
    'watermark_delay_seconds{partition="1"} 60',
    'epoch{partition="1"} 9',
    'epoch_seconds_sum{partition="1"} 1.5',
    'checkpoints{partition="1"} 3',
    'checkpoint_seconds_sum{partition="1"} 0.25',
    'events{partition="1",state="late"} 3',
    'dead_letters{partition="1"} 2',
    'cache_bytes{partition="1"} 1234',
    'cache_loads{partition="1"} 6',
    'sink_batches{sink="events_raw"} 8',
    'sink_lag_records{sink="events_raw"} 40',
    'ingest_events_total 0',
  ])
    expect(text.split('\n')).toContain(`packmill_${line}`)
  expect((await get(http, '/metrics')).text).toContain('packmill_http_requests_total{route="/metrics",status="200"} 1')
})
