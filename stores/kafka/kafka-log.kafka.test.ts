// The log on Kafka over a real broker: the contract, unchanged, then what only Kafka has.
import { randomBytes } from 'node:crypto'
import { type LogUnderTest, logConformance } from '../../engine/log/contract.conformance.ts'
import { kafkaServer } from '../../tests/kafka-server.ts'
import { kafkaClient } from './kafka-client.ts'
import { type KafkaLog, openKafkaLog } from './kafka-log.ts'

const kafka = await kafkaServer()

/** Every store has names of its own on the one broker. */
async function kafkaStore(broker: string): Promise<LogUnderTest> {
  const namespace = `test-${randomBytes(6).toString('hex')}`
  const options = { connection: { brokers: [broker] }, topicPrefix: `${namespace}.`, namespace }
  const admin = kafkaClient(options.connection).admin()
  await admin.connect()
  await admin.createTopics({
    waitForLeaders: true,
    topics: [
      { topic: `${namespace}.events.raw`, numPartitions: 1, replicationFactor: 1 },
      { topic: `${namespace}.events.out`, numPartitions: 8, replicationFactor: 1 },
    ],
  })
  await admin.disconnect()
  let open: KafkaLog[] = []
  const openOne = async () => {
    const log = await openKafkaLog(options)
    open.push(log)
    return log
  }
  const closeAll = async () => {
    for (const log of open) await log.close()
    open = []
  }
  return {
    async open() {
      await closeAll()
      return openOne()
    },
    openBeside: openOne,
    // A close ends no transaction and releases no claim: to the broker it is a death.
    kill: closeAll,
    dispose: closeAll,
  }
}

if (kafka) logConformance('Kafka', () => kafkaStore(kafka.broker))
