// A simulated process's way to the simulated broker, in the shapes that the classes of stores/kafka go by: a cluster that reads, producers, an admin. Every request is a
// step of the scheduler, may fail, and may be applied and not answered.
import { StorageError } from '../../../stores/files/storage-error.ts'
import type { FetchRequest } from '../../../stores/kafka/fetch-request.ts'
import { Fetched } from '../../../stores/kafka/fetched.ts'
import type { KafkaCluster } from '../../../stores/kafka/kafka-cluster.ts'
import { kafkaError } from '../../../stores/kafka/kafka-error.ts'
import type { ProducedBlock, TransactionalProducer, Written } from '../../../stores/kafka/transactional-producer.ts'
import type { SimProcess } from '../scheduler.ts'
import type { BrokerRecord, SimBroker, SimPartition } from './sim-broker.ts'

/** What goes wrong with one request of a producer: nothing was done, or all was and the answer is lost. */
export type RequestFault = 'early' | 'late' | undefined

export interface ClientOptions {
  broker: SimBroker
  process: SimProcess
  /** What has really passed. */
  nowMs(): number
  random(): number
  fault(): RequestFault
  /** Something was met that is to be counted. */
  met(what: 'fetchesFromBefore' | 'holesRead'): void
}

const TRIES_MS = 500
const PATIENCE_MS = 10_000
/** After that it is only durable. */
const VISIBLE_TRIES = 20
const noConnection = () => Object.assign(new Error('the broker does not answer'), { name: 'KafkaJSConnectionError' })

/** As the broker stores them. */
function recordsOf(block: ProducedBlock): BrokerRecord[] {
  if ('records' in block)
    return block.records.map(({ key, value }) => ({ key: key ? Buffer.from(key) : null, value: value ? Buffer.from(value) : null }))
  const lines = Buffer.from(block.lines).toString('latin1').split('\n').slice(0, -1)
  return lines.map((line) => ({ key: null, value: Buffer.from(line, 'latin1') }))
}

export class SimClient {
  /** Reads what is decided and committed. */
  readonly cluster: KafkaCluster
  /** Its bounds end behind the last record that was written. */
  readonly written: KafkaCluster
  readonly options: ClientOptions

  constructor(options: ClientOptions) {
    this.options = options
    this.cluster = this.newCluster(false)
    this.written = this.newCluster(true)
  }

  async producer(id: string, timeoutMs: number): Promise<TransactionalProducer & { epoch: number }> {
    const { broker, nowMs } = this.options
    const epoch = await this.request(`init ${id}`, () => broker.init(id)).catch((error: unknown) => {
      throw kafkaError(error, `opening ${id}`)
    })
    let isOpen = false
    const producer = {
      epoch,
      get isOpen() {
        return isOpen
      },
      send: (blocks: readonly ProducedBlock[]) => {
        isOpen = true
        return this.request(`produce ${id}`, (): Written[] => {
          const to = blocks.map((block) => ({ at: broker.partition(block.topic, block.partition), records: recordsOf(block) }))
          const bases = broker.produce(id, epoch, timeoutMs, nowMs(), to)
          const written = new Map<string, Written>()
          for (const [i, { topic, partition }] of blocks.entries()) {
            const base = written.get(`${topic}/${partition}`)?.base ?? bases[i]
            written.set(`${topic}/${partition}`, { topic, partition, base, after: bases[i] + to[i].records.length })
          }
          return [...written.values()]
        })
      },
      commit: async () => {
        if (!isOpen) return
        await this.request(`commit ${id}`, () => {
          isOpen = false
          broker.endTransaction(id, epoch, 'commit')
        })
      },
      abort: async () => {
        if (!isOpen) return
        isOpen = false
        await this.request(`abort ${id}`, () => broker.endTransaction(id, epoch, 'abort')).catch(() => undefined)
      },
      close: () => Promise.resolve(),
    }
    return producer as unknown as TransactionalProducer & { epoch: number }
  }

  /** Of what may be deleted. */
  readonly admin = {
    fetchTopicOffsets: () => Promise.resolve([]),
    deleteTopicRecords: async ({ topic, partitions }: { topic: string; partitions: { partition: number; offset: string }[] }) => {
      await this.options.process.step(`delete records of ${topic}`)
      for (const { partition, offset } of partitions) {
        const at = this.options.broker.partition(topic, partition)
        at.start = Math.max(at.start, Math.min(Number(offset), at.stable))
      }
    },
  }

  /** Resolves when what was written can be read; markers come when they come. */
  async visible(written: readonly Written[]): Promise<void> {
    const { broker, process } = this.options
    const isVisible = () => written.every(({ topic, partition, after }) => broker.partition(topic, partition).stable >= after)
    for (let tries = 0; !isVisible() && tries < VISIBLE_TRIES; tries++) {
      await process.step('visible')
      this.tick()
    }
  }

  private async request<T>(label: string, work: () => T): Promise<T> {
    const { broker, process, nowMs, fault: next } = this.options
    const fault = next()
    await process.step(label)
    this.tick()
    if (nowMs() < broker.outageEndsMs || fault === 'early') throw noConnection()
    const answer = work()
    await process.step(`${label}, answered`)
    if (nowMs() < broker.outageEndsMs || fault === 'late') throw noConnection()
    return answer
  }

  private tick(): void {
    const { broker, random, nowMs } = this.options
    broker.expire(nowMs())
    if (broker.isDeciding && random() < 0.5) broker.writeMarkers()
  }

  /** As KafkaCluster does: tried again for a while. */
  private async tried(label: string): Promise<void> {
    const { broker, process, nowMs } = this.options
    await process.step(label)
    this.tick()
    for (const untilMs = nowMs() + PATIENCE_MS; nowMs() < broker.outageEndsMs; ) {
      if (nowMs() >= untilMs) throw kafkaError(noConnection(), label)
      await process.clock.sleep(TRIES_MS)
    }
  }

  private newCluster(uncommitted: boolean): KafkaCluster {
    const { broker, met } = this.options
    const endOf = (at: SimPartition) => (uncommitted ? at.end : at.stable)
    const cluster = {
      fetch: async ({ topic, partition, from, maxBytes }: FetchRequest) => {
        await this.tried(`fetch ${topic}/${partition}`)
        const at = broker.partition(topic, partition)
        if (from < at.start)
          throw new StorageError('LOG_TRIMMED', `${topic}/${partition} begins at offset ${at.start}, not ${from}`, 'None.')
        // Whoever finds nothing where something is decided asks again, in real time: here the broker lets him wait instead.
        if (from >= at.stable && from < at.end) broker.writeMarkers()
        const part = { topic, partition, ...at.fetch(from, maxBytes) }
        const [first] = part.batches
        if (first && first.base < from) met('fetchesFromBefore')
        if (part.batches.some(({ isControl }) => isControl) || (first && first.base > from)) met('holesRead')
        return new Fetched(part, from, true)
      },
      bounds: async ({ topic, partition }: { topic: string; partition: number }) => {
        await this.tried(`bounds of ${topic}/${partition}`)
        const at = broker.partition(topic, partition)
        return { start: at.start, end: endOf(at) }
      },
      close: () => Promise.resolve(),
    }
    return cluster as unknown as KafkaCluster
  }
}
