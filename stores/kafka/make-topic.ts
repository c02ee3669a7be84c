// Makes one topic and waits until it is known. kafkajs' own waiting takes a broker that has not heard of a new topic yet for one that has no such topic.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { errorType } from './kafka-error.ts'

export interface NewTopic {
  topic: string
  partitions: number
  /** Default: the broker's. */
  replication?: number
  config?: Readonly<Record<string, string>>
}

const PATIENCE_MS = 20_000
const PAUSE_MS = 20

/** One that is there already stays as it is. Errors are kafkajs'. */
export async function makeTopic(admin: Admin, { topic, partitions, replication = -1, config = {} }: NewTopic): Promise<void> {
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
  try {
    await admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic, numPartitions: partitions, replicationFactor: replication, configEntries }],
    })
  } catch (error) {
    // Another process was sooner.
    if (errorType(error) !== 'TOPIC_ALREADY_EXISTS') throw error
  }
  const endMs = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      if (topics[0].partitions.every(({ leader }) => leader >= 0)) return
    } catch (error) {
      if (!/UNKNOWN_TOPIC|LEADER_NOT_AVAILABLE/.test(errorType(error) ?? '') || performance.now() > endMs) throw error
    }
    await sleep(PAUSE_MS)
  }
}
