// Which cluster the brokers are: the id that it was given when it was made. Offsets of one mean nothing in another.
import { type KafkaConnection, kafkaClient, RETRY } from './kafka-client.ts'
import { kafkaError } from './kafka-error.ts'

/** Errors: KAFKA_UNAVAILABLE, KAFKA_UNAUTHENTICATED, KAFKA_TLS_REFUSED. */
export async function clusterId(connection: KafkaConnection): Promise<string> {
  const admin = kafkaClient(connection).admin({ retry: RETRY })
  try {
    await admin.connect()
    return (await admin.describeCluster()).clusterId
  } catch (error) {
    throw kafkaError(error, `connecting to ${connection.brokers.join(', ')}`)
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}
