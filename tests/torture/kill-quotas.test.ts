import { expect, test } from 'vitest'
import { Random } from '../../services/traffic/random.ts'
import { KillQuotas, MUST } from './kill-quotas.ts'

test('a campaign goes on until a tenth of its kills was in each moment that must be met', () => {
  const quotas = new KillQuotas(20)
  quotas.add(Array.from({ length: 20 }, () => ['import', 'commit', 'insert']))
  expect([quotas.isOver, quotas.missing]).toEqual([false, ['checkpoint', 'recovery']])
  quotas.add([['recovery'], ['recovery', 'checkpoint']])
  // Two of twenty would do, two of twenty-two do not.
  expect([quotas.isOver, quotas.missing]).toEqual([false, ['checkpoint', 'recovery']])
  quotas.add([['recovery', 'checkpoint'], ['checkpoint']])
  expect([quotas.isOver, quotas.missing]).toEqual([true, []])
  expect(quotas.kills).toBe(24)
})

test('one that does not meet them ends after three times its kills, and says what is missing', () => {
  const quotas = new KillQuotas(10)
  quotas.add(Array.from({ length: 29 }, () => ['start']))
  expect(quotas.isOver).toBe(false)
  quotas.add([['start']])
  expect([quotas.isOver, quotas.missing]).toEqual([true, MUST])
})

test('aims: as many as are left; then at what is missing, but for a recovery before there was anything', () => {
  const quotas = new KillQuotas(3)
  expect(quotas.aims(new Random(1)).length).toBe(3)
  quotas.add([['commit'], ['checkpoint'], ['insert']])
  for (let seed = 0; seed < 20; seed++)
    expect(quotas.aims(new Random(seed))).toEqual([
      { moment: 'checkpoint', nth: 1 },
      { moment: 'recovery', nth: 1 },
    ])
})
