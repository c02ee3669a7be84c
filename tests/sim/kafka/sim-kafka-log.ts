// The log on the simulated broker: the claims, ledgers, readers and ends of stores/kafka over a simulated client. Only what KafkaLog itself does (connections,
// waiting for records) is done here instead.
import type { Admin } from 'kafkajs'
import type { Bounds, Claim, Log, LogReceipt, Reader, TopicPartition } from '../../../engine/log/contract.ts'
import { KafkaClaim } from '../../../stores/kafka/kafka-claim.ts'
import { kafkaError } from '../../../stores/kafka/kafka-error.ts'
import { KafkaReader } from '../../../stores/kafka/kafka-reader.ts'
import { Ledger } from '../../../stores/kafka/ledger.ts'
import { Names } from '../../../stores/kafka/names.ts'
import { Tails } from '../../../stores/kafka/tails.ts'
import type { SimClient } from './sim-client.ts'

const TRANSACTION_TIMEOUT_MS = 60_000
export const names = new Names({})

export class SimKafkaLog implements Log {
  private readonly client: SimClient
  private readonly tails: Tails
  private readonly readers = new Map<string, Set<Reader>>()
  private waiting: (() => void)[] = []
  private isNew = true

  constructor(client: SimClient) {
    this.client = client
    this.tails = new Tails(client.cluster)
    client.options.broker.watch(() => this.tell())
  }

  async claim<R extends LogReceipt = LogReceipt>(name: string, input?: TopicPartition, again = false): Promise<Claim<R>> {
    const { client } = this
    const { broker } = client.options
    try {
      const producer = await client.producer(names.transactionalId(name, 'log'), TRANSACTION_TIMEOUT_MS)
      const ledger = new Ledger<R>({ cluster: client.cluster, written: client.written, at: names.receipts(name) })
      await ledger.load()
      const claim = new KafkaClaim<R>({
        name,
        names,
        input,
        ledger,
        producer,
        count: ledger.count + (again ? 0 : 1),
        visible: (written) => client.visible(written),
        admin: () => Promise.resolve(client.admin as unknown as Admin),
        ended: () => undefined,
        committed: () => this.tell(),
      })
      await claim.writeDown()
      const commit = claim.commit.bind(claim)
      claim.commit = async (one) => {
        await commit(one)
        // What retention goes by: in a cluster that is its time, which whoever runs it has made long enough.
        if (one.release && input) broker.need(name, input.topic, input.partition, one.release.inputBefore)
      }
      return Object.assign(claim, { own: { generation: producer.epoch } })
    } catch (error) {
      throw kafkaError(error, `claiming ${name}`)
    }
  }

  reader(at: TopicPartition): Reader {
    const own = keyed(this.readers, at, () => new Set<Reader>())
    const reader: KafkaReader = new KafkaReader({
      cluster: this.client.cluster,
      at,
      onEnd: (from, to) => this.tails.saw(at, from, to),
      onClose: () => own.delete(reader),
    })
    own.add(reader)
    return reader
  }

  async bounds(at: TopicPartition): Promise<Bounds> {
    const { start, end: decided } = await this.client.cluster.bounds(at)
    const isRead = keyed(this.readers, at, () => new Set<Reader>()).size > 0
    const end = await this.tails.end(at, { start, end: decided }, isRead)
    return { start, end, ...(decided > end && { decided }) }
  }

  async need(consumer: string, at: TopicPartition, from: number): Promise<void> {
    await this.client.options.process.step(`position of ${consumer}`)
    this.client.options.broker.need(consumer, at.topic, at.partition, from)
  }

  changed(): Promise<void> {
    const { broker, process } = this.client.options
    if (this.isNew) {
      this.isNew = false
      return Promise.resolve()
    }
    // Nobody may be left who asks for anything: the broker goes on by itself.
    if (broker.isDeciding) void process.step('markers').then(() => broker.writeMarkers())
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  async close(): Promise<void> {
    this.tell()
  }

  private tell(): void {
    if (!this.client.options.process.alive) return
    const { waiting } = this
    this.isNew = waiting.length === 0
    this.waiting = []
    for (const resolve of waiting) resolve()
  }
}

function keyed<T>(of: Map<string, T>, { topic, partition }: TopicPartition, make: () => T): T {
  const key = `${topic}/${partition}`
  let found = of.get(key)
  if (!found) of.set(key, (found = make()))
  return found
}
