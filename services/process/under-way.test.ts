import { expect, it } from 'vitest'
import { UnderWay } from './under-way.ts'

it('what has begun and not ended is listed, however it ends', async () => {
  const underWay = new UnderWay()
  const works = Array.from({ length: 3 }, () => Promise.withResolvers<number>())
  const tables = ['events_raw', 'fact_sessions']
  const words = ['partition 1', () => `the tables ${tables.join(', ')}`, 'the log']
  const [first, second] = works.map(({ promise }, i) => underWay.during(words[i], promise))
  expect(underWay.list).toEqual(['partition 1', 'the tables events_raw, fact_sessions', 'the log'])
  works[0].resolve(7)
  expect(await first).toBe(7)
  tables.shift()
  expect(underWay.list).toEqual(['the tables fact_sessions', 'the log'])
  works[1].reject(new Error('no'))
  await expect(second).rejects.toThrow('no')
  expect(underWay.list).toEqual(['the log'])
})
