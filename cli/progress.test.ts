import { expect, test } from 'vitest'
import { progress } from './progress.ts'

function setUp(stream: { isTTY?: boolean; columns?: number }, total?: number, afterMs?: number) {
  const written: string[] = []
  let now = 0
  const shown = progress({
    label: 'import',
    unit: 'events',
    total,
    afterMs,
    stream: { ...stream, write: (text: string) => written.push(text) },
    nowMs: () => now,
  })
  return { shown, written, at: (ms: number) => (now = ms) }
}

test('without a terminal: a plain line every 5 s and one at the end', () => {
  const { shown, written, at } = setUp({}, 100_000)
  at(4_999)
  shown.update(24_000)
  expect(written).toEqual([])
  at(5_000)
  shown.update(25_000)
  at(9_999)
  shown.update(49_000)
  at(20_000)
  shown.finish(100_000)
  expect(written).toEqual(['import  25 %  25,000 events  5,000/s  15 s left\n', 'import  100,000 events in 20 s  5,000/s\n'])
})

test('on a terminal: one line, redrawn at most every 100 ms, cut to the width, erased at the end', () => {
  const { shown, written, at } = setUp({ isTTY: true, columns: 21 }, 100_000)
  at(99)
  shown.update(1)
  at(100)
  shown.update(1_000)
  at(200)
  shown.update(2_000)
  shown.finish(2_000)
  expect(written).toEqual([
    'import  1 %  1,000 e',
    '\r\u001b[2K',
    'import  2 %  2,000 e',
    '\r\u001b[2K',
    'import  2,000 events in 0 s  10,000/s\n',
  ])
})

test('a note stands above the line', () => {
  const { shown, written, at } = setUp({ isTTY: true })
  at(1_000)
  shown.update(10)
  shown.note('one line was rejected')
  expect(written).toEqual(['import  10 events  10/s', '\r\u001b[2K', 'one line was rejected\n', 'import  10 events  10/s'])
})

test('a share of its own decides the time left; beyond 1 nothing is left', () => {
  const { shown, written, at } = setUp({})
  at(10_000)
  shown.update(10, 0.1)
  at(20_000)
  shown.update(20, 1.5)
  expect(written).toEqual(['import  10 %  10 events  1/s  1 min 30 s left\n', 'import  100 %  20 events  1/s  0 s left\n'])
})

test.each([{}, { isTTY: true }])('what is over within its time says nothing, on %j', (stream) => {
  const { shown, written, at } = setUp(stream, 100, 1_000)
  at(999)
  shown.update(50)
  shown.finish(100)
  expect(written).toEqual([])
})

test('what takes longer says so from then on: a plain line at once, and every 5 s', () => {
  const { shown, written, at } = setUp({}, 10_000, 1_000)
  for (const [ms, count] of [
    [1_000, 100],
    [5_999, 500],
    [6_000, 600],
  ] as const) {
    at(ms)
    shown.update(count)
  }
  at(10_000)
  shown.finish(10_000)
  expect(written).toEqual([
    'import  1 %  100 events  100/s  1 min 39 s left\n',
    'import  6 %  600 events  100/s  1 min 34 s left\n',
    'import  10,000 events in 10 s  1,000/s\n',
  ])
})
