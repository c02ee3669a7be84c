// A thread that produces events to Kafka when they are due, whatever becomes of those before: an open loop. Every part is sent by the clock, without waiting for
// the broker's answer to the one before; an event's due time is what latency counts from (no coordinated omission). Patterns are live-load.ts's. Records are
// written as the product's are: kafkajs' own took as much CPU as the job that is measured beside it.
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { LineWriter } from '../../services/traffic/line-writer.ts'
import { kafkaClient } from '../../stores/kafka/kafka-client.ts'
import { asMessages, ProducedBatch } from '../../stores/kafka/produced-batch.ts'
import { Crowd, type CrowdShape } from './crowd.ts'
import { preciseNow } from './live.ts'
import { type LoadStream, StreamPlan } from './live-load.ts'
import { TOPIC } from './workload.ts'

export interface PaceOrder {
  broker: string
  topicPrefix: string
  shape: CrowdShape
  stream: LoadStream
  /** Due time of the first event, ms since epoch. */
  fromMs: number
  /** Event time minus due time. */
  shiftMs: number
}

export interface PaceAnswer {
  events: number
  /** Completed. */
  patterns: number
  /** The longest that an event waited for being sent, ms; and each part's answer, ms after it was sent. */
  lateMs: number
  answerMs: number[]
}

/** How often what is due is sent. */
const EVERY_MS = 10
/** In one part at most: where this thread had to wait, more follow. */
const PART_EVENTS = 8_000
/** About what a part has for one partition. */
const BATCH_BYTES = 16_384
const NEWLINE = 10

const { broker, topicPrefix, shape, stream, fromMs, shiftMs } = workerData as PaceOrder
const producer = kafkaClient({ brokers: [broker] }).producer()
await producer.connect()
const crowd = new Crowd(shape, 2)
const plan = new StreamPlan(stream, shape)
const writer = new LineWriter()
const answered: PaceAnswer = { events: 0, patterns: 0, lateMs: 0, answerMs: [] }
const onTheirWay = new Set<Promise<void>>()
let stopping = false
parentPort!.on('message', () => {
  stopping = true
})
parentPort!.postMessage({ type: 'ready' })
for (let next = 0; !stopping; ) {
  const nowMs = preciseNow()
  const due = Math.min(next + PART_EVENTS, Math.floor(((nowMs - fromMs) / 1000) * stream.rate))
  const batches = new Map<number, ProducedBatch>()
  const events = due - next
  for (; next < due; next++) {
    const atMs = Math.floor(fromMs + (next / stream.rate) * 1000)
    const { user, click, element } = plan.event(next)
    writer.pos = 0
    if (click === 0) crowd.write(writer, user, next % 8, atMs + shiftMs, atMs)
    else crowd.writeClick(writer, user, element, atMs + shiftMs, atMs)
    if (click === 3) answered.patterns++
    answered.lateMs = Math.max(answered.lateMs, nowMs - atMs)
    const end = writer.bytes[writer.pos - 1] === NEWLINE ? writer.pos - 1 : writer.pos
    const partition = crowd.partitionOf(user)
    const batch = batches.get(partition) ?? new ProducedBatch(BATCH_BYTES)
    const { buffer, byteOffset } = writer.bytes
    batch.add(undefined, Buffer.from(buffer, byteOffset), 0, end)
    batches.set(partition, batch)
  }
  if (events > 0) {
    answered.events += events
    const messages = asMessages(batches)
    const sent = producer.sendBatch({ acks: -1, topicMessages: [{ topic: `${topicPrefix}${TOPIC}`, messages }] }).then(() => {
      answered.answerMs.push(preciseNow() - nowMs)
      onTheirWay.delete(sent)
    })
    onTheirWay.add(sent)
  }
  await sleep(Math.max(1, nowMs + EVERY_MS - preciseNow()))
}
await Promise.all(onTheirWay)
parentPort!.postMessage({ type: 'stopped', ...answered })
await producer.disconnect()
