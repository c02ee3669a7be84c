// Events over HTTP into the real process: what is acknowledged is there after whatever happens to the process.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packmill, type Running, startPackmill } from './packmill-process.fake.ts'
import { tablesOf } from './tables-of.fake.ts'

let folder: string
const left = new Set<Running>()
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-ingest-'))
})
afterAll(async () => {
  for (const { child } of left) child.kill('SIGKILL')
  await Promise.all([...left].map(({ ended }) => ended))
  rmSync(folder, { recursive: true })
})

async function up(data: string, ...more: string[]): Promise<{ running: Running; url: string }> {
  const running = startPackmill(folder, ['up', '--json', '--every', '86400', '--data', data, '--port', '0', ...more])
  left.add(running)
  let text = ''
  running.child.stdout!.on('data', (part: Buffer) => (text += part.toString()))
  await running.says(/"http":"[^"]+"\}\n/)
  return { running, url: (JSON.parse(text.split('\n')[0]!) as { http: string }).http }
}

const batchOf = (sender: number, batch: number, size: number) => {
  const ids = Array.from({ length: size }, (_, i) => `${sender}-${batch}-${i}`)
  const events = ids.map((eventId, i) => ({
    eventId,
    productId: 'p',
    userId: `u${i % 7}`,
    type: 'click',
    element: 'b',
    ts: Date.now() - 1000 + i,
  }))
  return { ids, body: JSON.stringify({ events }) }
}
const post = (url: string, body: string) =>
  fetch(`${url}/v1/events/batch`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })

const storedIds = async (data: string) => {
  const statement = 'SELECT event_id, count() AS n FROM events_raw GROUP BY event_id'
  const rows = await tablesOf<{ event_id: string; n: number }>(join(folder, data), statement)
  return new Map(rows.map(({ event_id, n }) => [event_id, n]))
}

test.each(['SIGKILL', 'SIGTERM'] as const)('%s while eight send: every acknowledged event is there, once', async (signal) => {
  const data = `acknowledged-${signal}`
  const { running, url } = await up(data, '--org', 'acme')
  const acknowledged: string[] = []
  let batches = 0
  const send = async (sender: number) => {
    for (let batch = 0; ; batch++) {
      const { ids, body } = batchOf(sender, batch, 40)
      try {
        const response = await post(url, body)
        // Stopping says so; a process that is gone says nothing.
        if (response.status !== 202) return expect(response.status).toBe(503)
        expect(await response.json()).toEqual({ accepted: 40, rejected: 0, errors: [] })
      } catch (error) {
        return expect(error).toBeInstanceOf(TypeError)
      }
      acknowledged.push(...ids)
      if (++batches === 60) running.child.kill(signal)
    }
  }
  await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(send))
  expect((await running.ended).code).toBe(signal === 'SIGTERM' ? 0 : null)
  expect(acknowledged.length).toBeGreaterThanOrEqual(60 * 40)
  const { running: again } = await up(data)
  again.child.kill('SIGTERM')
  expect((await again.ended).code).toBe(0)
  const stored = await storedIds(data)
  expect(acknowledged.filter((id) => stored.get(id) !== 1)).toEqual([])
  // A batch that was not answered may be there too: all of it.
  expect(stored.size % 40).toBe(0)
})

test('events become sessions and incidents; what is too old is in events_late; /metrics and /readyz tell of it', async () => {
  const { running, url } = await up('sessions', '--set', 'sink.intervalMs=1')
  const now = Date.now()
  const click = (i: number, ts: number) => ({ eventId: `c${i}`, orgId: 'o', productId: 'p', userId: 'u', type: 'click', element: 'b', ts })
  const events = [...[0, 1, 2, 3].map((i) => click(i, now - 5000 + i * 100)), click(4, now - 8 * 86_400_000), click(5, now + 3_600_000)]
  expect(await (await post(url, JSON.stringify({ events }))).json()).toEqual({ accepted: 6, rejected: 0, errors: [] })
  const ask = (sql: string) => JSON.parse(packmill(folder, ['sql', sql, '--json', '--data', 'sessions']).out) as Record<string, unknown>[]
  for (let raw = 0; raw < 5; ) raw = Number(ask('SELECT count() AS n FROM events_raw')[0]!.n)
  for (let late = 0; late < 1; ) late = Number(ask('SELECT count() AS n FROM events_late')[0]!.n)
  for (let found = 0; found < 1; ) found = Number(ask(`SELECT count() AS n FROM incidents WHERE kind = 'rage_click'`)[0]!.n)
  expect(ask('SELECT reason, partition FROM events_late')).toEqual([{ reason: 'old', partition: 8 }])
  const [{ ms }] = ask(`SELECT toUnixTimestamp64Milli(max(ts)) AS ms FROM events_raw`) as [{ ms: string }]
  expect(Number(ms)).toBeGreaterThanOrEqual(now + 300_000)
  expect(Number(ms)).toBeLessThan(now + 3_600_000)
  expect(await (await fetch(`${url}/readyz`)).json()).toEqual({
    status: 'ready',
    stoppedPartitions: [],
    stoppedSinks: [],
    waitingSinks: [],
  })
  const metrics = await (await fetch(`${url}/metrics`)).text()
  expect(metrics).toMatch(/^packmill_ingest_events_total 6$/m)
  expect(metrics).toMatch(/^packmill_sink_rows\{sink="events_late"\} 1$/m)
  expect(metrics).toMatch(/^packmill_processed_records\{partition="\d"\} 5$/m)
  expect(metrics).toMatch(/^packmill_watermark_delay_seconds\{partition="\d"\} -?\d/m)
  running.child.kill('SIGTERM')
  expect((await running.ended).code).toBe(0)
})

test('a port that is taken ends it with PORT_IN_USE before anything is made; --no-http needs none', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const port = String((server.address() as { port: number }).port)
  try {
    const args = ['up', '--data', 'taken', '--every', '86400']
    expect(packmill(folder, [...args, '--port', port])).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        new RegExp(`^PORT_IN_USE: another process listens on 127\\.0\\.0\\.1:${port}\\n {2}Choose another port`, 'm'),
      ),
    })
    const without = startPackmill(folder, [...args, '--set', `http.port=${port}`, '--no-http'])
    left.add(without)
    await without.says(/^\S+ {2}up: /m)
    without.child.kill('SIGTERM')
    expect(await without.ended).toMatchObject({ code: 0, out: expect.not.stringContaining('http://') })
  } finally {
    server.close()
  }
})

test('an org that cannot be one is refused', () => {
  expect(packmill(folder, ['up', '--data', 'org', '--port', '0', '--org', 'x'.repeat(257)])).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^INVALID_ORG: /m),
  })
})
