// What a consumer that shares no code with Packmill's reading sees of topics: kafkajs' own, in a group of its own, read committed, from the first record to the end.
import { randomUUID } from 'node:crypto'
import { type KafkaConnection, kafkaClient, RETRY } from '../../stores/kafka/kafka-client.ts'

/** A consumer that comes no further in so long is stuck. */
const PATIENCE_MS = 60_000
const LOOK_MS = 20

/** Offsets and values, by `topic/partition`. Throws where it does not come to the end: that is as far as something may be undecided. */
export async function consumed(
  connection: KafkaConnection,
  topics: readonly string[],
): Promise<ReadonlyMap<string, [offset: number, value: string][]>> {
  const kafka = kafkaClient(connection)
  const admin = kafka.admin({ retry: RETRY })
  const groupId = `packmill.test.${randomUUID()}`
  const consumer = kafka.consumer({ groupId, readUncommitted: false, allowAutoTopicCreation: false })
  const found = new Map<string, [number, string][]>()
  /** Where each partition's read has come to, and is to come to. */
  const positions = new Map<string, number>()
  const ends = new Map<string, number>()
  await admin.connect()
  try {
    for (const topic of topics)
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
        found.set(`${topic}/${partition}`, [])
        positions.set(`${topic}/${partition}`, Number(low))
        ends.set(`${topic}/${partition}`, Number(high))
      }
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { topic, partition, lastOffset } }) => {
      // Of batches that hold markers and what was aborted, too.
      positions.set(`${topic}/${partition}`, Number(lastOffset) + 1)
    })
    const failure = Promise.withResolvers<never>()
    consumer.on(consumer.events.CRASH, ({ payload }) => failure.reject(payload.error))
    failure.promise.catch(() => undefined)
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        const own = found.get(`${batch.topic}/${batch.partition}`)!
        for (const { offset, value } of batch.messages) own.push([Number(offset), value?.toString() ?? ''])
      },
    })
    const behind = () => [...ends].filter(([at, end]) => positions.get(at)! < end)
    for (const endMs = performance.now() + PATIENCE_MS; behind().length > 0; ) {
      if (performance.now() > endMs)
        throw new Error(`a consumer came to ${behind().map(([at, end]) => `${positions.get(at)} of ${end} of ${at}`)}`)
      await Promise.race([new Promise((resolve) => setTimeout(resolve, LOOK_MS)), failure.promise])
    }
  } finally {
    await consumer.disconnect()
    await admin.deleteGroups([groupId]).catch(() => undefined)
    await admin.disconnect()
  }
  return found
}
