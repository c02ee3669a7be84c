import { expect, test } from 'vitest'
import { Random } from '../../../services/traffic/random.ts'
import { type Fault, KINDS, type Kind, mayOverlap, planFaults } from './faults.ts'

test('a seed is one plan: each kind once before any comes again', () => {
  const plan = planFaults(new Random(7), 25, 3)
  expect(plan).toEqual(planFaults(new Random(7), 25, 3))
  expect(plan).not.toEqual(planFaults(new Random(8), 25, 3))
  for (const from of [0, 10])
    expect(
      plan
        .slice(from, from + KINDS.length)
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual([...KINDS].sort())
  expect(plan).toHaveLength(25)
  expect(
    planFaults(new Random(7), 4, 3, ['cut', 'kill'])
      .map(({ kind }) => kind)
      .sort(),
  ).toEqual(['cut', 'cut', 'kill', 'kill'])
})

test('two are under way at once only where neither undoes the other', () => {
  const fault = (kind: Kind, target = 0): Fault => ({ ...planFaults(new Random(1), 1, 3)[0], kind, target })
  expect(mayOverlap(fault('sleep', 0), fault('kill', 1))).toBe(true)
  expect(mayOverlap(fault('sleep', 1), fault('kill', 1))).toBe(false)
  expect(mayOverlap(fault('sleep'), fault('broker-kill'))).toBe(true)
  expect(mayOverlap(fault('broker-stop'), fault('broker-kill'))).toBe(false)
  expect(mayOverlap(fault('cut'), fault('stall'))).toBe(false)
  expect(mayOverlap(fault('cut'), fault('broker-kill'))).toBe(true)
  for (const kind of KINDS) expect(mayOverlap(fault(kind), fault('zombie', 1))).toBe(false)
})
