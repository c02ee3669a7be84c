// Timers against a list that is searched, and what a topology's timers take: memory by keys, whatever its records do.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MemoryRun } from './memory-run.ts'
import { MemoryStore } from './memory-store.ts'
import { operator } from './operator.ts'
import { RecordComputer } from './record-computer.ts'
import { source, topology } from './stream.ts'
import { outputsOf } from './testing.ts'
import { Timers } from './timers.ts'
import { session } from './window.ts'

const NEVER = Number.POSITIVE_INFINITY

test('the first is that of (time, key), whatever was put off, brought forward or taken away; one entry for each key that has a timer', () => {
  const key = fc.constantFrom('', 'ü', ...'abcdefghijkl')
  const atMs = fc.oneof(fc.integer({ min: -3, max: 30 }), fc.constant(NEVER))
  // Undefined: the first is taken.
  const change = fc.option(fc.tuple(key, atMs), { nil: undefined })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 100, size: 'max' }), (changes) => {
      const timers = new Timers()
      const due = new Map<string, number>()
      const first = () => [...due].sort(([a, aMs], [b, bMs]) => aMs - bMs || (a < b ? -1 : 1)).at(0)
      const set = (of: string, ms: number) => {
        timers.set(of, ms)
        if (ms === NEVER) due.delete(of)
        else due.set(of, ms)
      }
      for (const own of [...changes, ...Array.from({ length: 14 }, () => undefined)]) {
        if (own) set(...own)
        else {
          const next = first()
          expect(timers.first && [timers.first.key, timers.first.atMs]).toEqual(next)
          if (next) set(next[0], NEVER)
        }
        expect(timers.size).toBe(due.size)
        for (const { key, atMs } of timers) expect([timers.atMs(key), atMs]).toEqual([due.get(key), due.get(key)])
      }
      expect(timers.first).toBeUndefined()
    }),
    { numRuns: 500 },
  )
})

interface Visit {
  user: string
  at: number
}
const visits = source('visits', { parse: (value) => value as Visit, timeMs: ({ at }) => at }).keyBy(({ user }) => user)

describe('timers of a topology take memory by keys', () => {
  /** Entries behind the records, one epoch for all. */
  const entriesAfter = (of: ReturnType<typeof topology>, records: readonly Visit[]) => {
    const computer = new RecordComputer(of.pipelines[0], { lineage: 'test', code: 'test', partition: 0 }, new MemoryStore())
    const bytes = Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    const blocks = [{ baseOffset: 0, count: records.length, pos: 0, length: bytes.length }]
    computer.load({ bytes, blocks, next: records.length }, 0, records.length)
    computer.compute(1, 0, records.length, {}, undefined)
    return computer.checkpoints.timers.size
  }
  const count = { name: 'n', init: () => 0, add: (n: number) => n + 1, result: (n: number) => n }

  test('where each record puts its session off', () => {
    const records = Array.from({ length: 2000 }, (_, at) => ({ user: `u${at % 10}`, at }))
    expect(entriesAfter(topology('t', visits.window(session({ gapMs: 1_000_000 }), count).to('out')), records)).toBe(10)
  })

  test('where a timer is far, and its key is forgotten long before', () => {
    const once = operator({
      name: 'once',
      state: () => ({ n: 0 }),
      onRecord(state, _: Visit, { forget }) {
        if (++state.n === 2) forget()
      },
      nextTimerMs: () => 1_000_000,
    })
    const records = Array.from({ length: 2000 }, (_, at) => ({ user: `u${at >> 1}`, at }))
    expect(entriesAfter(topology('t', visits.apply(once).to('out')), records.slice(0, -1))).toBe(1)
  })

  test('where a near timer comes before a far one, again and again', () => {
    const turns = operator({
      name: 'turns',
      state: () => ({ nextMs: 0 }),
      onRecord(state, { at }: Visit) {
        state.nextMs = at + 1
      },
      nextTimerMs: ({ nextMs }) => nextMs,
      onTimer(state) {
        state.nextMs = 1_000_000
      },
    })
    const records = Array.from({ length: 2000 }, (_, n) => ({ user: 'ann', at: n * 10 }))
    expect(entriesAfter(topology('t', visits.apply(turns).to('out')), records)).toBe(1)
  })
})

test('an epoch that is undone leaves each timer when it was: put off, brought forward, made or fired in it', async () => {
  /** Fires at what its last record says; of bad records it throws behind that. */
  const alarm = operator({
    name: 'alarm',
    state: () => ({ alarmMs: NEVER }),
    onRecord(state, { alarmMs, user }: Visit & { alarmMs: number }) {
      state.alarmMs = alarmMs
      if (user === 'bad') throw new Error('bad')
    },
    nextTimerMs: ({ alarmMs }) => alarmMs,
    onTimer(state, { key, timeMs }) {
      state.alarmMs = NEVER
      return [{ key, timeMs }]
    },
  })
  const make = () =>
    topology(
      't',
      source('visits', { parse: (value) => value as Visit & { alarmMs: number }, timeMs: ({ at }) => at })
        .keyBy(({ user }) => user)
        .apply(alarm)
        .to('rung'),
    )
  const of = make()
  const run = new MemoryRun(of)
  const visit = (user: string, at: number, alarmMs: number) => ({ user, at, alarmMs })
  run.append('visits', [visit('later', 0, 50), visit('sooner', 0, 100), visit('fired', 0, 10), visit('same', 0, 70)])
  run.settle()
  await run.checkpoint()
  run.append('visits', [visit('later', 5, 90), visit('sooner', 6, 20), visit('new', 15, 40), visit('bad', 16, 17)])
  run.settle()
  run.restart(make())
  run.close()
  expect(outputsOf(run, of)).toMatchObject({
    rung: [
      { key: 'fired', timeMs: 10 },
      { key: 'sooner', timeMs: 20 },
      { key: 'new', timeMs: 40 },
      { key: 'same', timeMs: 70 },
      { key: 'later', timeMs: 90 },
    ],
    deadLetters: [{ code: 'OPERATOR_THREW' }],
  })
})
