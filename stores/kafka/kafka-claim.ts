// One claim of a name: a transactional id, and the name's ledger. Every commit is one transaction with the outputs and the receipt.
//
// 1. A commit resolves when its transaction is decided and, unless another's open transaction keeps it back for longer, can be read: the broker
//    answers before the markers are written, and whoever commits and then reads must find it.
// 2. A refusal says only that the id has another epoch. The ledger says whether another owner has it, or the coordinator's timeout took it.
import type { Admin } from 'kafkajs'
import type { Claim, LogReceipt, OutputBlock, TopicPartition } from '../../engine/log/contract.ts'
import { errorType, fenced, isFence, KafkaError, kafkaError } from './kafka-error.ts'
import { encodeRecord, type Ledger, type LedgerRecord } from './ledger.ts'
import type { Names } from './names.ts'
import type { ProducedBlock, TransactionalProducer, Written } from './transactional-producer.ts'

export interface ClaimOptions<R extends LogReceipt> {
  name: string
  names: Names
  input?: TopicPartition
  /** The id of its topic, where there is one. */
  inputId?: string
  ledger: Ledger<R>
  producer: TransactionalProducer
  /** Claims since the last commit, this one included. */
  count: number
  /** Resolves when what was written can be read. */
  visible(written: readonly Written[]): Promise<void>
  admin(): Promise<Admin>
  /** Something was committed; `to`: the input is read up to there. */
  committed(to: number | undefined): void
  ended(): void
}

const NEWLINE = 10

export class KafkaClaim<R extends LogReceipt> implements Claim<R> {
  readonly claimsSinceCommit: number
  readonly last: R | undefined
  private readonly options: ClaimOptions<R>
  private over = false

  constructor(options: ClaimOptions<R>) {
    this.options = options
    this.claimsSinceCommit = options.count
    this.last = options.ledger.last
  }

  receipts(after: number): AsyncIterable<R> {
    return this.options.ledger.receiptsAfter(after)
  }

  async commit({
    outputs,
    receipt,
    release,
  }: {
    outputs: OutputBlock[]
    receipt?: R
    release?: { receiptsThrough: number; inputBefore: number }
  }): Promise<void> {
    const { inputId: input } = this.options
    await this.transact(outputs, receipt && { is: 'receipt', receipt, input })
    this.options.committed(receipt?.to)
    if (release) await this.deleteReceipts(release.receiptsThrough)
  }

  async release(): Promise<void> {
    await this.transact([], { is: 'release' })
    await this.end()
  }

  /** Gives the name up for good: who claims it from now on is told which lineage goes on in its place. */
  async retire(successor: string): Promise<void> {
    await this.transact([], { is: 'retired', for: successor })
    await this.end()
  }

  async holds(): Promise<boolean> {
    return !this.over && (await this.options.ledger.isOurs())
  }

  /** The claim is over; what is open is left to whoever comes next. */
  async end(): Promise<void> {
    this.over = true
    this.options.ended()
    await this.options.producer.close()
  }

  /** The first transaction of a claim: that it is one. */
  async writeDown(): Promise<void> {
    const { ledger, count, inputId: input } = this.options
    await this.transact([], { is: 'claim', owner: ledger.owner, count, input })
  }

  private async transact(outputs: readonly OutputBlock[], record: LedgerRecord<R> | undefined): Promise<void> {
    const { name, names, ledger, producer, visible } = this.options
    if (this.over) throw fenced(name)
    let blocks: ProducedBlock[] = []
    let isDeciding = false
    try {
      blocks = outputs.map((output) => ({ ...names.data(output), lines: output.bytes, count: output.count }))
      if (record) blocks.push({ ...ledger.at, records: [{ key: Buffer.from(name), value: encodeRecord(record) }] })
      if (blocks.length === 0) return
      const written = await producer.send(blocks)
      isDeciding = true
      await producer.commit()
      isDeciding = false
      if (record) {
        const { base, after } = written.find(({ topic, partition }) => topic === ledger.at.topic && partition === ledger.at.partition)!
        ledger.apply(record, base)
        ledger.position = after
      }
      await visible(written)
    } catch (error) {
      // 4 of contract.ts.
      this.over = true
      await producer.abort()
      void this.end()
      const failure = await this.failure(error, blocks)
      if (failure instanceof KafkaError) failure.isUndecided = isDeciding
      throw failure
    }
  }

  private async failure(error: unknown, blocks: readonly ProducedBlock[]): Promise<Error> {
    const { name, ledger } = this.options
    if (/MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE/.test(errorType(error) ?? '')) return tooLarge(name, blocks, error)
    if (!isFence(error)) return kafkaError(error, `commit of ${name}`)
    if (!(await ledger.isOurs().catch(() => true))) return fenced(name)
    return new KafkaError(
      'KAFKA_TRANSACTION_LOST',
      `${name}: the broker ended this owner's transaction, and nobody else has claimed it`,
      'Nothing, it is claimed again. Where it comes often, see what stops this process for so long.',
      error,
    )
  }

  /** What cannot be deleted now goes with the next release. */
  private async deleteReceipts(through: number): Promise<void> {
    const { ledger, admin } = this.options
    const { topic, partition } = ledger.at
    const offset = ledger.release(through)
    try {
      const by = await admin()
      // It looks for the leaders in what it knows already.
      await by.fetchTopicOffsets(topic)
      await by.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] })
    } catch {
      return
    }
  }
}

/** The broker does not say which record it was. */
function tooLarge(name: string, blocks: readonly ProducedBlock[], cause: unknown): KafkaError {
  const sizes = blocks.map((block) => ({ topic: block.topic, bytes: longest(block) }))
  const { topic, bytes } = sizes.reduce((a, b) => (b.bytes > a.bytes ? b : a))
  return new KafkaError(
    'KAFKA_RECORD_TOO_LARGE',
    `${name}: the broker refuses a record of ${bytes} bytes for the topic ${topic}`,
    `Raise it: kafka-configs --alter --entity-type topics --entity-name ${topic} --add-config max.message.bytes=${2 ** Math.ceil(Math.log2(bytes + 1024))}`,
    cause,
  )
}

function longest(block: ProducedBlock): number {
  if ('records' in block) return Math.max(0, ...block.records.map(({ value }) => value?.length ?? 0))
  let bytes = 0
  for (let from = 0, end = 0; (end = block.lines.indexOf(NEWLINE, from)) >= 0; from = end + 1) bytes = Math.max(bytes, end - from)
  return bytes
}
