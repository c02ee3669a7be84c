// The engine against the batch evaluator on the real clicks, with what is off by default, and each rage profile.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import type { WireEvent } from '../../model/event.ts'
import { rageClickDefaults } from '../../operators/rage-clicks.ts'
import { type RageProfileName, rageProfiles } from '../../operators/rage-profiles.ts'
import { differences, finalRows, runInMemory } from '../oracle/in-memory.ts'
import { shuffleWithin } from '../oracle/shuffle.ts'
import { needs, realDataPath } from '../require.ts'

const path = realDataPath('human-tasks.jsonl.gz')
const PROFILES = Object.keys(rageProfiles) as RageProfileName[]

describe.runIf(needs('the real clicks', path, 'put human-tasks.jsonl.gz into the data folder beside the checkout'))(
  'the real clicks',
  () => {
    let events: WireEvent[]
    beforeAll(() => {
      const lines = gunzipSync(readFileSync(path)).toString('utf8').trimEnd().split('\n')
      events = lines.map((line) => JSON.parse(line) as WireEvent)
    })
    const rows = () => 5000

    // On the real log and tables, with 5 s: tests/end-to-end.test.ts.
    test.each([
      [1_800_000, 2952],
      [30_000, 2963],
    ])('with gapMs %i they are %i sessions, also when lines are shuffled inside windows below correctionMs', (gapMs, count) => {
      const options = { settings: { gapMs }, rows }
      const inOrder = runInMemory(events, options)
      const shuffledEvents = shuffleWithin(events, ({ ts }) => ts as number, 3_599_999, gapMs)
      const shuffled = runInMemory(shuffledEvents, options)
      expect(differences(events, options, inOrder)).toEqual([])
      expect(differences(shuffledEvents, options, shuffled)).toEqual([])
      const [expected, found] = [finalRows(events, options, inOrder), finalRows(shuffledEvents, options, shuffled)]
      for (const { sessions } of [expected, found]) {
        const sum = (field: 'event_count' | 'click_count') => sessions.reduce((total, row) => total + row[field], 0)
        expect([sessions.length, sum('event_count'), sum('click_count')]).toEqual([count, 134_297, 88_409])
      }
      const content = ({ sessions }: typeof found) => sessions.map(({ session_id }) => session_id).sort()
      expect(content(found)).toEqual(content(expected))
    })

    test('with dead clicks, shuffled within the time to correct, agree', () => {
      const settings = { deadClicks: { enabled: true, withinMs: 2500 }, gapMs: 30_000 }
      const shuffled = shuffleWithin(events, ({ ts }) => ts as number, 3_000_000, 5)
      expect(differences(shuffled, { settings, rows, close: true })).toEqual([])
      const { incidents } = finalRows(events, { settings, rows, close: true })
      const count = (kind: string) => incidents.filter((row) => row.kind === kind).length
      expect(count('dead_click')).toBeGreaterThan(100)
      expect(count('rage_click')).toBeGreaterThan(10)
    })

    test.each(PROFILES)('with the rage profile %s agree on a third of them', (profile) => {
      const settings = { rage: { ...rageClickDefaults, profile } }
      const third = events.slice(0, Math.floor(events.length / 3))
      expect(differences(third, { settings, rows })).toEqual([])
    })
  },
)
