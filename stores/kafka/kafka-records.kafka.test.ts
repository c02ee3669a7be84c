// What only Kafka has: records of foreign producers, aborted transactions, topics of receipts, positions for displays, doors with passwords.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CompressionTypes } from 'kafkajs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { USER } from '../../dev/kafka/server.ts'
import { kafkaServer } from '../../tests/kafka-server.ts'
import { deleteTopics } from './delete-topics.ts'
import { type KafkaConnection, kafkaClient } from './kafka-client.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import { type KafkaLog, openKafkaLog } from './kafka-log.ts'
import { block, type KafkaWorld, kafkaWorld, linesOf, out, raw, textsOf } from './kafka-world.fake.ts'
import { encodeRecord } from './ledger.ts'
import { makeTopic } from './make-topic.ts'
import { TransactionalProducer } from './transactional-producer.ts'

const server = await kafkaServer()
const broker = server?.broker ?? ''

describe.runIf(server)('The log on Kafka', () => {
  let world: KafkaWorld
  let log: KafkaLog
  beforeEach(async () => {
    world = await kafkaWorld(broker)
    log = await openKafkaLog(world.options)
  })
  afterEach(() => log?.close())

  async function produce(values: (string | null)[], compression?: CompressionTypes, topic = 'events.raw'): Promise<void> {
    const producer = kafkaClient(world.options.connection).producer({ createPartitioner: () => () => 0 })
    await producer.connect()
    await producer.send({ topic: world.named(topic), compression, messages: values.map((value) => ({ key: 'o:p', value })) })
    await producer.disconnect()
  }

  it.each([
    ['as they are', CompressionTypes.None],
    ['compressed by gzip', CompressionTypes.GZIP],
    ['compressed by zstd', CompressionTypes.ZSTD],
  ])('a foreign producer’s records, %s, are lines', async (_, compression) => {
    await produce(['{"a":1}', '{"b":"ü"}'], compression)
    await produce(['{"c":3}'], compression)
    expect(await linesOf(log, raw)).toEqual([
      [0, '{"a":1}'],
      [1, '{"b":"ü"}'],
      [2, '{"c":3}'],
    ])
  })

  it('several readers of a partition that wait each get all that comes', async () => {
    const readers = [log.reader(raw), log.reader(raw), log.reader(raw)]
    const seen: string[][] = readers.map(() => [])
    const positions = readers.map(() => 0)
    const look = async () => {
      for (const [i, reader] of readers.entries()) {
        const { bytes, blocks, next } = await reader.read(positions[i], 8)
        for (const { pos, length } of blocks)
          seen[i].push(
            Buffer.from(bytes.subarray(pos, pos + length))
              .toString()
              .trimEnd(),
          )
        positions[i] = next
      }
    }
    const expected: string[] = []
    for (let round = 0; round < 5; round++) {
      // All stand at the end and wait, so what comes is handed to them.
      await look()
      const changed = log.changed()
      const values = [1, 2, 3].map((n) => `{"n":${round * 3 + n}}`)
      expected.push(...values)
      await produce(values)
      await changed
      while (positions.some((position) => position < expected.length)) await look()
    }
    expect(seen.map((lines) => lines.join())).toEqual(readers.map(() => expected.join()))
  })

  it('every record is one line, whatever it holds: line breaks become blanks, nothing an empty line', async () => {
    await produce(['{\n  "a": 1\r\n}', null, '', 'no json'])
    expect(await textsOf(log, raw)).toEqual(['{   "a": 1  }', '', '', 'no json'])
  })

  // kafkajs has no such codec: the broker compresses anew what it is sent, by those of Java.
  it.each(['lz4', 'snappy'])(
    'records that the broker has compressed by %s are lines, small and large, and those behind them, too',
    async (codec) => {
      const topic = `events.${codec}`
      await world.withAdmin((admin) =>
        makeTopic(admin, { topic: world.named(topic), partitions: 1, config: { 'compression.type': codec } }),
      )
      const like = Array.from({ length: 3000 }, (_, i) => JSON.stringify({ i, screen: `/product/${i % 7}`, text: 'ü'.repeat(i % 40) }))
      // Of hex little can be saved, of what repeats nearly all; both are more than one block of either codec.
      const noise = Array.from({ length: 40 }, () => randomBytes(5000).toString('hex'))
      const rounds = [['{"a":1}'], like, noise, ['x'.repeat(500_000), '']]
      for (const values of rounds) await produce(values, CompressionTypes.None, topic)
      expect(await textsOf(log, { topic, partition: 0 })).toEqual(rounds.flat())
    },
  )

  it('records of an aborted transaction are not read, and those around them are', async () => {
    const producer = await TransactionalProducer.open({
      kafka: kafkaClient(world.options.connection),
      transactionalId: world.named('foreign'),
      transactionTimeoutMs: 60_000,
    })
    const send = (text: string) => producer.send([{ ...named(raw), records: [{ value: Buffer.from(text) }, { value: Buffer.from(text) }] }])
    for (const [text, isKept] of [
      ['a', true],
      ['b', false],
      ['c', true],
      ['d', false],
    ] as const) {
      await send(text)
      if (isKept) await producer.commit()
      else await producer.abort()
      await log.bounds(raw)
    }
    // What is decided ends at 12, the records at 8: who waits until all is read waits for these, whether somebody reads the partition or not.
    await expect.poll(() => world.withAdmin(async (admin) => (await admin.fetchTopicOffsets(world.named(raw.topic)))[0].offset)).toBe('12')
    const fresh = await openKafkaLog(world.options)
    expect(await fresh.bounds(raw)).toEqual({ start: 0, end: 8, decided: 12 })
    const reader = fresh.reader(raw)
    const read = await reader.read(0, 1000)
    expect(read.next).toBeGreaterThan(8)
    expect(await reader.read(read.next, 1000)).toMatchObject({ blocks: [], next: 12 })
    expect(await fresh.bounds(raw)).toEqual({ start: 0, end: 8, decided: 12 })
    await send('e')
    await producer.commit()
    await expect.poll(async () => (await reader.read(12, 1000)).next).toBe(15)
    await producer.close()
    await fresh.close()
    expect(await linesOf(log, raw)).toEqual([
      [0, 'a'],
      [1, 'a'],
      [6, 'c'],
      [7, 'c'],
      [12, 'e'],
      [13, 'e'],
    ])
    expect((await log.reader(raw).read(4, 1000)).blocks).toMatchObject([
      { baseOffset: 6, count: 2 },
      { baseOffset: 12, count: 2 },
    ])
  })

  it('a block of more bytes and records than one batch takes is there whole and in order', async () => {
    const claim = await log.claim('task')
    const lines = Array.from({ length: 2500 }, (_, i) => JSON.stringify({ i, text: 'x'.repeat(i % 7 === 0 ? 5000 : 10) }))
    await claim.commit({ outputs: [block(out, ...lines), block(out, 'last'), block(raw, 'other')], receipt: { epoch: 1, to: 1 } })
    expect(await textsOf(log, out)).toEqual([...lines, 'last'])
    expect(await textsOf(log, raw)).toEqual(['other'])
  })

  it('a record that no batch can hold is refused, and the claim is over', async () => {
    const claim = await log.claim('task')
    const commit = claim.commit({ outputs: [block(out, 'x'.repeat(2 << 20))], receipt: { epoch: 1, to: 1 } })
    await expect(commit).rejects.toMatchObject({
      code: 'KAFKA_RECORD_TOO_LARGE',
      advice: expect.stringContaining('max.message.bytes=4194304'),
    })
    expect(await claim.holds()).toBe(false)
    expect(await textsOf(log, out)).toEqual([])
    expect((await log.claim('task')).last).toBeUndefined()
  })

  it('receipts that were released are deleted on the broker, the last is not', async () => {
    const claim = await log.claim('task.main.0', raw)
    for (let epoch = 1; epoch <= 4; epoch++) await claim.commit({ outputs: [], receipt: { epoch, to: epoch } })
    const at = log.names.receipts('task.main.0')
    const ends = () => world.withAdmin((admin) => admin.fetchTopicOffsets(at.topic))
    expect(await ends()).toMatchObject([{ partition: 0, low: '0' }])
    await claim.commit({ outputs: [], receipt: { epoch: 5, to: 5 }, release: { receiptsThrough: 99, inputBefore: 5 } })
    // A claim, and five receipts, each with its marker: the last begins at 10.
    expect(await ends()).toMatchObject([{ partition: 0, low: '10', high: '12' }])
    const receipts: number[] = []
    const next = await log.claim('task.main.0', raw)
    for await (const { epoch } of next.receipts(0)) receipts.push(epoch)
    expect(receipts).toEqual([5])
  })

  describe('that was deleted and made again under its name, with more records than before', () => {
    const name = 'task.main.0'
    async function replaced(): Promise<void> {
      await log.close()
      const topic = world.named('events.raw')
      await world.withAdmin(async (admin) => {
        await deleteTopics(admin, [topic])
        await makeTopic(admin, { topic, partitions: 1 })
      })
      await produce(['c', 'd', 'e', 'f'])
      log = await openKafkaLog(world.options)
    }
    const refused = {
      ...{ code: 'KAFKA_TOPIC_REPLACED', retryable: false },
      message: expect.stringContaining('events.raw'),
      advice: expect.stringContaining('packmill topology reset'),
    }

    it('an input is not read from where the other was: it is named until what was read of that is given up', async () => {
      await produce(['a', 'b'])
      const claim = await log.claim(name, raw)
      await claim.commit({ outputs: [], receipt: { epoch: 1, to: 1 } })
      // Of the ledger only the last receipt is left.
      await claim.commit({ outputs: [], receipt: { epoch: 2, to: 2 }, release: { receiptsThrough: 2, inputBefore: 2 } })
      await replaced()
      await expect(log.claim(name, raw)).rejects.toMatchObject(refused)
      await expect(log.claim(name, raw, true)).rejects.toMatchObject(refused)
      expect((await log.claim('task.main-2.0', raw)).last).toBeUndefined()
      await log.retire(name, 'main-2')
      await expect(log.claim(name, raw)).rejects.toMatchObject({ code: 'RESET_UNFINISHED' })
    })

    it('an input that was claimed and never committed is refused as well; one that stays is not', async () => {
      await log.claim(name, raw)
      expect((await log.claim(name, raw)).claimsSinceCommit).toBe(2)
      await replaced()
      await expect(log.claim(name, raw)).rejects.toMatchObject(refused)
    })

    it('a ledger of before there were ids goes on with the topic that is there, and knows it from then on', async () => {
      await log.claim(name)
      await replaced()
      const older = encodeRecord({ is: 'receipt', receipt: { epoch: 1, to: 2 } })
      const { topic } = log.names.receipts(name)
      const producer = kafkaClient(world.options.connection).producer()
      await producer.connect()
      await producer.send({ topic, messages: [{ key: name, value: older }] })
      await producer.disconnect()
      expect((await log.claim(name, raw)).last).toEqual({ epoch: 1, to: 2 })
      await replaced()
      await expect(log.claim(name, raw)).rejects.toMatchObject(refused)
    })

    it('is known by an id of its own, whatever its name is', async () => {
      const long = world.named('x'.repeat(200))
      await world.withAdmin((admin) => makeTopic(admin, { topic: long, partitions: 3 }))
      const cluster = new KafkaCluster(kafkaClient(world.options.connection))
      const ids = [await cluster.topicId(long), await cluster.topicId(world.named('events.raw')), await cluster.topicId(long)]
      expect(ids).toEqual([expect.stringMatching(/^[\w-]{22}$/), expect.stringMatching(/^[\w-]{22}$/), ids[0]])
      expect(ids[0]).not.toBe(ids[1])
      await expect(cluster.topicId(world.named('nowhere'))).rejects.toMatchObject({ code: 'KAFKA_TOPIC_MISSING' })
      await cluster.close()
    })
  })

  it('a record that somebody else wrote into a ledger is named; the name can be given up all the same', async () => {
    await log.claim('task')
    const at = log.names.receipts('task')
    const producer = kafkaClient(world.options.connection).producer()
    await producer.connect()
    await producer.send({ topic: at.topic, messages: [{ value: 'hello' }] })
    await producer.disconnect()
    await expect(log.claim('task')).rejects.toMatchObject({
      ...{ code: 'KAFKA_RECORD_FOREIGN', retryable: false },
      message: expect.stringContaining(`${at.topic}/0: the record at offset 2 `),
    })
    await expect(log.lastReceipt('task')).rejects.toMatchObject({ code: 'KAFKA_RECORD_FOREIGN' })
    await log.retire('task', 'main-2')
  })

  it('positions are shown as those of a group per name', async () => {
    const claim = await log.claim('task.main.0', raw)
    await claim.commit({ outputs: [block(raw, 'a')], receipt: { epoch: 1, to: 1 } })
    await log.need('sink.main', out, 17)
    await log.close()
    const offsets = (group: string, topic: string) =>
      world.withAdmin(
        async (admin) => (await admin.fetchOffsets({ groupId: `${world.options.namespace}.${group}`, topics: [world.named(topic)] }))[0],
      )
    expect((await offsets('task.main', 'events.raw')).partitions).toMatchObject([{ partition: 0, offset: '1' }])
    expect((await offsets('sink.main', 'events.out')).partitions.find(({ partition }) => partition === 3)).toMatchObject({ offset: '17' })
  })

  it('a topic that is not there is named', async () => {
    await expect(log.bounds({ topic: 'nowhere', partition: 0 })).rejects.toMatchObject({
      code: 'KAFKA_TOPIC_MISSING',
      message: expect.stringContaining(world.named('nowhere')),
    })
  })

  it('an offset that retention has deleted is LOG_TRIMMED', async () => {
    await produce(['a', 'b', 'c'])
    await world.withAdmin(async (admin) => {
      await admin.fetchTopicOffsets(world.named('events.raw'))
      await admin.deleteTopicRecords({ topic: world.named('events.raw'), partitions: [{ partition: 0, offset: '2' }] })
    })
    await expect(log.reader(raw).read(0, 1000)).rejects.toMatchObject({
      code: 'LOG_TRIMMED',
      message: expect.stringContaining('begins at offset 2'),
    })
    expect(await log.reader(raw).read(2, 1000)).toMatchObject({ blocks: [{ baseOffset: 2, count: 1 }] })
    // Behind the end, as after a broker has lost its last records.
    expect(await log.reader(raw).read(9, 1000)).toMatchObject({ blocks: [], next: 9 })
  })

  const named = ({ topic, partition }: typeof raw) => ({ topic: world.named(topic), partition })
})

describe.runIf(server)('A door with a password', () => {
  const open = async (connection: KafkaConnection) => {
    const log = await openKafkaLog({ connection })
    await log.close()
  }
  const { saslBroker, tlsBroker, caPath } = server ?? { saslBroker: '', tlsBroker: '', caPath: '' }

  it.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('%s lets the user in, and no other', async (mechanism) => {
    const connection = { brokers: [saslBroker], sasl: { mechanism, ...USER } }
    await open(connection)
    // It was let in, and is sent to the threads of lanes and sinks as it is: kafkajs has put nothing into it.
    expect(structuredClone(connection)).toEqual({ brokers: [saslBroker], sasl: { mechanism, ...USER } })
    const tls = { ca: readFileSync(caPath, 'utf8') }
    await open({ brokers: [tlsBroker], sasl: { mechanism, ...USER }, tls })
    await expect(open({ brokers: [saslBroker], sasl: { mechanism, ...USER, password: 'wrong' } })).rejects.toMatchObject({
      code: 'KAFKA_UNAUTHENTICATED',
      advice: expect.stringContaining('kafka.sasl.password'),
    })
  })

  it('a certificate that nobody vouches for is refused', async () => {
    await expect(open({ brokers: [tlsBroker], sasl: { mechanism: 'plain', ...USER }, tls: {} })).rejects.toMatchObject({
      code: 'KAFKA_TLS_REFUSED',
      advice: expect.stringContaining('kafka.tls.ca'),
    })
  })

  it.each([
    ['TLS', 'where none is spoken', () => ({ brokers: [server!.broker], tls: {} }), 'KAFKA_UNAVAILABLE', 'may speak no TLS'],
    ['no TLS', 'where it is', () => ({ brokers: [tlsBroker] }), 'KAFKA_UNAVAILABLE', 'may want TLS (kafka.tls.enabled)'],
    ['no password', 'where one is asked for', () => ({ brokers: [saslBroker] }), 'KAFKA_UNAVAILABLE', 'a password (kafka.sasl.mechanism)'],
    [
      ...(['a password', 'where none is asked for'] as const),
      () => ({ brokers: [server!.broker], sasl: { mechanism: 'plain', ...USER } as const }),
      ...(['KAFKA_UNAUTHENTICATED', 'set kafka.sasl.mechanism to none'] as const),
    ],
  ] satisfies [string, string, () => KafkaConnection, string, string][])('%s %s is said', async (_, _where, connection, code, advice) => {
    const asked = async () => {
      const log = await openKafkaLog({ connection: connection() })
      await log.bounds({ topic: 'events.raw', partition: 0 }).finally(() => log.close())
    }
    await expect(asked()).rejects.toMatchObject({ code, advice: expect.stringContaining(advice) })
  })

  it('a door where nobody listens is KAFKA_UNAVAILABLE, which may pass', async () => {
    await expect(open({ brokers: ['localhost:1'] })).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE', retryable: true })
  })
})
