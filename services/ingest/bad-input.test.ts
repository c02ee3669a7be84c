// What comes through the door over HTTP and should not: each has its answer, harms no neighbour, and the next batch is taken.
import type { RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import {
  answer,
  batch,
  code,
  event,
  get,
  heldLog,
  JSON_TYPE,
  metric,
  rawEvents,
  send,
  serve,
  until,
  useHttpWorld,
} from './http-world.fake.ts'

useHttpWorld()

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
    ...['constructor', 'toString', '__proto__', 'valueOf'].map((encoding): [string, string, RequestOptions, [number, string]] => [
      `${encoding} as an encoding`,
      batch(event()),
      { headers: { ...JSON_TYPE, 'content-encoding': encoding } },
      [415, 'UNSUPPORTED_ENCODING'],
    ]),
    ['two encodings', batch(event()), { headers: { ...JSON_TYPE, 'content-encoding': 'gzip, br' } }, [415, 'UNSUPPORTED_ENCODING']],
    ['GET', undefined, { method: 'GET' }, [405, 'METHOD_NOT_ALLOWED']],
    ['PUT with a body that nobody reads', batch(event()), { method: 'PUT' }, [405, 'METHOD_NOT_ALLOWED']],
    ['PATCH of another type', 'x', { method: 'PATCH', headers: { 'content-type': 'x/y' } }, [405, 'METHOD_NOT_ALLOWED']],
    ['the name of another site', batch(event()), { headers: { ...JSON_TYPE, host: 'evil.example:3000' } }, [403, 'FORBIDDEN_HOST']],
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
  const part =
    'POST /v1/events/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"events":['

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

describe('what is no request, byte by byte as it came: an answer with a code all the same', () => {
  const head = (first: string, ...headers: string[]) => `${[first, ...headers].join('\r\n')}\r\n\r\n`
  const POST = 'POST /v1/events/batch HTTP/1.1'
  const HOST = 'host: localhost'
  const JSON_BODY = 'content-type: application/json'
  test.each<[string, string, [number, string]]>([
    ['a path that is not well encoded', head('GET /v1/events/%zz HTTP/1.1', HOST), [400, 'BAD_URL']],
    ['a method that there is not', head('FOO /v1/events/batch HTTP/1.1', HOST), [400, 'BAD_REQUEST']],
    ['a length that is none', head(POST, HOST, JSON_BODY, 'content-length: x'), [400, 'BAD_REQUEST']],
    ['a chunk that is none', `${head(POST, HOST, JSON_BODY, 'transfer-encoding: chunked')}zz\r\n`, [400, 'BAD_REQUEST']],
    ['no HTTP at all', 'hello\r\n\r\n', [400, 'BAD_REQUEST']],
    ['a header of 20 KB', head(POST, HOST, `x: ${'x'.repeat(20_000)}`), [431, 'HEADERS_TOO_LARGE']],
    ['an expectation that nobody knows', head(POST, HOST, 'expect: foo'), [417, 'EXPECTATION_FAILED']],
    ['no host', head('GET /healthz HTTP/1.1'), [400, 'HOST_MISSING']],
    ['a method of others', head('PROPFIND /v1/events/batch HTTP/1.1', HOST), [405, 'METHOD_NOT_ALLOWED']],
    ['a method of others, with a question', head('PROPFIND /readyz?a=1 HTTP/1.1', HOST), [405, 'METHOD_NOT_ALLOWED']],
    ['a method of others, elsewhere', head('PROPFIND /nope HTTP/1.1', HOST), [404, 'NOT_FOUND']],
  ])('%s', async (_, bytes, expected) => {
    const http = await serve()
    const { status, type, body } = await raw(http.port, bytes)
    expect([[status, (JSON.parse(body) as { code: string }).code], type]).toEqual([expected, 'application/json; charset=utf-8'])
    expect((JSON.parse(body) as { message: string }).message).not.toBe('')
    expect(answer(await send(http, batch(event())))).toMatchObject({ status: 202, accepted: 1 })
    expect((await get(http, '/metrics')).text).toMatch(
      new RegExp(`packmill_http_requests_total\\{route="[^"]+",status="${expected[0]}"\\} 1`),
    )
  })

  test('the name of this machine in capitals, and HTTP/1.0 without one, are taken', async () => {
    const { port } = await serve()
    expect(await raw(port, head('GET /healthz HTTP/1.1', `host: LOCALHOST:${port}`, 'connection: close'))).toMatchObject({ status: 200 })
    expect(await raw(port, head('GET /healthz HTTP/1.0'))).toMatchObject({ status: 200 })
  })

  test('behind a whole batch that waits for its commit: no answer, which the batch would take for its own', async () => {
    const { log, commits } = heldLog()
    const { port } = await serve({ log })
    const body = batch(event())
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('utf8').on('data', (more: string) => (text += more))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(`${head(POST, HOST, JSON_BODY, `content-length: ${body.length}`)}${body}`)
    await until(() => commits.length === 1)
    socket.write('hello\r\n\r\n')
    await closed
    expect(text).toBe('')
    commits[0].resolve()
  })
})

/** What is answered to these bytes, on a connection of their own. */
async function raw(port: number, bytes: string): Promise<{ status: number; type: string | undefined; body: string }> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (more: string) => {
    text += more
    const [head, body] = text.split('\r\n\r\n')
    // A connection that may go on is left.
    if (body !== undefined && body.length >= Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Infinity)) socket.end()
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(bytes)
  await closed
  const [head, body = ''] = text.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), type: /content-type: (.*)/i.exec(head)?.[1], body }
}
