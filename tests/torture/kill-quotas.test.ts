import { expect, test } from 'vitest'
import { Random } from '../../services/traffic/random.ts'
import { ALSO, KillQuotas, MUST } from './kill-quotas.ts'
import type { Moment } from './moments.ts'

const done = (kills: Moment[][], held = 0, twice = 0) => ({ kills, held, twice })
const times = <T>(n: number, of: T): T[] => Array.from({ length: n }, () => of)

test('a campaign goes on until a tenth of its kills was in each moment that must be met', () => {
  const quotas = new KillQuotas(20)
  quotas.add(done(times(20, ['import', 'commit', 'insert']), 1, 1))
  expect([quotas.isOver, quotas.missing]).toEqual([false, ['checkpoint', 'recovery']])
  quotas.add(done([['recovery'], ['recovery', 'checkpoint']]))
  // Two of twenty would do, two of twenty-two do not.
  expect([quotas.isOver, quotas.missing]).toEqual([false, ['checkpoint', 'recovery']])
  quotas.add(done([['recovery', 'checkpoint'], ['checkpoint']]))
  expect([quotas.isOver, quotas.missing]).toEqual([true, []])
  expect(quotas.kills).toBe(24)
})

test('and until some were held and some killed twice within a second: three for each hundred kills, one at least', () => {
  const quotas = new KillQuotas(10)
  quotas.add(done(times(10, [...MUST])))
  expect([quotas.isOver, quotas.missing]).toEqual([false, ['held', 'twice']])
  quotas.add(done([], 1))
  expect([quotas.isOver, quotas.missing]).toEqual([false, ['twice']])
  quotas.add(done([], 0, 1))
  expect([quotas.isOver, quotas.missing]).toEqual([true, []])
  const large = new KillQuotas(100)
  large.add(done(times(100, [...MUST]), 2, 3))
  expect([large.isOver, large.missing]).toEqual([false, ['held']])
})

test('one that does not meet them ends after three times its kills, and says what is missing', () => {
  const quotas = new KillQuotas(10)
  quotas.add(done(times(29, ['start'])))
  expect(quotas.isOver).toBe(false)
  quotas.add(done([['start']]))
  expect([quotas.isOver, quotas.missing]).toEqual([true, [...MUST, ...ALSO]])
})

test('aims: as many as are left; then at what is missing, but for a recovery before there was anything', () => {
  const quotas = new KillQuotas(3)
  expect(quotas.aims(new Random(1)).length).toBe(3)
  quotas.add(done([['commit'], ['checkpoint'], ['insert']], 1, 1))
  for (let seed = 0; seed < 20; seed++)
    expect(quotas.aims(new Random(seed))).toEqual([
      { moment: 'checkpoint', nth: 1 },
      { moment: 'recovery', nth: 1 },
    ])
})

test('aims: one that is to be held has its folder then; one that is killed twice within a second dies before it is over', () => {
  const aimsAfter = (held: number, twice: number) => {
    const quotas = new KillQuotas(2)
    quotas.add(done(times(2, [...MUST]), held, twice))
    return quotas.aims(new Random(1))
  }
  expect(aimsAfter(1, 0)).toHaveLength(2)
  for (const aim of aimsAfter(1, 0)) expect('afterMs' in aim && aim.afterMs).toBeLessThan(1000)
  for (const aim of aimsAfter(0, 1)) expect(aim).toMatchObject({ held: true, moment: expect.not.stringMatching(/start|stop/) })
})
