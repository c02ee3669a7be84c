// Kafka JSON → sessions → Kafka: how many events per second does the whole job take, two lanes, with the broker on the same cores?
import { join } from 'node:path'
import { startKafka, stopKafka } from '../dev/kafka/server.ts'
import { cached } from './harness/cache.ts'
import type { KafkaCheckAnswer, KafkaCheckOrder } from './harness/check-kafka.ts'
import { inChild } from './harness/in-child.ts'
import type { Question } from './harness/report.ts'
import type { KafkaAnswer, KafkaOrder } from './harness/run-kafka.ts'
import type { KafkaFillAnswer, KafkaFillOrder } from './harness/run-kafka-fill.ts'
import { checkpointBytesFor, inputs } from './harness/workload.ts'

const EVENTS = 2_000_000
const QUICK_EVENTS = 300_000
const LANES = 2

export const kafka: Question = {
  name: 'kafka',
  asks: 'Kafka JSON → sessions → Kafka, two lanes, the broker on the same cores',
  async run({ quick, folder, note }) {
    const events = quick ? QUICK_EVENTS : EVENTS
    const [{ measured }, answer] = await Promise.all([inputs(events, note), cached('answer', events, note)])
    note('a broker is started, and filled by a producer that knows nothing of Packmill')
    const broker = await startKafka(join(folder, 'broker'))
    try {
      const at = { broker: broker.broker, topicPrefix: 'bench.' }
      await inChild<KafkaFillOrder, KafkaFillAnswer>('run-kafka-fill', { ...at, input: measured.folder })
      note(`${events.toLocaleString('en-GB')} events, ${LANES} lanes, from the first fetch to the last commit`)
      const checkpointBytes = checkpointBytesFor(events)
      const order = { ...at, folder: join(folder, 'data'), lanes: LANES, checkpointBytes, brokerPid: broker.pid }
      const { cost, brokerCpuSeconds, epochs, checkpoints, outputs } = await inChild<KafkaOrder, KafkaAnswer>('run-kafka', order)
      const { differences, sessions } = await inChild<KafkaCheckOrder, KafkaCheckAnswer>('check-kafka', { ...at, answer })
      note(`${sessions.toLocaleString('en-GB')} sessions compared with the evaluator's`)
      for (const difference of differences) note(difference)
      const perEvent = (seconds: number) => (seconds * 1e6) / events
      return [
        { name: 'kafka-rate', value: events / cost.wallSeconds, unit: 'events/s', atLeast: 200_000 },
        { name: 'differences', value: differences.length, unit: "from the evaluator's answer", atMost: 0 },
        { name: 'job-cpu', value: perEvent(cost.cpuSeconds), unit: 'µs CPU per event' },
        { name: 'broker-cpu', value: perEvent(brokerCpuSeconds), unit: 'µs CPU per event' },
        { name: 'epochs', value: epochs, unit: 'transactions with outputs' },
        { name: 'checkpoints', value: checkpoints, unit: 'finished' },
        { name: 'outputs', value: outputs, unit: 'records and markers written' },
        { name: 'event', value: measured.bytes / events, unit: 'bytes' },
      ]
    } finally {
      await stopKafka(broker, true)
    }
  },
}
