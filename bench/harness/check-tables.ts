// Whether a data folder's tables hold what the batch evaluator (tests/oracle) says of the same events, row by row. In a process of its own.
import { loadConfig } from '../../config/index.ts'
import { openEmbedded } from '../../services/process/embedded.ts'
import { compareIncidents, compareSessions } from '../../tests/oracle/compare.ts'
import { compareTiles, sessionsSql, tileRows } from '../../tests/oracle/tiles.ts'
import { readAnswer, readCounts } from './answer-file.ts'
import type { CheckAnswer, CheckOrder } from './check-topics.ts'
import { answer } from './in-child.ts'

const ms = (name: string) => `toUnixTimestamp64Milli(${name}) AS ${name}`

await answer(async (order: CheckOrder): Promise<CheckAnswer> => {
  const { events, duplicates } = readCounts(order.answer)
  const expected = readAnswer(order.answer)
  const { config } = loadConfig({ data: order.folder, environment: {} })
  const onNotice = (notice: object) => {
    if ('error' in notice) throw notice.error as Error
  }
  const embedded = await openEmbedded({ config, version: 'bench', live: false, onNotice })
  const differences: string[] = []
  const [counts] = await embedded.query<Record<'raw' | 'unique' | 'places', unknown>>(
    'SELECT count() AS raw, uniqExact(partition, offset) AS places, (SELECT count() FROM events) AS unique FROM events_raw',
  )
  const [raw, places, unique] = [Number(counts.raw), Number(counts.places), Number(counts.unique)]
  if (raw !== events || places !== events) differences.push(`events_raw has ${raw} rows from ${places} places, ${events} were accepted`)
  if (unique !== events - duplicates) differences.push(`the view events has ${unique} rows, expected ${events - duplicates}`)
  // All versions: compare.ts keeps the last of each.
  const sessions = await embedded.query<object>(sessionsSql)
  differences.push(...compareSessions(sessions, expected.sessions))
  const incidents = await embedded.query<object>(
    `SELECT * REPLACE (${ms('first_at')}, ${ms('last_at')}, arrayMap(at -> [toUInt64(at.1), at.2], evidence) AS evidence) FROM fact_incidents`,
  )
  differences.push(...compareIncidents(incidents, expected.incidents))
  differences.push(...compareTiles(await tileRows((sql) => embedded.query(sql)), expected))
  await embedded.stop()
  return { differences, sessions: expected.sessions.size, incidents: expected.incidents.size }
})
