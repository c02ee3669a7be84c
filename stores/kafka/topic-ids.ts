// The ids of topics, by their names as the broker has them: for whoever keeps something that was read from them, and must not take another's for it (protocol 6).
import { type KafkaConnection, kafkaClient } from './kafka-client.ts'
import { KafkaCluster } from './kafka-cluster.ts'

/** Those without an id are left out. Errors: KAFKA_UNAVAILABLE, KAFKA_UNAUTHENTICATED, KAFKA_TOPIC_MISSING. */
export async function topicIds(connection: KafkaConnection, topics: readonly string[]): Promise<Record<string, string>> {
  const cluster = new KafkaCluster(kafkaClient(connection))
  try {
    const ids: Record<string, string> = {}
    for (const topic of topics) {
      const id = await cluster.topicId(topic)
      if (id !== undefined) ids[topic] = id
    }
    return ids
  } finally {
    await cluster.close()
  }
}
