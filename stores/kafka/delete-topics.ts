// Deletes topics, or what is in them, and asks before whether it may. Brokers delete topics behind one's back, so whoever deletes waits until they are gone.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { errorType, KafkaError, kafkaError } from './kafka-error.ts'

/** What is asked of kafkajs' admin. */
export type TopicDeleter = Pick<Admin, 'deleteTopics' | 'deleteTopicRecords' | 'fetchTopicOffsets' | 'listTopics'>

interface Undeletable {
  emptied?: readonly string[]
  deleted: readonly string[]
}

/** Until all replicas' brokers know of it. */
const PATIENCE_MS = 60_000
const PAUSE_MS = 50

/** `emptied`: only their records go. Deletes nothing. Errors: KAFKA_UNAUTHORIZED, with all topics that this user may not delete; KAFKA_UNAVAILABLE. */
export async function refuseUndeletable(admin: TopicDeleter, { emptied = [], deleted }: Undeletable): Promise<void> {
  const forbidden: string[] = []
  for (const topic of [...emptied, ...deleted]) {
    try {
      const [{ partition, low }] = await admin.fetchTopicOffsets(topic)
      // Records before the first one, of which there are none. It takes the same right as deleting the topic.
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: low }] })
    } catch (error) {
      const type = typeOf(error)
      // Of a topic that is compacted nobody deletes records; he would have been refused before that.
      if (type === 'POLICY_VIOLATION' && !emptied.includes(topic)) continue
      if (!/AUTHORIZATION_FAILED/.test(type ?? '')) throw kafkaError(causeOf(error), `asking whether ${topic} may be deleted`)
      forbidden.push(topic)
    }
  }
  if (forbidden.length > 0)
    throw new KafkaError(
      'KAFKA_UNAUTHORIZED',
      `this user may not delete: ${forbidden.join(', ')}; nothing was deleted`,
      'Allow it with kafka-acls --add --operation Delete (and Describe) --topic, of each of these, then try again.',
    )
}

/** All records before an offset of each; offsets go on, so that whoever has read them reads what comes next. Errors: KAFKA_UNAUTHORIZED, KAFKA_UNAVAILABLE. */
export async function emptyTopic(
  admin: TopicDeleter,
  topic: string,
  before: readonly { partition: number; offset: string }[],
): Promise<void> {
  try {
    // It looks for the leaders in what it knows already.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [...before] })
  } catch (error) {
    throw kafkaError(causeOf(error), `deleting the records of ${topic}`)
  }
}

/** Resolves when they are gone. All in one request: a broker that deletes no topics refuses all of them. Errors: KAFKA_DELETION_REFUSED, KAFKA_UNAUTHORIZED, KAFKA_UNAVAILABLE. */
export async function deleteTopics(admin: TopicDeleter, topics: readonly string[], patienceMs = PATIENCE_MS): Promise<void> {
  if (topics.length === 0) return
  const endMs = performance.now() + patienceMs
  try {
    await admin.deleteTopics({ topics: [...topics] })
  } catch (error) {
    const type = errorType(error) ?? ''
    // The request that this client knows has no word of its own for it.
    if (type === 'TOPIC_DELETION_DISABLED' || type === 'INVALID_REQUEST')
      throw new KafkaError(
        'KAFKA_DELETION_REFUSED',
        `the brokers delete no topics (delete.topic.enable=false): ${topics.join(', ')}`,
        'Set delete.topic.enable=true on brokers and controllers and try again, or have these topics deleted by whoever may.',
        error,
      )
    if (!/UNKNOWN_TOPIC|REQUEST_TIMED_OUT/.test(type)) throw kafkaError(error, `deleting ${topics.join(', ')}`)
  }
  for (;;) {
    const there = new Set(await admin.listTopics())
    const left = topics.filter((topic) => there.has(topic))
    if (left.length === 0) return
    if (performance.now() >= endMs)
      throw new KafkaError(
        'KAFKA_DELETION_REFUSED',
        `still there after ${patienceMs / 1000} s, though the brokers have said that they are deleted: ${left.join(', ')}`,
        'See whether a broker is down, or a process of another configuration makes them again: kafka-topics --describe --topic. Then try again.',
      )
    await sleep(PAUSE_MS)
  }
}

/** kafkajs hides what a broker said of a partition's records. */
function causeOf(error: unknown): unknown {
  const { partitions, cause } = error as { partitions?: { error: unknown }[]; cause?: unknown }
  if (partitions) return partitions[0]?.error ?? error
  return cause && cause !== error ? causeOf(cause) : error
}
const typeOf = (error: unknown) => errorType(causeOf(error))
