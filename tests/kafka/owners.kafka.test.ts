// A task over Kafka, log and state, that passes from owner to owner: killed between epochs, in a commit, with a zombie left behind, with and without
// a local cache. What a reader of committed records sees is the evaluator's answer, each version once.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CompressionTypes } from 'kafkajs'
import { afterAll, describe, expect, it } from 'vitest'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import { PartitionTask } from '../../engine/lane/task.ts'
import type { StateStore } from '../../engine/state/store.ts'
import type { WireEvent } from '../../model/event.ts'
import { TOPICS } from '../../model/rows.ts'
import { Random } from '../../services/traffic/random.ts'
import { ensureTopics } from '../../stores/kafka/ensure-topics.ts'
import { kafkaClient } from '../../stores/kafka/kafka-client.ts'
import { type KafkaLog, openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { openKafkaState } from '../../stores/kafka/kafka-state.ts'
import { type KafkaWorld, kafkaWorld, textsOf } from '../../stores/kafka/kafka-world.fake.ts'
import { type ClickstreamSettings, clickstream } from '../../topologies/clickstream.ts'
import { kafkaServer } from '../kafka-server.ts'
import { compareIncidents, compareSessions } from '../oracle/compare.ts'
import { evaluate } from '../oracle/evaluate.ts'
import { settings as defaults } from '../oracle/in-memory.ts'
import { nasty } from '../oracle/nasty.ts'
import { compareTiles } from '../oracle/tiles.ts'
import { ask, run } from '../sim/one-task.ts'

const server = await kafkaServer()
const OWNERS = 8
const EVENTS = 1200

interface Owner {
  log: KafkaLog
  store: StateStore
  task: PartitionTask
}

/** As a producer that knows nothing of Packmill sends them. */
async function produce(world: KafkaWorld, events: readonly WireEvent[]): Promise<void> {
  const producer = kafkaClient(world.options.connection).producer({ createPartitioner: () => () => 0 })
  await producer.connect()
  const kinds = [CompressionTypes.None, CompressionTypes.GZIP, CompressionTypes.ZSTD]
  for (let from = 0; from < events.length; from += 100) {
    const messages = events
      .slice(from, from + 100)
      .map((event) => ({ key: `${event.orgId}:${event.productId}`, value: JSON.stringify(event) }))
    await producer.send({ topic: world.named(TOPICS.raw), compression: kinds[(from / 100) % 3], messages })
  }
  await producer.disconnect()
}

describe.runIf(server)('A task over Kafka', () => {
  /** Commits of owners that were killed in them: their producers try for seconds to reach the broker, and the next owner does not wait for that. */
  const killed: Promise<void>[] = []
  afterAll(() => Promise.all(killed))

  it.each([1, 2, 3])('gives the evaluator’s answer, whoever owned it, and loses nothing to zombies: seed %i', async (seed) => {
    const random = new Random(seed, 7)
    const { events, settings: own } = nasty(seed, EVENTS)
    const settings: ClickstreamSettings = { ...defaults, ...own }
    const world = await kafkaWorld(server!.broker)
    const topics = Object.values(TOPICS).filter((topic) => topic !== TOPICS.raw)
    const data = topics.map((topic) => ({ topic, partitions: 1 }))
    const stages = [{ name: `task.main.clickstream.${TOPICS.raw}`, partitions: 1 }]
    await ensureTopics({ ...world.options, topics: data, stages, retentionMs: 1000, retentionBytes: 1 << 20, replication: 1 })
    await produce(world, events)
    const root = mkdtempSync(join(tmpdir(), 'packmill-owners-'))
    const owners: Owner[] = []
    const open = async (machine: number): Promise<Owner> => {
      const log = await openKafkaLog(world.options)
      const name = `task.main.clickstream.${TOPICS.raw}.0`
      const store = await openKafkaState({ ...world.options, name, folder: join(root, `machine-${machine}`) })
      const bounds = { epochBytes: 3000, checkpointBytes: 20_000, cacheBytes: 1 << 20 }
      const stage = sessionStage(clickstream(settings))
      const task = new PartitionTask({ stage, lineage: 'main', code: 'v1', partition: 0, exactlyOnce: true, ...bounds }, log, store)
      const owner = { log, store, task }
      owners.push(owner)
      await task.recover(0)
      return owner
    }
    const close = async ({ log, store }: Owner) => {
      await store.close()
      await log.close()
    }
    let kills = 0
    let fenced = 0
    let zombie: Owner | undefined
    try {
      for (let i = 0; i < OWNERS; i++) {
        // Two machines have been there before; a third is new each time.
        const owner = await open(random.pick([0, 1, 2 + i]))
        if (zombie) {
          // It wakes with an epoch that it has computed, and commits.
          const epoch = await zombie.task.next(undefined)
          if (epoch) {
            await expect(zombie.task.commit(epoch)).rejects.toMatchObject({ code: 'FENCED' })
            fenced++
          }
          await close(zombie)
          zombie = undefined
        }
        await run(owner.task, { epochs: random.between(2, 14) })
        const fate = random.pick(['killed', 'killed in a commit', 'zombie'] as const)
        if (fate === 'zombie') zombie = owner
        else {
          const epoch = fate === 'killed' ? undefined : await owner.task.next(undefined)
          if (epoch) killed.push(owner.task.commit(epoch).catch(() => undefined))
          await close(owner)
          kills++
        }
      }
      const last = await open(9)
      await run(last.task)
      await ask(last.task, { close: true })
      expect(kills).toBeGreaterThan(0)
      expect(fenced + kills).toBeGreaterThan(OWNERS / 2)

      const rowsOf = async (topic: string) => (await textsOf(last.log, { topic, partition: 0 })).map((line) => JSON.parse(line) as object)
      const expected = evaluate(
        events.map((event, offset) => ({ partition: 0, offset, event })),
        { ...settings, closeAll: true },
      )
      expect(expected.sessions.size).toBeGreaterThan(20)
      expect(compareSessions(await rowsOf(TOPICS.sessions), expected.sessions, { allVersions: true })).toEqual([])
      expect(compareIncidents(await rowsOf(TOPICS.incidents), expected.incidents, { allVersions: true })).toEqual([])
      expect(compareTiles((await rowsOf(TOPICS.tiles)) as never, expected)).toEqual([])
    } finally {
      for (const owner of owners) await close(owner)
      rmSync(root, { recursive: true, force: true })
    }
  })
})
