// Compares what a reader of committed records sees in the topics of results with the batch evaluator's answer for what lies on events.raw: each version of
// each session and incident once, late events, no dead letter. For logs that nothing but events came into, whose sessions were closed at the end. The topics of
// results are read by kafkajs' consumer, too, which must see the same records at the same offsets: what is right for our own reader alone is no answer.
import { defaults } from '../../config/index.ts'
import type { WireEvent } from '../../model/event.ts'
import { TOPICS } from '../../model/rows.ts'
import type { KafkaConnection } from '../../stores/kafka/kafka-client.ts'
import type { KafkaLog } from '../../stores/kafka/kafka-log.ts'
import { linesOf, textsOf } from '../../stores/kafka/kafka-world.fake.ts'
import { compareIncidents, compareSessions } from '../oracle/compare.ts'
import { type Evaluation, evaluate } from '../oracle/evaluate.ts'
import { compareTiles } from '../oracle/tiles.ts'
import { consumed } from './consumed.ts'

export interface TopicAnswer {
  /** In words; none where all is right. */
  differences: string[]
  /** Records of events.raw. */
  records: number
  evaluation: Evaluation
}

export async function topicAnswer(log: KafkaLog, partitions: number, connection: KafkaConnection): Promise<TopicAnswer> {
  const all = Array.from({ length: partitions }, (_, partition) => partition)
  const rowsOf = async <T extends object>(topic: string) =>
    (await Promise.all(all.map((partition) => textsOf(log, { topic, partition })))).flat().map((line) => JSON.parse(line) as T)
  const lines = await Promise.all(all.map((partition) => linesOf(log, { topic: TOPICS.raw, partition })))
  const records = lines.flatMap((own, partition) =>
    own.map(([offset, line]) => ({ partition, offset, event: JSON.parse(line) as WireEvent })),
  )
  const evaluation = evaluate(records, { ...defaults.clickstream, closeAll: true })
  const late = await rowsOf<Late>(TOPICS.late)
  const dead = await rowsOf<{ code: string; message: string }>(TOPICS.deadLetters)
  const differences = [
    ...compareSessions(await rowsOf(TOPICS.sessions), evaluation.sessions, { allVersions: true }),
    ...compareIncidents(await rowsOf(TOPICS.incidents), evaluation.incidents, { allVersions: true }),
    ...compareTiles(await rowsOf(TOPICS.tiles), evaluation),
    ...compareLate(late, evaluation),
    ...(await readerDifferences(log, connection)),
    ...dead.slice(0, 3).map(({ code, message }) => `a dead letter of ${dead.length}: ${code}: ${message}`),
  ]
  return { differences, records: records.length, evaluation }
}

/** Between what our reader and what kafkajs' sees of the topics of results, the first of each partition. Also of partitions that only others write to. */
async function readerDifferences(log: KafkaLog, connection: KafkaConnection): Promise<string[]> {
  const topics = Object.values(TOPICS).filter((topic) => topic !== TOPICS.raw)
  const named = new Map(topics.map((topic) => [log.names.data({ topic, partition: 0 }).topic, topic]))
  const differences: string[] = []
  for (const [at, theirs] of await consumed(connection, [...named.keys()])) {
    const cut = at.lastIndexOf('/')
    const ours = await linesOf(log, { topic: named.get(at.slice(0, cut))!, partition: Number(at.slice(cut + 1)) })
    const place = Array.from({ length: Math.max(ours.length, theirs.length) }, (_, i) => i).find(
      (i) => ours[i]?.[0] !== theirs[i]?.[0] || ours[i]?.[1] !== theirs[i]?.[1],
    )
    if (place === undefined) continue
    const [own, other] = [ours[place], theirs[place]].map((one) => (one ? `offset ${one[0]}: ${one[1]}` : 'nothing'))
    differences.push(`${at}: kafkajs reads ${theirs.length} records, we ${ours.length}; record ${place} is ${other} there, and here ${own}`)
  }
  return differences
}

type Late = Pick<Evaluation['late'][number], 'reason' | 'partition' | 'offset'>

/** Each once. */
function compareLate(rows: readonly Late[], { late }: Evaluation): string[] {
  const placesOf = (given: readonly Late[]) => given.map(({ reason, partition, offset }) => `${reason} ${partition}:${offset}`).sort()
  const [actual, expected] = [placesOf(rows), placesOf(late)]
  const at = Array.from({ length: Math.max(actual.length, expected.length) }, (_, i) => i).find((i) => actual[i] !== expected[i])
  if (at === undefined) return []
  return [
    `late events: ${actual.length}, expected ${expected.length}; in order ${actual[at] ?? 'none'} is there for ${expected[at] ?? 'none'}`,
  ]
}
