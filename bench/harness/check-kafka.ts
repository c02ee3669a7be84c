// Whether topics on Kafka hold what the batch evaluator (tests/oracle) says of the same events: all versions, once each, and the last of them field by field. In a
// process of its own.
import { openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { textsOf } from '../../stores/kafka/kafka-world.fake.ts'
import { compareIncidents, compareSessions } from '../../tests/oracle/compare.ts'
import { compareTiles } from '../../tests/oracle/tiles.ts'
import { readAnswer } from './answer-file.ts'
import { answer } from './in-child.ts'
import { allPartitions } from './workload.ts'

export interface KafkaCheckOrder {
  broker: string
  topicPrefix: string
  /** The cached answer's folder. */
  answer: string
}

export interface KafkaCheckAnswer {
  /** In words; empty: the outputs are the evaluator's answer. */
  differences: string[]
  sessions: number
}

await answer(async ({ broker, topicPrefix, answer: folder }: KafkaCheckOrder): Promise<KafkaCheckAnswer> => {
  const expected = readAnswer(folder)
  const log = await openKafkaLog({ connection: { brokers: [broker] }, topicPrefix })
  const rowsOf = async (topic: string) => {
    const rows: object[] = []
    for (const partition of allPartitions)
      for (const line of await textsOf(log, { topic, partition })) rows.push(JSON.parse(line) as object)
    return rows
  }
  const differences = [
    ...compareSessions(await rowsOf('events.sessionized'), expected.sessions, { allVersions: true }),
    ...compareIncidents(await rowsOf('events.incidents'), expected.incidents, { allVersions: true }),
    ...compareTiles((await rowsOf('events.tiles')) as never, expected),
  ]
  await log.close()
  return { differences, sessions: expected.sessions.size }
})
