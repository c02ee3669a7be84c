// Makes a topic of Packmill's own where it is missing, or has too few partitions. Which partition is whose is in its names, so growing moves nothing.
import type { Admin } from 'kafkajs'
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { errorType, kafkaError } from './kafka-error.ts'
import { makeTopic } from './make-topic.ts'

export interface OwnTopic {
  cluster: KafkaCluster
  admin(): Promise<Admin>
  /** The partition that must be there … */
  at: TopicPartition
  /** … and how many it is made with, at least. */
  partitions: number
  /** Default: the broker's. */
  replication?: number
  config: Readonly<Record<string, string>>
}

/** Errors: KAFKA_UNAUTHORIZED, KAFKA_UNAVAILABLE. */
export async function makeOwnTopic({ cluster, admin, at: { topic, partition }, partitions, replication, config }: OwnTopic): Promise<void> {
  const there = await cluster.partitionsNow(topic)
  const count = Math.max(partitions, partition + 1)
  if (there > partition) return
  try {
    const by = await admin()
    if (there > 0) await by.createPartitions({ topicPartitions: [{ topic, count }] })
    else await makeTopic(by, { topic, partitions: count, replication, config })
  } catch (error) {
    // Another process was sooner.
    if (errorType(error) !== 'TOPIC_ALREADY_EXISTS' && errorType(error) !== 'INVALID_PARTITIONS')
      throw kafkaError(error, `making the topic ${topic}`)
  }
}
