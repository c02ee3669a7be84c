// packmill up as its keeper meets it: what it logs, how it stops, and other commands that work through it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packmill, type Running, startPackmill } from './packmill-process.fake.ts'
import { tablesOf } from './tables-of.fake.ts'
import { LARGE, lines } from './traffic-lines.fake.ts'

let folder: string
const left = new Set<Running>()
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-up-'))
})
afterAll(async () => {
  for (const { child } of left) child.kill('SIGKILL')
  await Promise.all([...left].map(({ ended }) => ended))
  rmSync(folder, { recursive: true })
})

function start(args: readonly string[]): Running {
  const running = startPackmill(folder, args)
  left.add(running)
  return running
}
async function up(data: string, ...args: string[]): Promise<Running> {
  const running = start(['up', '--port', '0', '--every', '86400', '--data', data, ...args])
  await running.says(/^\S+ {2}up: /m)
  return running
}
const json = (text: string) => JSON.parse(text) as Record<string, unknown>
const logged = (text: string) => text.split('\n').filter(Boolean).map(json)
const write = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content)
/** Goes on for minutes: forty microseconds for each of a hundred million rows. */
const LONG_QUERY = 'SELECT sum(sleepEachRow(0.00004)) FROM numbers(100000000)'

describe('the log', () => {
  test('says on stderr what happens, one JSON object per line; the first signal drains, and ends it with 0', async () => {
    const running = await up('log', '--stop-within', '60')
    running.child.kill('SIGTERM')
    const { code, out, err } = await running.ended
    expect(code, err).toBe(0)
    expect(out).toMatch(/SIGTERM: stopping.*\n.*stopped: nothing is lost/)
    const log = logged(err)
    expect(log.filter(({ msg }) => msg !== 'migrating')).toMatchObject([
      { level: 'info', msg: 'starting', pid: running.child.pid, data: join(folder, 'log') },
      { level: 'info', msg: 'ready', ms: expect.any(Number) },
      { level: 'info', msg: 'stopping: drains, checkpoints, commits', signal: 'SIGTERM' },
      { level: 'info', msg: 'stopped', by: 'SIGTERM' },
    ])
  })

  test('logLevel=silent: nothing', async () => {
    const running = await up('log', '--set', 'logLevel=silent')
    running.child.kill('SIGINT')
    expect(await running.ended).toMatchObject({ code: 0, err: '' })
  })

  test('--json: a line for each, on stdout', async () => {
    const running = start(['up', '--json', '--port', '0', '--data', 'log'])
    await running.says(/"openSessions"/)
    running.child.kill('SIGINT')
    const { code, out } = await running.ended
    expect(code).toBe(0)
    expect(logged(out)).toMatchObject([
      { up: running.child.pid, http: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) },
      { events: 0, users: 0, openSessions: 0 },
      { stopped: true },
    ])
  })
})

test('what it says of sessions is said of the tables: one that is open comes into them later', async () => {
  const running = start(['up', '--port', '0', '--every', '1', '--data', 'status', '--org', 'acme'])
  let url = ''
  running.child.stdout!.on('data', (text: Buffer) => (url ||= /POST (\S+),/.exec(text.toString())?.[1] ?? ''))
  await running.says(/POST \S+,/)
  const events = [{ eventId: 'one', productId: 'shop', userId: 'u', type: 'click', ts: Date.now() }]
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ events }) })
  expect(answer.status).toBe(202)
  await running.says(/ 1 in all; 1 users in memory; in the tables 0 open sessions, 0 closed, 0 incidents$/m)
  running.child.kill('SIGTERM')
  expect((await running.ended).code).toBe(0)
})

describe('a stop that does not end', () => {
  /** Something is under way in the analytics engine, for longer than anybody waits. */
  async function busy(data: string, ...args: string[]) {
    const running = await up(data, '--set', 'logLevel=debug', ...args)
    const guest = start(['sql', LONG_QUERY, '--data', data])
    await running.says(/POST \/sql/)
    return { running, guest }
  }

  test.each(['SIGINT', 'SIGTERM'] as const)('is broken off by the second %s, at once', async (signal) => {
    const { running, guest } = await busy('twice')
    running.child.kill(signal)
    await running.says(/: stopping \(again: at once\)/)
    running.child.kill(signal)
    expect(await running.ended).toMatchObject({ code: null, signal })
    expect(await guest.ended).toMatchObject({ code: 1, err: expect.stringMatching(/^OWNER_GONE: process \d+ .* ended, or/m) })
    // And the folder is as it should be.
    expect(packmill(folder, ['sql', 'SELECT count() FROM events_raw', '--format', 'TSV', '--data', 'twice'])).toMatchObject({
      code: 0,
      out: '0\n',
    })
  })

  test('is broken off when its budget is over, and says so', async () => {
    const { running } = await busy('budget', '--stop-within', '1')
    running.child.kill('SIGTERM')
    const { code, signal, err } = await running.ended
    expect([code, signal]).toEqual([null, 'SIGKILL'])
    expect(err).toMatch(
      /^STOP_TIMEOUT: the stop was not over after 1 s, and was broken off; it waited for (an|its|requests|the) .+\n {2}What was committed is safe/m,
    )
  })

  test('a start can be broken off', async () => {
    const running = start(['up', '--port', '0', '--data', 'early'])
    await running.says(/"starting"/)
    running.child.kill('SIGINT')
    expect(await running.ended).toMatchObject({
      code: null,
      signal: 'SIGINT',
      err: expect.stringMatching(/^INTERRUPTED: stopped by SIGINT$/m),
    })
  })
})

describe('beside it, through it', () => {
  test('traffic, import with rejects and progress, sql; it is said whose process does the work', async () => {
    const running = await up('shared')
    const { pid } = running.child
    const played = packmill(folder, ['traffic', '--events', '2000', '--users', '50', '--data', 'shared', '--json'])
    expect(played).toMatchObject({ code: 0, err: expect.stringContaining('traffic  2,000 events') })
    expect(json(played.out)).toMatchObject({ added: 2_000, before: 0 })

    write('some.jsonl', Buffer.concat([lines(6_000), Buffer.from('not json\n'), Buffer.from([0x22, 0xff, 0x22, 10])]))
    const imported = packmill(folder, ['import', 'some.jsonl', '--data', 'shared', '--json'])
    expect(imported.err).toContain(`through process ${pid} (`)
    expect(imported.err).toContain('import some.jsonl  6,002 events')
    expect(json(imported.out)).toMatchObject({ accepted: 6_000, rejected: 2, before: 0 })
    const rejects = logged(readFileSync(join(folder, 'some.jsonl.rejects.jsonl'), 'utf8'))
    expect(rejects).toMatchObject([
      { line: 6_001, code: 'MALFORMED_JSON', text: 'not json' },
      { line: 6_002, code: 'INVALID_UTF8' },
    ])

    const mended = Buffer.concat([lines(6_000).subarray(0, -2), Buffer.from(' }\n')])
    write('some.jsonl', mended)
    const again = packmill(folder, ['import', 'some.jsonl', '--data', 'shared', '--json'])
    expect(again.err).toContain('is another: it is read from its start')
    expect(json(again.out)).toMatchObject({ accepted: 6_000, before: 0, rejected: 0 })

    const piped = packmill(folder, ['import', '-', '--org', 'acme', '--data', 'shared', '--json'], {
      input: '{"productId":"p","userId":"u","type":"click","eventId":"piped","ts":1772434800001}\n',
    })
    expect(json(piped.out)).toMatchObject({ accepted: 1, rejected: 0 })

    const asked = packmill(folder, ['sql', 'SELECT count() AS n FROM events_raw', '--json', '--data', 'shared'])
    expect(JSON.parse(asked.out)).toEqual([{ n: 14_001 }])
    expect(packmill(folder, ['sql', 'SELEC 1', '--data', 'shared'])).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^\w+: .*\n {2}\S/),
    })
    expect(packmill(folder, ['up', '--port', '0', '--data', 'shared'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(new RegExp(`^DATA_LOCKED: .* process ${pid} `, 'm')),
    })
    running.child.kill('SIGTERM')
    expect((await running.ended).code).toBe(0)
  })

  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'an import whose owner gets %s in its middle says so; run again it goes on',
    async (signal) => {
      const data = `killed-${signal}`
      const running = await up(data)
      const all = lines(LARGE)
      write('large.jsonl', all)
      const guest = start(['import', '-', '--data', data])
      await new Promise<void>((resolve, reject) =>
        guest.child.stdin!.write(all.subarray(0, 10 << 20), (error) => (error ? reject(error) : resolve())),
      )
      running.child.kill(signal)
      const ended = await guest.ended
      expect(ended.code, ended.err).toBe(1)
      expect(ended.err).toMatch(
        signal === 'SIGKILL'
          ? /^OWNER_GONE: process \d+ .*\n {2}Run the same command again/m
          : /^STOPPED: .*\n {2}Run the same command again/m,
      )
      expect((await running.ended).code).toBe(signal === 'SIGKILL' ? null : 0)
      const again = packmill(folder, ['import', 'large.jsonl', '--data', data, '--json'])
      const { accepted, before } = json(again.out) as { accepted: number; before: number }
      expect(before).toBeGreaterThan(0)
      expect(accepted + before).toBe(LARGE)
      expect(await tablesOf(join(folder, data), 'SELECT count() AS n FROM events_raw')).toEqual([{ n: LARGE }])
    },
  )
})

test('topology describe --live: rates and lag on the edges, through it; without it an error that says what to do', async () => {
  const running = await up('live')
  write('live.jsonl', lines(2_000))
  expect(packmill(folder, ['import', 'live.jsonl', '--data', 'live']).code).toBe(0)
  const once = packmill(folder, ['topology', 'describe', 'clickstream', '--live', '--json', '--data', 'live'])
  expect(once.code, once.err).toBe(0)
  const found = json(once.out) as { events: number; edges: { from: string; to: string; perSecond?: number; lag?: number }[] }
  expect(found).toMatchObject({ name: 'clickstream', seconds: 1, process: { pid: running.child.pid } })
  expect(found.events).toBeGreaterThan(1_500)
  // All is in since the import has returned.
  const tables = found.edges.filter(({ lag }) => lag !== undefined)
  expect(tables.length).toBeGreaterThan(4)
  for (const edge of tables) expect(edge).toMatchObject({ perSecond: 0, lag: 0 })
  const watching = start(['topology', 'describe', 'clickstream', '--live', '--data', 'live'])
  await watching.says(/^events\.raw +→ +\S+ +0\/s +caught up$/m)
  watching.child.kill('SIGINT')
  expect(await watching.ended).toMatchObject({ code: 0 })
  running.child.kill('SIGTERM')
  await running.ended
  const { code, err } = packmill(folder, ['topology', 'describe', 'clickstream', '--live', '--data', 'live'])
  expect([code, err]).toEqual([1, expect.stringMatching(/^NOT_RUNNING: .*\n {2}Start one with `packmill up`/m)])
})
