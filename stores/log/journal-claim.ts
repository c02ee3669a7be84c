// One claim of a name, by one thread's instance of the embedded log. Numbers are those of contract.ts.
import { crc32 } from 'node:zlib'
import type { Claim, LogReceipt, OutputBlock, TopicPartition } from '../../engine/log/contract.ts'
import { StorageError } from '../files/storage-error.ts'
import type { LogRecord } from './frame.ts'
import type { JournalLog } from './journal-log.ts'

export interface Ownership {
  name: string
  /** Of the shared log. */
  slot: number
  generation: number
  /** Claims since the last commit, this one included. */
  count: number
  input?: TopicPartition
}

export class JournalClaim<R extends LogReceipt> implements Claim<R> {
  readonly claimsSinceCommit: number
  readonly last: R | undefined
  private readonly log: JournalLog
  private readonly own: Ownership
  private over = false

  constructor(log: JournalLog, own: Ownership, last: R | undefined) {
    this.log = log
    this.own = own
    this.claimsSinceCommit = own.count
    this.last = last
  }

  async *receipts(after: number): AsyncIterable<R> {
    this.log.refresh()
    for (const entry of [...this.log.index.name(this.own.name).receipts]) {
      const receipt = entry.epoch > after ? this.log.readReceipt(entry) : undefined
      if (receipt) yield receipt as R
    }
  }

  async commit(commit: { outputs: OutputBlock[]; receipt?: R; release?: { receiptsThrough: number; inputBefore: number } }): Promise<void> {
    const { outputs, receipt, release } = commit
    const { name, generation, input } = this.own
    const records: LogRecord[] = []
    const receipts: Buffer[] = []
    if (receipt) {
      const { epoch, to } = receipt
      const bytes = Buffer.from(JSON.stringify(receipt))
      const releasedThrough = release?.receiptsThrough
      records.push({ is: 'receipt', name, generation, epoch, to, length: bytes.length, crc: crc32(bytes), releasedThrough })
      receipts.push(bytes)
    }
    if (release && input) {
      const { version } = this.log.index.need(name, input.topic, input.partition)
      records.push({ is: 'need', consumer: name, ...input, from: release.inputBefore, version })
    }
    await this.append(outputs, records, receipts)
  }

  async release(): Promise<void> {
    const { name, generation } = this.own
    await this.append([], [{ is: 'release', name, generation }], [])
    this.over = true
  }

  async holds(): Promise<boolean> {
    return this.log.view.holdsSlot(this.own.slot, this.own.generation)
  }

  private async append(blocks: OutputBlock[], records: LogRecord[], receipts: Uint8Array[]): Promise<void> {
    const { view, writerIndex } = this.log
    const { name, slot, generation } = this.own
    // 2: from here until leaveCommit nobody else's claim of the name succeeds.
    if (this.over || !view.enterCommit(slot, generation, writerIndex)) {
      throw new StorageError('FENCED', `${name} was claimed by another owner, or this claim is over.`, 'Nothing: whoever holds it goes on.')
    }
    try {
      await this.log.append({ blocks, records, receipts })
    } catch (error) {
      // 4.
      this.over = true
      throw error
    } finally {
      view.leaveCommit(slot, generation, writerIndex)
    }
  }
}
