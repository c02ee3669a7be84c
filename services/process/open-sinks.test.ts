// A process that fills no tables says so to whoever asks for rows, and keeps nobody waiting.
import { expect, test } from 'vitest'
import { openSinks } from './open-sinks.ts'

test('without tables who asks for rows is told where to ask, and who waits for them waits for nothing', async () => {
  const sinks = openSinks(undefined, () => undefined)
  await Promise.all([sinks.opened, sinks.ready, sinks.drain({ 'events.raw': [1_000] })])
  expect(await sinks.stats()).toEqual([])
  await expect(sinks.query('SELECT 1')).rejects.toMatchObject({ code: 'NO_TABLES', advice: expect.stringContaining('--data') })
  await expect(sinks.queryText('SELECT 1', 'JSON')).rejects.toMatchObject({ code: 'NO_TABLES' })
  await sinks.stop()
})
