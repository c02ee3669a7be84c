// The log on Kafka: the contract's second implementation, over kafkajs. Numbers are those of contract.ts.
//
// KafkaLog owns the connections that reading shares; each claim has a producer of its own (KafkaClaim), each partition that is read a KafkaReader.
// Topics hold one record per line; the record batches of the broker are the blocks. Nothing here deletes records of topics with data: their retention
// is the broker's, which ensureTopics checks.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin, Kafka } from 'kafkajs'
import type { Bounds, Claim, Log, LogReceipt, TopicPartition } from '../../engine/log/contract.ts'
import { RECEIPTS_CONFIG } from './ensure-topics.ts'
import { KafkaClaim } from './kafka-claim.ts'
import { type KafkaConnection, kafkaClient, RETRY } from './kafka-client.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import { KafkaError, kafkaError } from './kafka-error.ts'
import { KafkaReader } from './kafka-reader.ts'
import { Ledger } from './ledger.ts'
import { type KafkaNames, Names } from './names.ts'
import { makeOwnTopic } from './own-topic.ts'
import { Tails } from './tails.ts'
import { TransactionalProducer, type Written } from './transactional-producer.ts'
import { Watch } from './watch.ts'

export interface KafkaLogOptions extends KafkaNames {
  connection: KafkaConnection
  /** Replicas of topics of Packmill's own; default: the broker's. */
  replication?: number
  /** A task that says nothing for so long has its open transaction aborted: longer than any pause of the process. Default 60 s. */
  transactionTimeoutMs?: number
  /** Commits resolve when they are durable, and visible() says when they can be read: for tasks, which read nothing that they have written. */
  durableOnly?: boolean
  /** Topics of receipts are there, or nothing is claimed: for tasks, whose start has made them. */
  mustExist?: boolean
  /** Cuts it off, also while it is being opened: what is on its way fails, and nothing more is written. It is closed all the same. */
  signal?: AbortSignal
}

const TRANSACTION_TIMEOUT_MS = 60_000
/** Of who is no task: nobody claims after it when its process is gone, its transactions are short, and nobody reads what comes behind one that is open. */
const OTHERS_TIMEOUT_MS = 10_000
/** How long a commit waits until it can be read; after that it is only durable. */
const VISIBLE_MS = 2_000
const LAG_EVERY_MS = 1_000
/** At the end nobody waits longer for what is only shown. */
const LAG_LAST_MS = 1_000

/** Errors: KAFKA_UNAVAILABLE, KAFKA_UNAUTHENTICATED. */
export async function openKafkaLog(options: KafkaLogOptions): Promise<KafkaLog> {
  const log = new KafkaLog(options)
  try {
    await log.connect()
    return log
  } catch (error) {
    await log.close()
    throw error
  }
}

export class KafkaLog implements Log {
  readonly names: Names
  private readonly options: KafkaLogOptions
  private readonly kafka: Kafka
  private readonly cluster: KafkaCluster
  private readonly written: KafkaCluster
  private readonly watch: Watch
  private readonly tails: Tails
  private readonly claims = new Set<KafkaClaim<never>>()
  private connectingAdmin: Promise<Admin> | undefined
  /** Positions to be shown, by group, topic and partition. */
  private readonly positions = new Map<string, [group: string, at: TopicPartition, position: number]>()
  private lagTimer: NodeJS.Timeout | undefined
  /** Committed here, and perhaps not to be read yet. */
  private readonly unseen = new Map<string, Written>()
  private readonly ending = new AbortController()

  constructor(options: KafkaLogOptions) {
    this.options = options
    this.names = new Names(options)
    const { signal } = this.ending
    options.signal?.addEventListener('abort', this.cut, { once: true })
    if (options.signal?.aborted) this.cut()
    this.kafka = kafkaClient(options.connection, { signal })
    this.cluster = new KafkaCluster(this.kafka, { signal })
    this.written = new KafkaCluster(this.kafka, { uncommitted: true, signal })
    this.watch = new Watch(new KafkaCluster(this.kafka, { signal }))
    this.tails = new Tails(this.cluster)
  }

  connect(): Promise<void> {
    return this.cluster.connect()
  }

  async claim<R extends LogReceipt = LogReceipt>(name: string, input?: TopicPartition, again = false): Promise<Claim<R>> {
    const { claim, successor } = await this.take<R>(name, input, again)
    if (successor !== undefined) {
      await claim.end()
      throw resetUnfinished(name, successor)
    }
    await claim.writeDown()
    return claim
  }

  /** Gives a name up for another lineage: its owner is fenced, and whoever claims it from now on is refused (RESET_UNFINISHED). May be done again. */
  async retire(name: string, successor: string): Promise<void> {
    const { claim } = await this.take(name, undefined, false, true)
    await claim.retire(successor)
  }

  /** A claim that is not written down yet; `successor`: of a name that was given up. */
  private async take<R extends LogReceipt>(
    name: string,
    input?: TopicPartition,
    again = false,
    passForeign = false,
  ): Promise<{ claim: KafkaClaim<R>; successor: string | undefined }> {
    const { kafka, names, cluster, written } = this
    const at = names.receipts(name)
    const making = async () =>
      makeOwnTopic({
        cluster,
        admin: () => this.admin(),
        at,
        partitions: input ? await cluster.partitions(names.data(input).topic) : 1,
        replication: this.options.replication,
        config: RECEIPTS_CONFIG,
        mustExist: this.options.mustExist,
      })
    const { transactionTimeoutMs = TRANSACTION_TIMEOUT_MS } = this.options
    // Fence, then read (protocol 15, 17).
    const fencing = TransactionalProducer.open({
      kafka,
      transactionalId: names.transactionalId(name, 'log'),
      transactionTimeoutMs: input ? transactionTimeoutMs : Math.min(transactionTimeoutMs, OTHERS_TIMEOUT_MS),
      signal: this.ending.signal,
      leaderOf: (at) => cluster.leaderOf(at),
    })
    const identifying = input && cluster.topicId(names.data(input).topic)
    const [made, fenced, identified] = await Promise.allSettled([making(), fencing, identifying])
    if (fenced.status === 'rejected') throw fenced.reason
    const producer = fenced.value
    for (const one of [made, identified]) {
      if (one.status === 'fulfilled') continue
      await producer.close()
      throw one.reason
    }
    const inputId = identified.status === 'fulfilled' ? identified.value : undefined
    const ledger = new Ledger<R>({ cluster, written, at, passForeign })
    try {
      await ledger.load()
      const isReplaced = inputId !== undefined && ledger.input !== undefined && inputId !== ledger.input
      if (isReplaced && ledger.successor === undefined) throw topicReplaced(name, names.data(input!), ledger.input!, inputId)
    } catch (error) {
      await producer.close()
      throw kafkaError(error, `claiming ${name}`)
    }
    const claim: KafkaClaim<R> = new KafkaClaim<R>({
      name,
      names,
      input,
      inputId: inputId ?? ledger.input,
      ledger,
      producer,
      count: ledger.count + (again ? 0 : 1),
      visible: async (parts) => {
        for (const part of parts) this.unseen.set(`${part.topic}/${part.partition}`, part)
        if (!this.options.durableOnly) await this.visible()
      },
      admin: () => this.admin(),
      ended: () => this.claims.delete(claim as unknown as KafkaClaim<never>),
      committed: (to) => {
        this.watch.tell()
        if (input && to !== undefined) this.show(names.group(name), names.data(input), to)
      },
    })
    this.claims.add(claim as unknown as KafkaClaim<never>)
    return { claim, successor: ledger.successor }
  }

  reader(at: TopicPartition): KafkaReader {
    const named = this.names.data(at)
    const reader: KafkaReader = new KafkaReader({
      cluster: this.cluster,
      at: named,
      onEnd: (from, to) => {
        this.watch.saw(named, to)
        this.tails.saw(named, from, to)
      },
      onClose: () => this.watch.remove(reader),
    })
    this.watch.add(reader)
    return reader
  }

  /** How many a topic of data has now. Errors: KAFKA_TOPIC_MISSING. */
  partitions(topic: string): Promise<number> {
    return this.cluster.partitions(this.names.data({ topic, partition: 0 }).topic)
  }

  /** All that this user may know of on these brokers, as they name them. */
  async topics(): Promise<string[]> {
    try {
      return await (await this.admin()).listTopics()
    } catch (error) {
      throw kafkaError(error, 'looking at the topics')
    }
  }

  async bounds(at: TopicPartition): Promise<Bounds> {
    const named = this.names.data(at)
    const bounds = await this.cluster.bounds(named)
    this.watch.saw(named, bounds.end)
    const end = await this.tails.end(named, bounds, this.watch.isRead(named))
    return { start: bounds.start, end, ...(bounds.end > end && { decided: bounds.end }) }
  }

  /** The offset after the last record before `end` (default: the end) that can be read: markers and aborted records behind it are nobody's to process. */
  async endOfRecords(at: TopicPartition, before?: number): Promise<number> {
    const named = this.names.data(at)
    const { start, end: all } = await this.cluster.bounds(named)
    const end = Math.min(all, before ?? all)
    return end <= start ? end : this.tails.look(named, start, end)
  }

  /** Written down as the position of a group of the consumer's name. The broker's retention deletes regardless of it: ensureTopics sees that it is long enough. */
  async need(consumer: string, at: TopicPartition, from: number): Promise<void> {
    if (from === Infinity) return
    const { topic, partition } = this.names.data(at)
    await this.cluster.showPositions(this.names.group(consumer), topic, partition, from)
  }

  /** What a name committed last, for whoever only looks; undefined where it never did. */
  async lastReceipt<R extends LogReceipt = LogReceipt>(name: string): Promise<R | undefined> {
    const at = this.names.receipts(name)
    if ((await this.cluster.partitionsNow(at.topic)) <= at.partition) return undefined
    return new Ledger<R>({ cluster: this.cluster, written: this.written, at }).look()
  }

  changed(): Promise<void> {
    return this.watch.changed()
  }

  /** To the broker it is a death: nothing that is on its way is waited for, nor any transaction ended. Never rejects. */
  async close(): Promise<void> {
    clearTimeout(this.lagTimer)
    const late = setTimeout(this.cut, LAG_LAST_MS)
    await this.showAll()
    clearTimeout(late)
    // kafkajs would wait for answers of a broker that may not give any; and of several connections that were made to one at once it forgets all but one.
    this.cut()
    this.options.signal?.removeEventListener('abort', this.cut)
    await Promise.all([...this.claims].map((claim) => claim.end()))
    await this.watch.close()
    await this.cluster.close()
    await this.written.close()
    await this.connectingAdmin?.then((admin) => admin.disconnect()).catch(() => undefined)
  }

  private readonly cut = () => this.ending.abort()

  private admin(): Promise<Admin> {
    this.connectingAdmin ??= (async () => {
      const admin = this.kafka.admin({ retry: RETRY })
      await admin.connect()
      return admin
    })()
    this.connectingAdmin.catch(() => (this.connectingAdmin = undefined))
    return this.connectingAdmin
  }

  /** Resolves when all that was committed here before can be read, unless another's open transaction keeps it back for long. */
  async visible(): Promise<void> {
    const written = [...this.unseen.values()]
    if (written.length === 0) return
    const endMs = performance.now() + VISIBLE_MS
    // It is decided and durable: that its ends cannot be asked for is nobody's failure to commit.
    const isVisible = async () => (await this.cluster.ends(written)).every((end, i) => end >= written[i].after)
    while (!(await isVisible().catch(() => true)) && performance.now() < endMs) await sleep(1)
    for (const part of written) {
      const key = `${part.topic}/${part.partition}`
      if (this.unseen.get(key) === part) this.unseen.delete(key)
    }
  }

  private show(group: string, at: TopicPartition, position: number): void {
    this.positions.set(`${group} ${at.topic}/${at.partition}`, [group, at, position])
    this.lagTimer ??= setTimeout(() => void this.showAll(), LAG_EVERY_MS).unref()
  }

  /** Never rejects. */
  private async showAll(): Promise<void> {
    const shown = [...this.positions.values()]
    this.positions.clear()
    await Promise.all(
      shown.map(([group, { topic, partition }, position]) =>
        this.cluster.showPositions(group, topic, partition, position).catch(() => undefined),
      ),
    )
    this.lagTimer = undefined
    // What came meanwhile: it may be the last for long.
    for (const [group, at, position] of this.positions.values()) this.show(group, at, position)
  }
}

const resetUnfinished = (name: string, successor: string): KafkaError =>
  new KafkaError(
    'RESET_UNFINISHED',
    `${name} was given up for ${successor} by packmill topology reset, which is under way or was broken off`,
    'Start again when it has ended. Where it was broken off, run `packmill topology reset clickstream --yes` again: it does it anew. What came in is whole.',
  )

const topicReplaced = (name: string, { topic }: TopicPartition, was: string, is: string): KafkaError =>
  new KafkaError(
    'KAFKA_TOPIC_REPLACED',
    `${name} has read a topic ${topic} of id ${was}; the one that is called so now has id ${is}: that was deleted, and this one made again`,
    'Its offsets mean other records, so nobody can go on from where it was. See that kafka.brokers and kafka.topicPrefix are as they were; if they are, packmill topology reset clickstream gives up what was computed of the topic of before, and computes anew what is in this one (for a topology of your own: delete its topics packmill.receipts.… and packmill.state.…, and its data folder).',
  )
