// A few kills of the real process, at the moments that matter. The long version is `npm run torture -- --kills N`.
import { expect, test } from 'vitest'
import { Random } from '../../services/traffic/random.ts'
import type { Moment } from './moments.ts'
import { type Aim, tortureRound } from './round.ts'

test('killed in an insert, a checkpoint, a recovery, a commit and an import; stopped while a second is refused: the stores equal the evaluator’s answer', async () => {
  const aims: (Aim & { moment: Moment })[] = [
    { moment: 'insert', nth: 2 },
    { moment: 'checkpoint', nth: 1 },
    { moment: 'recovery', nth: 1 },
    { moment: 'import', nth: 1, held: true },
    { moment: 'commit', nth: 2 },
    { moment: 'import', nth: 1 },
  ]
  const { kills, held, answer } = await tortureRound({ random: new Random(1), files: 6, eventsPerFile: 4000, aims })
  // Each process stood still in its moment when it was killed.
  const killedAt = aims.filter((aim) => !aim.held).map(({ moment }) => moment)
  expect(kills.map((moments, i) => moments.find((moment) => moment === killedAt[i]))).toEqual(killedAt)
  expect(held).toBe(1)
  expect(answer.differences).toEqual([])
  expect(answer.events).toBe(24_000)
  expect(Math.min(answer.sessions, answer.incidents)).toBeGreaterThan(100)
  expect(answer.late).toBeGreaterThan(10)
  expect(answer.duplicates).toBeGreaterThan(100)
}, 180_000)

test('several files decoded in parallel, killed while they are appended, processed and recovered: the same', async () => {
  const aims = [
    { moment: 'import', nth: 1 },
    { moment: 'import', nth: 1 },
    { moment: 'insert', nth: 1 },
    { moment: 'recovery', nth: 1 },
  ] as const
  const { kills, answer } = await tortureRound({ random: new Random(2), files: 6, eventsPerFile: 4000, aims, parallel: true })
  expect(kills.length).toBeGreaterThan(1)
  expect(kills[0]).toContain('import')
  expect(answer.differences).toEqual([])
  expect(answer.events).toBe(24_000)
}, 180_000)
