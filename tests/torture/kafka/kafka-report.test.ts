import { expect, test } from 'vitest'
import { kafkaReport } from './kafka-report.ts'
import type { KafkaRound } from './kafka-round.ts'

const round: KafkaRound = {
  answer: { differences: [], events: 61_234, sessions: 2_100, incidents: 1_900, duplicates: 3_000, late: 120 },
  faults: new Map([
    ['kill', 7],
    ['zombie', 6],
  ]),
  zombies: 5,
  pieces: { cut: 1_200, half: 30, stall: 400 },
  waits: new Map([
    ['sink-waiting KAFKA_UNAVAILABLE', 4],
    ['partition-waiting KAFKA_UNAVAILABLE', 44],
  ]),
  longestMs: 9_876,
  underFaultsMs: 93_000,
  folder: '/nowhere',
}

test('the page says what was done, how often, and how it ended', () => {
  const page = kafkaReport({ seed: 3, rate: 500, round })
  expect(page).toContain('Seed 3: 13 faults in 93 s, 61,234 records, 2,100 sessions')
  expect(page).toContain('all as the evaluator has it')
  expect(page).toMatch(/\| kill -9 of a process; started again .* \| +7 \|/)
  expect(page).toMatch(/with a transaction open, which the next owner found and ended +\| +5 \|/)
  expect(page).toMatch(/after 9\.9 s at most/)
  expect(page.indexOf('partition-waiting')).toBeLessThan(page.indexOf('sink-waiting'))
  expect(page).toContain('npm run torture -- --kafka --seed 3 --faults 13 --rate 500')
})
