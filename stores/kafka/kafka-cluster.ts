// Reads of partitions from explicit offsets, over kafkajs' cluster (kafka-client.ts): fetches, bounds. Owns the retries and the connection.
//
// One fetch of one broker is answered after the other on its connection: who waits for records to come (Watch) has a KafkaCluster of its own.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Broker, Cluster, Kafka } from 'kafkajs'
import type { TopicPartition } from '../../engine/log/contract.ts'
import { StorageError } from '../files/storage-error.ts'
import { type FetchRequest, fetchRecords } from './fetch-request.ts'
import { Fetched } from './fetched.ts'
import { clusterOf, unlessEnded } from './kafka-client.ts'
import { errorType, isConnectionError, isStale, kafkaError } from './kafka-error.ts'
import { topicId } from './topic-id.ts'

/** How long a request is tried again before it is an error. */
const PATIENCE_MS = 10_000
const PAUSE_FIRST_MS = 5
const PAUSE_MAX_MS = 500

/** What is looked into of kafkajs 2.2.4. */
interface BrokerPool {
  findConnectedBroker(): Promise<Broker>
}

export class KafkaCluster {
  private readonly cluster: Cluster
  private connecting: Promise<void> | undefined
  private readonly known = new Set<string>()
  private readonly signal: AbortSignal | undefined
  private closed = false

  /** `uncommitted`: bounds end behind the last record that was written, decided or not. `signal`: the client's, after which nothing is tried again. */
  constructor(kafka: Kafka, { uncommitted = false, signal }: { uncommitted?: boolean; signal?: AbortSignal } = {}) {
    this.cluster = clusterOf(kafka, uncommitted)
    this.signal = signal
  }

  /** Errors: KAFKA_UNAVAILABLE, KAFKA_UNAUTHENTICATED. */
  async connect(): Promise<void> {
    this.connecting ??= unlessEnded(this.signal, this.cluster.connect())
    try {
      await this.connecting
    } catch (error) {
      this.connecting = undefined
      throw kafkaError(error, 'connecting')
    }
  }

  async close(): Promise<void> {
    this.closed = true
    if (this.connecting)
      await unlessEnded(
        this.signal,
        this.connecting.then(() => this.cluster.disconnect()),
      ).catch(() => undefined)
  }

  /**
   * Number of partitions, 0 where there is no such topic. Asked beside what kafkajs keeps of topics: one that it was told of and that is not there would
   * fail each later request for any other.
   */
  async partitionsNow(topic: string): Promise<number> {
    await this.connect()
    try {
      const { topicMetadata } = await (await this.anyBroker()).metadata([topic])
      return topicMetadata[0].partitionMetadata.length
    } catch (error) {
      if (errorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return 0
      throw kafkaError(error, `looking for the topic ${topic}`)
    }
  }

  /** The id that a topic was made with; undefined where brokers give none (before Kafka 2.8). Errors: KAFKA_TOPIC_MISSING. */
  async topicId(topic: string): Promise<string | undefined> {
    return this.tried(`looking for the id of the topic ${topic}`, [topic], async () => topicId(await this.anyBroker(), topic))
  }

  /** Number of partitions of a topic. Errors: KAFKA_TOPIC_MISSING. */
  async partitions(topic: string): Promise<number> {
    return this.tried(`looking for the topic ${topic}`, [topic], async () => this.cluster.findTopicPartitionMetadata(topic).length)
  }

  /** Which broker is asked for a partition. */
  async leaderOf(at: TopicPartition): Promise<string> {
    return this.tried(`looking for the leader of ${at.topic}/${at.partition}`, [at.topic], async () => this.leaderNow(at))
  }

  /** Records of one partition, at once; none where `from` is the end. Errors: LOG_TRIMMED. */
  async fetch(request: FetchRequest): Promise<Fetched> {
    const { topic, partition, from } = request
    try {
      return await this.tried(
        `reading ${topic}/${partition} from offset ${from}`,
        [topic],
        async () => (await this.ask(this.leaderNow(request), [request], 0))[0],
      )
    } catch (error) {
      if (errorType((error as Error).cause) !== 'OFFSET_OUT_OF_RANGE') throw error
      const { start, end } = await this.bounds(request)
      if (from < start)
        throw new StorageError(
          'LOG_TRIMMED',
          `${topic}/${partition} begins at offset ${start}; ${from} was deleted by retention.`,
          'Raise retention.ms of the topic. What is missing can only be produced again, under a new lineage.',
        )
      // Behind the end: the broker has lost what was read there once; whoever recovers compares its positions with the bounds.
      return new Fetched({ topic, partition, start, end, aborted: [], batches: [], length: 0 }, from, false)
    }
  }

  /** Records of partitions of one broker, waiting up to waitMs for any to come. Tried once. */
  async fetchFrom(leader: string, requests: readonly FetchRequest[], waitMs: number): Promise<Fetched[]> {
    await this.connect()
    await this.know(requests.map(({ topic }) => topic))
    try {
      return await this.ask(leader, requests, waitMs)
    } catch (error) {
      // A leader that lives and leads no more is not looked for again for minutes else.
      if (isStale(error)) await this.cluster.refreshMetadata().catch(() => undefined)
      throw error
    }
  }

  async bounds({ topic, partition }: TopicPartition): Promise<{ start: number; end: number }> {
    const at = [{ topic, partitions: [{ partition }] }]
    return this.tried(`asking for the bounds of ${topic}/${partition}`, [topic], async () => {
      const [[first], [last]] = await Promise.all([
        this.cluster.fetchTopicsOffset(at.map((one) => ({ ...one, fromBeginning: true as const }))),
        this.cluster.fetchTopicsOffset(at.map((one) => ({ ...one, fromBeginning: false as const }))),
      ])
      // One that was added a moment ago is not in what is known of the topic yet.
      if (!first?.partitions[0] || !last?.partitions[0]) throw unknownPartition(topic, partition)
      return { start: Number(first.partitions[0].offset), end: Number(last.partitions[0].offset) }
    })
  }

  /** Ends of several partitions, in their order. */
  async ends(partitions: readonly TopicPartition[]): Promise<number[]> {
    const byTopic = new Map<string, number[]>()
    for (const { topic, partition } of partitions) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition])
    const asked = [...byTopic].map(([topic, numbers]) => ({
      topic,
      partitions: numbers.map((partition) => ({ partition })),
      fromBeginning: false as const,
    }))
    return this.tried('asking for ends', [...byTopic.keys()], async () => {
      const found = await this.cluster.fetchTopicsOffset(asked)
      return partitions.map(({ topic, partition }) =>
        Number(found.find((one) => one.topic === topic)?.partitions.find((one) => one.partition === partition)?.offset ?? -1),
      )
    })
  }

  /** Writes positions down as a group's, for displays of lag: nothing ever reads them back here. */
  async showPositions(groupId: string, topic: string, partition: number, position: number): Promise<void> {
    await this.tried(`positions of ${groupId}`, [topic], async () => {
      const coordinator = await this.cluster.findGroupCoordinator({ groupId })
      const topics = [{ topic, partitions: [{ partition, offset: String(position) }] }]
      await coordinator.offsetCommit({ groupId, groupGenerationId: -1, memberId: '', topics })
    })
  }

  private anyBroker(): Promise<Broker> {
    return (this.cluster as unknown as { brokerPool: BrokerPool }).brokerPool.findConnectedBroker()
  }

  /** By what is known now: who tries again looks again. */
  private leaderNow({ topic, partition }: TopicPartition): string {
    const leader = Object.keys(this.cluster.findLeaderForPartitions(topic, [partition]))[0]
    if (leader === undefined) throw unknownPartition(topic, partition)
    return leader
  }

  private async ask(leader: string, requests: readonly FetchRequest[], waitMs: number): Promise<Fetched[]> {
    const broker = await this.cluster.findBroker({ nodeId: leader })
    const parts = await fetchRecords(broker, requests, waitMs)
    return requests.map(({ topic, partition, from }, i) => {
      const part = parts[i]
      if (!part) throw Object.assign(new Error(`the broker left ${topic}/${partition} out of its answer`), { type: 'NETWORK_EXCEPTION' })
      return new Fetched(part, from, requests.length === 1)
    })
  }

  private async know(topics: readonly string[]): Promise<void> {
    const unknown = topics.filter((topic) => !this.known.has(topic))
    if (unknown.length === 0) return
    await this.cluster.addMultipleTargetTopics(unknown)
    for (const topic of unknown) this.known.add(topic)
  }

  private async tried<T>(doing: string, topics: readonly string[], work: () => Promise<T>): Promise<T> {
    const endMs = performance.now() + PATIENCE_MS
    for (let pauseMs = PAUSE_FIRST_MS; ; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
      try {
        await this.connect()
        await this.know(topics)
        await this.cluster.refreshMetadataIfNecessary()
        return await work()
      } catch (error) {
        const mayPass = isConnectionError(error) || isStale(error) || (error as { retryable?: boolean }).retryable === true
        // A topic that is not there does not come by waiting: it was told of as soon as it was made.
        const isMissing = errorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION' && pauseMs > 200
        if (this.closed || this.signal?.aborted || !mayPass || isMissing || performance.now() > endMs) throw kafkaError(error, doing)
        await sleep(pauseMs)
        await this.cluster.refreshMetadata().catch(() => undefined)
      }
    }
  }
}

const unknownPartition = (topic: string, partition: number) =>
  Object.assign(new Error(`${topic} has no partition ${partition}`), { type: 'UNKNOWN_TOPIC_OR_PARTITION' })
