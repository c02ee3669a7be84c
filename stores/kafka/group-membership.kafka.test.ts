// What one process's membership in a group says and when, over a real broker. With real processes that die: tests/kafka/members.kafka.test.ts; with a broker
// that dies: kafka-faults.kafka.test.ts.
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openProxy } from '../../dev/kafka/proxy.ts'
import { kafkaServer } from '../../tests/kafka-server.ts'
import { type GroupMembership, type GroupMembershipOptions, joinGroup } from './group-membership.ts'
import { kafkaClient } from './kafka-client.ts'
import { makeTopic } from './make-topic.ts'

const server = await kafkaServer()
const PARTITIONS = 4

interface Told {
  membership: GroupMembership
  /** In the order in which it was told. */
  told: string[]
  failed: Promise<Error>
}

describe.runIf(server)('A membership in a group', () => {
  let groupId = ''
  let open: GroupMembership[] = []
  beforeEach(() => {
    groupId = `test-${randomBytes(6).toString('hex')}`
  })
  afterEach(async () => {
    await Promise.all(open.map((membership) => membership.close()))
    open = []
  })

  async function joined(instanceId?: string, more: Partial<GroupMembershipOptions> = {}): Promise<Told> {
    const told: string[] = []
    let onFailed: (error: Error) => void = () => undefined
    const failed = new Promise<Error>((resolve) => (onFailed = resolve))
    const membership = await joinGroup({
      connection: { brokers: [server!.broker] },
      groupId,
      instanceId,
      topic: 'events.raw',
      partitions: PARTITIONS,
      sessionTimeoutMs: 6_000,
      drainMs: 300,
      onAssigned: (partitions) => told.push(`assigned ${partitions}`),
      onRevoked: async (partitions) => void told.push(`revoked ${partitions}`),
      onLost: (partitions) => told.push(`lost ${partitions}`),
      onFailed,
      ...more,
    })
    open.push(membership)
    return { membership, told, failed }
  }

  it('is told of its partitions before it has joined; the next member gets those that it gives up', async () => {
    const first = await joined('a')
    expect(first.told).toEqual(['assigned 0,1,2,3'])
    const second = await joined('b')
    await expect.poll(() => second.told, { timeout: 20_000 }).toEqual(['assigned 2,3'])
    expect(first.told).toEqual(['assigned 0,1,2,3', 'revoked 2,3'])
    expect([first.membership.partitions, second.membership.partitions]).toEqual([
      [0, 1],
      [2, 3],
    ])
    await second.membership.close()
    await expect.poll(() => first.membership.partitions, { timeout: 20_000 }).toEqual([0, 1, 2, 3])
  })

  it('goes on without a drain that takes longer than its budget: what was drained is lost', async () => {
    const first = await joined('a', { onRevoked: () => new Promise(() => undefined) })
    const second = await joined('b')
    await expect.poll(() => second.membership.partitions, { timeout: 20_000 }).toEqual([2, 3])
    expect(first.told).toEqual(['assigned 0,1,2,3', 'lost 2,3'])
    expect(first.membership.partitions).toEqual([0, 1])
  })

  it.runIf(server?.proxied)('that has given partitions up joins without them, also where its first try does not get through', async () => {
    const { port, target, broker } = server!.proxied!
    let cuts = 0
    const proxy = await openProxy({ port, target, fateOf: () => (cuts > 0 && cuts-- > 0 ? 'cut' : 'pass'), stallMs: 0 })
    try {
      // What it sends next is its join.
      await joined('a', { connection: { brokers: [broker] }, onRevoked: async () => void (cuts = 1) })
      const second = await joined('b')
      await expect.poll(() => second.told, { timeout: 20_000 }).toEqual(['assigned 2,3'])
      expect(proxy.counts.cut).toBe(1)
      await Promise.all(open.splice(0).map((membership) => membership.close()))
    } finally {
      await proxy.close()
    }
  })

  it('that is closed without leaving is the same one when it comes back; the others hear nothing', async () => {
    const first = await joined('a')
    const second = await joined('b')
    await expect.poll(() => second.membership.partitions, { timeout: 20_000 }).toEqual([2, 3])
    await second.membership.close({ leave: false })
    const back = await joined('b')
    expect(back.told).toEqual(['assigned 2,3'])
    await back.membership.close()
    await expect.poll(() => first.membership.partitions, { timeout: 20_000 }).toEqual([0, 1, 2, 3])
    expect(first.told).toEqual(['assigned 0,1,2,3', 'revoked 2,3', 'assigned 2,3'])
  })

  it('ends where another process joins under its instance id', async () => {
    const first = await joined('a')
    const second = await joined('a')
    expect(second.told).toEqual(['assigned 0,1,2,3'])
    await expect(first.failed).resolves.toMatchObject({ code: 'KAFKA_INSTANCE_TAKEN', advice: /kafka.groupInstanceId/ })
    expect(first.told.at(-1)).toBe('lost 0,1,2,3')
    // Nor does its end put the other one out.
    await first.membership.close()
    expect(second.membership.partitions).toEqual([0, 1, 2, 3])
  })

  it('is shown to kafka-consumer-groups with who has what', async () => {
    await joined('a')
    const admin = kafkaClient({ brokers: [server!.broker] }).admin()
    await admin.connect()
    const { groups } = await admin.describeGroups([groupId])
    await admin.disconnect()
    expect(groups[0]).toMatchObject({ state: 'Stable', protocolType: 'consumer', protocol: 'packmill-sticky' })
  })

  it('leads a group in which somebody says what no member of ours would, and keeps its share of it', async () => {
    const first = await joined('a')
    const partitionAssigners = [
      () => ({
        ...{ name: 'packmill-sticky', version: 0, assign: async () => [] },
        protocol: () => ({ name: 'packmill-sticky', metadata: Buffer.from('odd') }),
      }),
    ]
    const client = kafkaClient({ brokers: [server!.broker] })
    const admin = client.admin()
    await admin.connect()
    await makeTopic(admin, { topic: `${groupId}.t`, partitions: 1 })
    await admin.disconnect()
    const odd = client.consumer({ groupId, partitionAssigners, maxWaitTimeInMs: 50, allowAutoTopicCreation: false })
    await odd.connect()
    await odd.subscribe({ topic: `${groupId}.t` })
    const heard = new Promise<{ payload: { memberAssignment: unknown } }>((resolve) => odd.on('consumer.group_join', resolve))
    await odd.run({ eachMessage: async () => undefined })
    expect((await heard).payload).toMatchObject({ isLeader: false })
    await expect.poll(() => first.membership.partitions, { timeout: 20_000 }).toHaveLength(PARTITIONS / 2)
    await odd.disconnect()
    await expect.poll(() => first.membership.partitions, { timeout: 20_000 }).toEqual([0, 1, 2, 3])
  })

  it('is refused with what to do where the broker allows no such session', async () => {
    await expect(joined('a', { sessionTimeoutMs: 20 })).rejects.toMatchObject({
      code: 'KAFKA_GROUP_REFUSED',
      advice: /kafka.sessionTimeoutMs/,
    })
  })

  it('is refused with what to do where somebody else’s consumers have the group', async () => {
    const consumer = kafkaClient({ brokers: [server!.broker] }).consumer({ groupId, maxWaitTimeInMs: 50, allowAutoTopicCreation: false })
    const admin = kafkaClient({ brokers: [server!.broker] }).admin()
    await admin.connect()
    await makeTopic(admin, { topic: `${groupId}.t`, partitions: 1 })
    await consumer.connect()
    await consumer.subscribe({ topic: `${groupId}.t` })
    const consuming = new Promise((resolve) => consumer.on('consumer.group_join', resolve))
    await consumer.run({ eachMessage: async () => undefined })
    await consuming
    await expect(joined('a')).rejects.toMatchObject({ code: 'KAFKA_GROUP_REFUSED', advice: /kafka-consumer-groups/ })
    await consumer.disconnect()
    await admin.disconnect()
  })
})
