// Whether a folder's topics hold what the batch evaluator (tests/oracle) says of the same events: all versions, once each, and the last of
// them field by field. In a process of its own.
import { compareIncidents, compareSessions } from '../../tests/oracle/compare.ts'
import { compareTiles } from '../../tests/oracle/tiles.ts'
import { readAnswer } from './answer-file.ts'
import { answer } from './in-child.ts'
import { openLog, recordsOf } from './workload.ts'

export interface CheckOrder {
  /** Whose outputs are compared. No other process has it open. */
  folder: string
  /** The cached answer's folder. */
  answer: string
}

export interface CheckAnswer {
  /** In words; empty: the outputs are the evaluator's answer. */
  differences: string[]
  sessions: number
  incidents: number
}

await answer(async (order: CheckOrder): Promise<CheckAnswer> => {
  const expected = readAnswer(order.answer)
  const log = await openLog(order.folder, 'check')
  const rowsOf = async (topic: string) => {
    const rows: object[] = []
    for await (const { record } of recordsOf(log, topic)) rows.push(JSON.parse(record) as object)
    return rows
  }
  const differences = [
    ...compareSessions(await rowsOf('events.sessionized'), expected.sessions, { allVersions: true }),
    ...compareIncidents(await rowsOf('events.incidents'), expected.incidents, { allVersions: true }),
    ...compareTiles(await rowsOf('events.tiles'), expected),
  ]
  await log.close()
  return { differences, sessions: expected.sessions.size, incidents: expected.incidents.size }
})
