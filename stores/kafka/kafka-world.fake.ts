// A corner of a real broker for one test: names of its own, its topics, and what tests look at.
import { randomBytes } from 'node:crypto'
import type { Admin } from 'kafkajs'
import type { Log, OutputBlock, TopicPartition } from '../../engine/log/contract.ts'
import { kafkaClient, RETRY } from './kafka-client.ts'
import type { KafkaLogOptions } from './kafka-log.ts'
import { makeTopic } from './make-topic.ts'

export const raw: TopicPartition = { topic: 'events.raw', partition: 0 }
export const out: TopicPartition = { topic: 'events.out', partition: 3 }

export interface KafkaWorld {
  options: KafkaLogOptions
  /** What a topic of data is called on the broker. */
  named(topic: string): string
  withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T>
}

export async function kafkaWorld(broker: string): Promise<KafkaWorld> {
  const namespace = `test-${randomBytes(6).toString('hex')}`
  const options: KafkaLogOptions = { connection: { brokers: [broker] }, topicPrefix: `${namespace}.`, namespace }
  const world: KafkaWorld = {
    options,
    named: (topic) => `${namespace}.${topic}`,
    async withAdmin(work) {
      const admin = kafkaClient(options.connection).admin({ retry: RETRY })
      await admin.connect()
      try {
        return await work(admin)
      } finally {
        await admin.disconnect()
      }
    },
  }
  await world.withAdmin(async (admin) => {
    await makeTopic(admin, { topic: world.named('events.raw'), partitions: 1 })
    await makeTopic(admin, { topic: world.named('events.out'), partitions: 8 })
  })
  return world
}

export const block = ({ topic, partition }: TopicPartition, ...lines: string[]): OutputBlock => ({
  topic,
  partition,
  count: lines.length,
  bytes: Buffer.from(lines.map((line) => `${line}\n`).join('')),
})

/** Every line of a partition that is there, with its offset. */
export async function linesOf(log: Log, at: TopicPartition): Promise<[number, string][]> {
  const reader = log.reader(at)
  const found: [number, string][] = []
  for (let next = (await log.bounds(at)).start; ; ) {
    const read = await reader.read(next, 1 << 20)
    for (const { baseOffset, pos, length } of read.blocks) {
      const lines = Buffer.from(read.bytes.subarray(pos, pos + length))
        .toString()
        .split('\n')
        .slice(0, -1)
      for (const [i, line] of lines.entries()) found.push([baseOffset + i, line])
    }
    if (read.blocks.length === 0) break
    next = read.next
  }
  reader.close()
  return found
}

export const textsOf = async (log: Log, at: TopicPartition): Promise<string[]> => (await linesOf(log, at)).map(([, text]) => text)
