import { expect, test } from 'vitest'
import type { SocketClient } from '../../../services/process/socket-client.ts'
import { soakCounts } from './soak-counts.ts'
import type { SoakLoadSays } from './soak-load.ts'

const load: SoakLoadSays = { sent: 105, accepted: 100, rejected: 5, again: 0, patterns: 3, latestMs: 1, isOver: true }
const seen = new Map([
  ['u:soak-0', 1],
  ['u:soak-1', 1],
  ['u:soak-2', 1],
])
const task = { accepted: 50, open: 10, closed: 30, duplicates: 7, late: 3, deadLettered: 0 }
const row = { sessions: 3, wrong: 0, from: 0, to: 2 }

const counts = (tasks: object[], rows: object, said = load, read: ReadonlyMap<string, number> = seen) =>
  soakCounts({ stats: async () => ({ tasks }), query: async () => [rows] } as unknown as Pick<SocketClient, 'stats' | 'query'>, said, read)

test('right: all is accounted for', async () => {
  expect(await counts([task, task], row)).toEqual({ differences: [], sessionsLooked: 3 })
})

test.each<[string, Parameters<typeof counts>, string[]]>([
  ['an answer that says less than was sent', [[task, task], row, { ...load, rejected: 4 }], ['accepted and rejected: 104, expected 105']],
  ['an event that no task has', [[task, { ...task, accepted: 49, open: 9 }], row], ['events that the tasks took: 99, expected 100']],
  ['an event that nothing became of', [[task, { ...task, closed: 29 }], row], ['events by what became of them: 99, expected 100']],
  ['a dead letter', [[task, { ...task, closed: 29, deadLettered: 1 }], row], ['dead letters: 1, expected 0']],
  ['a pattern without an incident', [[task, task], row, { ...load, patterns: 4 }], ['incidents of patterns: 3, expected 4']],
  [
    'an incident that was read twice',
    [[task, task], row, load, new Map([...seen, ['u:soak-2', 2]])],
    ['incidents of patterns that were read more than once: 1, expected 0'],
  ],
  [
    'a session that is not there',
    [[task, task], { ...row, sessions: 2 }],
    ['sessions of patterns that began 2 to 4 minutes ago: 2, expected 3'],
  ],
  [
    'no sessions',
    [[task, task], { sessions: 0, wrong: 0, from: 0, to: 0 }],
    ['sessions of patterns that began 2 to 4 minutes ago: 0, expected 1'],
  ],
  ['a session that is wrong', [[task, task], { ...row, wrong: 1 }], ['of these wrong: 1, expected 0']],
])('wrong: %s', async (_, given, differences) => {
  expect((await counts(...given)).differences).toEqual(differences)
})
