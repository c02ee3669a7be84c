// Without its data folder, how long does a process take to have the state of a million open sessions back from the changelog alone?
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { startKafka, stopKafka } from '../dev/kafka/server.ts'
import { crowdDefaults, eventsOf } from './harness/crowd.ts'
import { inChild } from './harness/in-child.ts'
import type { Question } from './harness/report.ts'
import type { KafkaFillAnswer, KafkaFillOrder } from './harness/run-kafka-fill.ts'
import type { KafkaRestoreAnswer, KafkaRestoreOrder } from './harness/run-kafka-restore.ts'
import { crowdInput } from './harness/workload.ts'

const USERS = 1_000_000
const QUICK_USERS = 100_000

export const kafkaRestore: Question = {
  name: 'kafka-restore',
  asks: 'a million open sessions from the changelog alone, the broker on the same cores',
  async run({ quick, folder, note }) {
    const shape = { ...crowdDefaults, users: quick ? QUICK_USERS : USERS, rounds: 1 }
    const input = await crowdInput(shape, note)
    note('a broker is started, and filled by a producer that knows nothing of Packmill')
    const broker = await startKafka(join(folder, 'broker'))
    try {
      const at = { broker: broker.broker, topicPrefix: 'bench.' }
      await inChild<KafkaFillOrder, KafkaFillAnswer>('run-kafka-fill', { ...at, input: input.folder })
      const data = join(folder, 'data')
      const order = (fill: boolean) => inChild<KafkaRestoreOrder, KafkaRestoreAnswer>('run-kafka-restore', { ...at, folder: data, fill })
      await order(true)
      note(`${eventsOf(shape).toLocaleString('en-GB')} events worked through; the data folder is removed`)
      rmSync(data, { recursive: true })
      const { seconds, rows, bytes, hadCache } = await order(false)
      if (hadCache) throw new Error('the state was still there')
      return [
        { name: 'kafka-restore', value: seconds, unit: 's until every partition has recovered', atMost: 60 },
        { name: 'rows', value: rows, unit: 'read from the changelog', atLeast: shape.users },
        { name: 'changelog', value: bytes / 1e6, unit: 'MB of keys and states' },
        { name: 'sessions', value: shape.users, unit: 'sessions open' },
      ]
    } finally {
      await stopKafka(broker, true)
    }
  },
}
