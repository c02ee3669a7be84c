// Record batches that are produced: records written one behind the other, without an object of any, and sent by kafkajs' producer, which goes on to own transactions,
// sequences and retries. Owns the form of a record that is written.
import { createRequire } from 'node:module'
import { crc32c } from './crc32c.ts'
import { HEADER, HEADER_BYTES, LENGTH_END, MAGIC, TRANSACTIONAL } from './record-batch.ts'
import { WireWriter } from './wire.ts'

/** What a record takes beside its key and value, at most: five numbers of 5 bytes, and its attributes. */
const RECORD_BYTES = 26
const GROWTH = 2
const NO_LEADER = -1
/** Of who produces without transactions. */
const NO_PRODUCER = -1

/** The records of one batch, for one partition. */
export class ProducedBatch {
  /** How many records; by this name kafkajs counts sequences. */
  length = 0
  private bytes: Buffer
  private pos = HEADER_BYTES

  /** `bytes`: how much it will hold, if that is known. */
  constructor(bytes: number) {
    this.bytes = Buffer.allocUnsafe(HEADER_BYTES + bytes)
  }

  get size(): number {
    return this.pos
  }

  /** A record with the value from[start … end), or without one. */
  add(key: Uint8Array | undefined, from: Buffer | null, start: number, end: number): void {
    const keyLength = key ? key.length : -1
    const valueLength = from ? end - start : -1
    const delta = this.length++
    const needed = RECORD_BYTES + Math.max(0, keyLength) + Math.max(0, valueLength)
    if (this.pos + needed > this.bytes.length) this.grow(needed)
    // Attributes, a time delta of 0, and no headers: a byte each.
    const length = 3 + size(delta) + size(keyLength) + Math.max(0, keyLength) + size(valueLength) + Math.max(0, valueLength)
    this.varint(length)
    this.bytes[this.pos++] = 0
    this.bytes[this.pos++] = 0
    this.varint(delta)
    this.varint(keyLength)
    if (key) {
      this.bytes.set(key, this.pos)
      this.pos += keyLength
    }
    this.varint(valueLength)
    if (from) this.pos += from.copy(this.bytes, this.pos, start, end)
    this.bytes[this.pos++] = 0
  }

  /** The batch, until more is added or it is sealed anew. */
  seal(of: { producerId: number; producerEpoch: number; sequence: number; nowMs: number }): Buffer {
    const batch = this.bytes.subarray(0, this.pos)
    const nowMs = BigInt(of.nowMs)
    batch.writeBigInt64BE(0n, 0)
    batch.writeInt32BE(this.pos - LENGTH_END, HEADER.length)
    batch.writeInt32BE(NO_LEADER, HEADER.leaderEpoch)
    batch.writeInt8(MAGIC, HEADER.magic)
    batch.writeInt16BE(of.producerId === NO_PRODUCER ? 0 : TRANSACTIONAL, HEADER.attributes)
    batch.writeInt32BE(this.length - 1, HEADER.lastDelta)
    batch.writeBigInt64BE(nowMs, HEADER.firstMs)
    batch.writeBigInt64BE(nowMs, HEADER.lastMs)
    batch.writeBigInt64BE(BigInt(of.producerId), HEADER.producerId)
    batch.writeInt16BE(of.producerEpoch, HEADER.producerEpoch)
    batch.writeInt32BE(of.sequence, HEADER.sequence)
    batch.writeInt32BE(this.length, HEADER.count)
    batch.writeUInt32BE(crc32c(batch, HEADER.attributes, this.pos), HEADER.crc)
    return batch
  }

  private varint(value: number): void {
    let rest = (value << 1) ^ (value >> 31)
    for (; rest > 127 || rest < 0; rest >>>= 7) this.bytes[this.pos++] = (rest & 127) | 128
    this.bytes[this.pos++] = rest
  }

  private grow(needed: number): void {
    const larger = Buffer.allocUnsafe(this.bytes.length * GROWTH + needed)
    this.bytes.copy(larger, 0, 0, this.pos)
    this.bytes = larger
  }
}

/** Bytes of a number as a zigzag varint. */
function size(value: number): number {
  let bytes = 1
  for (let rest = ((value << 1) ^ (value >> 31)) >>> 7; rest !== 0; rest >>>= 7) bytes++
  return bytes
}

/** Batches of a topic, by partition, as what kafkajs takes for its messages: it looks for wrong ones, and groups them by partition. */
export const asMessages = (batches: ReadonlyMap<number, ProducedBatch>): never =>
  ({ find: () => undefined, reduce: () => Object.fromEntries(batches) }) as never

interface ProduceArguments {
  transactionalId?: string
  acks: number
  timeout: number
  producerId: string
  producerEpoch: number
  topicData: { topic: string; partitions: { partition: number | string; firstSequence: number; messages: unknown }[] }[]
}
interface Definition {
  protocol(of: { version: number }): (given: ProduceArguments) => { request: object; response: object }
}

// kafkajs' Produce request writes records one by one, and sums them up in JavaScript a byte at a time. Those of ProducedBatches are written here instead; versions
// from 3 on, which have transactions, differ in their numbers only.
const produce = createRequire(import.meta.url)('kafkajs/src/protocol/requests/produce/index.js') as Definition
const { protocol } = produce
produce.protocol = (of) => (given) => {
  const theirs = protocol(of)(given)
  const isOurs = given.topicData.some(({ partitions }) => partitions.some(({ messages }) => messages instanceof ProducedBatch))
  return isOurs ? { ...theirs, request: { ...theirs.request, encode: async () => encode(given).body() } } : theirs
}

function encode({ transactionalId, acks, timeout, producerId, producerEpoch, topicData }: ProduceArguments): WireWriter {
  const writer = new WireWriter()
  const of = { producerId: Number(producerId), producerEpoch, nowMs: Date.now() }
  return writer
    .text(transactionalId ?? null)
    .int16(acks)
    .int32(timeout)
    .array(topicData, ({ topic, partitions }) =>
      writer.text(topic).array(partitions, ({ partition, firstSequence: sequence, messages }) => {
        const batch = messages as ProducedBatch
        writer.int32(Number(partition)).blob([batch.seal({ ...of, sequence })])
      }),
    )
}
