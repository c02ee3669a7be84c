import { expect, test } from 'vitest'
import { progress } from './progress.ts'
import { recoveryProgress } from './recovery-progress.ts'

function setUp() {
  const written: string[] = []
  let now = 0
  const stream = { write: (text: string) => written.push(text) }
  const recovery = recoveryProgress(() => progress({ label: 'recovery', unit: 'epochs', afterMs: 1_000, stream, nowMs: () => now }))
  return { recovery, written, at: (ms: number) => (now = ms) }
}
const begins = (partition: number, of: number) => `partition ${partition}: computing ${of} epochs again after a stop\n`

test('all partitions together, from a second on, until the folder is open', () => {
  const { recovery, written, at } = setUp()
  recovery.heard({ partition: 0, done: 0, of: 10 })
  recovery.heard({ partition: 1, done: 0, of: 30 })
  at(999)
  recovery.heard({ partition: 1, done: 10, of: 30 })
  at(1_000)
  recovery.heard({ partition: 0, done: 10, of: 10 })
  at(2_000)
  recovery.heard({ partition: 1, done: 30, of: 30 })
  // The next one of its lane, or stage.
  recovery.heard({ partition: 0, done: 0, of: 5 })
  at(9_000)
  recovery.heard({ partition: 0, done: 5, of: 5 })
  at(10_000)
  recovery.opened()
  recovery.opened()
  expect(written).toEqual([
    ...[begins(0, 10), begins(1, 30)],
    'recovery  50 %  20 epochs  20/s  1 s left\n',
    begins(0, 5),
    'recovery  100 %  45 epochs  5/s  0 s left\n',
    'recovery  45 epochs in 10 s  4/s\n',
  ])
})

test('a short one says that it begins, and nothing to recover says nothing', () => {
  const { recovery, written, at } = setUp()
  recovery.heard({ partition: 0, done: 0, of: 0 })
  recovery.heard({ partition: 1, done: 0, of: 2 })
  at(999)
  recovery.heard({ partition: 1, done: 2, of: 2 })
  recovery.opened()
  expect(written).toEqual([begins(1, 2)])
})

test('of a lane that was restarted in an open folder: it ends with its last epoch, begun again or not, or when its partition stops', () => {
  const { recovery, written, at } = setUp()
  recovery.opened()
  recovery.heard({ partition: 0, done: 0, of: 10 })
  recovery.heard({ partition: 0, done: 4, of: 10 })
  recovery.heard({ partition: 0, done: 0, of: 10 })
  at(2_000)
  recovery.heard({ partition: 0, done: 10, of: 10 })
  expect(written.splice(0).slice(2)).toEqual(['recovery  100 %  14 epochs  7/s  0 s left\n', 'recovery  14 epochs in 2 s  7/s\n'])
  recovery.heard({ partition: 3, done: 0, of: 10 })
  recovery.heard({ partition: 3, done: 2, of: 10 })
  at(4_000)
  recovery.stopped(3)
  expect(written.slice(1)).toEqual(['recovery  2 epochs in 2 s  1/s\n'])
})
