// The log on Kafka over a real broker: the contract, unchanged. What only Kafka has is in kafka-faults and kafka-records.
import { it } from 'vitest'
import { type LogUnderTest, logConformance } from '../../engine/log/contract.conformance.ts'
import { kafkaServer } from '../../tests/kafka-server.ts'
import { type KafkaLog, openKafkaLog } from './kafka-log.ts'
import { kafkaWorld } from './kafka-world.fake.ts'

const kafka = await kafkaServer()

/** Every store has names of its own on the one broker. */
async function kafkaStore(broker: string): Promise<LogUnderTest> {
  const { options } = await kafkaWorld(broker)
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
else it.skip('Kafka keeps the log contract', () => undefined)
