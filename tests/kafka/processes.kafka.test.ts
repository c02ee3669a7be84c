// Several `packmill up` on one broker, as their users run them: how they share the partitions, a rolling restart, a death, a long sleep, all while events come
// in. At the end what a reader of committed records sees is the evaluator's answer, each version once. Each step waits for what the processes say (their log).
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startPackmill } from '../../cli/packmill-process.fake.ts'
import type { WireEvent } from '../../model/event.ts'
import { TOPICS } from '../../model/rows.ts'
import { connect } from '../../services/process/local.ts'
import { trafficEvents } from '../../services/traffic/traffic.ts'
import { kafkaClient } from '../../stores/kafka/kafka-client.ts'
import { type KafkaLog, openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { kafkaWorld } from '../../stores/kafka/kafka-world.fake.ts'
import { makeTopic } from '../../stores/kafka/make-topic.ts'
import { kafkaServer } from '../kafka-server.ts'
import { topicAnswer } from './topic-answer.ts'
import { UpProcess } from './up-process.ts'

const server = await kafkaServer()
const PARTITIONS = 6
/** Longer than a process takes to start where the machine is busy: in a rolling restart it has to be back by then. */
const SESSION_MS = 15_000
const TAKEN_UP_MS = SESSION_MS + 5_000
const all = Array.from({ length: PARTITIONS }, (_, partition) => partition)
const EVENTS_MAX = 300_000
/** The load: so many events, so often. */
const CHUNK = 100
const CHUNK_EVERY_MS = 50

describe.runIf(server)('several packmill up on one broker', { timeout: 220_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-shares-'))
  const names = ['a', 'b', 'c']
  /** It has no kafka.groupInstanceId: when it stops, the others go on with its partitions. */
  const unnamed = 'b'
  const left = new Set<UpProcess>()
  let prefix: string
  let log: KafkaLog
  let settings: string[]
  let waiting: (() => void)[] = []

  beforeAll(async () => {
    const world = await kafkaWorld(server!.broker)
    prefix = `${world.options.namespace}-share.`
    const at = [
      `kafka.brokers=${server!.broker}`,
      `kafka.topicPrefix=${prefix}`,
      `kafka.sessionTimeoutMs=${SESSION_MS}`,
      'kafka.sinks=false',
    ]
    // A second without events is no pause of a user's here: the load stands still where the machine is busy.
    const work = [
      `log.partitions=${PARTITIONS}`,
      'engine.lanes=1',
      'engine.checkpointBytes=1MB',
      'clickstream.idleTimeoutMs=1h',
      'logLevel=info',
    ]
    settings = [...at, ...work].flatMap((set) => ['--set', set])
    await world.withAdmin((admin) => makeTopic(admin, { topic: `${prefix}${TOPICS.raw}`, partitions: PARTITIONS, replication: 1 }))
    log = await openKafkaLog({ ...world.options, topicPrefix: prefix })
  })
  afterAll(async () => {
    for (const { running } of left) running.child.kill('SIGKILL')
    await Promise.all([...left].map(({ running }) => running.ended))
    await log?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  function start(name: string): UpProcess {
    const args = ['up', '--no-http', '--every', '86400', '--data', join(folder, name)]
    const called = name === unnamed ? [] : ['--set', `kafka.groupInstanceId=${name}`]
    const one = new UpProcess(startPackmill(folder, [...args, ...called, ...settings]), () => {
      const told = waiting
      waiting = []
      for (const wake of told) wake()
    })
    left.add(one)
    return one
  }
  async function until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      const ended = [...left].map(async ({ running }) => {
        const { code, out, err } = await running.ended
        throw new Error(`a process ended with ${code} meanwhile:\n${out}${err}`)
      })
      await Promise.race([new Promise<void>((resolve) => waiting.push(resolve)), ...ended])
    }
  }
  /** Each has its share at work, and nobody else's. */
  async function shared(...processes: UpProcess[]): Promise<void> {
    const size = PARTITIONS / processes.length
    await until(() => processes.every(({ at }) => at.size === size))
    expect(processes.flatMap(({ share }) => share).sort((a, b) => a - b)).toEqual(all)
  }
  async function end(process: UpProcess, signal: 'SIGTERM' | 'SIGKILL') {
    process.running.child.kill(signal)
    left.delete(process)
    return process.running.ended
  }

  test('share the partitions evenly; a rolling restart, a kill and a long sleep under load lose and double nothing', async () => {
    const producer = kafkaClient({ brokers: [server!.broker] }).producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
    await producer.connect()
    const over = new AbortController()
    const events = trafficEvents({ events: EVENTS_MAX, orgs: 24, users: 400, seed: 11 })[Symbol.iterator]()
    const load = async () => {
      while (!over.signal.aborted) {
        const messages = Array.from({ length: CHUNK }, () => events.next().value as WireEvent).map((event) => ({
          key: `${event.orgId}:${event.productId}`,
          value: JSON.stringify(event),
        }))
        await producer.send({ topic: `${prefix}${TOPICS.raw}`, messages })
        await sleep(CHUNK_EVERY_MS)
      }
    }
    const processes = names.map(start)
    await shared(...processes)
    const loading = load()

    // A rolling restart: each has its own again. The others notice nothing of one that has a name; what the other one had is at work with them meanwhile.
    for (const [i, name] of names.entries()) {
      const before = processes[i]
      const had = before.share
      const others = processes.filter((one) => one !== before)
      const heard = others.map(({ said }) => said.length)
      const { code, err } = await end(before, 'SIGTERM')
      expect(code, err).toBe(0)
      if (name === unnamed) {
        await shared(...others)
        processes[i] = start(name)
        await shared(...processes)
        expect(processes[i].share).toEqual(had)
        continue
      }
      processes[i] = start(name)
      await until(() => processes[i].at.size === had.length)
      expect(processes[i].share).toEqual(had)
      expect(others.map(({ said }) => said.length)).toEqual(heard)
    }

    // A death: the others take its partitions up.
    const [a, b, c] = processes
    const killedMs = Date.now()
    await end(c, 'SIGKILL')
    await shared(a, b)
    expect(Math.max(a.said.at(-1)!.atMs, b.said.at(-1)!.atMs) - killedMs).toBeLessThan(TAKEN_UP_MS)

    // It comes again; another sleeps for longer than its session.
    const again = start('c')
    await shared(a, b, again)
    const asleep = b.share
    b.running.child.kill('SIGSTOP')
    await until(() => a.at.size + again.at.size === PARTITIONS)
    const awakeFrom = b.said.length
    b.running.child.kill('SIGCONT')
    await until(() => b.said.slice(awakeFrom).some(({ is }) => is === 'lost'))
    await shared(a, b, again)
    const [first] = b.said.slice(awakeFrom).filter(({ is }) => is === 'taken' || is === 'lost')
    expect(first).toMatchObject({ is: 'lost', partitions: asleep })

    over.abort()
    await loading
    await producer.disconnect()
    for (const name of names) await (await connect(join(folder, name)))!.settle({ snapshots: false, close: true })

    const { differences, evaluation } = await topicAnswer(log, PARTITIONS, { brokers: [server!.broker] })
    expect(differences).toEqual([])
    expect(evaluation.sessions.size).toBeGreaterThan(100)
    for (const one of [a, b, again]) expect((await end(one, 'SIGTERM')).code).toBe(0)
  })
})
