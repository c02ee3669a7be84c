// One transactional id: opening it fences whoever had it before, then one transaction after the other. Over kafkajs' producer, which never takes
// an id back by itself: after a fence every request of it fails.
//
// 1. A transaction that failed is aborted as far as the broker can be reached; else the next owner's opening does that, or its timeout.
// 2. All of one call for a partition is one record batch, written here (produced-batch.ts): large blocks go in several calls of bounded bytes.
// 3. A call goes to one broker, and its answer names every partition, or the transaction is over: of a call to several kafkajs sends a part again where
//    another failed (twice there, then), and forgets a partition whose leader has become one that has answered.
import type { Kafka, Producer, RecordMetadata, Transaction } from 'kafkajs'
import type { TopicPartition } from '../../engine/log/contract.ts'
import { PRODUCER_RETRY, unlessEnded } from './kafka-client.ts'
import { errorType, kafkaError, lacksCoordinator } from './kafka-error.ts'
import { asMessages, ProducedBatch } from './produced-batch.ts'

export interface OutputRecord {
  key?: Uint8Array
  value: Uint8Array | null
}

/** Records for a partition: as they are, or a block of lines, each a value without its newline. */
export type ProducedBlock = TopicPartition & ({ records: readonly OutputRecord[] } | { lines: Uint8Array; count: number })

export interface ProducerOptions {
  kafka: Kafka
  transactionalId: string
  /** An owner that says nothing for so long has its open transaction aborted. */
  transactionTimeoutMs: number
  /** The client's: what is under way when it comes fails at once. */
  signal?: AbortSignal
  /** Which broker has a partition. For whoever writes more than one. */
  leaderOf?(at: TopicPartition): Promise<string>
}

/** Where records went: the offset behind the last one of each partition. */
export interface Written extends TopicPartition {
  /** Of the first record. */
  base: number
  after: number
}

/** Of one record batch, as written; below the 1 MB that brokers take unless they are told otherwise. */
const BATCH_BYTES = 900_000
/** What a record takes in a batch beside its key and value, at most. */
const RECORD_OVERHEAD_BYTES = 64
const NEWLINE = 10
const OPEN_TRIES = 20

export class TransactionalProducer {
  private readonly producer: Producer
  private readonly signal: AbortSignal | undefined
  private readonly leaderOf: ProducerOptions['leaderOf']
  private transaction: Transaction | undefined

  private constructor(producer: Producer, { signal, leaderOf }: ProducerOptions) {
    this.producer = producer
    this.signal = signal
    this.leaderOf = leaderOf
  }

  /** Fences the earlier owner of the id; its open transaction is decided when this resolves. Errors: KAFKA_UNAVAILABLE, KAFKA_UNAUTHORIZED, … */
  static async open(options: ProducerOptions): Promise<TransactionalProducer> {
    const { kafka, transactionalId, transactionTimeoutMs, signal } = options
    const producer = kafka.producer({
      transactionalId,
      transactionTimeout: transactionTimeoutMs,
      allowAutoTopicCreation: false,
      retry: PRODUCER_RETRY,
    })
    const opened = new TransactionalProducer(producer, options)
    try {
      await unlessEnded(signal, producer.connect())
      for (let tried = 1; ; tried++) {
        try {
          opened.transaction = await unlessEnded(signal, producer.transaction())
          return opened
        } catch (error) {
          // An earlier transaction is being decided, or the coordinator loads what it knows.
          const mayPass = lacksCoordinator(error) || /CONCURRENT_TRANSACTIONS|COORDINATOR|LOAD_IN_PROGRESS/.test(errorType(error) ?? '')
          if (tried === OPEN_TRIES || !mayPass) throw error
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
  async send(blocks: readonly ProducedBlock[]): Promise<Written[]> {
    if (!this.isOpen) this.transaction = await unlessEnded(this.signal, this.producer.transaction())
    const written = new Map<string, Written>()
    for (const call of calls(blocks))
      for (const own of await this.byBroker(call))
        for (const { topicName: topic, partition, baseOffset } of await this.sendCall(own)) {
          const key = `${topic}/${partition}`
          const base = Number(baseOffset)
          const count = own.get(topic)?.get(partition)?.length ?? 0
          written.set(key, { topic, partition, base: written.get(key)?.base ?? base, after: base + count })
        }
    return [...written.values()]
  }

  private async sendCall(call: Call): Promise<RecordMetadata[]> {
    const topicMessages = [...call].map(([topic, batches]) => ({ topic, messages: asMessages(batches) }))
    const answer = await unlessEnded(this.signal, this.transaction!.sendBatch({ topicMessages }))
    for (const [topic, batches] of call)
      for (const partition of batches.keys())
        if (!answer.some((one) => one.topicName === topic && one.partition === partition))
          throw Object.assign(new Error(`nothing is known of what was sent to ${topic}/${partition}`), { type: 'NETWORK_EXCEPTION' })
    return answer
  }

  private async byBroker(call: Call): Promise<Iterable<Call>> {
    if (!this.leaderOf) return [call]
    const parts = new Map<string, Call>()
    for (const [topic, batches] of call)
      for (const [partition, batch] of batches) {
        const leader = await this.leaderOf({ topic, partition })
        const own = parts.get(leader) ?? new Map<string, Map<number, ProducedBatch>>()
        parts.set(leader, own)
        own.set(topic, (own.get(topic) ?? new Map<number, ProducedBatch>()).set(partition, batch))
      }
    return parts.values()
  }

  async commit(): Promise<void> {
    if (this.transaction) await unlessEnded(this.signal, this.transaction.commit())
  }

  /** As far as the broker can be reached. Never rejects. */
  async abort(): Promise<void> {
    if (this.isOpen) await unlessEnded(this.signal, this.transaction!.abort()).catch(() => undefined)
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await unlessEnded(this.signal, this.producer.disconnect()).catch(() => undefined)
  }
}

/** Batches by topic and partition. */
type Call = Map<string, Map<number, ProducedBatch>>

/** Cuts blocks into calls: in each at most one batch per partition, of bounded size. The order within a partition stays. */
function* calls(blocks: readonly ProducedBlock[]): Iterable<Call> {
  const queues = new Map<string, BlockQueue>()
  for (const block of blocks) {
    const key = `${block.topic}/${block.partition}`
    const queue = queues.get(key) ?? new BlockQueue(block)
    queue.push(block)
    if (!queue.isEmpty) queues.set(key, queue)
  }
  while (queues.size > 0) {
    const call: Call = new Map()
    for (const [key, queue] of queues) {
      const batches = call.get(queue.topic) ?? new Map<number, ProducedBatch>()
      call.set(queue.topic, batches.set(queue.partition, queue.batch()))
      if (queue.isEmpty) queues.delete(key)
    }
    yield call
  }
}

/** What is to be written to one partition. */
class BlockQueue {
  readonly topic: string
  readonly partition: number
  private readonly blocks: ProducedBlock[] = []
  /** Of the first block: the next record, and where its line begins. */
  private at = 0
  private pos = 0

  constructor({ topic, partition }: TopicPartition) {
    this.topic = topic
    this.partition = partition
  }

  get isEmpty(): boolean {
    return this.blocks.length === 0
  }

  push(block: ProducedBlock): void {
    if (countOf(block) > 0) this.blocks.push(block)
  }

  /** As much as a batch may hold, one record at least. */
  batch(): ProducedBatch {
    const batch = new ProducedBatch(this.bytes)
    for (let block = this.blocks.at(0); block; block = this.blocks.at(0)) {
      if (!('records' in block ? this.addRecords(batch, block.records) : this.addLines(batch, block))) break
      this.blocks.shift()
      this.at = this.pos = 0
    }
    return batch
  }

  /** Whether all of them found room. */
  private addRecords(batch: ProducedBatch, records: readonly OutputRecord[]): boolean {
    for (; this.at < records.length; this.at++) {
      const { key, value } = records[this.at]
      if (!hasRoom(batch, (key?.length ?? 0) + (value?.length ?? 0))) return false
      batch.add(key, value && viewOf(value), 0, value?.length ?? 0)
    }
    return true
  }

  private addLines(batch: ProducedBatch, { lines, count }: { lines: Uint8Array; count: number }): boolean {
    const bytes = viewOf(lines)
    for (; this.at < count; this.at++) {
      const end = bytes.indexOf(NEWLINE, this.pos)
      if (end < 0) throw new RangeError(`A block of ${count} records has only ${this.at} lines.`)
      if (!hasRoom(batch, end - this.pos)) return false
      batch.add(undefined, bytes, this.pos, end)
      this.pos = end + 1
    }
    return true
  }

  /** About what the next batch holds. */
  private get bytes(): number {
    const known = this.blocks.reduce((sum, block) => sum + ('lines' in block ? block.lines.length + block.count * 12 : 0), 0)
    return Math.min(BATCH_BYTES, known) + RECORD_OVERHEAD_BYTES
  }
}

const countOf = (block: ProducedBlock) => ('records' in block ? block.records.length : block.count)
const hasRoom = (batch: ProducedBatch, bytes: number) => batch.length === 0 || batch.size + bytes + RECORD_OVERHEAD_BYTES <= BATCH_BYTES
const viewOf = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
