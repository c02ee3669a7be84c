// Decides which journal files hold nothing that anyone needs, and deletes them (protocol 23, 24).
//
// 1. A file goes when each of its blocks is below what every declared consumer needs, and beyond the topic's own retention in time
//    or bytes, and each of its receipts is released or not its name's newest.
// 2. What is small and must stay (a name's newest receipt and its claims, a partition's end, who needs what) is written again first, in
//    the same frame that says that the file goes: all threads forget it by that frame, then it is unlinked.
import { join } from 'node:path'
import type { Files } from '../files/files.ts'
import { storageError } from '../files/storage-error.ts'
import type { LogRecord } from './frame.ts'
import { indexPath, readHeads, readIndex, writeIndex } from './journal-file.ts'
import type { Entry } from './journal-writer.ts'
import type { JournalFile, LogIndex, ReceiptEntry } from './log-index.ts'

export interface TopicRetention {
  /** Kept at least this long after it was written … */
  ms: number
  /** … unless the topic has more bytes than this. */
  bytes: number
}

/** By topic; what is not named has `others`. */
export interface Retention {
  topics: Readonly<Record<string, TopicRetention>>
  others: TopicRetention
}

/** A topic of somebody's own may be called `constructor`. */
export const retentionOf = ({ topics, others }: Retention, topic: string): TopicRetention =>
  Object.hasOwn(topics, topic) ? topics[topic]! : others

const DAY_MS = 86_400_000
export const retentionDefaults: Retention = { topics: {}, others: { ms: 7 * DAY_MS, bytes: 8 * 2 ** 30 } }

export interface RetainOptions {
  files: Files
  folder: string
  index: LogIndex
  retention?: Retention
  nowMs: number
  /** Closed files that the caller may delete. */
  mine(file: JournalFile): boolean
  receiptBytes(entry: ReceiptEntry): Uint8Array
  append(entry: Entry): Promise<void>
  forget(name: string): void
}

/** Returns how many files were deleted. */
export async function retain(options: RetainOptions): Promise<number> {
  const { files, folder, index, append, forget } = options
  const oldestFirst = [...index.files.values()].filter((file) => options.mine(file)).sort((a, b) => a.lastMs - b.lastMs)
  // All of them first: by the clock, which may have been set back, a file may be older than the one before it.
  for (const file of oldestFirst) await closed(file, options)
  let deleted = 0
  for (const file of oldestFirst) {
    if (!canGo(file, options)) continue
    await append(whatStays(file, options))
    forget(file.name)
    try {
      const path = join(folder, file.name)
      await files.remove(path)
      if (files.exists(indexPath(path))) await files.remove(indexPath(path))
    } catch (error) {
      throw storageError(error, folder)
    }
    deleted++
  }
  return deleted
}

/** Before a file's successor goes, which may be all that says where it ends, it has an index that does: whole, and durable. One that a full disk
 *  has cut off, or that a killed process has not synced, is neither. Looked at once. */
async function closed(journal: JournalFile, { files, folder }: RetainOptions): Promise<void> {
  if (journal.isIndexed) return
  const path = join(folder, journal.name)
  try {
    if (readIndex(files, path)) await files.sync(indexPath(path))
    else await indexAnew(journal, files, path)
  } catch (error) {
    throw storageError(error, path)
  }
  journal.isIndexed = true
}

async function indexAnew({ end }: JournalFile, files: Files, path: string): Promise<void> {
  const file = files.open(path)
  try {
    await writeIndex(files, path, [...readHeads(file, path, 0, end)])
  } finally {
    file.close()
  }
}

function canGo(file: JournalFile, { index, retention = retentionDefaults, nowMs }: RetainOptions): boolean {
  for (const { topic, partition } of file.ends.values()) {
    const here = file.partitions.get(index.partition(topic, partition))
    if (!here) continue
    if (here.end > index.neededFrom(topic, partition)) return false
    const { ms, bytes } = retentionOf(retention, topic)
    const topicBytesHere = [...file.partitions.values()].reduce((sum, other) => sum + (other.topic === topic ? other.bytes : 0), 0)
    if (nowMs - file.lastMs <= ms && index.topicBytes.get(topic)! - topicBytesHere < bytes) return false
  }
  for (const name of file.receipts.keys()) {
    const { receipts } = index.name(name)
    // The newest may be here: it is written again.
    if (receipts.slice(0, -1).some((receipt) => receipt.file === file)) return false
  }
  return true
}

function whatStays(file: JournalFile, { index, receiptBytes }: RetainOptions): Entry {
  const records: LogRecord[] = []
  const receipts: Uint8Array[] = []
  for (const name of file.names) {
    const { generation, claimsSinceCommit, receipts: kept } = index.name(name)
    const newest = kept.at(-1)
    if (newest?.file === file) {
      records.push(newest.record)
      receipts.push(receiptBytes(newest))
    }
    records.push({ is: 'claim', name, generation, count: claimsSinceCommit })
  }
  for (const { topic, partition } of file.ends.values()) {
    records.push({ is: 'end', topic, partition, end: index.partition(topic, partition).end })
  }
  for (const { consumer, topic, partition, from, version } of file.needs) {
    records.push({ is: 'need', consumer, topic, partition, from, version })
  }
  records.push({ is: 'drop', file: file.name })
  return { blocks: [], records, receipts }
}
