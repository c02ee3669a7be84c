// Puts an input onto Kafka, record by record as it lies in the embedded log, by a producer without transactions: the same partitions and offsets.

import kafkajs from 'kafkajs'
import { kafkaClient, RETRY } from '../../stores/kafka/kafka-client.ts'
import { makeTopic } from '../../stores/kafka/make-topic.ts'
import { answer } from './in-child.ts'
import { allPartitions, openLog, PARTITIONS, TOPIC } from './workload.ts'

export interface KafkaFillOrder {
  broker: string
  topicPrefix: string
  /** Of the input: only read. */
  input: string
}

export interface KafkaFillAnswer {
  records: number
}

const READ_BYTES = 800_000

await answer(async ({ broker, topicPrefix, input }: KafkaFillOrder): Promise<KafkaFillAnswer> => {
  const kafka = kafkaClient({ brokers: [broker] })
  const admin = kafka.admin({ retry: RETRY })
  await admin.connect()
  const topic = `${topicPrefix}${TOPIC}`
  await makeTopic(admin, { topic, partitions: PARTITIONS, replication: 1 })
  await admin.disconnect()
  const producer = kafka.producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const log = await openLog(input, 'fill')
  let records = 0
  for (const partition of allPartitions) {
    const reader = log.reader({ topic: TOPIC, partition })
    for (let next = 0; ; ) {
      const { bytes, blocks, next: after } = await reader.read(next, READ_BYTES)
      if (blocks.length === 0) break
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      for (const { pos, length } of blocks) {
        const lines = text.toString('utf8', pos, pos + length - 1).split('\n')
        records += lines.length
        for (let from = 0; from < lines.length; from += 1_000) {
          const messages = lines.slice(from, from + 1_000).map((value) => ({ partition, value }))
          await producer.send({ topic, acks: -1, messages })
        }
      }
      next = after
    }
    reader.close()
  }
  await producer.disconnect()
  await log.close()
  return { records }
})
