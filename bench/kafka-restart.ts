// Three processes share the partitions, and are started again one after the other under load: how long does a partition stand still at most?
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { type Running, startPackmill } from '../cli/packmill-process.fake.ts'
import { startKafka, stopKafka } from '../dev/kafka/server.ts'
import { kafkaClient, RETRY } from '../stores/kafka/kafka-client.ts'
import { openKafkaLog } from '../stores/kafka/kafka-log.ts'
import { makeTopic } from '../stores/kafka/make-topic.ts'
import { crowdDefaults } from './harness/crowd.ts'
import { Gaps } from './harness/receipt-gaps.ts'
import type { Question } from './harness/report.ts'
import type { FromKafkaLoad, KafkaLoadOrder } from './harness/run-kafka-load.ts'
import { crowdInput, PARTITIONS, TOPIC } from './harness/workload.ts'

const RATE = 20_000
const USERS = 200_000
const QUICK_USERS = 100_000
const NAMES = ['a', 'b', 'c']
const PREFIX = 'bench.'
const TAKEN = /"is":"taken"/

export const kafkaRestart: Question = {
  name: 'kafka-restart',
  asks: 'rolling restart of 3 processes at 20,000 events/s: the longest that a partition stands still',
  async run({ quick, folder, note }) {
    const input = await crowdInput({ ...crowdDefaults, users: quick ? QUICK_USERS : USERS }, note)
    const broker = await startKafka(join(folder, 'broker'))
    const running = new Map<string, Running>()
    const kill = () => {
      for (const { child } of running.values()) child.kill('SIGKILL')
    }
    process.prependOnceListener('exit', kill)
    try {
      const admin = kafkaClient({ brokers: [broker.broker] }).admin({ retry: RETRY })
      await admin.connect()
      await makeTopic(admin, { topic: `${PREFIX}${TOPIC}`, partitions: PARTITIONS, replication: 1 })
      await admin.disconnect()
      const start = async (name: string) => {
        const set = [`kafka.brokers=${broker.broker}`, `kafka.topicPrefix=${PREFIX}`, 'kafka.sinks=false']
        const sets = [...set, 'engine.lanes=1', 'logLevel=info'].flatMap((one) => ['--set', one])
        running.set(name, startPackmill(folder, ['up', '--no-http', '--every', '86400', '--data', join(folder, name), ...sets]))
        await running.get(name)!.says(TAKEN)
      }
      await Promise.all(NAMES.map(start))
      const log = await openKafkaLog({ connection: { brokers: [broker.broker] } })
      const gaps = new Gaps(log, `${PREFIX}packmill.receipts.task.main.clickstream.${TOPIC}`, PARTITIONS)
      const order: KafkaLoadOrder = { broker: broker.broker, topicPrefix: PREFIX, input: input.folder, rate: RATE }
      const load = fork(join(import.meta.dirname, 'harness', 'run-kafka-load.ts'), [JSON.stringify(order)])
      const heard = (type: FromKafkaLoad['type']) =>
        new Promise<FromKafkaLoad>((resolve, reject) => {
          load.on('message', (message: FromKafkaLoad) => message.type === type && resolve(message))
          load.once('close', (code) => reject(new Error(`the load ended with ${code}`)))
        })
      const over = heard('over')
      over.catch(() => undefined)
      await heard('loading')
      await gaps.first()
      note(`${RATE.toLocaleString('en-GB')} events/s into ${PARTITIONS} partitions of ${NAMES.length} processes`)
      const seconds: number[] = []
      for (const name of NAMES) {
        const { child, ended } = running.get(name)!
        const fromMs = performance.now()
        child.kill('SIGTERM')
        const { code, err } = await ended
        if (code !== 0) throw new Error(`${name} ended with ${code}:\n${err}`)
        const stoppedMs = performance.now()
        await start(name)
        seconds.push((performance.now() - fromMs) / 1000)
        note(`${name}: stopped in ${Math.round(stoppedMs - fromMs)} ms, at work again after ${seconds.at(-1)!.toFixed(1)} s`)
      }
      // Each has to go on before it is over.
      await gaps.first()
      const longestMs = gaps.end()
      if (!load.connected) throw new Error('the load was over before the restarts')
      load.send('stop')
      const { events, behindMs } = (await over) as Extract<FromKafkaLoad, { type: 'over' }>
      await log.close()
      return [
        { name: 'kafka-restart', value: longestMs / 1000, unit: 's, longest time between two commits of a partition', atMost: 5 },
        { name: 'restart', value: Math.max(...seconds), unit: 's from SIGTERM to at work again, longest of 3' },
        { name: 'load-behind', value: behindMs / 1000, unit: 's that the load was late, at most' },
        { name: 'events', value: events, unit: 'produced' },
      ]
    } finally {
      process.off('exit', kill)
      kill()
      await stopKafka(broker, true)
    }
  },
}
