// One transactional id: opening it fences whoever had it before, then one transaction after the other. Over kafkajs' producer, which never takes
// an id back by itself: after a fence every request of it fails.
//
// 1. A transaction that failed is aborted as far as the broker can be reached; else the next owner's opening does that, or its timeout.
// 2. kafkajs puts all of one call for a partition into one record batch, and looks at each record as often as there are records before it: large
//    blocks go in several calls of bounded bytes and records.
import type { Kafka, Message, Producer, Transaction } from 'kafkajs'
import type { TopicPartition } from '../../engine/log/contract.ts'
import { PRODUCER_RETRY } from './kafka-client.ts'
import { errorType, kafkaError } from './kafka-error.ts'

export interface OutputRecord {
  key?: Uint8Array
  value: Uint8Array | null
}

export interface ProducerOptions {
  kafka: Kafka
  transactionalId: string
  /** An owner that says nothing for so long has its open transaction aborted. */
  transactionTimeoutMs: number
}

/** Where records went: the offset behind the last one of each partition. */
export interface Written extends TopicPartition {
  /** Of the first record. */
  base: number
  after: number
}

/** Of one record batch, as written; below the 1 MB that brokers take unless they are told otherwise. */
const BATCH_BYTES = 900_000
const BATCH_RECORDS = 1_000
/** What a record takes in a batch beside its key and value, at most. */
const RECORD_OVERHEAD_BYTES = 64
const OPEN_TRIES = 20

export class TransactionalProducer {
  private readonly producer: Producer
  private transaction: Transaction | undefined

  private constructor(producer: Producer) {
    this.producer = producer
  }

  /** Fences the earlier owner of the id; its open transaction is decided when this resolves. Errors: KAFKA_UNAVAILABLE, KAFKA_UNAUTHORIZED, … */
  static async open({ kafka, transactionalId, transactionTimeoutMs }: ProducerOptions): Promise<TransactionalProducer> {
    const producer = kafka.producer({
      transactionalId,
      transactionTimeout: transactionTimeoutMs,
      allowAutoTopicCreation: false,
      retry: PRODUCER_RETRY,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition as number,
    })
    const opened = new TransactionalProducer(producer)
    try {
      await producer.connect()
      for (let tried = 1; ; tried++) {
        try {
          opened.transaction = await producer.transaction()
          return opened
        } catch (error) {
          // An earlier transaction is being decided, or the coordinator loads what it knows.
          if (tried === OPEN_TRIES || !/CONCURRENT_TRANSACTIONS|COORDINATOR|LOAD_IN_PROGRESS/.test(errorType(error) ?? '')) throw error
        }
      }
    } catch (error) {
      await opened.close()
      throw kafkaError(error, `opening ${transactionalId}`)
    }
  }

  get isOpen(): boolean {
    return this.transaction?.isActive() === true
  }

  /** Adds records to the transaction, which begins with them. Errors are kafkajs': the transaction must be aborted. */
  async send(blocks: readonly (TopicPartition & { records: readonly OutputRecord[] })[]): Promise<Written[]> {
    if (!this.isOpen) this.transaction = await this.producer.transaction()
    const written = new Map<string, Written>()
    for (const call of calls(blocks)) {
      const topics = new Map<string, Message[]>()
      for (const { topic, message } of call) topics.set(topic, [...(topics.get(topic) ?? []), ...message])
      const answer = await this.transaction!.sendBatch({ topicMessages: [...topics].map(([topic, messages]) => ({ topic, messages })) })
      for (const { topicName: topic, partition, baseOffset } of answer) {
        const key = `${topic}/${partition}`
        const base = Number(baseOffset)
        const count = call
          .filter((one) => one.topic === topic && one.partition === partition)
          .reduce((sum, one) => sum + one.message.length, 0)
        written.set(key, { topic, partition, base: written.get(key)?.base ?? base, after: base + count })
      }
    }
    return [...written.values()]
  }

  async commit(): Promise<void> {
    await this.transaction?.commit()
  }

  /** As far as the broker can be reached. Never rejects. */
  async abort(): Promise<void> {
    if (this.isOpen) await this.transaction!.abort().catch(() => undefined)
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await this.producer.disconnect().catch(() => undefined)
  }
}

interface Part extends TopicPartition {
  message: Message[]
}

/** Cuts blocks into calls: in each at most one batch per partition, of bounded size. The order within a partition stays. */
function* calls(blocks: readonly (TopicPartition & { records: readonly OutputRecord[] })[]): Iterable<Part[]> {
  const queues = new Map<string, { topic: string; partition: number; blocks: (readonly OutputRecord[])[]; at: number }>()
  for (const { topic, partition, records } of blocks) {
    if (records.length === 0) continue
    const key = `${topic}/${partition}`
    const queue = queues.get(key)
    if (queue) queue.blocks.push(records)
    else queues.set(key, { topic, partition, blocks: [records], at: 0 })
  }
  while (queues.size > 0) {
    const call: Part[] = []
    for (const [key, queue] of queues) {
      const message: Message[] = []
      let bytes = 0
      while (queue.blocks.length > 0 && message.length < BATCH_RECORDS) {
        const { key: recordKey, value } = queue.blocks[0][queue.at]
        const size = (recordKey?.length ?? 0) + (value?.length ?? 0) + RECORD_OVERHEAD_BYTES
        if (message.length > 0 && bytes + size > BATCH_BYTES) break
        bytes += size
        message.push({
          key: (recordKey as Buffer | undefined) ?? null,
          value: value as Buffer | null,
          partition: queue.partition,
        })
        if (++queue.at < queue.blocks[0].length) continue
        queue.blocks.shift()
        queue.at = 0
      }
      call.push({ topic: queue.topic, partition: queue.partition, message })
      if (queue.blocks.length === 0) queues.delete(key)
    }
    yield call
  }
}
