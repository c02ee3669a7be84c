// The door over HTTP: what is taken, when it is answered, and how the server starts and stops. Bad input is in bad-input.test.ts.
import { connect } from 'node:net'
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { LateRow } from '../../model/rows.ts'
import { storageError } from '../../stores/files/storage-error.ts'
import { listenHttp, newEventId } from './http-server.ts'
import {
  answer,
  batch,
  code,
  event,
  get,
  heldLog,
  JSON_TYPE,
  left,
  MB,
  metric,
  NOW,
  observed,
  openLog,
  PARTITIONS,
  rawEvents,
  recordsOf,
  send,
  serve,
  until,
  useHttpWorld,
} from './http-world.fake.ts'
import { AHEAD_MS, BEHIND_MS, openIngest } from './ingest.ts'

useHttpWorld()

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

test('a sender that goes away before the answer: its batch is taken, and nothing is held', async () => {
  const { log, commits } = heldLog()
  const http = await serve({ log })
  const socket = connect(http.port, '127.0.0.1')
  const body = batch(event())
  socket.write(
    `POST /v1/events/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
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

  test('whose commit may have been made: 503, and that this is not known', async () => {
    const { log, commits } = heldLog()
    const http = await serve({ log })
    const unknown = send(http, batch(event()))
    await until(() => commits.length === 1)
    commits[0].reject(Object.assign(new Error('no answer'), { code: 'KAFKA_UNAVAILABLE', retryable: true, isUndecided: true }))
    expect(code(await unknown)).toEqual([503, 'KAFKA_UNAVAILABLE'])
    expect((await unknown).text).toContain('not known, send it again with the same eventIds')
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
    expect(await metric(http, 'ready')).toBe(1)
    const sinks = async () => ((await get(http, '/readyz')).status === 200 ? await metric(http, 'sinks_waiting') : 'not ready')
    http.sinkIs('events_raw', 'waiting')
    expect((await get(http, '/readyz')).text).toBe(
      '{"status":"ready","stoppedPartitions":[],"stoppedSinks":[],"waitingSinks":["events_raw"]}',
    )
    expect(await sinks()).toBe(1)
    http.sinkIs('events_raw', 'working')
    expect(await sinks()).toBe(0)
    http.sinkIs('fact_sessions', 'stopped')
    expect(code(await get(http, '/readyz'))).toEqual([503, 'SINK_STOPPED'])
    http.partitionIs(2, 'stopped')
    expect(await get(http, '/readyz')).toMatchObject({
      status: 503,
      text: expect.stringMatching(/"code":"PARTITION_STOPPED".*"stoppedPartitions":\[2\]/),
    })
    expect(answer(await send(http, batch(event())))).toMatchObject({ status: 202 })
    expect(await metric(http, 'ready')).toBe(0)
    // Another process has it, or it came back.
    http.partitionIs(2, 'working')
    expect(code(await get(http, '/readyz'))).toEqual([503, 'SINK_STOPPED'])
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

  test.runIf(process.platform === 'linux')('it listens on loopback only', async () => {
    const http = await serve()
    expect(http.port).toBeGreaterThan(0)
    // Linux answers on all of 127.0.0.0/8 where a server listens on every address.
    const other = connect(http.port, '127.0.0.2')
    await expect(new Promise((resolve, reject) => other.once('connect', resolve).once('error', reject))).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    })
  })
})

const task = (partition: number) => ({
  topic: 'events.raw',
  partition,
  position: 70,
  epoch: 9,
  epochMs: 1500,
  checkpointMs: 250,
  watermark: NOW - 60_000,
  accepted: 65,
  open: 5,
  closed: 50,
  duplicates: 4,
  filtered: 0,
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
})

test('/metrics: the running process in the words of Prometheus', async () => {
  const http = await listenHttp({ port: 0, nowMs: () => NOW })
  left.push(() => http.stop())
  const sink = { sink: 'events_raw', topic: 'events.raw', done: [10, 60], rows: 70, writes: 8, retries: 1, readBacks: 0, missingRows: 0 }
  http.open(await openIngest({ log: heldLog().log, lineage: 'main', partitions: 2, nowMs: () => NOW, newId: newEventId }), {
    topic: 'events.raw',
    stats: () => Promise.resolve({ tasks: [task(1)], sinks: [sink] }),
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
  expect(await metric(http, 'observed')).toBe(1)
})

test('/metrics tells nothing more of a partition that another process has taken', async () => {
  const http = await listenHttp({ port: 0, nowMs: () => NOW })
  left.push(() => http.stop())
  let own = [0, 1]
  http.open(await openIngest({ log: heldLog().log, lineage: 'main', partitions: 2, nowMs: () => NOW, newId: newEventId }), {
    ...observed,
    stats: () => Promise.resolve({ tasks: own.map(task), sinks: [] }),
  })
  const told = async () =>
    [...(await get(http, '/metrics')).text.matchAll(/^packmill_epoch\{partition="(\d)"\}/gm)].map(([, partition]) => partition)
  expect(await told()).toEqual(['0', '1'])
  own = [1]
  expect(await told()).toEqual(['1'])
  expect(await metric(http, 'ready')).toBe(1)
})

test('/metrics of a process whose lanes answer no more has the door’s own numbers', async () => {
  const http = await listenHttp({ port: 0, nowMs: () => NOW })
  left.push(() => http.stop())
  http.open(await openIngest({ log: heldLog().log, lineage: 'main', partitions: 2, nowMs: () => NOW, newId: newEventId }), {
    ...observed,
    stats: () => Promise.reject(new Error('the lane is gone')),
  })
  expect([await metric(http, 'observed'), await metric(http, 'ingest_events_total')]).toEqual([0, 0])
})
