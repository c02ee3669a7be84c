// Damage in the analytics store, as a process meets it at its start or when it first reads what is damaged: ANALYTICS_CORRUPT or another error
// that says what to put back, never an answer with rows missing.
import { mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cutOff, filesOf, flip, type Kit, makeKit, type Outcome } from './folder-kit.ts'

let kit: Kit
beforeAll(async () => {
  kit = await makeKit({ files: 2, eventsPerFile: 2000, before: 1, set: ['log.partitions=1', 'engine.lanes=1'], killed: false })
}, 60_000)
afterAll(() => kit.remove())

async function spoilt(spoil: (data: string) => void): Promise<Outcome> {
  const data = kit.copy()
  spoil(data)
  const outcome = await kit.start(data)
  rmSync(data, { recursive: true })
  return outcome
}

function expectRefused({ answer, troubles, code, signal }: Outcome, expected: string, message: RegExp): void {
  expect([answer, code, signal]).toEqual([undefined, 1, null])
  expect(troubles.at(-1)).toMatchObject({
    code: expected,
    message: expect.stringMatching(message),
    advice: expect.stringMatching(/Restore|back/),
  })
}

/** A file of the first part of a table, largest first. */
const fileOf = (data: string, table: string, name: string) =>
  realpathSync(join(data, filesOf(data, new RegExp(`data/default/${table}/[^/]+/${name}$`))[0]))

test('as it was left it answers right', async () => {
  const { answer, troubles } = await spoilt(() => undefined)
  expect(troubles).toEqual([])
  expect(answer).toMatchObject({ differences: [], events: 4000 })
})

describe('files of a part', () => {
  test.each<[string, string, (path: string) => void]>([
    ['data, cut off', 'data.bin', (path) => cutOff(path, 0.5)],
    ['checksums, changed', 'checksums.txt', (path) => flip(path, 0.5)],
  ])('%s: ANALYTICS_CORRUPT, naming the part', async (_, name, spoil) => {
    expectRefused(await spoilt((data) => spoil(fileOf(data, 'events_raw', name))), 'ANALYTICS_CORRUPT', /analytics.*events_raw\/broken/)
  })

  test('data with a byte changed: whoever reads it is told, and gets no rows', async () => {
    expectRefused(await spoilt((data) => flip(fileOf(data, 'fact_sessions', 'data.bin'), 0.5)), 'ANALYTICS_CORRUPT', /analytics.*Checksum/)
  })
})

describe('what is gone as a whole, which the engine takes for never having been there', () => {
  test('a part: ANALYTICS_CORRUPT, naming it', async () => {
    const outcome = await spoilt((data) => rmSync(dirname(fileOf(data, 'events_raw', 'data.bin')), { recursive: true }))
    expectRefused(outcome, 'ANALYTICS_CORRUPT', /missing: events_raw\//)
  })

  test('the rows of a table: ANALYTICS_CORRUPT', async () => {
    const outcome = await spoilt((data) => {
      const folder = dirname(dirname(fileOf(data, 'fact_incidents', 'data.bin')))
      rmSync(folder, { recursive: true })
      mkdirSync(folder)
    })
    expectRefused(outcome, 'ANALYTICS_CORRUPT', /missing: fact_incidents\//)
  })

  test('a table: ANALYTICS_CORRUPT', async () => {
    const outcome = await spoilt((data) => rmSync(join(data, filesOf(data, /analytics.*fact_sessions\.sql$/)[0])))
    expectRefused(outcome, 'ANALYTICS_CORRUPT', /missing: fact_sessions\//)
  })

  test('all of it: another store than the one that was written to', async () => {
    expectRefused(
      await spoilt((data) => rmSync(join(data, 'analytics'), { recursive: true })),
      'SINK_TARGET_CHANGED',
      /another analytics store/,
    )
  })
})

test('metadata that cannot be read: ANALYTICS_CORRUPT', async () => {
  const outcome = await spoilt((data) => {
    const path = join(data, filesOf(data, /analytics.*events_raw\.sql$/)[0])
    writeFileSync(path, readFileSync(path).subarray(0, 40))
  })
  expectRefused(outcome, 'ANALYTICS_CORRUPT', /analytics/)
})
