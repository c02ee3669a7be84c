// Fifty simulated runs; more with `npm run simulate -- --seeds 1000`.
import { expect, test } from 'vitest'
import { type Faults, noFaults, simulate } from './simulate.ts'

const SEEDS = 50

/** What fifty runs must have met at least: a simulator in which nothing goes wrong proves nothing. */
const AT_LEAST: Partial<Faults> = {
  kills: 100,
  killsWhileStarting: 40,
  powerLosses: 40,
  diskFull: 20,
  failedSyncs: 5,
  insertsFailed: 20,
  insertsUnanswered: 10,
  rowsSentAgain: 40,
  idleAdvances: 50,
  epochsRecomputed: 100,
  checkpoints: 200,
  evictions: 300,
  loads: 300,
}

test(`${SEEDS} seeds: topics and tables hold the evaluator's answer, each version once`, async () => {
  const met = noFaults()
  for (let seed = 1; seed <= SEEDS; seed++) {
    const faults = await simulate(seed)
    for (const name of Object.keys(met) as (keyof Faults)[]) met[name] += faults[name]
  }
  for (const [name, least] of Object.entries(AT_LEAST)) expect(met[name as keyof Faults], name).toBeGreaterThanOrEqual(least)
})

test('the same seed is the same run', async () => {
  expect(await simulate(7)).toEqual(await simulate(7))
})
