// Zombies with an open transaction, transactions that the broker ends, and a broker that is killed: what a reader of committed records sees, and a
// member of a group.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { serversFolder } from '../../dev/cache-folder.ts'
import { type KafkaServer, startKafka, stopKafka } from '../../dev/kafka/server.ts'
import type { Claim } from '../../engine/log/contract.ts'
import { kafkaServer } from '../../tests/kafka-server.ts'
import { type GroupMembership, joinGroup } from './group-membership.ts'
import { kafkaClient } from './kafka-client.ts'
import { isFence } from './kafka-error.ts'
import { type KafkaLog, openKafkaLog } from './kafka-log.ts'
import { block, type KafkaWorld, kafkaWorld, out, raw, textsOf } from './kafka-world.fake.ts'
import { TransactionalProducer } from './transactional-producer.ts'

const server = await kafkaServer()

describe.runIf(server)('An owner of a name', () => {
  let world: KafkaWorld
  let log: KafkaLog
  beforeEach(async () => {
    world = await kafkaWorld(server!.broker)
    log = await openKafkaLog(world.options)
  })
  afterEach(() => log?.close())

  /** A process that has the name's id, sent records, and stopped before its commit. */
  async function zombie(transactionTimeoutMs = 60_000): Promise<TransactionalProducer> {
    const producer = await TransactionalProducer.open({
      kafka: kafkaClient(world.options.connection),
      transactionalId: log.names.transactionalId('task', 'log'),
      transactionTimeoutMs,
    })
    await producer.send([{ topic: world.named('events.out'), partition: 3, records: [{ value: Buffer.from('zombie') }] }])
    return producer
  }

  it('that stopped with an open transaction publishes nothing when it wakes, and holds nobody up', async () => {
    const first = await log.claim('task', raw)
    await first.commit({ outputs: [block(out, 'before')], receipt: { epoch: 1, to: 1 } })
    const sleeping = await zombie()
    const next = await log.claim('task', raw)
    expect(next.last).toEqual({ epoch: 1, to: 1 })
    await next.commit({ outputs: [block(out, 'after')], receipt: { epoch: 2, to: 2 } })
    expect(await textsOf(log, out)).toEqual(['before', 'after'])
    const woken = await sleeping.commit().catch((error: unknown) => error)
    expect(isFence(woken)).toBe(true)
    const more = await sleeping
      .send([{ topic: world.named('events.out'), partition: 3, records: [{ value: Buffer.from('zombie') }] }])
      .catch((error: unknown) => error)
    expect(more).toBeInstanceOf(Error)
    await sleeping.close()
    await next.commit({ outputs: [block(out, 'last')], receipt: { epoch: 3, to: 3 } })
    expect(await textsOf(log, out)).toEqual(['before', 'after', 'last'])
  })

  it('whose transaction took longer than its timeout is refused, and what it wrote is not seen', async () => {
    const slow = await zombie(1000)
    const { start } = await log.bounds(out)
    expect(start).toBe(0)
    // The broker aborts it: its marker takes an offset.
    const end = () =>
      world.withAdmin(async (admin) => {
        const offsets = await admin.fetchTopicOffsets(world.named(out.topic))
        return offsets.find(({ partition }) => partition === out.partition)?.offset
      })
    await expect.poll(end, { timeout: 30_000 }).toBe('2')
    expect(await log.bounds(out)).toEqual({ start: 0, end: 0, decided: 2 })
    const late = await slow.commit().catch((error: unknown) => error)
    expect(isFence(late)).toBe(true)
    await slow.close()
    expect(await textsOf(log, out)).toEqual([])
  })

  it('that lost its id to the broker’s timeout, not to another owner, is told to try again', async () => {
    const claim = await log.claim('task', raw)
    // Somebody took the id and wrote down no claim: to this owner it is as if the coordinator had ended its transaction.
    const other = await TransactionalProducer.open({
      kafka: kafkaClient(world.options.connection),
      transactionalId: log.names.transactionalId('task', 'log'),
      transactionTimeoutMs: 60_000,
    })
    await expect(claim.commit({ outputs: [block(out, 'a')], receipt: { epoch: 1, to: 1 } })).rejects.toMatchObject({
      code: 'KAFKA_TRANSACTION_LOST',
      retryable: true,
    })
    await other.close()
    const again = await log.claim('task', raw, true)
    expect(again.claimsSinceCommit).toBe(1)
    await again.commit({ outputs: [block(out, 'a')], receipt: { epoch: 1, to: 1 } })
    expect(await textsOf(log, out)).toEqual(['a'])
  })
})

/** One broker that is killed once, in a commit, under a log and a group: each start of one takes seconds. */
describe.runIf(server)('A broker that is killed', () => {
  // Where the end of the run finds it, should these tests not come to their own.
  const folder = join(serversFolder, `kafka-faults-${process.pid}`)
  const start = () => startKafka(folder, Number(process.env.TEST_RUN_PID))
  const EPOCHS = 8
  const KILLED_AT = 4
  let broker: KafkaServer | undefined
  let log: KafkaLog | undefined
  let claim: Claim
  /** Of the commit under way when it was killed. */
  let failure: unknown
  const told: string[] = []
  const members: GroupMembership[] = []
  const member = async (instanceId: string) => {
    const membership = await joinGroup({
      connection: { brokers: [broker!.broker] },
      groupId: 'members',
      instanceId,
      topic: raw.topic,
      partitions: 4,
      sessionTimeoutMs: 30_000,
      drainMs: 1_000,
      onAssigned: (partitions) => told.push(`${instanceId} assigned ${partitions}`),
      onRevoked: async (partitions) => void told.push(`${instanceId} revoked ${partitions}`),
      onLost: (partitions) => told.push(`${instanceId} lost ${partitions}`),
      onFailed: (error) => told.push(`${instanceId} failed ${error.message}`),
    })
    members.push(membership)
  }
  const commit = (epoch: number): Promise<unknown> =>
    claim.commit({ outputs: [block(out, String(epoch))], receipt: { epoch, to: epoch } }).then(
      () => undefined,
      (error: unknown) => error,
    )

  beforeAll(async () => {
    broker = await start()
    log = await openKafkaLog((await kafkaWorld(broker.broker)).options)
    await member('a')
    claim = await log.claim('task', raw)
    for (let epoch = 1; epoch < KILLED_AT; epoch++) expect(await commit(epoch)).toBeUndefined()
    const committing = commit(KILLED_AT)
    await stopKafka(broker, true)
    broker = await start()
    failure = await committing
  }, 120_000)
  afterAll(async () => {
    await Promise.all(members.map((one) => one.close()))
    await log?.close()
    if (broker) await stopKafka(broker, true)
    rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  it('in a commit: what was acknowledged is there once, what was not can be claimed and committed again', async () => {
    for (let failed = failure; ; ) {
      if (failed) expect(failed).toMatchObject({ retryable: true })
      claim = await log!.claim('task', raw, true)
      // What failed may have been committed: the claim knows.
      const epoch = (claim.last?.epoch ?? 0) + 1
      if (epoch > EPOCHS) break
      failed = await commit(epoch)
    }
    expect(await textsOf(log!, out)).toEqual(Array.from({ length: EPOCHS }, (_, i) => String(i + 1)))
  }, 60_000)

  it('takes nothing from a member of a group: it keeps what it has, and is a member again when the broker is back', async () => {
    await member('b')
    await expect.poll(() => told, { timeout: 40_000 }).toEqual(['a assigned 0,1,2,3', 'a revoked 2,3', 'b assigned 2,3'])
  }, 60_000)
})
