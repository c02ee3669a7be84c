// The engine's epochs against the batch evaluator, wherever epochs are cut and however the log is disturbed.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { trafficEvents } from '../../services/traffic/traffic.ts'
import { differences } from '../oracle/in-memory.ts'
import { nasty } from '../oracle/nasty.ts'
import { shuffleWithin } from '../oracle/shuffle.ts'
import { smallWorld } from './small-worlds.ts'

const cuts: Record<string, (seed: number) => (epoch: number) => number> = {
  'one row per epoch': () => () => 1,
  'all rows in one epoch': () => () => Infinity,
  'epochs of 1 to 23 rows': (seed) => (epoch) => ((epoch * 7919 + seed) % 23) + 1,
}
const SNAPSHOT_MS = [0, 1, 5000, 300_000]

describe.each(Object.entries(cuts))('nasty logs, %s', (_, rows) => {
  test('agree for 70 seeds, left open and closed at the end', () => {
    for (let seed = 1; seed <= 70; seed++) {
      const { events, settings } = nasty(seed, 250)
      const options = { settings: { ...settings, snapshotMs: SNAPSHOT_MS[seed % 4] }, rows: rows(seed), close: seed % 3 === 0 }
      expect(differences(events, options), `nasty log of seed ${seed}`).toEqual([])
    }
  })
})

test('any small world agrees, with any cut of epochs', () => {
  fc.assert(
    fc.property(smallWorld(), ({ settings, events, rows, close }) => {
      expect(differences(events, { settings, rows: (n) => rows[n % rows.length], close })).toEqual([])
    }),
    { numRuns: 1500 },
  )
})

describe('the order law: rows shuffled within the time to correct give the same answer', () => {
  const settings = { gapMs: 5000, allowedDisorderMs: 2000, correctionMs: 600_000, snapshotMs: 3000 }
  const inOrder = [...trafficEvents({ seed: 21, events: 3000, orgs: 2, users: 60, duplicates: 0, disorder: 0 })]
  const timeOf = ({ ts }: { ts: number | string }) => ts as number

  test.each([1, 2, 3, 4, 5, 6])('seed %i', (seed) => {
    const shuffled = shuffleWithin(inOrder, timeOf, 500_000, seed)
    expect(shuffled).not.toEqual(inOrder)
    // The evaluator's answer for the order of the log is the same as for the order of time, but for where the evidence lies.
    expect(differences(shuffled, { settings, rows: (n) => (n % 40) + 1, close: true })).toEqual([])
  })
})
