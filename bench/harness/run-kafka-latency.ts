// A producer by the clock and a consumer of committed records (kafkajs', as anybody's), in a process beside the one that is measured: how long after each pattern was due is its incident read?
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { IncidentRow } from '../../model/rows.ts'
import { kafkaClient } from '../../stores/kafka/kafka-client.ts'
import { cpuSecondsOf } from './cpu-of.ts'
import { type CrowdShape, crowdEndMs } from './crowd.ts'
import { answer } from './in-child.ts'
import type { PaceAnswer, PaceOrder } from './kafka-pace.ts'
import { INCIDENTS, preciseNow } from './live.ts'

export interface KafkaLatencyOrder {
  broker: string
  topicPrefix: string
  /** Of the crowd that has been worked through. */
  shape: CrowdShape
  rate: number
  patterns: number
  warmUpSeconds: number
  seconds: number
  jobPid: number
  brokerPid: number
}

export interface KafkaLatencyAnswer extends PaceAnswer {
  /** Of each pattern that was due in the measured time: seconds since that began, and ms until its incident was read. */
  second: number[]
  readMs: number[]
  /** Of the measured time. */
  jobCpuSeconds: number
  brokerCpuSeconds: number
}

/** What is on its way at the end is waited for so long. */
const LAST_MS = 20_000
const POLL_MS = 100

await answer(async (order: KafkaLatencyOrder): Promise<KafkaLatencyAnswer> => {
  const { broker, topicPrefix, shape, rate, patterns, warmUpSeconds, seconds, jobPid, brokerPid } = order
  const read: { dueMs: number; ms: number }[] = []
  const fromMs = Math.ceil(preciseNow()) + 3_000
  // Event time goes on where the crowd's ended.
  const shiftMs = crowdEndMs(shape) - fromMs
  const firstMs = fromMs + warmUpSeconds * 1000
  const lastMs = firstMs + seconds * 1000
  const consumer = kafkaClient({ brokers: [broker] }).consumer({ groupId: 'bench.reader', allowAutoTopicCreation: false })
  await consumer.connect()
  await consumer.subscribe({ topic: `${topicPrefix}${INCIDENTS}` })
  const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve))
  await consumer.run({
    eachBatch: async ({ batch }) => {
      const nowMs = preciseNow()
      for (const { value } of batch.messages) {
        const { kind, version, last_at } = JSON.parse(value!.toString()) as IncidentRow
        if (kind === 'rage_click' && version === 1) read.push({ dueMs: last_at - shiftMs, ms: nowMs - (last_at - shiftMs) })
      }
    },
  })
  await joined
  const stream = { rate, orgs: [0, shape.orgs] as const, patterns, everySecondMs: 0 }
  const worker = new Worker(new URL('./kafka-pace.ts', import.meta.url), {
    workerData: { broker, topicPrefix, shape, stream, fromMs, shiftMs } satisfies PaceOrder,
  })
  const stopped = new Promise<PaceAnswer>((resolve, reject) => {
    worker.on('message', (message: { type: string } & PaceAnswer) => message.type === 'stopped' && resolve(message))
    worker.on('error', reject)
  })
  stopped.catch(() => undefined)
  await Promise.race([sleep(firstMs - preciseNow()), stopped])
  const cpu = () => [cpuSecondsOf(jobPid), cpuSecondsOf(brokerPid)]
  const before = cpu()
  await Promise.race([sleep(lastMs - preciseNow()), stopped])
  const after = cpu()
  worker.postMessage('stop')
  const load = await stopped
  for (const untilMs = preciseNow() + LAST_MS; preciseNow() < untilMs && read.length < load.patterns; ) await sleep(POLL_MS)
  const measured = read.filter(({ dueMs }) => dueMs >= firstMs && dueMs < lastMs)
  return {
    ...load,
    second: measured.map(({ dueMs }) => Math.floor((dueMs - firstMs) / 1000)),
    readMs: measured.map(({ ms }) => ms),
    jobCpuSeconds: after[0] - before[0],
    brokerCpuSeconds: after[1] - before[1],
  }
})
