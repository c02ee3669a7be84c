// The state store on Kafka: a task's checkpoints in a compacted changelog, and the embedded store beside them as a local cache of it. Numbers: store.ts.
//
// The changelog decides; the cache (stores/state: checkpoint files) is what keys are read from.
//   finish: changelog committed → file of the cache finished
//   open:   fence → own record written → what the cache does not have is read up to there → the cache has it
// 5. The cache says from which position of the changelog on it may lack something: where the newest checkpoint in it began, or, after a restore, where
//    its header stands. What follows is put again, which changes nothing where it was there.
// 6. The cache is only used where deleted keys cannot have been compacted away meanwhile: younger than half of delete.retention.ms (protocol 17).
//    Otherwise, and where it is damaged or of another changelog, it is made anew from the whole changelog.
//    Damage that is found only when a value is read (each has its checksum) is an error that may pass, and `mend` makes the cache anew before the task recovers.
// 7. A failed transaction ends the producer. The next one takes the id again, but only writes where nobody else has written himself down as the owner.
import { randomUUID } from 'node:crypto'
import type { Admin, Kafka } from 'kafkajs'
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { CheckpointHeader, OpenCheckpoint, StateStore } from '../../engine/state/store.ts'
import type { Files } from '../files/files.ts'
import { realFiles } from '../files/real-files.ts'
import { headerRecord, ownerRecord, readChangelog } from './changelog.ts'
import { STATE_CONFIG, TOMBSTONE_MS } from './ensure-topics.ts'
import { KafkaCheckpoint } from './kafka-checkpoint.ts'
import { type KafkaConnection, kafkaClient, RETRY } from './kafka-client.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import { errorType, fenced, isFence, KafkaError, kafkaError } from './kafka-error.ts'
import { LocalCache } from './local-cache.ts'
import { type KafkaNames, Names } from './names.ts'
import { makeOwnTopic } from './own-topic.ts'
import { type OutputRecord, TransactionalProducer } from './transactional-producer.ts'

export interface RestoreProgress {
  /** So far. */
  rows: number
  bytes: number
  rowsPerSecond: number
  /** Offsets that were passed, of those there are: what compaction took away counts as passed. */
  done: number
  of: number
}

export interface KafkaStateOptions extends KafkaNames {
  connection: KafkaConnection
  /** Whose state it is: what the task claims the log as. */
  name: string
  /** Partitions that the changelog's topic is made with. */
  partitions?: number
  replication?: number
  /** The changelog's topic is there, or nothing is opened: a start has made it. */
  mustExist?: boolean
  /** Of the local cache; may be deleted while nobody has it open. */
  folder: string
  /** A checkpoint that is open for longer is aborted by the broker. Default 15 min, which is also the most a broker allows unless told otherwise. */
  transactionTimeoutMs?: number
  /** How the restoring of a cache goes on; told at least once where anything is read. */
  onRestoring?(progress: RestoreProgress): void
  files?: Files
  nowMs?(): number
  /** Cuts it off from the brokers, also while it is being opened: what is on its way fails. It is closed all the same. */
  signal?: AbortSignal
}

const TRANSACTION_TIMEOUT_MS = 900_000
/** A checkpoint file of the cache, while it is restored. */
const RESTORE_BYTES = 64 << 20
const SLICE_BYTES = 1 << 20
/** So many offsets before the end are looked through for the newest checkpoint: owners and markers stand behind it. */
const LOOK_BACK = 32

/** Header of the cache's own checkpoints. Without `of`: a restore that was cut off. */
interface CacheHeader extends CheckpointHeader {
  of?: { header: CheckpointHeader; store: string; from: number; atMs: number }
}

/** Errors: KAFKA_UNAVAILABLE, KAFKA_UNAUTHORIZED, KAFKA_TRANSACTION_HANGS, those of the disk. */
export async function openKafkaState(options: KafkaStateOptions): Promise<KafkaState> {
  const state = new KafkaState(options)
  try {
    await state.open()
    return state
  } catch (error) {
    await state.close()
    throw kafkaError(error, `the state of ${options.name}`)
  }
}

export class KafkaState implements StateStore {
  private readonly options: KafkaStateOptions
  private readonly kafka: Kafka
  private readonly cluster: KafkaCluster
  private readonly at: TopicPartition
  private readonly transactionalId: string
  private readonly owner = randomUUID()
  private store: string = randomUUID()
  private readonly cache: LocalCache
  /** The cache has all that the changelog had when it was opened or made anew. */
  private isWhole = false
  private producer: TransactionalProducer | undefined
  /** Behind what of the changelog was read and written here. */
  private position = 0
  private checkpoint: KafkaCheckpoint | undefined
  private closed = false
  private readonly ending = new AbortController()

  constructor(options: KafkaStateOptions) {
    this.options = options
    const names = new Names(options)
    const { signal } = this.ending
    options.signal?.addEventListener('abort', this.cut, { once: true })
    if (options.signal?.aborted) this.cut()
    this.kafka = kafkaClient(options.connection, { signal })
    this.cluster = new KafkaCluster(this.kafka, { signal })
    this.at = names.state(options.name)
    this.transactionalId = names.transactionalId(options.name, 'state')
    const { folder, files = realFiles } = options
    this.cache = new LocalCache({ files, folder })
  }

  get header(): CheckpointHeader | undefined {
    return (this.cache.header as CacheHeader | undefined)?.of?.header
  }

  async open(): Promise<void> {
    const { partitions = 1, replication, mustExist } = this.options
    const { cluster, at } = this
    const making = this.withAdmin((admin) => makeOwnTopic({ cluster, admin, at, partitions, replication, config: STATE_CONFIG, mustExist }))
    const [made, opened] = await Promise.allSettled([making, this.newProducer()])
    if (opened.status === 'fulfilled') this.producer = opened.value
    for (const result of [made, opened]) if (result.status === 'rejected') throw result.reason
    const end = await this.write([ownerRecord(this.owner)])
    if (!(await this.canCatchUp(end))) await this.makeAnew(end)
    this.isWhole = true
  }

  /** To be awaited before a task recovers: a cache that was found damaged, or was not wholly made anew then, is made anew. Errors: FENCED, and those of opening. */
  async mend(): Promise<void> {
    if (this.isWhole && !this.cache.isDamaged) return
    try {
      this.isWhole = false
      // What it has sent must not be committed with what follows.
      await this.checkpoint?.abort()
      await this.makeAnew(await this.write([ownerRecord(this.owner)]))
      this.isWhole = true
    } catch (error) {
      throw kafkaError(error, `the state of ${this.options.name}`)
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.cache.get(key)
  }

  entries(): Iterable<[key: Uint8Array, index: Uint8Array]> {
    return this.cache.entries()
  }

  begin(header: CheckpointHeader): OpenCheckpoint {
    if (this.header && header.epoch <= this.header.epoch)
      throw new Error(`A checkpoint of epoch ${header.epoch} cannot follow one of epoch ${this.header.epoch}.`)
    const of = { header, store: this.store, from: this.position, atMs: this.now() }
    const local = this.cache.begin(this.cacheHeader(of))
    this.checkpoint = new KafkaCheckpoint({
      local,
      header: headerRecord({ header, store: this.store }),
      send: (records) => this.send(records),
      commit: () => this.commit(),
      abort: async () => {
        await this.producer?.abort()
      },
      ended: () => {
        this.checkpoint = undefined
      },
    })
    return this.checkpoint
  }

  maintain(): Promise<boolean> {
    return this.cache.maintain()
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    await this.checkpoint?.abort()
    // Nothing is waited for from here on, as when a log is closed.
    this.cut()
    this.options.signal?.removeEventListener('abort', this.cut)
    await this.producer?.close()
    await this.cluster.close()
    await this.cache.close()
  }

  private readonly cut = () => this.ending.abort()

  private now(): number {
    return (this.options.nowMs ?? Date.now)()
  }

  /** Whether the cache could be used, and has all up to `end` now. */
  private async canCatchUp(end: number): Promise<boolean> {
    try {
      await this.cache.open()
      const of = (this.cache.header as CacheHeader | undefined)?.of
      const nowMs = this.now()
      const isYoung = of !== undefined && of.from < end && nowMs - of.atMs >= 0 && nowMs - of.atMs < TOMBSTONE_MS / 2
      return of !== undefined && isYoung && ((await this.isComplete(of, end)) || (await this.catchUp(of.from, end, of)))
    } catch (error) {
      if (!this.cache.isDamaged) throw error
      return false
    }
  }

  private async makeAnew(end: number): Promise<void> {
    await this.cache.drop()
    await this.cache.open()
    const { start } = await this.cluster.bounds(this.at)
    await this.catchUp(start, end)
  }

  /** The cache counts its own checkpoints: a restore has some that no task ever took. */
  private cacheHeader(of?: CacheHeader['of']): CacheHeader {
    return { epoch: (this.cache.header?.epoch ?? 0) + 1, ...(of && { of }) }
  }

  /** Whether no checkpoint follows the one that the cache has, which is then the changelog's state up to `end`: a process that stopped as it should has nothing to read. */
  private async isComplete(of: NonNullable<CacheHeader['of']>, end: number): Promise<boolean> {
    let newest: { header: CheckpointHeader; store: string; from: number } | undefined
    for await (const { records } of readChangelog(this.cluster, this.at, Math.max(of.from, end - LOOK_BACK), end))
      for (const { record, offset } of records) if (record.is === 'header') newest = { ...record.value, from: offset }
    if (newest?.store !== of.store || newest.header.epoch !== of.header.epoch) return false
    await this.caughtUp(newest, end)
    this.options.onRestoring?.({ rows: 0, bytes: 0, rowsPerSecond: 0, done: end - of.from, of: end - of.from })
    return true
  }

  /** The cache has all that the changelog has up to `end`. */
  private async caughtUp(newest: { header: CheckpointHeader; store: string; from: number }, end: number): Promise<void> {
    this.position = end
    this.store = newest.store
    await this.cache.begin(this.cacheHeader({ ...newest, atMs: this.now() })).finish()
  }

  /** Puts what the changelog has from `from` to `end` into the cache, which says it is `of`. False where it is of another changelog. */
  private async catchUp(from: number, end: number, of?: CacheHeader['of']): Promise<boolean> {
    let newest: { header: CheckpointHeader; store: string; from: number } | undefined
    let open: OpenCheckpoint | undefined
    let sliceFrom = 0
    let rows = 0
    let bytes = 0
    const startMs = performance.now()
    for await (const { records, position } of readChangelog(this.cluster, this.at, from, end)) {
      for (const { record, offset } of records) {
        // All that stands before the header is in the cache then; the header itself shows the next time that it is the same changelog.
        if (record.is === 'header') newest = { ...record.value, from: offset }
        if (record.is !== 'entry') continue
        // One that is cut off says what it said before: then all of this is read again.
        open ??= this.cache.begin(this.cacheHeader(of))
        const { key, kept } = record
        if (kept) open.put(key, kept.value, kept.index)
        else open.delete(key)
        rows++
        bytes += key.length + (kept ? kept.value.length + kept.index.length : 0)
        if (open.bytes - sliceFrom < SLICE_BYTES) continue
        await open.flush()
        sliceFrom = open.bytes
      }
      if (open && open.bytes > RESTORE_BYTES) {
        await open.finish()
        open = undefined
        sliceFrom = 0
        while (await this.cache.maintain());
      }
      const rowsPerSecond = Math.round((rows * 1000) / Math.max(1, performance.now() - startMs))
      this.options.onRestoring?.({ rows, bytes, rowsPerSecond, done: Math.min(position, end) - from, of: end - from })
    }
    await open?.finish()
    this.position = end
    if (!newest) return of === undefined
    if (of && newest.store !== of.store) return false
    await this.caughtUp(newest, end)
    return true
  }

  private async send(records: readonly OutputRecord[]): Promise<void> {
    await this.transacting(async (producer) => {
      for (const { after } of await producer.send([{ ...this.at, records }])) this.position = after
    })
  }

  private async commit(): Promise<void> {
    await this.transacting((producer) => producer.commit())
  }

  /** A transaction of its own; returns the position behind it. */
  private async write(records: readonly OutputRecord[]): Promise<number> {
    await this.send(records)
    await this.commit()
    return this.position
  }

  private async transacting(work: (producer: TransactionalProducer) => Promise<void>): Promise<void> {
    try {
      this.producer ??= await this.again()
      await work(this.producer)
    } catch (error) {
      const { producer } = this
      this.producer = undefined
      await producer?.abort()
      await producer?.close()
      throw await this.failure(error)
    }
  }

  private async failure(error: unknown): Promise<Error> {
    const { name } = this.options
    if (!isFence(error)) return kafkaError(error, `a checkpoint of ${name}`)
    if (!(await this.isOurs().catch(() => true))) return fenced(name)
    return new KafkaError(
      'KAFKA_TRANSACTION_LOST',
      `${name}: the broker ended the transaction of a checkpoint, and nobody else has taken the state`,
      'Nothing, it is taken again. Where it comes often, checkpoints take longer than the broker allows: lower engine.checkpointBytes.',
      error,
    )
  }

  /** A producer after the one before failed (7). Errors: FENCED. */
  private async again(): Promise<TransactionalProducer> {
    // Before, too: taking the id back from who has it would cost that one a checkpoint.
    if (!(await this.isOurs())) throw fenced(this.options.name)
    const producer = await this.newProducer()
    if (await this.isOurs()) return producer
    await producer.close()
    throw fenced(this.options.name)
  }

  private async isOurs(): Promise<boolean> {
    const { end } = await this.cluster.bounds(this.at)
    for await (const { records } of readChangelog(this.cluster, this.at, this.position, end)) {
      if (records.some(({ record }) => record.is === 'owner' && record.owner !== this.owner)) return false
    }
    return true
  }

  private async newProducer(): Promise<TransactionalProducer> {
    const { transactionTimeoutMs = TRANSACTION_TIMEOUT_MS } = this.options
    const { signal } = this.ending
    try {
      return await TransactionalProducer.open({ kafka: this.kafka, transactionalId: this.transactionalId, transactionTimeoutMs, signal })
    } catch (error) {
      if (errorType(error) !== 'INVALID_TRANSACTION_TIMEOUT') throw error
      throw new KafkaError(
        'KAFKA_SETTING_REFUSED',
        (error as Error).message,
        `Raise transaction.max.timeout.ms of the brokers to at least ${transactionTimeoutMs} (their default is 900000): a checkpoint may be open for so long, and no setting of Packmill makes that less.`,
        error,
      )
    }
  }

  /** One that connects when it is asked for: where the topic is there, nobody needs it. */
  private async withAdmin(work: (admin: () => Promise<Admin>) => Promise<void>): Promise<void> {
    const admin = this.kafka.admin({ retry: RETRY })
    try {
      await work(async () => {
        await admin.connect()
        return admin
      })
    } finally {
      await admin.disconnect().catch(() => undefined)
    }
  }
}
