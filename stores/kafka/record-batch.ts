// Record batches (magic 2) as a broker hands them out: their headers checked, their records as bytes. Owns the form of a batch, and what a damaged one is.
//
// 1. A fetch may end in a torn batch: it is left out, and comes with the next one.
// 2. What the CRC does not say of a batch is said by nobody: one that is wrong is an error, never records.
import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'
import { crc32c } from './crc32c.ts'
import { KafkaError } from './kafka-error.ts'
import { lz4Decompress } from './lz4.ts'
import { snappyDecompress } from './snappy.ts'

/** Where a header's fields are. */
export const HEADER = {
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastDelta: 23,
  firstMs: 27,
  lastMs: 35,
  producerId: 43,
  producerEpoch: 51,
  sequence: 53,
  count: 57,
} as const
/** Of a whole header; records follow. */
export const HEADER_BYTES = 61
/** What the length field does not count: itself, and the offset before it. */
export const LENGTH_END = 12
export const MAGIC = 2
export const TRANSACTIONAL = 16
const CONTROL = 32
const CODEC = 7

/** A batch of which the records are bytes[pos … end), not compressed. */
export interface RecordBatch {
  base: number
  /** The offset of the last record there once was; compaction may have taken it. */
  last: number
  producerId: number
  isTransactional: boolean
  isControl: boolean
  count: number
  bytes: Buffer
  pos: number
  end: number
}

/** Of one batch; larger is taken for damage. */
const maxOutputLength = 1 << 28
const CODECS: Partial<Record<number, { name: string; decompress(bytes: Buffer): Promise<Buffer> }>> = {
  1: { name: 'gzip', decompress: (bytes) => promisify<Buffer, object, Buffer>(gunzip)(bytes, { maxOutputLength }) },
  2: { name: 'snappy', decompress: async (bytes) => snappyDecompress(bytes, maxOutputLength) },
  3: { name: 'lz4', decompress: async (bytes) => lz4Decompress(bytes, maxOutputLength) },
  4: { name: 'zstd', decompress: (bytes) => promisify<Buffer, object, Buffer>(zstdDecompress)(bytes, { maxOutputLength }) },
}

/** Whole batches, in their order. `where`: topic and partition, for errors. Errors: KAFKA_RECORDS_DAMAGED, KAFKA_COMPRESSION_UNKNOWN. */
export async function readBatches(bytes: Buffer, where: string): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = []
  for (let at = 0; at + LENGTH_END <= bytes.length; ) {
    const end = at + LENGTH_END + bytes.readInt32BE(at + HEADER.length)
    // Formats before this one have the same length field, and their number at the same place.
    if (at + HEADER.magic < bytes.length && bytes[at + HEADER.magic] !== MAGIC)
      throw damaged(where, at, bytes, `has format ${bytes[at + HEADER.magic]}, which is not that of Kafka 0.11 and later`)
    if (end < at + HEADER_BYTES) throw damaged(where, at, bytes, 'is shorter than its header')
    if (end > bytes.length) break
    if (crc32c(bytes, at + HEADER.attributes, end) !== bytes.readUInt32BE(at + HEADER.crc))
      throw damaged(where, at, bytes, 'has another CRC')
    batches.push(await readBatch(bytes, at, end, where))
    at = end
  }
  return batches
}

async function readBatch(bytes: Buffer, at: number, end: number, where: string): Promise<RecordBatch> {
  const base = int64(bytes, at)
  const attributes = bytes.readInt16BE(at + HEADER.attributes)
  const batch: RecordBatch = {
    base,
    last: base + bytes.readInt32BE(at + HEADER.lastDelta),
    producerId: int64(bytes, at + HEADER.producerId),
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    count: bytes.readInt32BE(at + HEADER.count),
    ...{ bytes, pos: at + HEADER_BYTES, end },
  }
  if (batch.count < 0 || batch.last < base) throw damaged(where, at, bytes, `has ${batch.count} records through offset ${batch.last}`)
  if ((attributes & CODEC) === 0) {
    if (batch.count === 0 && batch.pos < end) throw damaged(where, at, bytes, 'has bytes, but no records')
    return batch
  }
  if (batch.count === 0) return { ...batch, pos: end }
  const codec = CODECS[attributes & CODEC]
  if (!codec) throw unknownCompression(where, base, attributes & CODEC)
  const { name, decompress } = codec
  try {
    const whole = await decompress(bytes.subarray(batch.pos, end))
    return { ...batch, bytes: whole, pos: 0, end: whole.length }
  } catch (error) {
    throw damaged(where, at, bytes, `is no ${name}`, error)
  }
}

/** Exact up to 2^53, as all numbers of offsets here are. */
const int64 = (bytes: Buffer, at: number) => bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)

const damaged = (where: string, at: number, bytes: Buffer, what: string, cause?: unknown) =>
  damagedRecords(where, `the batch at offset ${int64(bytes, at)} ${what}`, cause)

export const damagedRecords = (where: string, what: string, cause?: unknown): KafkaError =>
  new KafkaError(
    'KAFKA_RECORDS_DAMAGED',
    `Kafka: reading ${where}: ${what}`,
    'Where it comes again, the broker’s copy is damaged: look with kafka-dump-log --deep-iteration at its replicas, and have a sound one lead.',
    cause,
  )

const unknownCompression = (where: string, offset: number, codec: number) =>
  new KafkaError(
    'KAFKA_COMPRESSION_UNKNOWN',
    `Kafka: reading ${where}: the batch at offset ${offset} is compressed by codec ${codec}`,
    'Have producers compress with gzip, snappy, lz4 or zstd, or the broker do it: kafka-configs --alter --entity-type topics --entity-name TOPIC --add-config compression.type=zstd.',
  )
