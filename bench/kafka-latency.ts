// Over Kafka, how long after an event that completes a pattern is appended can a consumer of committed records read the incident?
import { join } from 'node:path'
import { startPackmill } from '../cli/packmill-process.fake.ts'
import { startKafka, stopKafka } from '../dev/kafka/server.ts'
import { connect } from '../services/process/local.ts'
import { crowdDefaults } from './harness/crowd.ts'
import { inChild } from './harness/in-child.ts'
import { percentile } from './harness/percentile.ts'
import type { Question } from './harness/report.ts'
import type { KafkaFillAnswer, KafkaFillOrder } from './harness/run-kafka-fill.ts'
import type { KafkaLatencyAnswer, KafkaLatencyOrder } from './harness/run-kafka-latency.ts'
import { crowdInput } from './harness/workload.ts'

const RATE = 20_000
const PATTERNS = 200
const USERS = 200_000
const QUICK_USERS = 100_000
const SECONDS = 60
const QUICK_SECONDS = 12
const WARM_UP_SECONDS = 15
const QUICK_WARM_UP_SECONDS = 8
const PREFIX = 'bench.'

export const kafkaLatency: Question = {
  name: 'kafka-latency',
  asks: 'over Kafka, from when the event that completes a pattern is due to when its incident is read; 20,000 events/s',
  async run({ quick, folder, note }) {
    const shape = { ...crowdDefaults, users: quick ? QUICK_USERS : USERS, rounds: 1 }
    const seconds = quick ? QUICK_SECONDS : SECONDS
    const warmUpSeconds = quick ? QUICK_WARM_UP_SECONDS : WARM_UP_SECONDS
    const input = await crowdInput(shape, note)
    const broker = await startKafka(join(folder, 'broker'))
    let kill: (() => void) | undefined
    try {
      const at = { broker: broker.broker, topicPrefix: PREFIX }
      await inChild<KafkaFillOrder, KafkaFillAnswer>('run-kafka-fill', { ...at, input: input.folder })
      const data = join(folder, 'data')
      const set = [`kafka.brokers=${broker.broker}`, `kafka.topicPrefix=${PREFIX}`, 'kafka.sinks=false', 'logLevel=info']
      const job = startPackmill(folder, ['up', '--no-http', '--every', '86400', '--data', data, ...set.flatMap((one) => ['--set', one])])
      kill = () => job.child.kill('SIGKILL')
      process.prependOnceListener('exit', kill)
      await job.says(/"msg":"ready"/)
      await (await connect(data))!.settle({ snapshots: false, close: false })
      note(
        `${whole(RATE)} events/s for ${seconds} s after ${warmUpSeconds} s, ${whole(shape.users)} sessions open, ${PATTERNS} patterns per second`,
      )
      const pids = { jobPid: job.child.pid!, brokerPid: broker.pid }
      const order = { ...at, ...pids, shape, rate: RATE, patterns: PATTERNS, warmUpSeconds, seconds }
      const told = await inChild<KafkaLatencyOrder, KafkaLatencyAnswer>('run-kafka-latency', order)
      job.child.kill('SIGTERM')
      const { code, err } = await job.ended
      if (code !== 0) throw new Error(`packmill up ended with ${code}:\n${err}`)
      note(`${whole(told.events)} events, sent at most ${whole(told.lateMs)} ms late`)
      const perSecond = Array.from({ length: seconds }, (_, second) => told.readMs.filter((_, i) => told.second[i] === second))
      const perSecondP99 = perSecond.map((values) => (values.length > 0 ? whole(percentile(values, 0.99)) : '–'))
      note(`p99 of each second, ms: ${perSecondP99.join(' ')}`)
      const due = seconds * PATTERNS
      return [
        { name: 'kafka-latency', value: percentile(told.readMs, 0.99), unit: 'ms from due to read, p99', atMost: 150 },
        // What was due while it began or ended may fall on either side.
        { name: 'unread', value: Math.max(0, due - told.readMs.length - 2), unit: `of ${whole(due)} incidents were not read`, atMost: 0 },
        { name: 'median', value: percentile(told.readMs, 0.5), unit: 'ms' },
        {
          name: 'worst-second',
          value: Math.max(...perSecond.filter(({ length }) => length > 0).map((values) => percentile(values, 0.99))),
          unit: 'ms, p99 of the worst second',
        },
        { name: 'worst', value: Math.max(...told.readMs), unit: 'ms' },
        { name: 'append-p99', value: percentile(told.answerMs, 0.99), unit: 'ms until the broker had answered the producer' },
        { name: 'job-cpu', value: told.jobCpuSeconds / seconds, unit: 'cores' },
        { name: 'broker-cpu', value: told.brokerCpuSeconds / seconds, unit: 'cores' },
        { name: 'sessions', value: shape.users, unit: 'sessions open' },
      ]
    } finally {
      if (kill) {
        process.off('exit', kill)
        kill()
      }
      await stopKafka(broker, true)
    }
  },
}

const whole = (value: number) => Math.round(value).toLocaleString('en-GB')
