import { expect, test } from 'vitest'
import { evaluate } from './evaluate.ts'
import { nasty } from './nasty.ts'

const logs = Array.from({ length: 30 }, (_, at) => nasty(at + 1))
const answers = logs.map(({ events, settings }) => ({
  settings,
  ...evaluate(
    events.map((event, offset) => ({ partition: 0, offset, event })),
    settings,
  ),
}))

test('the same seed gives the same log, another one another, about as long as asked for', () => {
  expect(nasty(3)).toEqual(nasty(3))
  expect(nasty(4).events).not.toEqual(nasty(3).events)
  for (const size of [200, 2000]) {
    const { length } = nasty(5, size).events
    expect(length).toBeGreaterThanOrEqual(size)
    expect(length).toBeLessThan(size + 200)
  }
})

test('thirty seeds have everything that they are for', () => {
  const count = (of: (answer: (typeof answers)[number]) => number) => answers.reduce((sum, answer) => sum + of(answer), 0)
  expect(count(({ late }) => late.filter(({ reason }) => reason === 'late').length)).toBeGreaterThan(100)
  expect(count(({ late }) => late.filter(({ reason }) => reason === 'cap').length)).toBeGreaterThan(100)
  expect(count(({ duplicates }) => duplicates.length)).toBeGreaterThan(100)
  const sessions = answers.flatMap((answer) => [...answer.sessions.values()])
  expect(sessions.filter((row) => row.cut === 1).length).toBeGreaterThan(100)
  expect(sessions.filter((row) => row.closed === 0).length).toBeGreaterThan(100)
  expect(sessions.filter((row) => row.screen_sequence.length === 64).length).toBeGreaterThan(10)
  const incidents = answers.flatMap((answer) => [...answer.incidents.values()])
  expect(incidents.filter((row) => row.kind === 'rage_click').length).toBeGreaterThan(100)
  expect(incidents.filter((row) => row.kind === 'backtrack').length).toBeGreaterThan(100)
  expect(incidents.filter((row) => row.open === 1).length).toBeGreaterThan(10)
})

test('a seed has sessions exactly gapMs wide, rows exactly as late as is allowed, and one ms beyond both', () => {
  const behind = logs.flatMap(({ events, settings }) => {
    const largest = new Map<string, number>()
    return events.map((event) => {
      const actor = `${event.orgId} ${event.productId}`
      const ts = event.ts as number
      const before = largest.get(actor) ?? ts
      largest.set(actor, Math.max(before, ts))
      return before - settings.allowedDisorderMs - settings.correctionMs - ts
    })
  })
  expect(behind.filter((ms) => ms === 0).length).toBeGreaterThan(30)
  expect(behind.filter((ms) => ms === 1).length).toBeGreaterThan(30)
  const wide = answers.flatMap(({ sessions, settings }) => [...sessions.values()].map((row) => row.duration_ms - settings.gapMs))
  expect(wide.filter((ms) => ms === 0).length).toBeGreaterThan(5)
})
