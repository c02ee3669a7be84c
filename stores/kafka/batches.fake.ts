// Record batches as kafkajs writes them, and answers that hold them: for tests of what reads them here.
import { createRequire } from 'node:module'
import { crc32c } from './crc32c.ts'
import type { FetchedPartition } from './fetch-request.ts'
import { HEADER, readBatches } from './record-batch.ts'

export interface FakeRecord {
  key?: Buffer | null
  value: Buffer | null
  headers?: Record<string, string>
}

export interface FakeBatch {
  base: number
  records: readonly FakeRecord[]
  /** Of which a transaction is; default: in none. */
  producerId?: number
  /** Of each record; default 0, 1, … */
  deltas?: readonly number[]
  lastDelta?: number
  /** As in kafkajs' CompressionTypes. */
  compression?: number
  /** Kind of a control batch, which needs no records. */
  marker?: 'abort' | 'commit'
}

interface Encoded {
  buffer: Buffer
}
const load = createRequire(import.meta.url)
const encodeRecord = load('kafkajs/src/protocol/recordBatch/record/v0/index.js') as (record: object) => Encoded
const { RecordBatch } = load('kafkajs/src/protocol/recordBatch/v0/index.js') as { RecordBatch(batch: object): Promise<Encoded> }

const CONTROL = 32
export const PRODUCED_MS = 1_700_000_000_000

export async function batchBytes({ base, records, producerId, deltas, lastDelta, compression = 0, marker }: FakeBatch): Promise<Buffer> {
  const whole = marker ? [{ key: Buffer.from([0, 0, 0, marker === 'abort' ? 0 : 1]), value: Buffer.alloc(6) }] : records
  const { buffer } = await RecordBatch({
    ...{ firstOffset: base, firstTimestamp: PRODUCED_MS, maxTimestamp: PRODUCED_MS + 1000, compression },
    ...{
      producerId: producerId ?? -1,
      transactional: producerId !== undefined,
      lastOffsetDelta: lastDelta ?? deltas?.at(-1) ?? whole.length - 1,
    },
    records: whole.map((record, i) => encodeRecord({ ...record, offsetDelta: deltas?.[i] ?? i, timestampDelta: i })),
  })
  if (marker) buffer.writeInt16BE(buffer.readInt16BE(HEADER.attributes) | CONTROL, HEADER.attributes)
  return resealed(buffer)
}

/** With the CRC of what it holds now. */
export function resealed(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch, HEADER.attributes, batch.length), HEADER.crc)
  return batch
}

/** What an answer holds of a partition with these batches. */
export async function partOf(
  batches: readonly FakeBatch[],
  end: number,
  aborted: readonly [number, number][] = [],
): Promise<FetchedPartition> {
  const bytes = Buffer.concat(await Promise.all(batches.map(batchBytes)))
  return {
    ...{ topic: 'in', partition: 0, start: 0, end, length: bytes.length },
    aborted: aborted.map(([producerId, first]) => ({ producerId, first })),
    batches: await readBatches(bytes, 'in/0'),
  }
}
