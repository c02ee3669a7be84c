// packmill lag and packmill state as their users meet them: on a stopped folder, beside packmill up, and with topologies of one's own.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dataFolder } from '../services/process/data-folder.ts'
import { realFiles } from '../stores/files/real-files.ts'
import { openJournalLog } from '../stores/log/journal-log.ts'
import { prepareLog } from '../stores/log/prepare-log.ts'
import { packmill, startPackmill } from './packmill-process.fake.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-lag-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const START = Date.UTC(2026, 2, 2, 7)
const at = (ms: number) => new Date(START + ms).toISOString()
const event = (userId: string, ms: number, fields: object = {}) =>
  JSON.stringify({
    orgId: 'acme',
    productId: 'shop',
    eventId: `${userId}-${ms}`,
    userId,
    type: 'screen_view',
    screen: '/home',
    ts: START + ms,
    ...fields,
  })
const json = <T>(args: readonly string[]) => {
  const { code, out, err } = packmill(folder, [...args, '--json'])
  expect(code, err).toBe(0)
  return JSON.parse(out) as T
}

interface LagLook {
  process?: { pid: number }
  lag: {
    kind: string
    consumer: string
    topic: string
    partition: number
    position: number
    end: number
    records: number
    bytes: number
    oldestMs?: number
  }[]
}
const behind = ({ lag }: LagLook) =>
  lag.filter(({ records }) => records > 0).map(({ kind, consumer, partition, records }) => [kind, consumer, partition, records])

/** Accepted events that nobody has processed: as a door leaves them that is killed. */
async function folderWithUnread(name: string, receivedMs: number): Promise<number> {
  const data = join(folder, name)
  dataFolder(data, 8)
  const shared = await prepareLog({ files: realFiles, folder: join(data, 'log'), writers: ['main'] })
  const log = await openJournalLog({ files: realFiles, folder: join(data, 'log'), writer: 'main', shared })
  const claim = await log.claim('test')
  const bytes = Buffer.from([0, 1, 2].map((i) => `${event('u', i, { receivedAt: receivedMs + i })}\n`).join(''))
  await claim.commit({ outputs: [{ topic: 'events.raw', partition: 3, count: 3, bytes }], receipt: { epoch: 1, to: 1 } })
  await claim.release()
  await log.close()
  return bytes.length
}

describe('lag', () => {
  test('of a stopped folder: records, bytes and age before the task and the sink; asked twice it is the same; a start catches up', async () => {
    const bytes = await folderWithUnread('unread', Date.now() - 3_600_000)
    const first = json<LagLook>(['lag', '--data', 'unread'])
    expect(first.process).toBeUndefined()
    expect(behind(first)).toEqual([
      ['task', 'clickstream', 3, 3],
      ['sink', 'events_raw', 3, 3],
    ])
    const lag = first.lag.find(({ consumer, partition }) => consumer === 'clickstream' && partition === 3)!
    expect(lag).toMatchObject({ topic: 'events.raw', position: 0, end: 3, bytes })
    expect(lag.oldestMs).toBeGreaterThanOrEqual(3_600_000)
    // Every sink of the topology is there, the door's own partition of late events, too.
    expect(first.lag.filter(({ consumer }) => consumer === 'events_late')).toHaveLength(9)
    expect(packmill(folder, ['lag', '--data', 'unread']).out).toMatch(
      /^clickstream +events\.raw +0–7 +0 +3 +3 +.* B +1 h 0 min$\n^clickstream +events\.raw +3 +0 +3 +3 /m,
    )
    expect(behind(json(['lag', '--data', 'unread']))).toEqual(behind(first))
    expect(packmill(folder, ['dlq', 'list', '--data', 'unread']).code).toBe(0)
    // Read by then, and committed with the stop.
    expect(behind(json(['lag', '--data', 'unread'])).filter(([kind]) => kind === 'task')).toEqual([])
  })

  test('beside packmill up, through it, and again and again until Ctrl-C', async () => {
    const running = startPackmill(folder, ['up', '--data', 'beside', '--no-http'])
    try {
      await running.says(/ up: /)
      const look = json<LagLook>(['lag', '--data', 'beside'])
      expect(look.process?.pid).toBe(running.child.pid)
      expect(behind(look)).toEqual([])
      const watching = startPackmill(folder, ['lag', '--data', 'beside', '--watch', '--every', '1', '--json'])
      await watching.says(/"lag":.*\n.*"lag":.*\n/)
      watching.child.kill('SIGINT')
      const { code, out } = await watching.ended
      expect(code).toBe(0)
      for (const line of out.trim().split('\n')) expect((JSON.parse(line) as LagLook).process?.pid).toBe(running.child.pid)
      const patient = startPackmill(folder, ['lag', '--data', 'beside', '--watch', '--every', '3600', '--json'])
      await patient.says(/"lag":.*\n/)
      patient.child.kill('SIGINT')
      expect((await patient.ended).code).toBe(0)
    } finally {
      running.child.kill('SIGTERM')
      await running.ended
    }
  })

  test('what makes no sense is refused, and no folder is made by asking', () => {
    expect(packmill(folder, ['lag', '--data', 'nowhere'])).toMatchObject({ code: 1, err: expect.stringMatching(/^NO_DATA: /m) })
    expect(existsSync(join(folder, 'nowhere'))).toBe(false)
    expect(packmill(folder, ['lag', '--every', '0'])).toMatchObject({ code: 2 })
    expect(packmill(folder, ['lag', '--set', 'log.partitons=8'])).toMatchObject({ code: 1, err: expect.stringContaining('log.partitions') })
  })
})

interface Keys {
  task: string
  partition: number
  checkpoint?: { epoch: number; to: number }
  keys: { org?: string; product?: string; key: string; dueMs?: number; endsMs?: number }[]
  count?: number
}
const keysOf = (answers: Keys[]) => answers.flatMap(({ keys }) => keys.map(({ key }) => key)).sort()

describe('state', () => {
  beforeAll(() => {
    const events = [
      event('ann', 0),
      event('ann', 5_000, { type: 'task_started', taskType: 'pay', screen: '/pay' }),
      event('ann', 6_000, { type: 'click', element: 'button.ü', screen: '/pay' }),
      event('bob', 1_000),
      JSON.stringify({ ...JSON.parse(event('x', 7_000)), userId: undefined, anonymousId: 'guest' }),
      event('cat', 2_000, { orgId: 'other' }),
    ]
    writeFileSync(join(folder, 'events.jsonl'), `${events.join('\n')}\n`)
    expect(packmill(folder, ['import', 'events.jsonl', '--data', 'kept']).code).toBe(0)
  })

  const ls = (...args: string[]) => json<Keys[]>(['state', 'ls', '--data', 'kept', ...args])
  const get = (...args: string[]) => packmill(folder, ['state', 'get', ...args, '--data', 'kept'])

  test('ls: who has state, of which checkpoint; filtered, limited, counted', () => {
    const all = ls('--count')
    expect(all).toHaveLength(8)
    expect(keysOf(all)).toEqual(['a:guest', 'u:ann', 'u:bob', 'u:cat'])
    expect(all.reduce((sum, { count }) => sum + count!, 0)).toBe(4)
    const acme = all.find(({ keys }) => keys.some(({ org }) => org === 'acme'))!
    expect(acme).toMatchObject({ task: 'clickstream', checkpoint: { to: 5 } })
    expect(keysOf(ls('--org', 'other'))).toEqual(['u:cat'])
    expect(keysOf(ls('--prefix', 'u:b'))).toEqual(['u:bob'])
    expect(ls('--partition', String(acme.partition), '--limit', '1', '--count')).toEqual([
      expect.objectContaining({ partition: acme.partition, count: expect.any(Number), keys: [expect.anything()] }),
    ])
    const { out } = packmill(folder, ['state', 'ls', '--data', 'kept', '--org', 'acme'])
    expect(out).toContain('which nobody is at work in')
    expect(out).toMatch(/^clickstream \d: as of the checkpoint of epoch \d+, input offset 5$/m)
    expect(out).toMatch(/^ {2}acme +shop +u:ann +timer 2026-03-02T07:15:05\.000Z +ends /m)
  })

  test('get: sessions, fields by their declared names, timers and events; a user without a prefix is u:', () => {
    const ann = get('acme', 'shop', 'ann')
    expect(ann.code, ann.err).toBe(0)
    expect(get('acme', 'shop', 'u:ann').out).toBe(ann.out)
    expect(JSON.parse(ann.out)).toMatchObject({
      task: 'clickstream',
      checkpoint: { to: 5 },
      user: 'u:ann',
      sessions: [
        {
          startedAt: at(0),
          endedAt: at(6_000),
          closed: false,
          published: { version: 1, row: { event_count: 3 } },
          nextTimer: at(905_000),
          operators: {
            'rage-clicks': { state: { element: 'button.ü', lastMs: at(6_000), chain: 1 } },
            'abandoned-tasks': { nextTimer: at(905_000), state: { open: 1 } },
          },
          eventCount: 3,
          events: [
            { at: at(0), type: 'screen_view', offset: 0, screen: '/home' },
            { at: at(5_000), type: 'task_started', offset: 1, screen: '/pay', taskType: 'pay' },
            { at: at(6_000), type: 'click', offset: 2, screen: '/pay', element: 'button.ü' },
          ],
        },
      ],
    })
    expect(JSON.parse(get('acme', 'shop', 'ann', '--events', '1').out)).toMatchObject({
      sessions: [{ eventCount: 3, events: [{ offset: 2 }] }],
    })
    expect(JSON.parse(get('acme', 'shop', 'a:guest').out)).toMatchObject({ user: 'a:guest' })
  })

  test('what is not there, or makes no sense, is named', () => {
    expect(get('acme', 'shop', 'zoe')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^NO_STATE: nothing is kept for acme\/shop\/u:zoe \(partition \d, checkpoint \d+\)\n {2}/),
    })
    expect(get('acme')).toMatchObject({ code: 2, err: expect.stringContaining('an organisation, a product and a user') })
    expect(packmill(folder, ['state', 'ls', '--data', 'kept', '--partition', '9'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('NO_PARTITION'),
    })
    expect(packmill(folder, ['state', 'ls', '--limit', '-1'])).toMatchObject({ code: 2 })
    expect(packmill(folder, ['state', 'ls', '--data', 'nowhere'])).toMatchObject({ code: 1, err: expect.stringContaining('NO_DATA') })
  })

  test('get of what other operators wrote: all but their own state', () => {
    const other = get('acme', 'shop', 'ann', '--set', 'clickstream.deadClicks.enabled=true')
    expect([other.code, other.err]).toEqual([0, ''])
    const [session] = (JSON.parse(other.out) as { sessions: { operators: object }[] }).sessions
    expect(session).toMatchObject({
      startedAt: at(0),
      operators: {},
      eventCount: 3,
      events: [{ screen: '/home' }, { taskType: 'pay' }, { element: 'button.ü' }],
    })
    expect(session!.operators).toEqual({})
  })

  test('beside packmill up, of the checkpoint that it has, by its own settings', async () => {
    const own = ['--data', 'dead', '--set', 'clickstream.deadClicks.enabled=true']
    expect(packmill(folder, ['import', 'events.jsonl', ...own]).code).toBe(0)
    const running = startPackmill(folder, ['up', '--no-http', ...own])
    try {
      await running.says(/ up: /)
      expect(keysOf(json(['state', 'ls', '--data', 'dead']))).toEqual(['a:guest', 'u:ann', 'u:bob', 'u:cat'])
      expect(packmill(folder, ['state', 'ls', '--data', 'dead']).out).toContain(`through process ${running.child.pid}`)
      const bob = packmill(folder, ['state', 'get', 'acme', 'shop', 'bob', '--data', 'dead'])
      expect(JSON.parse(bob.out)).toMatchObject({ user: 'u:bob', sessions: [{ eventCount: 1, operators: { 'dead-clicks': {} } }] })
      expect(packmill(folder, ['state', 'get', 'acme', 'shop', 'zoe', '--data', 'dead']).err).toContain('NO_STATE')
    } finally {
      running.child.kill('SIGTERM')
      await running.ended
    }
  })
})

describe("a topology of one's own", () => {
  const TOPOLOGY = `
import { operator, source, topology } from 'packmill'
const sums = operator({
  name: 'sums',
  state: () => ({ sum: 0 }),
  onRecord(state, { key, n }) {
    state.sum += n
    return { key, sum: state.sum }
  },
})
const rows = source('rows', { parse: (value) => value, timeMs: ({ at }) => at })
const summed = rows.keyBy(({ key }) => key).apply(sums)
export default topology('sums', summed.to('out', { table: 'sums', columns: { key: 'word', sum: 'integer' } }), summed.to('seen'))
`
  const data = '.packmill/run/sums'

  test('lag and state of its folder, and beside packmill run --follow: these and its tables', async () => {
    writeFileSync(join(folder, 'sums.ts'), TOPOLOGY)
    const row = (key: string, n: number, ms: number) => `${JSON.stringify({ key, n, at: START + ms })}\n`
    writeFileSync(join(folder, 'rows.jsonl'), row('a', 1, 0) + row('b', 2, 1) + row('a', 5, 2))
    expect(packmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl']).code).toBe(0)
    const look = () =>
      json<LagLook>(['lag', '--data', data]).lag.map(({ kind, consumer, topic, records }) => [kind, consumer, topic, records])
    const consumers = [
      ['task', 'sums', 'rows', 0],
      ['sink', 'sums', 'out', 0],
    ]
    expect(look()).toEqual(consumers)
    const value = { operators: { sums: { stateVersion: 1, state: { sum: 6 } } } }
    expect(keysOf(json(['state', 'ls', '--data', data]))).toEqual(['a', 'b'])
    expect(JSON.parse(packmill(folder, ['state', 'get', 'a', '--data', data]).out)).toMatchObject(value)
    expect(packmill(folder, ['state', 'get', 'a', 'b', 'c', '--data', data])).toMatchObject({
      code: 2,
      err: expect.stringContaining('one key of topology sums'),
    })

    const running = startPackmill(folder, ['run', 'sums.ts', '--input', 'rows.jsonl', '--follow', '--all'])
    try {
      await running.says(/^seen /m)
      const beside = async <T>(args: readonly string[]) => {
        // It may be starting still: then the command waits for its answer.
        const { code, out, err } = packmill(folder, [...args, '--data', data])
        expect(code, err).toBe(0)
        return JSON.parse(out) as T
      }
      expect((await beside<LagLook>(['lag', '--json'])).process?.pid).toBe(running.child.pid)
      expect(await beside(['state', 'get', 'a'])).toMatchObject(value)
      expect(await beside(['sql', '--json', 'SELECT key, max(sum) AS sum FROM sums GROUP BY key ORDER BY key'])).toEqual([
        { key: 'a', sum: 6 },
        { key: 'b', sum: 2 },
      ])
      expect(packmill(folder, ['sql', 'SELEC', '--data', data])).toMatchObject({ code: 1 })
    } finally {
      running.child.kill('SIGINT')
      await running.ended
    }
  })
})
