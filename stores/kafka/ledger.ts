// A name's ledger: one partition of a topic of Packmill's own with its claims, receipts and releases, one JSON record each. Only the holder of the
// name's transactional id writes it, so after a fence its end stands still. Owns the records' form and what they add up to.
//
// Not compacted, no retention by time (protocol 17): receipts between the last checkpoint and the end are what recovery goes by. The owner deletes
// what it has released, up to a receipt that stays.
import { randomUUID } from 'node:crypto'
import type { LogReceipt, TopicPartition } from '../../engine/log/contract.ts'
import type { CommittedRecord } from './fetched.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { foreignRecord } from './kafka-error.ts'
import { Undecided } from './undecided.ts'

/** The id of the topic that the name reads: positions are of that one, not of whatever is called so later (protocol 6). In all of these, as the oldest are deleted. */
interface OfInput {
  input?: string
}

export type LedgerRecord<R extends LogReceipt = LogReceipt> =
  | ({ is: 'claim'; owner: string; count: number } & OfInput)
  | ({ is: 'receipt'; receipt: R } & OfInput)
  | { is: 'release' }
  /** The name was given up for another (packmill topology reset): nobody claims it any more. */
  | { is: 'retired'; for: string }

const FETCH_BYTES = 4 << 20
/** Among so many offsets before the end a receipt is looked for first. */
const LOOK_BACK = 64

const isTrimmed = (error: unknown) => (error as { code?: string }).code === 'LOG_TRIMMED'

export const encodeRecord = (record: LedgerRecord): Buffer => Buffer.from(JSON.stringify(record))

const isText = (value: unknown) => typeof value === 'string'
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
const FORMS: Record<string, (record: Record<string, unknown>) => boolean> = {
  claim: ({ owner, count, input = '' }) => isText(owner) && isCount(count) && isText(input),
  receipt: ({ receipt, input = '' }) =>
    isText(input) && isCount((receipt as LogReceipt | null)?.epoch) && isCount((receipt as LogReceipt).to),
  release: () => true,
  retired: ({ for: successor }) => isText(successor),
}

/** Throws for what is none. */
function decodeRecord<R extends LogReceipt>(value: Buffer | null): LedgerRecord<R> {
  if (!value) throw new RangeError('it has no value')
  const record = JSON.parse(value.toString()) as Record<string, unknown> | null
  const { is } = record ?? {}
  if (typeof is !== 'string' || !Object.hasOwn(FORMS, is)) throw new RangeError('it does not say what it is')
  if (!FORMS[is](record!)) throw new RangeError(`it is no ${is}`)
  return record as unknown as LedgerRecord<R>
}

export interface LedgerOptions {
  /** Reads committed records. */
  cluster: KafkaCluster
  /** Ends behind undecided records. */
  written: KafkaCluster
  at: TopicPartition
  /** For whoever gives the name up: whatever stands in it, it can be given up. */
  passForeign?: boolean
}

export class Ledger<R extends LogReceipt> {
  readonly at: TopicPartition
  readonly owner = randomUUID()
  /** Claims since the last commit or release. */
  count = 0
  last: R | undefined
  /** The id of the topic that was read, where a record says it: older ones do not. */
  input: string | undefined
  /** The lineage that it was given up for. */
  successor: string | undefined
  /** The position behind what was read and written here. */
  position = 0
  private readonly options: LedgerOptions
  /** Epoch and offset of every receipt, oldest first. */
  private receipts: { epoch: number; offset: number }[] = []

  constructor(options: LedgerOptions) {
    this.options = options
    this.at = options.at
  }

  /** After a fence: all that earlier owners have committed. Errors: KAFKA_TRANSACTION_HANGS (protocol 17), KAFKA_RECORD_FOREIGN. */
  async load(): Promise<void> {
    const { cluster, written, at } = this.options
    const { end } = await written.bounds(at)
    const { start } = await cluster.bounds(at)
    this.position = start
    const undecided = new Undecided(at)
    while (this.position < end) {
      const before = this.position
      try {
        for await (const { record, offset } of this.read(this.position)) this.apply(record, offset)
      } catch (error) {
        // An owner that was fenced has just deleted what it had released before: the last receipt stays.
        if (!isTrimmed(error)) throw error
        this.position = (await cluster.bounds(at)).start
        continue
      }
      if (this.position === before) await undecided.wait(before, end)
    }
  }

  /** The newest receipt that can be read now, for whoever only looks: nobody is fenced, and what is being committed is not waited for. */
  async look(): Promise<R | undefined> {
    const { start, end } = await this.options.cluster.bounds(this.at)
    try {
      for (const from of new Set([Math.max(start, end - LOOK_BACK), start])) {
        for await (const { record, offset } of this.read(from)) this.apply(record, offset)
        if (this.last) break
      }
    } catch (error) {
      // Its owner has just deleted it.
      if (isTrimmed(error)) return this.look()
      throw error
    }
    return this.last
  }

  apply(record: LedgerRecord<R>, offset: number): void {
    if (record.is === 'claim') this.count = record.count
    else this.count = 0
    if (record.is === 'claim' || record.is === 'receipt') this.input = record.input ?? this.input
    if (record.is === 'retired') this.successor = record.for
    if (record.is !== 'receipt') return
    this.last = record.receipt
    this.receipts.push({ epoch: record.receipt.epoch, offset })
  }

  /** Whether nobody has claimed the name after `this.position`, or given it up. */
  async isOurs(): Promise<boolean> {
    try {
      for await (const { record } of this.read(this.position))
        if (record.is === 'retired' || (record.is === 'claim' && record.owner !== this.owner)) return false
      return true
    } catch (error) {
      // Whoever is there now has deleted what was read last.
      if (isTrimmed(error)) return false
      throw error
    }
  }

  async *receiptsAfter(epoch: number): AsyncIterable<R> {
    const first = this.receipts.find((receipt) => receipt.epoch > epoch)
    const end = this.position
    if (!first) return
    for await (const { record, offset } of this.read(first.offset, false)) {
      if (offset >= end) return
      if (record.is === 'receipt' && record.receipt.epoch > epoch) yield record.receipt
    }
  }

  /** Forgets receipts through `epoch`, but never the last; returns the offset before which nothing is needed. */
  release(epoch: number): number {
    const keep = this.receipts.findIndex((receipt) => receipt.epoch > epoch)
    this.receipts = keep < 0 ? this.receipts.slice(-1) : this.receipts.slice(keep)
    return this.receipts[0]?.offset ?? 0
  }

  /** Committed records from a position to the end of what can be read now. `move`: takes the position along. */
  private async *read(from: number, move = true): AsyncIterable<{ record: LedgerRecord<R>; offset: number }> {
    for (let position = from; ; ) {
      const fetched = await this.options.cluster.fetch({ ...this.at, from: position, maxBytes: FETCH_BYTES })
      for (let found = fetched.record(); found; found = fetched.record()) {
        const record = this.decoded(found)
        if (record) yield { record, offset: found.offset }
      }
      if (fetched.after === position) return
      position = fetched.after
      if (move) this.position = Math.max(this.position, position)
    }
  }

  private decoded({ value, offset }: CommittedRecord): LedgerRecord<R> | undefined {
    try {
      return decodeRecord(value)
    } catch (error) {
      if (this.options.passForeign) return undefined
      throw foreignRecord(this.at, offset, (error as Error).message, error)
    }
  }
}
