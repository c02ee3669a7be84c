// Owns what one thread knows of the log: the journal files, each partition's blocks, each name's generation, claims and receipts, and who
// needs what. Built from frames' heads alone; files may be applied in any order, each from its beginning. Never reads or writes a file.
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { FrameHead, LogRecord } from './frame.ts'
import { PartitionIndex } from './partition-index.ts'

/** A journal file, and what would be lost with it (retention.ts). */
export interface JournalFile {
  readonly name: string
  readonly writer: string
  readonly seq: number
  /** Where its last known frame ends. */
  end: number
  /** When its last frame was written. */
  lastMs: number
  /** Per partition: the end of its last block here, and bytes. */
  readonly partitions: Map<PartitionIndex, { topic: string; end: number; bytes: number }>
  /** Per name: the newest receipt here. */
  readonly receipts: Map<string, number>
  /** Names, partitions and consumers that a small record here speaks of. */
  readonly names: Set<string>
  readonly ends: Map<string, TopicPartition>
  readonly needs: Set<Need>
  /** Its index beside it is whole and durable, as far as retention has looked. */
  isIndexed: boolean
}

export interface ReceiptEntry {
  epoch: number
  to: number
  file: JournalFile
  position: number
  record: Extract<LogRecord, { is: 'receipt' }>
}

export interface NameState {
  generation: number
  claimsSinceCommit: number
  /** By epoch, without the released ones; the newest always stays. */
  receipts: ReceiptEntry[]
}

export interface Need {
  readonly consumer: string
  readonly topic: string
  readonly partition: number
  /** Nothing at or above is deleted. Infinity: needed no more. */
  from: number
  /** Counts declarations, so that one after a "no more" wins whatever order files are read in. */
  version: number
}

export const partitionKey = (topic: string, partition: number): string => `${topic}/${partition}`

export class LogIndex {
  readonly files = new Map<string, JournalFile>()
  readonly names = new Map<string, NameState>()
  /** By topic/partition, then consumer. */
  readonly needs = new Map<string, Map<string, Need>>()
  readonly topicBytes = new Map<string, number>()
  private readonly partitions = new Map<string, PartitionIndex>()
  private readonly dropped = new Set<string>()
  private readonly touched = new Set<PartitionIndex>()
  private readonly onDrop: (name: string) => void

  /** `onDrop`: the file is being deleted, nothing here refers to it any more. */
  constructor(onDrop: (name: string) => void) {
    this.onDrop = onDrop
  }

  partition(topic: string, partition: number): PartitionIndex {
    const key = partitionKey(topic, partition)
    let index = this.partitions.get(key)
    if (!index) this.partitions.set(key, (index = new PartitionIndex()))
    return index
  }

  name(name: string): NameState {
    let state = this.names.get(name)
    if (!state) this.names.set(name, (state = { generation: 0, claimsSinceCommit: 0, receipts: [] }))
    return state
  }

  need(consumer: string, topic: string, partition: number): Need {
    const key = partitionKey(topic, partition)
    let consumers = this.needs.get(key)
    if (!consumers) this.needs.set(key, (consumers = new Map()))
    let need = consumers.get(consumer)
    if (!need) consumers.set(consumer, (need = { consumer, topic, partition, from: 0, version: 0 }))
    return need
  }

  /** The lowest offset that anyone needs; Infinity where nobody declared a need. */
  neededFrom(topic: string, partition: number): number {
    let from = Infinity
    for (const need of this.needs.get(partitionKey(topic, partition))?.values() ?? []) from = Math.min(from, need.from)
    return from
  }

  file(name: string, writer: string, seq: number): JournalFile {
    let file = this.files.get(name)
    if (!file) {
      file = {
        name,
        writer,
        seq,
        end: 0,
        lastMs: 0,
        partitions: new Map(),
        receipts: new Map(),
        names: new Set(),
        ends: new Map(),
        needs: new Set(),
        isIndexed: false,
      }
      this.files.set(name, file)
    }
    return file
  }

  apply(file: JournalFile, head: FrameHead): void {
    if (this.dropped.has(file.name) || head.position < file.end) return
    file.end = head.end
    file.lastMs = Math.max(file.lastMs, head.writtenMs)
    let position = head.body
    for (const [topic, partition, base, count, length, crc] of head.blocks) {
      const index = this.partition(topic, partition)
      index.add(file, position, base, count, length, crc)
      this.touched.add(index)
      const here = file.partitions.get(index)
      file.partitions.set(index, { topic, end: Math.max(here?.end ?? 0, base + count), bytes: (here?.bytes ?? 0) + length })
      file.ends.set(partitionKey(topic, partition), { topic, partition })
      this.topicBytes.set(topic, (this.topicBytes.get(topic) ?? 0) + length)
      position += length
    }
    for (const record of head.records) {
      this.applyRecord(file, record, position)
      if (record.is === 'receipt') position += record.length
    }
  }

  /** After a run of apply(). */
  settle(): void {
    for (const partition of this.touched) partition.settle()
    this.touched.clear()
  }

  private applyRecord(file: JournalFile, record: LogRecord, position: number): void {
    switch (record.is) {
      case 'file':
        return
      case 'receipt':
        this.applyReceipt(file, record, position)
        return
      case 'claim': {
        file.names.add(record.name)
        const state = this.name(record.name)
        if (record.generation <= state.generation) return
        state.generation = record.generation
        state.claimsSinceCommit = record.count
        return
      }
      case 'release': {
        file.names.add(record.name)
        const state = this.name(record.name)
        if (record.generation < state.generation) return
        state.generation = record.generation
        state.claimsSinceCommit = 0
        return
      }
      case 'need': {
        const need = this.need(record.consumer, record.topic, record.partition)
        file.needs.add(need)
        if (record.version < need.version) return
        const from = record.from ?? Infinity
        need.from = record.version > need.version ? from : Math.max(need.from, from)
        need.version = record.version
        return
      }
      case 'end': {
        const index = this.partition(record.topic, record.partition)
        index.end = Math.max(index.end, record.end)
        this.touched.add(index)
        file.ends.set(partitionKey(record.topic, record.partition), { topic: record.topic, partition: record.partition })
        return
      }
      case 'drop':
        this.drop(record.file)
        return
    }
  }

  private applyReceipt(file: JournalFile, record: Extract<LogRecord, { is: 'receipt' }>, position: number): void {
    const { name, generation, epoch, to, releasedThrough } = record
    file.names.add(name)
    file.receipts.set(name, Math.max(file.receipts.get(name) ?? 0, epoch))
    const state = this.name(name)
    if (generation >= state.generation) {
      state.generation = generation
      state.claimsSinceCommit = 0
    }
    const { receipts } = state
    let at = receipts.length
    while (at > 0 && receipts[at - 1].epoch >= epoch) at--
    // The same epoch again: written down once more because its file goes.
    receipts.splice(at, receipts[at]?.epoch === epoch ? 1 : 0, { epoch, to, file, position, record })
    if (releasedThrough === undefined) return
    const kept = receipts.findIndex((receipt) => receipt.epoch > releasedThrough)
    receipts.splice(0, kept < 0 ? receipts.length - 1 : kept)
  }

  private drop(name: string): void {
    this.dropped.add(name)
    this.onDrop(name)
    const file = this.files.get(name)
    if (!file) return
    this.files.delete(name)
    for (const [partition, { topic, end, bytes }] of file.partitions) {
      partition.trim(end)
      this.topicBytes.set(topic, this.topicBytes.get(topic)! - bytes)
    }
    // The newest receipt of each name is written down again in the frame that drops.
    for (const name of file.receipts.keys()) {
      const state = this.name(name)
      state.receipts = state.receipts.filter((receipt) => receipt.file !== file)
    }
  }
}
