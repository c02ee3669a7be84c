// Whether a round's topics hold what the batch evaluator (tests/oracle) says of the same traffic. In a process of its own: the evaluator
// works while the input is made, and waits while rounds are measured.

import type { WireEvent } from '../../model/event.ts'
import { kafkaPartition } from '../../model/hash.ts'
import { traffic } from '../../services/traffic/traffic.ts'
import { compareIncidents, compareSessions } from '../../tests/oracle/compare.ts'
import { type Evaluation, evaluator } from '../../tests/oracle/evaluate.ts'
import { answer } from './in-child.ts'
import { allPartitions, openLog, PARTITIONS, recordsOf } from './workload.ts'

export interface CheckAnswer {
  /** In words; empty: the outputs are the evaluator's answer. */
  differences: string[]
  sessions: number
  incidents: number
  /** Accepted events without the duplicates. */
  events: number
}

/** `folder`: whose topics are compared, once stdin is closed; without one only the counts are answered. */
await answer(async ({ events, folder }: { events: number; folder?: string }): Promise<CheckAnswer> => {
  const answer = evaluate(events)
  const counts = {
    sessions: answer.sessions.size,
    incidents: answer.incidents.size,
    events: events - answer.duplicates.length,
  }
  if (folder === undefined) return { ...counts, differences: [] }
  for await (const _ of process.stdin);
  const log = await openLog(folder, 'check')
  const sessions = await rowsOf(log, 'events.sessionized')
  const incidents = await rowsOf(log, 'events.incidents')
  await log.close()
  const differences = [
    ...compareSessions(sessions, answer.sessions, { allVersions: true }),
    ...compareIncidents(incidents, answer.incidents, { allVersions: true }),
  ]
  return { ...counts, differences }
})

/** The generator's events in its order, which is that of each partition: nothing of the door, the log or the scanner is between. */
function evaluate(events: number): Evaluation {
  const it = evaluator()
  const ends = allPartitions.map(() => 0)
  const decoder = new TextDecoder()
  const encoder = new TextEncoder()
  for (const chunk of traffic({ events })) {
    for (const line of decoder.decode(chunk).trimEnd().split('\n')) {
      const event = JSON.parse(line) as WireEvent
      const partition = kafkaPartition(encoder.encode(`${event.orgId}:${event.productId}`), PARTITIONS)
      it.add({ partition, offset: ends[partition]++, event })
    }
  }
  return it.finish()
}

async function rowsOf(log: Awaited<ReturnType<typeof openLog>>, topic: string): Promise<object[]> {
  const rows: object[] = []
  for await (const { record } of recordsOf(log, topic)) rows.push(JSON.parse(record) as object)
  return rows
}
