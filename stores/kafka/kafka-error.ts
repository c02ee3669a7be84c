// Errors of what talks to Kafka: a stable code, whether trying again can help, and what to do. What kafkajs throws becomes one of these here.
import type { TopicPartition } from '../../engine/log/contract.ts'
import { StorageError } from '../files/storage-error.ts'

const CODES = {
  /** No broker answers, or not in time. Nothing of what failed is visible, or the next claim sees it whole. */
  KAFKA_UNAVAILABLE: { retryable: true },
  /** The coordinator ended this owner's transaction (its timeout), though nobody else has claimed the name. */
  KAFKA_TRANSACTION_LOST: { retryable: true },
  /** The local copy of a state has gone bad; what it is a copy of has not. */
  KAFKA_STATE_CACHE_DAMAGED: { retryable: true },
  /** What the broker shows of itself is not trusted here, or what is shown to it is not trusted there. */
  KAFKA_TLS_REFUSED: { retryable: false },
  KAFKA_UNAUTHENTICATED: { retryable: false },
  KAFKA_UNAUTHORIZED: { retryable: false },
  KAFKA_TOPIC_MISSING: { retryable: false },
  /** What a name has read was deleted, and a topic made again that is called the same. */
  KAFKA_TOPIC_REPLACED: { retryable: false },
  /** What was computed is being given up (packmill topology reset), or that was broken off. */
  RESET_UNFINISHED: { retryable: false },
  /** Somebody works on what a reset would delete. */
  RESET_AT_WORK: { retryable: false },
  /** The broker deletes no topics, or takes too long for it. */
  KAFKA_DELETION_REFUSED: { retryable: false },
  /** A topic is not as it must be: partitions, cleanup policy, retention, size of messages. */
  KAFKA_TOPIC_WRONG: { retryable: false },
  /** A setting that only the brokers can judge: replicas, the name of a topic, the timeout of transactions. */
  KAFKA_SETTING_REFUSED: { retryable: false },
  KAFKA_RECORD_TOO_LARGE: { retryable: false },
  KAFKA_COMPRESSION_UNKNOWN: { retryable: false },
  /** What a broker sent is not what was written: perhaps only on the way. */
  KAFKA_RECORDS_DAMAGED: { retryable: true },
  /** In a topic of Packmill's own stands what this version has not written. */
  KAFKA_RECORD_FOREIGN: { retryable: false },
  /** Records that are neither committed nor aborted stand before the end of a topic that only this owner writes, for longer than any timeout. */
  KAFKA_TRANSACTION_HANGS: { retryable: false },
  /** The group does not take this process: its settings, or its other members. */
  KAFKA_GROUP_REFUSED: { retryable: false },
  /** Another process has this one's instance id. */
  KAFKA_INSTANCE_TAKEN: { retryable: false },
  /** What the broker said has no better name here. */
  KAFKA_FAILED: { retryable: true },
} as const
export type KafkaErrorCode = keyof typeof CODES

export class KafkaError extends Error {
  override readonly name = 'KafkaError'
  readonly code: KafkaErrorCode
  readonly retryable: boolean
  /** What to do about it, for the person running the system. */
  readonly advice: string
  /** Of a commit: it may have been made, and its answer was lost. */
  isUndecided = false

  constructor(code: KafkaErrorCode, message: string, advice: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
    this.retryable = CODES[code].retryable
    this.advice = advice
  }
}

/** The fields that errors of kafkajs have; those of its retries wrap the last one as `cause`. */
interface ThrownByClient {
  name?: string
  type?: string
  code?: unknown
  message?: string
  cause?: unknown
  /** Of a request about several topics. */
  errors?: readonly unknown[]
  topic?: string
}

/** The error that retries ended with; of several the first. */
function innermost(thrown: unknown): ThrownByClient {
  let error = (thrown ?? {}) as ThrownByClient
  for (let depth = 0; depth < 8 && !error.type; depth++) {
    const within = error.errors?.[0] ?? error.cause
    if (!within || within === error) break
    error = within
  }
  return error
}

/** The broker's word for it, such as INVALID_PRODUCER_EPOCH; undefined where it said nothing. */
export const errorType = (thrown: unknown): string | undefined => innermost(thrown).type

/** Nobody coordinates it yet: brokers choose who does when they are first asked. */
export const lacksCoordinator = (thrown: unknown): boolean => innermost(thrown).name === 'KafkaJSGroupCoordinatorNotFound'

const FENCES = new Set([
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTIONAL_ID_NOT_FOUND',
  'INVALID_TXN_STATE',
  'UNKNOWN_PRODUCER_ID',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
])

/** Whether the broker refuses this producer for good: somebody else has its id, or the coordinator has ended its transaction. */
export const isFence = (thrown: unknown): boolean => FENCES.has(errorType(thrown) ?? '')

/** The broker's answers that come of looking at the wrong one, or too early: the client looks again. */
export const isStale = (thrown: unknown): boolean =>
  /LEADER|COORDINATOR|NOT_AVAILABLE|UNKNOWN_TOPIC|LOAD_IN_PROGRESS|NETWORK|REPLICA/.test(errorType(thrown) ?? '')

export function isConnectionError(thrown: unknown): boolean {
  for (let error = thrown as ThrownByClient | undefined, depth = 0; error && depth < 8; error = error.cause as ThrownByClient, depth++) {
    if (
      /Connection|RequestTimeout|LockTimeout|BrokerNotFound|NoBrokerAvailable|MetadataNotLoaded|CoordinatorNotFound/.test(error.name ?? '')
    )
      return true
  }
  return false
}

/** What a broker that closes every connection may be about. One that goes down closes them, too. */
const CLOSED: readonly [RegExp, string][] = [
  [/before secure TLS connection/, ' If they do: this port may speak no TLS (kafka.tls.enabled).'],
  [
    /Closed connection/,
    ' If they do: this port may want TLS (kafka.tls.enabled), a certificate of this client (kafka.tls.cert) or a password (kafka.sasl.mechanism).',
  ],
]

/** The alerts of TLS by which a broker refuses what it was shown, or that it was shown nothing. */
const CLIENT_REFUSED = /alert number (4[1-68]|116)\b/

/** What the brokers judge, and what to do where they refuse it. */
const REFUSED: Readonly<Record<string, string>> = {
  INVALID_REPLICATION_FACTOR: 'Set kafka.replication to no more than there are brokers, or to 0: as the brokers do.',
  INVALID_TOPIC_EXCEPTION:
    'Set kafka.topicPrefix so that names of topics are letters, digits, dots, dashes and underscores, at most 249 of them. A topic that a topology names itself is called otherwise there.',
  INVALID_TRANSACTION_TIMEOUT: 'Set kafka.transactionMs to no more than transaction.max.timeout.ms of the brokers, or raise that.',
}

/** What it means. `doing`: what was tried, as in 'commit of task.main'. KafkaErrors and StorageErrors pass unchanged. */
export function kafkaError(thrown: unknown, doing: string): Error {
  if (thrown instanceof KafkaError || thrown instanceof StorageError) return thrown
  const { name, type, message, topic } = innermost(thrown)
  const text = `Kafka: ${doing}: ${topic === undefined ? '' : `${topic}: `}${message?.trim()}`
  if (type === 'ILLEGAL_SASL_STATE')
    return new KafkaError(
      'KAFKA_UNAUTHENTICATED',
      text,
      'This port asks for no password: set kafka.sasl.mechanism to none, or give kafka.brokers the port that does.',
      thrown,
    )
  if (type === 'SASL_AUTHENTICATION_FAILED' || /SASL/.test(name ?? ''))
    return new KafkaError(
      'KAFKA_UNAUTHENTICATED',
      text,
      'Set kafka.sasl.mechanism, kafka.sasl.username and kafka.sasl.password as the broker knows them.',
      thrown,
    )
  if (CLIENT_REFUSED.test(message ?? ''))
    return new KafkaError(
      'KAFKA_TLS_REFUSED',
      text,
      'The brokers want a certificate of this client: set kafka.tls.cert and kafka.tls.key (PEM) to one that they trust (their ssl.truststore).',
      thrown,
    )
  if (/certificate|SSL|wrong version number|altname/i.test(message ?? ''))
    return new KafkaError(
      'KAFKA_TLS_REFUSED',
      text,
      'Give kafka.tls.ca the file (PEM) of the authority that signed the brokers’ certificates, and name the brokers as these name them.',
      thrown,
    )
  if (/AUTHORIZATION_FAILED|SECURITY_DISABLED/.test(type ?? ''))
    return new KafkaError('KAFKA_UNAUTHORIZED', text, 'Allow this user that with kafka-acls, then start again.', thrown)
  if (type && REFUSED[type]) return new KafkaError('KAFKA_SETTING_REFUSED', text, REFUSED[type], thrown)
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION')
    return new KafkaError(
      'KAFKA_TOPIC_MISSING',
      text,
      'Start with the right to create topics, or create it with kafka-topics --create.',
      thrown,
    )
  if (type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE')
    return new KafkaError('KAFKA_RECORD_TOO_LARGE', text, 'Raise max.message.bytes of the topic with kafka-configs --alter.', thrown)
  if (isConnectionError(thrown))
    return new KafkaError(
      'KAFKA_UNAVAILABLE',
      text,
      `Look whether the brokers of kafka.brokers run and can be reached from here.${CLOSED.find(([says]) => says.test(message ?? ''))?.[1] ?? ''}`,
      thrown,
    )
  return new KafkaError('KAFKA_FAILED', text, 'See what the broker said; its own log has more.', thrown)
}

/** Of a record in a topic of Packmill's own. */
export const foreignRecord = ({ topic, partition }: TopicPartition, offset: number, what: string, cause?: unknown): KafkaError =>
  new KafkaError(
    'KAFKA_RECORD_FOREIGN',
    `${topic}/${partition}: the record at offset ${offset} is none that this version writes there: ${what}`,
    `Where a newer Packmill wrote it, start that one. Else look at it: kafka-console-consumer.sh --topic ${topic} --partition ${partition} --offset ${offset} --max-messages 1, and let nobody else write there (kafka-acls). What was computed is computed anew by packmill topology reset.`,
    cause,
  )

export const fenced = (name: string): StorageError =>
  new StorageError('FENCED', `${name} was claimed by another owner, or this claim is over.`, 'Nothing: whoever holds it goes on.')
