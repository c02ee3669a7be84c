// The id that a topic was made with: one of the same name that is made later has another, and other records at the same offsets (protocol 6). Owns the request for it:
// kafkajs asks for metadata in an older version.
import type { Broker } from 'kafkajs'
import { send, throwCode, WireReader, WireWriter } from './wire.ts'

/** Of Kafka 2.8: the first with ids of topics. */
const METADATA = { apiKey: 3, apiVersion: 10, apiName: 'Metadata' }
const ID_BYTES = 16
const NO_ID = Buffer.alloc(ID_BYTES)

/** As Kafka's tools print it. Undefined where brokers, or those that the topic was made by, know of no ids. Errors: kafkajs'. */
export async function topicId(broker: Broker, topic: string): Promise<string | undefined> {
  const { versions } = broker as unknown as { versions?: Record<number, { maxVersion: number } | undefined> | null }
  if ((versions?.[METADATA.apiKey]?.maxVersion ?? 0) < METADATA.apiVersion) return undefined
  const { id } = await send(broker, {
    request: { ...METADATA, encode: async () => encode(topic).body() },
    response: { decode: async (payload) => decode(payload, topic), parse: async (decoded: Decoded) => decoded },
  })
  return id.equals(NO_ID) ? undefined : id.toString('base64url')
}

interface Decoded {
  clientSideThrottleTime: number
  id: Buffer
}

/** The topic is asked for by its name, and not made. */
function encode(topic: string): WireWriter {
  const writer = new WireWriter().tags()
  writer.compactArray([topic], (name) => writer.bytes(NO_ID).compactText(name).tags())
  return writer.int8(0).int8(0).int8(0).tags()
}

function decode(payload: Buffer, topic: string): Decoded {
  const reader = new WireReader(payload)
  reader.tags()
  const clientSideThrottleTime = reader.int32()
  reader.compactArray(() => {
    reader.int32()
    reader.compactText() // the broker's host …
    reader.int32()
    reader.compactText() // … and its rack
    reader.tags()
  })
  reader.compactText() // the cluster
  reader.int32()
  const found = reader.compactArray(() => {
    const code = reader.int16()
    const name = reader.compactText()
    const id = reader.take(ID_BYTES)
    reader.take(1)
    reader.compactArray(() => {
      reader.int16()
      reader.take(3 * Int32Array.BYTES_PER_ELEMENT) // number, leader and its epoch
      for (let kind = 0; kind < 3; kind++) reader.compactArray(() => reader.int32()) // replicas, those in sync, those offline
      reader.tags()
    })
    reader.int32()
    reader.tags()
    return { code, name, id }
  })
  const own = found.find(({ name }) => name === topic)
  if (!own) throw new RangeError(`an answer leaves the topic ${topic} out`)
  throwCode(own.code)
  return { clientSideThrottleTime, id: own.id }
}
