// The commands on Kafka as their users meet them, over real processes and a real broker: events over HTTP, queries, state, lag and verify through `packmill up` and
// of a stopped folder, damage that verify names, and a replay into more partitions.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drainPending, Session } from 'chdb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packmill, type Running, startPackmill } from '../../cli/packmill-process.fake.ts'
import type { WireEvent } from '../../model/event.ts'
import { kafkaPartition } from '../../model/hash.ts'
import { TOPICS } from '../../model/rows.ts'
import { openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { type KafkaWorld, kafkaWorld, textsOf } from '../../stores/kafka/kafka-world.fake.ts'
import { kafkaServer } from '../kafka-server.ts'

const server = await kafkaServer()
const PARTITIONS = 2
const MORE = 5
const ORGS = 6
const USERS = 3
const CLICKS = 4
/** Each user has one, of a minute: nothing closes it before that is asked for, and it leaves as no snapshot by itself. */
const SESSIONS = ORGS * USERS
const EVENTS = SESSIONS * CLICKS
const START = Date.now() - 240_000

const sent = Array.from({ length: EVENTS }, (_, i) => ({
  ...{ eventId: `e${i}`, orgId: `org-${i % ORGS}`, productId: 'shop', userId: `u${Math.floor(i / ORGS) % USERS}` },
  ...{ type: 'click', element: `button-${i % 5}`, screen: '/pay', ts: START + i * 1000 },
}))
const idsSent = sent.map(({ eventId }) => eventId).sort()
const partitionOf = (orgId: string, partitions: number) => kafkaPartition(Buffer.from(`${orgId}:shop`), partitions)

interface Lag {
  process?: { pid: number }
  lag: { kind: string; consumer: string; partition: number; end: number; records: number }[]
}
interface Keys {
  partition: number
  checkpoint?: object
  keys: { org: string; key: string }[]
}
interface SessionRow {
  session_id: string
  version: number
  event_count: number
  closed: number
}

describe.runIf(server)('commands on Kafka', { timeout: 240_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-kafka-commands-'))
  const data = join(folder, 'data')
  const left = new Set<Running>()
  let world: KafkaWorld
  let prefix: string
  let sets: string[]
  beforeAll(async () => {
    world = await kafkaWorld(server!.broker)
    prefix = `${world.options.namespace}-cli.`
    const at = [`kafka.brokers=${server!.broker}`, `kafka.topicPrefix=${prefix}`, `log.partitions=${PARTITIONS}`]
    sets = [...at, 'engine.lanes=1', 'sink.intervalMs=20'].flatMap((set) => ['--set', set])
    writeFileSync(join(folder, 'nothing.jsonl'), '')
  })
  afterAll(async () => {
    for (const { child } of left) child.kill('SIGKILL')
    await Promise.all([...left].map(({ ended }) => ended))
    rmSync(folder, { recursive: true, force: true })
  })

  async function up(): Promise<{ pid: number; url: string; stop(): Promise<void> }> {
    const running = startPackmill(folder, ['up', '--json', '--every', '86400', '--port', '0', '--data', data, ...sets])
    left.add(running)
    let text = ''
    running.child.stdout!.on('data', (part: Buffer) => (text += part.toString()))
    await running.says(/"http":"[^"]+"\}\n/)
    const { http: url } = JSON.parse(text.split('\n')[0]) as { http: string }
    const stop = async () => {
      running.child.kill('SIGTERM')
      const { code, err } = await running.ended
      left.delete(running)
      expect(code, err).toBe(0)
    }
    return { pid: running.child.pid!, url, stop }
  }
  /** `of`: a data folder, with the settings that it has beside the others. */
  const cli = (args: string[], of = data, ...more: string[]) => packmill(folder, [...args, '--data', of, ...sets, ...more])
  const json = <T>(args: string[], ...of: string[]): T => {
    const { code, out, err } = cli([...args, '--json'], ...of)
    expect(code, `${out}${err}`).toBe(0)
    return JSON.parse(out) as T
  }
  const SQL = 'SELECT session_id, version, event_count, closed FROM fact_sessions FINAL ORDER BY session_id'
  const sessions = (...of: string[]) =>
    json<SessionRow[]>(['sql', SQL], ...of).map((row) => [row.session_id, Number(row.version), Number(row.event_count), Number(row.closed)])
  /** What a reader of committed records finds in a topic of a lineage, by partition. */
  async function rows<T>(topic: string, partitions: number, lineage = ''): Promise<T[][]> {
    const log = await openKafkaLog({ ...world.options, topicPrefix: `${prefix}${lineage}` })
    try {
      const lines = await Promise.all(Array.from({ length: partitions }, (_, partition) => textsOf(log, { topic, partition })))
      return lines.map((own) => own.map((line) => JSON.parse(line) as T))
    } finally {
      await log.close()
    }
  }
  async function expectRaw(partitions: number, lineage?: string): Promise<void> {
    const raw = await rows<WireEvent>(TOPICS.raw, partitions, lineage)
    const all = raw.flatMap((own, partition) => own.map((event) => ({ ...event, partition })))
    expect(all.map(({ eventId }) => eventId).sort()).toEqual(idsSent)
    for (const { orgId, partition } of all) expect(partition).toBe(partitionOf(orgId!, partitions))
    expect(raw.filter(({ length }) => length > 0).length).toBeGreaterThan(1)
  }
  const published = async (partitions: number, lineage?: string) =>
    (await rows<SessionRow>(TOPICS.sessions, partitions, lineage))
      .flat()
      .map(({ session_id, version, event_count, closed }) => `${session_id} ${version} ${event_count} ${closed}`)
      .sort()
  const behind = ({ lag }: Lag) => lag.filter(({ records }) => records > 0)
  const right = expect.stringMatching(/^The tables hold what the events make\.$/m)

  test('events over HTTP, sql, state, lag and verify through up; what was damaged is named; a replay into more partitions has the same sessions', async () => {
    const first = await up()
    const answer = await fetch(`${first.url}/v1/events/batch`, {
      method: 'POST',
      body: JSON.stringify({ events: sent }),
      headers: { 'content-type': 'application/json' },
    })
    expect([answer.status, await answer.json()]).toEqual([202, { accepted: EVENTS, rejected: 0, errors: [] }])
    await expectRaw(PARTITIONS)
    // The end of an import asks for what is open, too.
    expect(json(['import', 'nothing.jsonl'])).toMatchObject({ accepted: 0 })
    const open = sessions()
    expect(open.map(([, ...rest]) => rest)).toEqual(Array.from({ length: SESSIONS }, () => [1, CLICKS, 0]))
    await first.stop()
    const stopped = json<Lag>(['lag'])
    expect([stopped.process, behind(stopped)]).toEqual([undefined, []])

    const second = await up()
    const keys = json<Keys[]>(['state', 'ls', '--limit', '100'])
    expect(keys.map(({ partition }) => partition)).toEqual([0, 1])
    for (const { checkpoint } of keys) expect(checkpoint).toBeDefined()
    const users = keys.flatMap(({ partition, keys: own }) => own.map(({ org, key }) => [org, key, partition]))
    const expected = sent.slice(0, SESSIONS).map(({ orgId, userId }) => [orgId, `u:${userId}`, partitionOf(orgId, PARTITIONS)])
    expect(users.sort()).toEqual(expected.sort())
    expect(json(['state', 'get', 'org-4', 'shop', 'u2', '--events', '1'])).toMatchObject({
      ...{ user: 'u:u2', partition: partitionOf('org-4', PARTITIONS) },
      sessions: [{ closed: false, published: { version: 1 }, eventCount: CLICKS, events: [{ type: 'click', screen: '/pay' }] }],
    })
    const look = json<Lag>(['lag'])
    expect([look.process?.pid, behind(look)]).toEqual([second.pid, []])
    const tasks = look.lag.filter(({ kind }) => kind === 'task')
    expect(tasks.map(({ partition }) => partition)).toEqual([0, 1])
    expect(tasks.reduce((sum, { end }) => sum + end, 0)).toBeGreaterThanOrEqual(EVENTS)

    // Nothing is judged of what is open.
    expect(cli(['verify'])).toMatchObject({ code: 0, out: expect.stringMatching(/^Nothing was judged/m) })
    expect(json(['import', 'nothing.jsonl', '--close'])).toMatchObject({ accepted: 0 })
    expect(cli(['verify'])).toMatchObject({ code: 0, out: right })
    const closed = sessions()
    expect(closed).toEqual(open.map(([id]) => [id, 2, CLICKS, 1]))
    await second.stop()

    const [[victim]] = closed
    const engine = new Session(join(data, 'analytics', 'engine'))
    engine.query(
      `INSERT INTO fact_sessions SELECT * REPLACE(version + 1 AS version, event_count + 1 AS event_count) FROM fact_sessions FINAL WHERE session_id = '${victim}'`,
    )
    engine.close()
    await drainPending()
    const damaged = cli(['verify'])
    expect(damaged.code, damaged.err).toBe(1)
    expect(damaged.out).toMatch(new RegExp(`^differs +${victim} .* event_count ${CLICKS} → ${CLICKS + 1}$`, 'm'))
    expect(damaged.out.match(/^differs /gm)).toHaveLength(1)

    const more = join(data, 'lineages', 'more')
    const wide = ['--set', `log.partitions=${MORE}`]
    const replay = ['topology', 'replay', 'clickstream', '--from', 'earliest', '--lineage', 'more']
    expect(json(replay, data, ...wide)).toEqual({ lineage: 'more', data: more, partitions: MORE, records: EVENTS, before: 0 })
    await expectRaw(MORE, 'more.')
    expect(json(['import', 'nothing.jsonl', '--close'], more, ...wide)).toMatchObject({ accepted: 0 })
    expect(sessions(more, ...wide)).toEqual(closed)
    expect(await published(MORE, 'more.')).toEqual(await published(PARTITIONS))
    expect(cli(['verify'], more, ...wide)).toMatchObject({ code: 0, out: right })
  })
})
