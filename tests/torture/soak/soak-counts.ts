// Whether the counts are right at the end of a soak: differences in words, none where they are. Reads what the process answers; waits for nothing.
import type { SocketClient } from '../../../services/process/socket-client.ts'
import type { SoakLoadSays } from './soak-load.ts'
import { CLICKS, PATTERN_USER } from './soak-traffic.ts'

export interface SoakCounts {
  differences: string[]
  /** Sessions of patterns that were looked at in the table. */
  sessionsLooked: number
}

const NUMBER = `toUInt64(substring(user_id, ${'u:'.length + PATTERN_USER.length + 1}))`
/** Sessions of patterns that have ended, and whose rows have not expired. */
const SESSIONS = `SELECT count() AS sessions, countIf(event_count != ${CLICKS} OR rage_clicks != 1 OR closed != 1) AS wrong, min(${NUMBER}) AS from, max(${NUMBER}) AS to
  FROM sessions WHERE org_id LIKE '${PATTERN_USER}%' AND started_at > now64(3) - INTERVAL 4 MINUTE AND started_at < now64(3) - INTERVAL 2 MINUTE`

/** `seen`: users of patterns whose incident was read, and how often. All that was sent has been processed. */
export async function soakCounts(
  client: Pick<SocketClient, 'stats' | 'query'>,
  load: SoakLoadSays,
  seen: ReadonlyMap<string, number>,
): Promise<SoakCounts> {
  const differences: string[] = []
  const expect = (what: string, is: number, should: number) => {
    if (is !== should) differences.push(`${what}: ${is}, expected ${should}`)
  }
  const { tasks } = await client.stats()
  const sum = (of: (task: (typeof tasks)[number]) => number) => tasks.reduce((total, task) => total + of(task), 0)
  const accepted = sum((task) => task.accepted)
  expect('accepted and rejected', load.accepted + load.rejected, load.sent)
  expect('events that the tasks took', accepted, load.accepted)
  expect(
    'events by what became of them',
    sum((task) => task.open + task.closed + task.duplicates + task.late + task.deadLettered),
    accepted,
  )
  expect(
    'dead letters',
    sum((task) => task.deadLettered),
    0,
  )
  expect('incidents of patterns', seen.size, load.patterns)
  expect('incidents of patterns that were read more than once', [...seen.values()].filter((times) => times > 1).length, 0)
  const [row] = await client.query<Record<'sessions' | 'wrong' | 'from' | 'to', number>>(SESSIONS)
  const sessions = Number(row.sessions)
  expect('sessions of patterns that began 2 to 4 minutes ago', sessions, sessions === 0 ? 1 : Number(row.to) - Number(row.from) + 1)
  expect('of these wrong', Number(row.wrong), 0)
  return { differences, sessionsLooked: sessions }
}
