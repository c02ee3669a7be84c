// What does the log over Kafka cost by itself: records in, records out, a commit, and the way to a reader that waits?
import { join } from 'node:path'
import { startKafka, stopKafka } from '../dev/kafka/server.ts'
import { inChild } from './harness/in-child.ts'
import { percentile } from './harness/percentile.ts'
import type { Question } from './harness/report.ts'
import type { KafkaLogAnswer, KafkaLogOrder } from './harness/run-kafka-log.ts'

const EVENTS = 1_000_000
const QUICK_EVENTS = 300_000
const RATE = 20_000
const SECONDS = 30
const QUICK_SECONDS = 5

export const kafkaLog: Question = {
  name: 'kafka-log',
  asks: 'records into and out of Kafka, one process, the broker on the same cores (reported)',
  async run({ quick, folder, note }) {
    const events = quick ? QUICK_EVENTS : EVENTS
    const seconds = quick ? QUICK_SECONDS : SECONDS
    note('a broker is started')
    const kafka = await startKafka(join(folder, 'broker'))
    try {
      note(`${events.toLocaleString('en-GB')} events in and out, then ${RATE.toLocaleString('en-GB')} events/s for ${seconds} s`)
      const order = { broker: kafka.broker, events, rate: RATE, seconds }
      const { append, read, bytes, commitMs, readMs } = await inChild<KafkaLogOrder, KafkaLogAnswer>('run-kafka-log', order)
      const cpu = (seconds: number) => (seconds * 1e6) / events
      return [
        { name: 'read', value: events / read.wallSeconds, unit: 'events/s, read committed, 2 partitions' },
        { name: 'read-cpu', value: cpu(read.cpuSeconds), unit: 'µs CPU per event' },
        { name: 'append', value: events / append.wallSeconds, unit: 'events/s, one claim, 10,000 per commit' },
        { name: 'append-cpu', value: cpu(append.cpuSeconds), unit: 'µs CPU per event' },
        { name: 'commit-median', value: percentile(commitMs, 0.5), unit: 'ms, until it can be read' },
        { name: 'commit-p99', value: percentile(commitMs, 0.99), unit: 'ms' },
        { name: 'visible-median', value: percentile(readMs, 0.5), unit: 'ms from commit to read' },
        { name: 'visible-p99', value: percentile(readMs, 0.99), unit: 'ms' },
        { name: 'event', value: bytes / events, unit: 'bytes' },
      ]
    } finally {
      await stopKafka(kafka, true)
    }
  },
}
