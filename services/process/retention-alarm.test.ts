import { expect, test } from 'vitest'
import { CheckpointAge } from './checkpoint-age.ts'
import { RetentionAlarm } from './retention-alarm.ts'

const RETENTION_MS = 8000

/** An hour's worth of looks at a partition whose last checkpoint ended at 0 ms. */
function watched() {
  const age = new CheckpointAge(RETENTION_MS, 0)
  const said: string[] = []
  const alarm = new RetentionAlarm({ topic: 'events.raw', partition: 3 }, age, ({ code, message, advice }) => {
    expect([message, advice]).toEqual([expect.stringContaining('partition 3 of events.raw'), expect.stringContaining('retention.ms')])
    said.push(code)
  })
  const look = (nowMs: number, { start = 0, neededFrom = 10, passed = 20, checkpoints = 1 } = {}) => {
    age.isDue(checkpoints, nowMs)
    return alarm.look(start, { neededFrom, passed, checkpoints }, nowMs)
  }
  look(0)
  return { look, said }
}

test('half of the retention after the last checkpoint it is said, once; and again only after one has ended', () => {
  const { look, said } = watched()
  look(3999)
  expect(said).toEqual([])
  for (const nowMs of [4000, 4001, 9000]) expect(look(nowMs)).toBe(false)
  expect(said).toEqual(['CHECKPOINT_OVERDUE'])
  look(9001, { checkpoints: 2 })
  look(13_000, { checkpoints: 2 })
  expect(said).toHaveLength(1)
  look(13_001, { checkpoints: 2 })
  expect(said).toEqual(['CHECKPOINT_OVERDUE', 'CHECKPOINT_OVERDUE'])
})

test('where nothing was read since the last checkpoint its age is nobody’s concern', () => {
  const { look, said } = watched()
  look(1e9, { passed: 10 })
  expect(said).toEqual([])
})

test('what is needed and being deleted is said at once, once, whatever its age', () => {
  const { look, said } = watched()
  expect(look(1, { start: 10 })).toBe(false)
  expect(look(1, { start: 11 })).toBe(true)
  expect(look(2, { start: 12 })).toBe(true)
  expect(said).toEqual(['INPUT_BEING_DELETED'])
  expect(look(3, { start: 12, neededFrom: 15, checkpoints: 2 })).toBe(false)
})
