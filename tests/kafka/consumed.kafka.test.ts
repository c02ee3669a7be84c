// The other reader of the answer's topics: it must come to the end, whatever stands there, and see what was committed and nothing else; else it proves nothing.
import { expect, test } from 'vitest'
import { kafkaClient } from '../../stores/kafka/kafka-client.ts'
import { openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { kafkaWorld, linesOf, out } from '../../stores/kafka/kafka-world.fake.ts'
import { TransactionalProducer } from '../../stores/kafka/transactional-producer.ts'
import { kafkaServer } from '../kafka-server.ts'
import { consumed } from './consumed.ts'

const server = await kafkaServer()

test.runIf(server)(
  'kafkajs’ consumer reads committed records of every partition, with their offsets, to the end, where aborted ones stand',
  async () => {
    const world = await kafkaWorld(server!.broker)
    const { connection } = world.options
    const topic = world.named(out.topic)
    const producer = await TransactionalProducer.open({
      kafka: kafkaClient(connection),
      transactionalId: world.named('foreign'),
      transactionTimeoutMs: 60_000,
    })
    for (const [partition, text, isKept] of [
      [3, 'a', true],
      [3, 'b', false],
      [3, 'c', true],
      [5, 'd', false],
      [3, 'e', false],
    ] as const) {
      await producer.send([{ topic, partition, records: [{ value: Buffer.from(text) }] }])
      if (isKept) await producer.commit()
      else await producer.abort()
    }
    await producer.close()
    const log = await openKafkaLog(world.options)
    // What is written last can be read when its marker is there.
    await expect.poll(async () => (await log.bounds(out)).decided).toBe(8)
    const found = await consumed(connection, [topic])
    expect(found.size).toBe(8)
    expect(found.get(`${topic}/3`)).toEqual([
      [0, 'a'],
      [4, 'c'],
    ])
    expect(found.get(`${topic}/5`)).toEqual([])
    expect(await linesOf(log, out)).toEqual(found.get(`${topic}/3`))
    await log.close()
  },
)
