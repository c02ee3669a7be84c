// Windows against a batch evaluator that shares no code with them: any records, any disorder, any cut of epochs.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { source, topology } from './stream.ts'
import { runTable } from './testing.ts'
import { session, sliding, tumbling, type Windows } from './window.ts'

interface Click {
  id: number
  user: string
  at: number
}
interface Counted {
  user: string
  ids: number[]
  fromMs: number
  toMs: number
}

const ids = (windows: Windows, allowedDisorderMs: number) =>
  topology(
    'windows',
    source('clicks', { parse: (value) => value as Click, timeMs: ({ at }) => at, allowedDisorderMs })
      .keyBy(({ user }) => user)
      .window(windows, {
        name: 'ids',
        init: () => [] as number[],
        add: (all, { id }) => [...all, id],
        result: (all, { key, fromMs, toMs }): Counted => ({ user: key, ids: all, fromMs, toMs }),
      })
      .to('counted'),
  )

/** What is late is decided by the records before it, whatever their key. */
function onTime(clicks: readonly Click[], allowedDisorderMs: number): Click[] {
  let maxMs = Number.NEGATIVE_INFINITY
  return clicks.filter(({ at }) => {
    const isLate = at < maxMs - allowedDisorderMs
    if (!isLate) maxMs = Math.max(maxMs, at)
    return !isLate
  })
}

function evaluate(windows: Windows, clicks: readonly Click[]): Counted[] {
  const result: Counted[] = []
  for (const user of new Set(clicks.map((click) => click.user))) {
    const own = clicks.filter((click) => click.user === user)
    // A stable sort: of one time in the order in which they came.
    own.sort((a, b) => a.at - b.at)
    if (windows.kind === 'session') {
      let open: Counted | undefined
      for (const { id, at } of own) {
        if (!open || at > open.toMs) result.push((open = { user, ids: [], fromMs: at, toMs: at }))
        open.ids.push(id)
        open.toMs = at + windows.gapMs
      }
      continue
    }
    const { sizeMs, everyMs } = windows
    const [low, high] = [Math.min(...own.map(({ at }) => at)), Math.max(...own.map(({ at }) => at))]
    for (let fromMs = Math.floor((low - sizeMs) / everyMs) * everyMs; fromMs <= high; fromMs += everyMs) {
      const inside = own.filter(({ at }) => at >= fromMs && at < fromMs + sizeMs)
      if (inside.length > 0) result.push({ user, ids: inside.map(({ id }) => id), fromMs, toMs: fromMs + sizeMs })
    }
  }
  return sorted(result)
}

const sorted = (all: Counted[]) => all.sort((a, b) => a.fromMs - b.fromMs || (a.user < b.user ? -1 : 1) || a.ids[0] - b.ids[0])

const clicks = fc
  .array(fc.record({ user: fc.constantFrom('a', 'b', 'c'), at: fc.integer({ min: -20, max: 120 }) }), { maxLength: 40 })
  .map((list) => list.map((click, id): Click => ({ ...click, id })))

describe.each<[string, fc.Arbitrary<Windows>]>([
  ['tumbling', fc.integer({ min: 1, max: 50 }).map((sizeMs) => tumbling({ sizeMs }))],
  [
    'sliding',
    fc
      .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }))
      .map(([a, b]) => sliding({ sizeMs: Math.max(a, b), everyMs: Math.min(a, b) })),
  ],
  ['session', fc.integer({ min: 1, max: 30 }).map((gapMs) => session({ gapMs }))],
])('%s windows', (_, windows) => {
  test('are those of the evaluator, whatever comes in what order and is cut anywhere', () => {
    fc.assert(
      fc.property(windows, clicks, fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 50 }), (kind, input, disorderMs, rows) => {
        const { counted, late, deadLetters } = runTable(ids(kind, disorderMs), { clicks: input }, { rows })
        const good = onTime(input, disorderMs)
        expect(sorted(counted)).toEqual(evaluate(kind, good))
        expect(late.length + good.length).toBe(input.length)
        expect(deadLetters).toEqual([])
      }),
      { numRuns: 400 },
    )
  })

  test('come out in order of their end, and as soon as they are whole', () => {
    fc.assert(
      fc.property(windows, clicks, (kind, input) => {
        const { counted } = runTable(ids(kind, 0), { clicks: input }, { close: false })
        const ends = counted.map(({ toMs }) => toMs)
        expect(ends).toEqual([...ends].sort((a, b) => a - b))
        const maxMs = Math.max(...input.map(({ at }) => at))
        const isWhole = ({ toMs }: Counted) => (kind.kind === 'session' ? toMs < maxMs : toMs <= maxMs)
        expect(sorted(counted)).toEqual(evaluate(kind, onTime(input, 0)).filter(isWhole))
      }),
      { numRuns: 200 },
    )
  })
})

test('a window that makes no sense is refused', () => {
  expect(() => tumbling({ sizeMs: 0 })).toThrow('sizeMs is 0')
  expect(() => session({ gapMs: 1.5 })).toThrow('gapMs is 1.5')
  expect(() => sliding({ sizeMs: 10, everyMs: 20 })).toThrow('records between two windows would be lost')
})
