// The evaluator on the real clicks: the numbers of sessions that were counted independently of it.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import type { WireEvent } from '../../model/event.ts'
import { needs, realDataPath } from '../require.ts'
import { evaluate, type LogRecord } from './evaluate.ts'
import { shuffleWithin } from './shuffle.ts'

const path = realDataPath('human-tasks.jsonl.gz')

describe.runIf(needs('the real clicks', path, 'put human-tasks.jsonl.gz into the data folder beside the checkout'))(
  'the real clicks',
  () => {
    let records: (LogRecord & { event: WireEvent })[] = []
    beforeAll(() => {
      const lines = gunzipSync(readFileSync(path)).toString('utf8').trimEnd().split('\n')
      records = lines.map((line, offset) => ({ partition: 0, offset, event: JSON.parse(line) as WireEvent }))
    })

    test('are 134,297 events, 88,409 of them clicks', () => {
      expect(records.length).toBe(134_297)
      expect(records.filter(({ event }) => event.type === 'click').length).toBe(88_409)
    })

    test.each([
      [1_800_000, 2952],
      [30_000, 2963],
      [5000, 10_331],
    ])(
      'with gapMs %i are %i sessions, which hold every event, also when lines are shuffled inside windows below correctionMs',
      (gapMs, count) => {
        const { sessions, incidents, late } = evaluate(records, { gapMs })
        expect(sessions.size).toBe(count)
        expect(late).toEqual([])
        const sum = (field: 'event_count' | 'click_count') => [...sessions.values()].reduce((total, row) => total + row[field], 0)
        expect([sum('event_count'), sum('click_count')]).toEqual([134_297, 88_409])
        const shuffled = evaluate(
          shuffleWithin(records, ({ event }) => event.ts as number, 3_599_999, gapMs),
          { gapMs },
        )
        expect(shuffled.sessions).toEqual(sessions)
        expect(shuffled.incidents).toEqual(incidents)
        expect(shuffled.late).toEqual([])
      },
    )
  },
)
