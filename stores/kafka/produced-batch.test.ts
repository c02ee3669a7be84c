// Batches as they are produced, read by kafkajs.
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ProducedBatch } from './produced-batch.ts'
import { readBatches } from './record-batch.ts'

interface TheirBatch {
  records: { offset: string; timestamp: string; key: Buffer | null; value: Buffer | null; headers: object }[]
}
const load = createRequire(import.meta.url)
const Decoder = load('kafkajs/src/protocol/decoder.js') as new (bytes: Buffer) => object
const decodeBatch = load('kafkajs/src/protocol/recordBatch/v0/decoder.js') as (decoder: object) => Promise<TheirBatch>
const SEAL = { producerId: 2 ** 40 + 7, producerEpoch: 3, sequence: 2 ** 31 - 5, nowMs: 1_700_000_000_123 }

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((some) => Buffer.from(some))
const record = fc.record({ key: fc.option(bytes(200), { nil: undefined }), value: fc.option(fc.oneof(bytes(100), bytes(20_000))) })

test('what kafkajs reads of a batch is what was added, with its transaction and its CRC', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 200 }), fc.nat(1000), async (records, expected) => {
      const batch = new ProducedBatch(expected)
      for (const { key, value } of records) {
        const within = value && Buffer.concat([Buffer.from('<'), value, Buffer.from('>')])
        batch.add(key, within, 1, 1 + (value?.length ?? 0))
      }
      const sealed = batch.seal(SEAL)
      expect(sealed.length).toBe(batch.size)
      const theirs = await decodeBatch(new Decoder(sealed))
      expect(theirs).toMatchObject({
        ...{ firstOffset: '0', lastOffsetDelta: records.length - 1, inTransaction: true, isControlBatch: false },
        ...{ producerId: String(SEAL.producerId), producerEpoch: SEAL.producerEpoch, firstSequence: SEAL.sequence },
      })
      expect(theirs.records.map(({ offset, timestamp, key, value, headers }) => ({ offset, timestamp, key, value, headers }))).toEqual(
        records.map(({ key = null, value }, i) => ({ offset: String(i), timestamp: String(SEAL.nowMs), key, value, headers: {} })),
      )
      // A request that is tried again is sealed again.
      expect(Buffer.compare(Buffer.from(sealed), batch.seal(SEAL))).toBe(0)
      expect(await readBatches(sealed, 'out/0')).toMatchObject([
        { count: records.length, producerId: SEAL.producerId, isTransactional: true },
      ])
      expect(await readBatches(batch.seal({ ...SEAL, producerId: -1 }), 'out/0')).toMatchObject([{ isTransactional: false }])
    }),
    { numRuns: 100 },
  )
})
