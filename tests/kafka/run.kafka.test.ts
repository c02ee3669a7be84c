// packmill run on Kafka, as its users meet it: the same files, by configuration alone. Others produce what it reads; it is killed in the middle of its work, loses its
// cache, shares partitions with another process that dies. What a reader of committed records sees is what a few lines of the test compute from what lies on the source.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Message } from 'kafkajs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { packmill, type Running, startPackmill } from '../../cli/packmill-process.fake.ts'
import { loadConfig } from '../../config/index.ts'
import { USER } from '../../dev/kafka/server.ts'
import { kafkaPartition } from '../../model/hash.ts'
import { connect } from '../../services/process/local.ts'
import { loadTopology } from '../../services/streams/load-topology.ts'
import { openStreams, type StreamsProcess } from '../../services/streams/open-streams.ts'
import { kafkaClient } from '../../stores/kafka/kafka-client.ts'
import { type KafkaLog, openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { type KafkaWorld, kafkaWorld, textsOf } from '../../stores/kafka/kafka-world.fake.ts'
import { makeTopic } from '../../stores/kafka/make-topic.ts'
import { kafkaServer } from '../kafka-server.ts'

const server = await kafkaServer()
const examples = join(import.meta.dirname, '..', '..', 'examples')

/** A running sum per key, into a topic and a table. */
const SUMS = `
import { operator, source, topology } from 'packmill'
interface Row { key: string; n: number }
const sums = operator({
  name: 'sums',
  state: () => ({ sum: 0 }),
  onRecord(state, { key, n }: Row) {
    state.sum += n
    return { key, sum: state.sum }
  },
})
const rows = source('rows', { parse: (value) => value as Row })
export default topology('sums', rows.keyBy(({ key }) => key).apply(sums).to('totals', { table: 'totals', columns: { key: 'word', sum: 'integer' } }))
`

/** How many of each key within a second: one window of each. */
const WINDOWS = `
import { source, topology, tumbling } from ${JSON.stringify(join(import.meta.dirname, '../../streams/index.ts'))}
const hits = source('hits', { parse: (value) => value as { key: string; at: number }, timeMs: ({ at }) => at })
const count = { name: 'count', init: () => 0, add: (n: number) => n + 1, result: (n: number) => ({ n }) }
export default topology('hits-per-second', hits.keyBy(({ key }) => key).window(tumbling({ sizeMs: 1000 }), count).to('counts'))
`

describe.runIf(server)('packmill run on Kafka', { timeout: 180_000 }, () => {
  let folder: string
  let world: KafkaWorld
  let log: KafkaLog
  let on: string[]
  let settings: string[]
  const left = new Set<Running>()
  const sets = (...settings: string[]) => settings.flatMap((set) => ['--set', set])

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'packmill-run-kafka-'))
    world = await kafkaWorld(server!.broker)
    settings = [`kafka.brokers=${server!.broker}`, `kafka.topicPrefix=${world.options.topicPrefix}`, 'kafka.sessionTimeoutMs=6s']
    on = sets(...settings)
    log = await openKafkaLog(world.options)
  })
  afterEach(async () => {
    // One that watches ends its own.
    for (const { child } of left) child.kill(child.spawnargs.includes('--watch') ? 'SIGTERM' : 'SIGKILL')
    await Promise.all([...left].map(({ ended }) => ended))
    left.clear()
    await log?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  function start(...args: string[]): Running {
    const running = startPackmill(folder, ['run', ...args, ...on])
    left.add(running)
    return running
  }
  async function end(running: Running, signal: 'SIGTERM' | 'SIGKILL') {
    running.child.kill(signal)
    left.delete(running)
    return running.ended
  }
  const cli = (...args: string[]) => packmill(folder, [...args, ...on])
  const put = (name: string, text: string) => writeFileSync(join(folder, name), text)
  const make = (topic: string, partitions: number) =>
    world.withAdmin((admin) => makeTopic(admin, { topic: world.named(topic), partitions }))
  /** As a client that knows nothing of Packmill. */
  async function produce(topic: string, messages: Message[]): Promise<void> {
    const createPartitioner = kafkajs.Partitioners.DefaultPartitioner
    const producer = kafkaClient({ brokers: [server!.broker] }).producer({ createPartitioner })
    await producer.connect()
    await producer.send({ topic: world.named(topic), messages })
    await producer.disconnect()
  }
  const texts = (topic: string, partition = 0) => textsOf(log, { topic, partition })
  /** Before its first start a topic is not there. */
  const endOf = async (topic: string) => (await log.bounds({ topic, partition: 0 }).catch(() => ({ end: 0 }))).end
  /** `running` may end with what it does only. */
  async function until(isSo: () => Promise<boolean>, running: Running): Promise<void> {
    let isOver = false
    void running.ended.then(() => (isOver = true))
    while (!(await isSo())) {
      if (isOver) throw new Error(`ended meanwhile:\n${(await running.ended).err}`)
      await sleep(20)
    }
  }

  test('a word count: lines of others and of a file, two kills, no cache: each count once', async () => {
    cpSync(join(examples, 'word-count.ts'), join(folder, 'words.ts'))
    const line = (n: number) => Array.from({ length: 8 }, (_, i) => `wörd${((n + 1) * (i + 7) * 7919) % 311}x`).join(i18n[n % i18n.length])
    const lines = Array.from({ length: 6_000 }, (_, n) => line(n))
    await make('text', 1)
    await produce(
      'text',
      lines.slice(0, 2_000).map((value) => ({ value })),
    )
    put('rest.txt', `${lines.slice(2_000).join('\n')}\n`)
    const run = ['words.ts', '--input', 'rest.txt', '--out', 'out.jsonl', ...sets('engine.epochBytes=64KB', 'engine.checkpointBytes=1MB')]
    for (const counted of [1, 20_000]) {
      const running = start(...run)
      await until(async () => (await endOf('word-counts')) >= counted, running)
      await end(running, 'SIGKILL')
      // The changelog alone has the state then.
      if (counted > 1) rmSync(join(folder, '.packmill', 'run', 'word-count', 'state'), { recursive: true })
    }
    const last = cli('run', ...run)
    expect(last.code, last.err).toBe(0)

    const read = await texts('text')
    expect(read).toEqual(lines)
    const counts = new Map<string, number>()
    const expected = read.flatMap((one) =>
      (one.toLowerCase().match(/\p{L}+/gu) ?? []).map((word) => {
        counts.set(word, (counts.get(word) ?? 0) + 1)
        return JSON.stringify({ word, count: counts.get(word) })
      }),
    )
    expect(await texts('word-counts')).toEqual(expected)
    expect(readFileSync(join(folder, 'out.jsonl'), 'utf8')).toBe(`${expected.join('\n')}\n`)

    // What stands still is looked at: how far it is, what it keeps.
    const data = ['--data', join('.packmill', 'run', 'word-count')]
    const lag = JSON.parse(cli('lag', '--json', '--all', ...data).out) as { lag: { topic: string; records: number }[] }
    expect(lag.lag.map(({ topic, records }) => [topic, records])).toEqual([
      ['text', 0],
      ['word-count.rekey-1', 0],
    ])
    const [[word, count]] = counts
    expect(JSON.parse(cli('state', 'get', word, ...data).out)).toMatchObject({ operators: { count: { state: { count } } } })
    expect(cli('dlq', 'list', ...data).err).toMatch(/^DATA_TOPOLOGY: /)
  })

  test('a join of two topics behind TLS and a password: orders from a file, payments of others, two kills, no cache: each settled once', async () => {
    const HOUR_MS = 3_600_000
    const T0 = 1_750_000_000_000
    cpSync(join(examples, 'join.ts'), join(folder, 'join.ts'))
    const orders = Array.from({ length: 1_500 }, (_, n) => ({ orderId: `o${n}`, user: `u${n % 70}`, cents: 1_000, at: T0 + n * 60_000 }))
    // Paid at once, in two parts, in part, or not at all.
    const payments = orders.flatMap(({ orderId, at }, n) => {
      const parts = [[1_000], [400, 600], [300], []][n % 4]
      return parts.map((cents, i) => ({ paymentId: `p${n}-${i}`, orderId, cents, paidAt: at + (i + 1) * HOUR_MS }))
    })
    put('orders.jsonl', orders.map((order) => `${JSON.stringify(order)}\n`).join(''))
    await make('payments', 1)
    const inOrder = payments.toSorted((a, b) => a.paidAt - b.paidAt).map((payment) => ({ value: JSON.stringify(payment) }))
    await produce('payments', inOrder.slice(0, 500))
    const { username, password } = USER
    on = sets(
      ...settings.slice(1),
      ...[`kafka.brokers=${server!.tlsBroker}`, 'kafka.tls.enabled=true', `kafka.tls.ca=${server!.caPath}`],
      ...['kafka.sasl.mechanism=scram-sha-512', `kafka.sasl.username=${username}`, `kafka.sasl.password=${password}`],
    )
    const run = [
      'join.ts',
      '--input',
      'orders=orders.jsonl',
      '--data',
      'd',
      ...sets('engine.epochBytes=64KB', 'engine.checkpointBytes=1MB'),
    ]
    for (const settled of [1, 200]) {
      const running = start(...run, '--follow')
      await until(async () => (await endOf('orders.settled')) >= settled, running)
      await end(running, 'SIGKILL')
      if (settled === 1) await produce('payments', inOrder.slice(500))
      else rmSync(join(folder, 'd', 'state'), { recursive: true })
    }
    const last = cli('run', ...run)
    expect(last.code, last.err).toBe(0)

    const said = (await texts('orders.settled')).map((text) => JSON.parse(text) as { orderId: string; status: string; afterMs: number })
    const expected = orders.map(({ orderId, user }, n) => {
      const isPaid = n % 4 < 2
      return { orderId, user, status: isPaid ? 'paid' : 'unpaid', afterMs: isPaid ? ((n % 4) + 1) * HOUR_MS : 24 * HOUR_MS }
    })
    const byOrder = (list: { orderId: string }[]) => list.toSorted((a, b) => Number(a.orderId.slice(1)) - Number(b.orderId.slice(1)))
    expect(byOrder(said)).toEqual(expected)
  })

  test('two processes share the partitions; one dies, and comes back; a record in a wrong partition is a dead letter', async () => {
    const PARTITIONS = 4
    const all = Array.from({ length: PARTITIONS }, (_, partition) => partition)
    put('sums.ts', SUMS)
    await make('rows', PARTITIONS)
    let n = 0
    const more = (count: number) =>
      produce(
        'rows',
        Array.from({ length: count }, () => ({ key: `k${++n % 97}`, value: JSON.stringify({ key: `k${n % 97}`, n }) })),
      )
    const stray = { key: 'k1', n: 1_000_000 }
    const strayTo = (kafkaPartition(Buffer.from('k1'), PARTITIONS) + 1) % PARTITIONS
    const shared = (name: string, ...settings: string[]) =>
      new Sharing(start('sums.ts', '--follow', '--quiet', '--data', name, ...sets(`log.partitions=${PARTITIONS}`, ...settings)))
    await more(2_000)
    const a = shared('a')
    const b = shared('b', 'kafka.sinks=false')
    await Promise.all([a.has(2), b.has(2)])
    await more(2_000)
    await end(b.running, 'SIGKILL')
    await more(2_000)
    await a.has(4)
    const again = shared('b', 'kafka.sinks=false')
    await Promise.all([a.has(2), again.has(2)])
    expect([...a.at, ...again.at].sort()).toEqual(all)
    await produce('rows', [{ partition: strayTo, value: JSON.stringify(stray) }])
    await more(2_000)

    const guest = (await connect(join(folder, 'a')))!
    await until(async () => (await guest.lag()).every(({ records }) => records === 0), a.running)
    expect((await guest.lag()).map(({ kind, partition }) => `${kind} ${partition}`)).toEqual([
      ...all.map((partition) => `task ${partition}`),
      ...all.map((partition) => `sink ${partition}`),
    ])
    let records = 0
    for (const partition of all) {
      const sums = new Map<string, number>()
      const rows = (await texts('rows', partition)).map((text) => JSON.parse(text) as typeof stray)
      const expected = rows
        .filter(({ key }) => kafkaPartition(Buffer.from(key), PARTITIONS) === partition)
        .map(({ key, n: one }) => {
          sums.set(key, (sums.get(key) ?? 0) + one)
          return JSON.stringify({ key, sum: sums.get(key) })
        })
      records += expected.length
      expect(await texts('totals', partition)).toEqual(expected)
    }
    expect(records).toBe(8_000)
    const [letter] = (await texts('sums.dlq', strayTo)).map((text) => JSON.parse(text) as object)
    expect(letter).toMatchObject({ code: 'WRONG_PARTITION', record: JSON.stringify(stray) })
    // The one that fills tables has the records of all partitions in them, each once.
    const places = 'SELECT count() AS rows, uniqExact(partition, offset) AS places FROM totals'
    expect(await guest.query(places)).toEqual([{ rows: 8_000, places: 8_000 }])
    expect(cli('sql', '--data', 'b', 'SELECT 1').err).toMatch(/^NO_TABLES: /)
    for (const one of [a, again]) expect(await end(one.running, 'SIGTERM')).toMatchObject({ code: 0 })
    // A stopped folder says the same.
    const left = JSON.parse(cli('lag', '--json', '--all', '--data', 'a').out) as { lag: { records: number }[] }
    expect(left.lag.map((one) => one.records)).toEqual([...all, ...all].map(() => 0))
  })

  test('--watch starts it again when its file changes, and keeps its state and its partitions', async () => {
    put('sums.ts', SUMS)
    put('rows.jsonl', '{"key":"a","n":1}\n')
    const running = start('sums.ts', '--watch', '--input', 'rows.jsonl', ...sets('kafka.sinks=false'))
    await until(async () => (await endOf('totals')) > 0, running)
    put('sums.ts', SUMS.replace('return { key, sum: state.sum }', 'return { key, sum: state.sum * 100 }'))
    await running.says(/started again/)
    await produce('rows', [{ value: '{"key":"a","n":2}' }])
    await until(async () => (await texts('totals')).length === 2, running)
    expect(await end(running, 'SIGTERM')).toMatchObject({ code: 0 })
    expect(await texts('totals')).toEqual(['{"key":"a","sum":1}', '{"key":"a","sum":300}'])
  })

  test('one whose input has ended lets no window fire while another is at work; alone it does', async () => {
    put('hits.ts', WINDOWS)
    await make('hits', 2)
    const topology = await loadTopology(join(folder, 'hits.ts'))
    const opened: StreamsProcess[] = []
    const open = async (name: string, live: boolean, onPartitions: () => void) => {
      const { config } = loadConfig({ data: join(folder, name), set: [...settings, 'log.partitions=2'], environment: {}, folder })
      const streams = await openStreams({
        ...{ file: join(folder, 'hits.ts'), topology, config, version: 'test', live, asked: { partitions: true, lanes: false } },
        onNotice: ({ type }) => (type === 'partitions' ? onPartitions() : undefined),
      })
      streams.run()
      opened.push(streams)
      return streams
    }
    try {
      const a = await open('a', true, () => undefined)
      let heard = Promise.withResolvers<void>()
      const b = await open('b', false, () => heard.resolve())
      const has = async (count: number) => {
        for (let held = await b.stats(); held.length !== count; held = await b.stats()) {
          await heard.promise
          heard = Promise.withResolvers()
        }
      }
      await has(1)
      const messages = Array.from({ length: 40 }, (_, n) => ({ key: `k${n}`, value: JSON.stringify({ key: `k${n}`, at: n }) }))
      await produce('hits', messages)
      await b.settle({ close: true })
      const [{ partition, position }] = await b.stats()
      expect(position).toBeGreaterThan(0)
      expect(await texts('counts', partition)).toEqual([])
      await a.stop()
      opened.splice(0, 1)
      await has(2)
      await b.settle({ close: true })
      expect([...(await texts('counts', 0)), ...(await texts('counts', 1))]).toHaveLength(messages.length)
    } finally {
      for (const streams of opened) await streams.stop()
    }
  })

  describe('refuses, with what to do', () => {
    test('more partitions than one for what goes through a topic of its own; a source that has more', async () => {
      cpSync(join(examples, 'word-count.ts'), join(folder, 'words.ts'))
      const many = cli('run', 'words.ts', ...sets('log.partitions=4'))
      expect(many.err).toMatch(/^TOPOLOGY_ONE_LANE: .*\n.*on Kafka, too/)
      put('sums.ts', SUMS)
      await make('rows', 3)
      const other = cli('run', 'sums.ts')
      expect(other.code).toBe(1)
      expect(other.err).toContain(`KAFKA_TOPIC_WRONG: the topic ${world.named('rows')} has 3 partitions; it must have 1`)
      expect(other.err).toContain('Set log.partitions to 3, or: ')
    })

    test('a folder of another log, of another number of partitions, or whose topics are gone', async () => {
      put('sums.ts', SUMS)
      put('rows.jsonl', '{"key":"a","n":1}\n')
      const run = (...more: string[]) => ['run', 'sums.ts', '--data', 'd', ...more, ...sets('kafka.sinks=false')]
      expect(packmill(folder, run('--input', 'rows.jsonl')).err).toContain('1 totals')
      expect(cli(...run()).err).toMatch(/^DATA_LOG: .*has its log in it, and kafka.brokers is set/)
      rmSync(join(folder, 'd'), { recursive: true })
      expect(cli(...run('--input', 'rows.jsonl')).err).toContain('1 totals')
      expect(packmill(folder, run()).err).toMatch(/^DATA_LOG: .*and kafka.brokers is not set/)
      expect(cli(...run(), ...sets('log.partitions=2')).err).toMatch(
        /^PARTITIONS_FIXED: .*\n {2}Set log.partitions to 1: .*kafka.topicPrefix/,
      )
      await world.withAdmin(async (admin) => {
        const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(world.named('packmill.')))
        await admin.deleteTopics({ topics })
      })
      expect(cli(...run()).err).toMatch(/^KAFKA_TOPIC_MISSING: .*delete this folder too/s)
      expect(cli('demo').err).toMatch(/^KAFKA_NOT_HERE: .*\n {2}Unset it/)
    })
  })
})

const i18n = [' ', ', ', ' - ']

/** One of several processes: which partitions it has at work, as it says it. */
class Sharing {
  readonly at = new Set<number>()
  readonly running: Running
  private rest = ''
  private waiting: (() => void)[] = []

  constructor(running: Running) {
    this.running = running
    running.child.stderr!.on('data', (text: Buffer) => this.heard(text.toString()))
  }

  /** Resolves when it has so many. */
  async has(count: number): Promise<void> {
    const over = this.running.ended.then(({ code, err }) => {
      throw new Error(`it ended with ${code} meanwhile:\n${err}`)
    })
    while (this.at.size !== count) await Promise.race([new Promise<void>((resolve) => this.waiting.push(resolve)), over])
  }

  private heard(text: string): void {
    const lines = (this.rest + text).split('\n')
    this.rest = lines.pop()!
    for (const line of lines) {
      const [, partitions, is] = /^partitions? ([\d, ]+): (.*)/.exec(line) ?? []
      for (const partition of partitions?.split(', ').map(Number) ?? [])
        if (is === 'at work here') this.at.add(partition)
        else this.at.delete(partition)
    }
    for (const wake of this.waiting.splice(0)) wake()
  }
}
