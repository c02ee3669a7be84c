// One Fetch request of committed records, and its answer: record batches as bytes, their headers read and their CRC checked.
import type { Broker } from 'kafkajs'
import type { TopicPartition } from '../../engine/log/contract.ts'
import { type RecordBatch, readBatches } from './record-batch.ts'
import { send, throwCode, WireReader, WireWriter } from './wire.ts'

export interface FetchRequest extends TopicPartition {
  from: number
  maxBytes: number
}

/** What an answer holds of one partition. */
export interface FetchedPartition extends TopicPartition {
  /** The end of committed records, and the oldest record's offset. */
  end: number
  start: number
  aborted: readonly { producerId: number; first: number }[]
  batches: readonly RecordBatch[]
  /** Bytes of records that came, whole batches or not. */
  length: number
}

/** Of Kafka 2.3: the last without identities of topics. */
const FETCH = { apiKey: 1, apiVersion: 11, apiName: 'Fetch' }
const READ_COMMITTED = 1
/** A broker may take so much longer than it was asked to wait. */
const GRACE_MS = 100
/** No replica, no session of fetches, no rack. */
const NONE = -1

/** Partitions in the order in which they were asked for; one that the answer leaves out is undefined. Errors: kafkajs', KAFKA_RECORDS_DAMAGED, KAFKA_COMPRESSION_UNKNOWN. */
export async function fetchRecords(
  broker: Broker,
  requests: readonly FetchRequest[],
  waitMs: number,
): Promise<(FetchedPartition | undefined)[]> {
  const { parts } = await send(broker, {
    request: { ...FETCH, encode: async () => encode(requests, waitMs).body() },
    response: { decode, parse: async (decoded: Decoded) => decoded },
    // As kafkajs: a fetch that waits takes longer than others.
    ...(waitMs > 0 && { requestTimeout: waitMs + GRACE_MS }),
  })
  return requests.map(({ topic, partition }) => parts.find((part) => part.topic === topic && part.partition === partition))
}

function encode(requests: readonly FetchRequest[], waitMs: number): WireWriter {
  const writer = new WireWriter()
  writer
    .int32(NONE)
    .int32(waitMs)
    .int32(waitMs > 0 ? 1 : 0)
    .int32(requests.reduce((sum, { maxBytes }) => sum + maxBytes, 0))
    .int8(READ_COMMITTED)
    .int32(0)
    .int32(NONE)
  writer.array(requests, ({ topic, partition, from, maxBytes }) =>
    writer.text(topic).array([partition], () => writer.int32(partition).int32(NONE).int64(from).int64(NONE).int32(maxBytes)),
  )
  return writer.array([], () => undefined).text('')
}

interface Decoded {
  clientSideThrottleTime: number
  parts: FetchedPartition[]
}

async function decode(payload: Buffer): Promise<Decoded> {
  const reader = new WireReader(payload)
  const clientSideThrottleTime = reader.int32()
  throwCode(reader.int16())
  reader.int32() // the session
  const found = reader.array(() => {
    const topic = reader.text()
    return reader.array(() => {
      const partition = reader.int32()
      const code = reader.int16()
      reader.int64() // the end of all records, decided or not
      const end = reader.int64()
      const start = reader.int64()
      const aborted = reader.array(() => ({ producerId: reader.int64(), first: reader.int64() }))
      reader.int32() // the replica to prefer
      return { topic, partition, code, end, start, aborted, records: reader.blob() }
    })
  })
  const parts: FetchedPartition[] = []
  for (const { code, records, ...part } of found.flat()) {
    throwCode(code)
    parts.push({ ...part, length: records.length, batches: await readBatches(records, `${part.topic}/${part.partition}`) })
  }
  return { clientSideThrottleTime, parts }
}
