// A partition that is taken while the broker cannot be reached: it is waited for at each step, also at those after the connections are there.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openProxy } from '../../dev/kafka/proxy.ts'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import type { WireEvent } from '../../model/event.ts'
import { TOPICS } from '../../model/rows.ts'
import { ensureTopics } from '../../stores/kafka/ensure-topics.ts'
import { openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { block, kafkaWorld, linesOf, textsOf } from '../../stores/kafka/kafka-world.fake.ts'
import { retentionDefaults } from '../../stores/log/retention.ts'
import { flipValue } from '../../stores/state/flip-value.fake.ts'
import { kafkaServer } from '../../tests/kafka-server.ts'
import { compareIncidents, compareSessions } from '../../tests/oracle/compare.ts'
import { evaluate } from '../../tests/oracle/evaluate.ts'
import { settings } from '../../tests/oracle/in-memory.ts'
import { nasty } from '../../tests/oracle/nasty.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { KafkaLane } from './kafka-lane.ts'
import { LaneBeat } from './lane-beat.ts'

const server = await kafkaServer()
const NAME = `task.main.clickstream.${TOPICS.raw}`

describe.runIf(server?.proxied)('A lane on Kafka', () => {
  it('that cannot claim a partition because the connection breaks waits, and takes it when that has passed', async () => {
    const world = await kafkaWorld(server!.broker)
    const data = Object.values(TOPICS).flatMap((topic) => (topic === TOPICS.raw ? [] : [{ topic, partitions: 1 }]))
    const stages = [{ name: NAME, partitions: 1 }]
    await ensureTopics({ ...world.options, topics: data, stages, retentionMs: 1000, retentionBytes: 1 << 20, replication: 1 })
    const { port, target, broker } = server!.proxied!
    let isCut = false
    const proxy = await openProxy({ port, target, fateOf: () => (isCut ? 'cut' : 'pass'), stallMs: 0 })
    const folder = mkdtempSync(join(tmpdir(), 'packmill-kafka-lane-'))
    const heard: string[] = []
    const lives: boolean[] = []
    const kafka = { log: { ...world.options, connection: { brokers: [broker] } }, partitions: 1 }
    const setup = {
      ...{ folder, lineage: 'main', code: 'v1', partitions: [0], stages: 1, live: false, exactlyOnce: true, kafka },
      ...{ epochMs: 1, epochBytes: 1 << 16, checkpointBytes: 1 << 20, cacheBytes: 1 << 20, retention: retentionDefaults },
    }
    const lane = new KafkaLane({
      setup,
      stage: sessionStage(clickstream(settings)),
      folder: 'clickstream',
      // Asked for when the state is restored, right before the claim.
      beatOf: (_, again) => {
        lives.push(again)
        isCut = heard.length === 0
        return new LaneBeat(LaneBeat.buffer(1)).of(0, again ? 'an end' : 'nobody')
      },
      onRestoring: () => undefined,
      onRecovering: () => undefined,
      onStopped: (_, error) => heard.push(`stopped: ${String(error)}`),
      onWaiting: () => {
        heard.push('waiting')
        isCut = false
      },
      onResumed: () => heard.push('resumed'),
      onOverdue: () => heard.push('overdue'),
    })
    const straight = await openKafkaLog(world.options)
    try {
      lane.run()
      await lane.take(0)
      expect(heard).toEqual(['waiting', 'resumed'])
      // A second try of one that lives: nobody's end is counted against its rows.
      expect(lives).toEqual([false, true])
      expect(lane.stats).toHaveLength(1)
      await lane.stop()
      expect((await straight.claim(`${NAME}.0`, { topic: TOPICS.raw, partition: 0 })).claimsSinceCommit).toBe(1)
    } finally {
      isCut = false
      await lane.stop().catch(() => undefined)
      await straight.close()
      await proxy.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }, 120_000)

  it('takes a checkpoint of little input when its last is as old as a quarter of what the topics keep, and else does not', async () => {
    const checkpointsAt = async (ms: number) => {
      const world = await kafkaWorld(server!.broker)
      const data = Object.values(TOPICS).flatMap((topic) => (topic === TOPICS.raw ? [] : [{ topic, partitions: 1 }]))
      const stages = [{ name: NAME, partitions: 1 }]
      await ensureTopics({ ...world.options, topics: data, stages, retentionMs: 1000, retentionBytes: 1 << 20, replication: 1 })
      const folder = mkdtempSync(join(tmpdir(), 'packmill-kafka-lane-'))
      const setup = {
        ...{ folder, lineage: 'main', code: 'v1', partitions: [0], stages: 1, live: false, exactlyOnce: true },
        ...{ kafka: { log: world.options, partitions: 1 }, epochMs: 1, epochBytes: 1 << 16, checkpointBytes: 1 << 20 },
        ...{ cacheBytes: 1 << 20, retention: { topics: {}, others: { ms, bytes: Number.POSITIVE_INFINITY } } },
      }
      const told = { onRestoring: () => undefined, onRecovering: () => undefined, onWaiting: () => undefined, onResumed: () => undefined }
      const stopped: unknown[] = []
      const overdue: unknown[] = []
      const lane = new KafkaLane({
        ...{ setup, stage: sessionStage(clickstream(settings)), folder: 'clickstream', ...told },
        beatOf: () => new LaneBeat(LaneBeat.buffer(1)).of(0, 'nobody'),
        onStopped: (_, error) => stopped.push(error),
        onOverdue: (partition, error) => overdue.push([partition, (error as { code: string }).code]),
      })
      const producer = await openKafkaLog(world.options)
      try {
        lane.run()
        await lane.take(0)
        const claim = await producer.claim('test')
        // Two epochs: what is due in the round of the first has been written by the end of the second.
        for (const end of [1, 2]) {
          await claim.commit({ outputs: [block({ topic: TOPICS.raw, partition: 0 }, `{"a":${end}}`)] })
          await lane.drain([[0, end]], { snapshots: false, close: false })
        }
        if (ms === 0) await expect.poll(() => lane.stats[0].checkpoints, { timeout: 20_000 }).toBeGreaterThan(0)
        expect(stopped).toEqual([])
        return { checkpoints: lane.stats[0].checkpoints, overdue }
      } finally {
        await lane.stop().catch(() => undefined)
        await producer.close()
        rmSync(folder, { recursive: true, force: true })
      }
    }
    const atOnce = await checkpointsAt(0)
    expect(atOnce.checkpoints).toBeGreaterThan(0)
    // Half of nothing has passed, too.
    expect(atOnce.overdue[0]).toEqual([0, 'CHECKPOINT_OVERDUE'])
    expect(await checkpointsAt(retentionDefaults.others.ms)).toEqual({ checkpoints: 0, overdue: [] })
  }, 120_000)

  it('one bit that has turned in the cache of its state stops nothing: the partition takes that from the changelog, and every answer is right', async () => {
    const { events, settings: own } = nasty(5, 400)
    const topology = { ...settings, ...own }
    const world = await kafkaWorld(server!.broker)
    const data = Object.values(TOPICS).flatMap((topic) => (topic === TOPICS.raw ? [] : [{ topic, partitions: 1 }]))
    const stages = [{ name: NAME, partitions: 1 }]
    await ensureTopics({ ...world.options, topics: data, stages, retentionMs: 1000, retentionBytes: 1 << 20, replication: 1 })
    const folder = mkdtempSync(join(tmpdir(), 'packmill-kafka-lane-'))
    const setup = {
      ...{ folder, lineage: 'main', code: 'v1', partitions: [0], stages: 1, live: false, exactlyOnce: true },
      ...{ kafka: { log: world.options, partitions: 1 }, epochMs: 1, epochBytes: 1 << 14, checkpointBytes: 1 << 30 },
      ...{ cacheBytes: 1 << 20, retention: retentionDefaults },
    }
    const heard: unknown[] = []
    const laneOf = () =>
      new KafkaLane({
        ...{ setup, stage: sessionStage(clickstream(topology)), folder: 'clickstream' },
        beatOf: () => new LaneBeat(LaneBeat.buffer(1)).of(0, 'nobody'),
        onRestoring: () => undefined,
        onRecovering: () => undefined,
        onStopped: (_, error) => heard.push(['stopped', error]),
        onWaiting: (_, error) => heard.push(['waiting', (error as { code: string }).code]),
        onResumed: () => heard.push('resumed'),
        onOverdue: () => undefined,
      })
    const straight = await openKafkaLog(world.options)
    let lane = laneOf()
    try {
      const claim = await straight.claim('test')
      const at = { topic: TOPICS.raw, partition: 0 }
      const produce = (part: readonly object[]) => claim.commit({ outputs: [block(at, ...part.map((event) => JSON.stringify(event)))] })
      const half = events.length / 2
      lane.run()
      await lane.take(0)
      await produce(events.slice(0, half))
      await lane.drain([[0, half]], { snapshots: false, close: false })
      await lane.stop()
      expect(heard).toEqual([])
      const USER = 0x75
      expect(flipValue(join(folder, 'state', 'main', 'clickstream-0'), (key) => key[0] === USER)).toBeDefined()
      lane = laneOf()
      lane.run()
      await lane.take(0)
      expect(heard).toEqual([])
      await produce(events.slice(half))
      // Closing loads every user whose session is open.
      const { end } = await straight.bounds(at)
      await lane.drain([[0, end]], { snapshots: false, close: true })
      await lane.stop()
      expect(heard).toEqual([['waiting', 'KAFKA_STATE_CACHE_DAMAGED'], 'resumed'])
      const rowsOf = async (topic: string) => (await textsOf(straight, { topic, partition: 0 })).map((line) => JSON.parse(line) as never)
      const records = (await linesOf(straight, at)).map(([offset, line]) => ({
        partition: 0,
        offset,
        event: JSON.parse(line) as WireEvent,
      }))
      expect(records).toHaveLength(events.length)
      const { sessions, incidents } = evaluate(records, { ...topology, closeAll: true })
      expect(sessions.size).toBeGreaterThan(5)
      expect(compareSessions(await rowsOf(TOPICS.sessions), sessions, { allVersions: true })).toEqual([])
      expect(compareIncidents(await rowsOf(TOPICS.incidents), incidents, { allVersions: true })).toEqual([])
    } finally {
      await lane.stop().catch(() => undefined)
      await straight.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }, 120_000)
})
