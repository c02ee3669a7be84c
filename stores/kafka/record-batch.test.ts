// Batches as kafkajs writes them, read here and by kafkajs; and damaged ones, which are errors wherever the damage is.
import { createRequire } from 'node:module'
import fc from 'fast-check'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { batchBytes, type FakeBatch, resealed } from './batches.fake.ts'
import { crc32c } from './crc32c.ts'
import './kafka-client.ts'
import { HEADER, HEADER_BYTES, readBatches } from './record-batch.ts'
import { RecordWalk } from './record-walk.ts'

interface TheirRecord {
  offset: string
  key: Buffer | null
  value: Buffer | null
  isControlRecord: boolean
  batchContext: { firstOffset: string; lastOffsetDelta: number; producerId: string; inTransaction: boolean }
}
const load = createRequire(import.meta.url)
const Decoder = load('kafkajs/src/protocol/decoder.js') as new (bytes: Buffer) => object
const decodeMessages = load('kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js') as (decoder: object) => Promise<TheirRecord[]>
const { CompressionTypes } = kafkajs

async function theirs(bytes: Buffer): Promise<unknown[]> {
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  const records = await decodeMessages(new Decoder(Buffer.concat([length, bytes])))
  return records.map(({ offset, key, value, isControlRecord, batchContext: batch }) => ({
    ...{ offset: Number(offset), key: key?.toString('hex'), value: value?.toString('hex'), isControl: isControlRecord },
    ...{
      producerId: Number(batch.producerId),
      isTransactional: batch.inTransaction,
      last: Number(batch.firstOffset) + batch.lastOffsetDelta,
    },
  }))
}

async function ours(bytes: Buffer): Promise<unknown[]> {
  const walk = new RecordWalk('in/0')
  const found: unknown[] = []
  for (const batch of await readBatches(bytes, 'in/0')) {
    for (walk.enter(batch); !walk.isOver; ) {
      walk.next()
      const hex = (pos: number, length: number) => (length < 0 ? undefined : walk.bytes.toString('hex', pos, pos + length))
      const { isControl, producerId, isTransactional, last } = batch
      const [key, value] = [hex(walk.keyPos, walk.keyLength), hex(walk.valuePos, walk.valueLength)]
      found.push({ offset: walk.offset, key, value, isControl, producerId, isTransactional, last })
    }
  }
  return found
}

const blob = fc.option(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)))
const record = fc.record({ key: blob, value: blob, headers: fc.dictionary(fc.string({ maxLength: 5 }), fc.string(), { maxKeys: 2 }) })
const anyBatch: fc.Arbitrary<FakeBatch> = fc
  .record({
    base: fc.oneof(fc.nat(1000), fc.constant(2 ** 33 + 5), fc.constant(2 ** 45)),
    records: fc.array(record, { minLength: 1, maxLength: 80 }),
    producerId: fc.option(fc.oneof(fc.nat(), fc.constant(2 ** 40 + 3)), { nil: undefined }),
    gap: fc.nat(200),
    compression: fc.constantFrom(CompressionTypes.None, CompressionTypes.GZIP, CompressionTypes.ZSTD),
    marker: fc.option(fc.constantFrom('abort' as const, 'commit' as const), { nil: undefined, freq: 5 }),
  })
  .map(({ gap, ...batch }) => ({ ...batch, deltas: batch.records.map((_, i) => i * (1 + gap)) }))

test('what is read of generated batches is what kafkajs reads, torn ends included', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyBatch, { maxLength: 4 }), fc.nat(60), async (batches, torn) => {
      const bytes = Buffer.concat([...(await Promise.all(batches.map(batchBytes)))])
      expect(await ours(bytes)).toEqual(bytes.length === 0 ? [] : await theirs(bytes))
      // Whole batches, and the beginning of one more.
      const more = await batchBytes({ base: 2 ** 46, records: [{ value: Buffer.from('torn') }] })
      expect(await ours(Buffer.concat([bytes, more.subarray(0, torn)]))).toEqual(await ours(bytes))
    }),
    { numRuns: 150 },
  )
})

test('any byte that the CRC guards, changed, is an error', async () => {
  const sound = await batchBytes({ base: 5, records: [{ key: Buffer.from('k'), value: Buffer.from('{"a":1}') }] })
  for (let at = HEADER.crc; at < sound.length; at++) {
    const bytes = Buffer.from(sound)
    bytes[at] ^= 1 << (at % 8)
    await expect(readBatches(bytes, 'in/0')).rejects.toMatchObject({
      code: 'KAFKA_RECORDS_DAMAGED',
      message: expect.stringContaining('in/0: the batch at offset 5'),
    })
  }
})

test('records that lie about their lengths are an error, never others, even where the CRC is right', async () => {
  const values = ['{"a":1}', '{"b":22}'].map((value) => ({ key: Buffer.from('key'), value: Buffer.from(value) }))
  const sound = await batchBytes({ base: 5, records: values })
  const asWritten = JSON.stringify(await ours(sound))
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: HEADER.count, max: sound.length - 1 }), fc.nat(255), async (at, byte) => {
      const bytes = Buffer.from(sound)
      bytes[at] = byte
      const read = await ours(resealed(bytes)).then(
        (found) => found as { offset: number; value?: string }[],
        (error: unknown) => error,
      )
      if (!Array.isArray(read)) {
        expect(read).toMatchObject({ code: 'KAFKA_RECORDS_DAMAGED' })
        return
      }
      // Of the same number and offsets, but other text, or other times.
      expect(read.map(({ offset }) => offset)).toEqual([5, 6])
      if (at < HEADER_BYTES) expect(JSON.stringify(read)).toBe(asWritten)
    }),
    { numRuns: 2000 },
  )
})

test('a batch shorter than its header, of an older format, or compressed by what it is not', async () => {
  const sound = await batchBytes({ base: 0, records: [{ value: Buffer.from('a') }] })
  const changed = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(sound)
    change(bytes)
    return readBatches(resealed(bytes), 'in/0')
  }
  await expect(changed((bytes) => bytes.writeInt32BE(20, HEADER.length))).rejects.toMatchObject({ code: 'KAFKA_RECORDS_DAMAGED' })
  await expect(changed((bytes) => bytes.writeInt8(1, HEADER.magic))).rejects.toThrow('format 1')
  await expect(changed((bytes) => bytes.writeInt16BE(1, HEADER.attributes))).rejects.toThrow('is no gzip')
  await expect(changed((bytes) => bytes.writeInt16BE(4, HEADER.attributes))).rejects.toThrow('is no zstd')
  await expect(changed((bytes) => bytes.writeInt16BE(2, HEADER.attributes))).rejects.toThrow('is no snappy')
  await expect(changed((bytes) => bytes.writeInt16BE(3, HEADER.attributes))).rejects.toThrow('is no lz4')
  await expect(changed((bytes) => bytes.writeInt16BE(5, HEADER.attributes))).rejects.toMatchObject({
    code: 'KAFKA_COMPRESSION_UNKNOWN',
    message: expect.stringContaining('codec 5'),
  })
})

test('the CRC is that of Castagnoli, from any byte to any other', () => {
  expect(crc32c(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283)
  expect(crc32c(Buffer.alloc(32), 0, 32)).toBe(0x8a9136aa)
  const theirCrc = load('kafkajs/src/protocol/recordBatch/crc32C/index.js') as (bytes: Buffer) => number
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(20), (bytes, from) => {
      const start = Math.min(from, bytes.length)
      expect(crc32c(bytes, start, bytes.length)).toBe(theirCrc(Buffer.from(bytes.subarray(start))) >>> 0)
    }),
  )
})
