// An open loop of events onto Kafka by a producer that knows nothing of Packmill: so many a second, the same number in each partition, until it is told to
// stop or the input is over. Says 'loading' with the first ones, and at its end how many there were.
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { kafkaClient } from '../../stores/kafka/kafka-client.ts'
import type { JournalLog } from '../../stores/log/journal-log.ts'
import { allPartitions, openLog, PARTITIONS, TOPIC } from './workload.ts'

export interface KafkaLoadOrder {
  broker: string
  topicPrefix: string
  /** Of the input: only read. */
  input: string
  /** Events per second, in all. */
  rate: number
}

export type FromKafkaLoad =
  | { type: 'loading' }
  /** `behindMs`: the most that a part came later than it was due. */
  | { type: 'over'; events: number; behindMs: number }

const EVERY_MS = 50
const READ_BYTES = 1 << 20

async function* linesOf(log: JournalLog, partition: number): AsyncGenerator<string> {
  const reader = log.reader({ topic: TOPIC, partition })
  for (let next = 0; ; ) {
    const { bytes, blocks, next: after } = await reader.read(next, READ_BYTES)
    if (blocks.length === 0) return
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const parts = blocks.map(({ pos, length }) => text.toString('utf8', pos, pos + length - 1))
    for (const part of parts) yield* part.split('\n')
    next = after
  }
}

const { broker, topicPrefix, input, rate } = JSON.parse(process.argv[2]) as KafkaLoadOrder
const say = (message: FromKafkaLoad) => process.send!(message)
const producer = kafkaClient({ brokers: [broker] }).producer({
  createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
})
await producer.connect()
const log = await openLog(input, 'load')
const lines = allPartitions.map((partition) => linesOf(log, partition))
const each = Math.round((rate * EVERY_MS) / 1000 / PARTITIONS)
let isOver = false
process.on('message', () => (isOver = true))
let events = 0
let behindMs = 0
const startMs = performance.now()
for (let part = 0; !isOver; part++) {
  const dueMs = startMs + part * EVERY_MS
  const messages: { partition: number; value: string }[] = []
  for (const [partition, own] of lines.entries()) {
    for (let i = 0; i < each; i++) {
      const { value, done } = await own.next()
      if (done) isOver = true
      else messages.push({ partition, value })
    }
  }
  await sleep(Math.max(0, dueMs - performance.now()))
  await producer.send({ topic: `${topicPrefix}${TOPIC}`, acks: -1, messages })
  events += messages.length
  behindMs = Math.max(behindMs, performance.now() - dueMs)
  if (part === 0) say({ type: 'loading' })
}
say({ type: 'over', events, behindMs })
await producer.disconnect()
await log.close()
process.disconnect()
