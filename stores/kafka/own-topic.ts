// Makes a topic of Packmill's own where it is missing, or has too few partitions. Which partition is whose is in its names, so growing moves nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { errorType, KafkaError, kafkaError } from './kafka-error.ts'
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
  /** A start has made it: one that is not there was given up by a reset meanwhile, and is not made again under whoever has slept through that. */
  mustExist?: boolean
}

/** A broker may hear a little later than others of a topic that was just made. */
const HEARD_MS = 1_000
const PAUSE_MS = 100

/** Errors: KAFKA_UNAUTHORIZED, KAFKA_UNAVAILABLE; KAFKA_TOPIC_MISSING for one that must exist. */
export async function makeOwnTopic(options: OwnTopic): Promise<void> {
  const { cluster, admin, at, partitions, replication, config, mustExist = false } = options
  const { topic, partition } = at
  const there = await cluster.partitionsNow(topic)
  const count = Math.max(partitions, partition + 1)
  if (there > partition) return
  if (mustExist) return heardOf(cluster, at)
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

async function heardOf(cluster: KafkaCluster, { topic, partition }: TopicPartition): Promise<void> {
  for (const endMs = performance.now() + HEARD_MS; performance.now() < endMs; await sleep(PAUSE_MS))
    if ((await cluster.partitionsNow(topic)) > partition) return
  throw new KafkaError(
    'KAFKA_TOPIC_MISSING',
    `the topic ${topic} was there when this process started, and is gone`,
    'Start this process again: where what was computed has been reset meanwhile (packmill topology reset), it goes on with what is computed now.',
  )
}
