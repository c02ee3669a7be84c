// Damage in the log, the checkpoints and the folder's own file, as a process meets it at its start: it goes on and every answer is right, or it
// says which file is damaged and what to do. (Every byte of every format for itself: beside stores/log and stores/state.)
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cutOff, filesOf, flip, type Kit, makeKit, type Outcome } from './folder-kit.ts'

let closed: Kit
let killed: Kit
beforeAll(async () => {
  const options = { files: 2, eventsPerFile: 2000, before: 1, set: ['log.partitions=1', 'engine.lanes=1'] }
  ;[closed, killed] = await Promise.all([makeKit({ ...options, killed: false }), makeKit({ ...options, killed: true })])
}, 60_000)
afterAll(() => {
  closed.remove()
  killed.remove()
})

const first = (data: string, pattern: RegExp) => join(data, filesOf(data, pattern)[0])

function expectRight({ answer, troubles, code, stderr }: Outcome): void {
  expect([troubles, code, stderr]).toEqual([[], 0, ''])
  expect(answer).toMatchObject({ differences: [], events: 4000 })
  expect(answer!.sessions).toBeGreaterThan(100)
}

/** Ended by itself, with that error first, naming the path and what to do; and nothing that looks like an answer. */
function expectRefused({ answer, troubles, code, signal, stderr }: Outcome, expected: string, path: string): void {
  expect([answer, code, signal, stderr]).toEqual([undefined, 1, null, ''])
  expect(troubles[0].code).toBe(expected)
  expect(troubles[0].message).toContain(path)
  expect(troubles[0].advice).toMatch(/Restore|--data|back/)
}

async function spoilt(kit: Kit, spoil: (data: string) => void | Promise<void>): Promise<{ data: string; outcome: Outcome }> {
  const data = kit.copy()
  await spoil(data)
  const outcome = await kit.start(data)
  rmSync(data, { recursive: true })
  return { data, outcome }
}

describe('a killed process’s journal', () => {
  test('whose last frame was torn off goes on before it', async () => {
    const { outcome } = await spoilt(killed, (data) => {
      const path = first(data, /^log\/sinks.*jnl$/)
      writeFileSync(path, readFileSync(path).subarray(0, -5))
    })
    expectRight(outcome)
  })

  test('with a byte changed in events that must be computed again: LOG_CORRUPT', async () => {
    let path = ''
    const { outcome } = await spoilt(killed, (data) => {
      path = first(data, /^log\/main.*jnl$/)
      flip(path, 0.5)
      for (const name of filesOf(data, /ckp$/)) rmSync(join(data, name))
    })
    expectRefused(outcome, 'LOG_CORRUPT', path)
  })
})

describe('a journal', () => {
  test('cut off in its middle after a clean end: LOG_CORRUPT', async () => {
    let path = ''
    const { outcome } = await spoilt(closed, (data) => {
      path = first(data, /^log\/main.*jnl$/)
      cutOff(path, 0.7)
    })
    expectRefused(outcome, 'LOG_CORRUPT', path)
  })

  test.each([
    ['main', 'REPLAY_IMPOSSIBLE', 'partition 0'],
    ['lane-0', 'CHECKPOINT_AHEAD', 'partition 0'],
    ['sinks', 'SINK_TARGET_CHANGED', 'events_raw'],
  ])('of %s, missing: %s, and nothing is written on from there', async (writer, code, what) => {
    const { outcome } = await spoilt(closed, (data) => {
      for (const name of filesOf(data, new RegExp(`^log/${writer}-`))) rmSync(join(data, name))
    })
    expectRefused(outcome, code, what)
  })

  test('whose index is damaged or missing is read itself', async () => {
    const { outcome } = await spoilt(closed, (data) => {
      const [one, ...others] = filesOf(data, /^log\/.*idx$/)
      flip(join(data, one), 0.5)
      for (const name of others) rmSync(join(data, name))
    })
    expectRight(outcome)
  })
})

describe('a checkpoint', () => {
  test('with a byte of its head changed: STATE_CORRUPT', async () => {
    let path = ''
    const { outcome } = await spoilt(closed, (data) => {
      path = first(data, /^state\/.*ckp$/)
      const bytes = readFileSync(path)
      bytes[40] ^= 1
      writeFileSync(path, bytes)
    })
    expectRefused(outcome, 'STATE_CORRUPT', path)
  })

  test('with a byte of a value changed: who does not need the value does not meet it', async () => {
    const { outcome } = await spoilt(closed, (data) => flip(first(data, /^state\/.*ckp$/), 0.5))
    expectRight(outcome)
  })

  test('cut off is none: its epochs are computed again from the log', async () => {
    const { outcome } = await spoilt(closed, (data) => {
      const newest = filesOf(data, /^state\/.*ckp$/).sort((a, b) => epochOf(b) - epochOf(a))[0]
      cutOff(join(data, newest), 0.9)
    })
    expectRight(outcome)
  })

  const epochOf = (name: string) => Number(/(\d+)\.ckp$/.exec(name)![1])
})

describe('the folder', () => {
  test.each<[string, (path: string) => void, string]>([
    ['without packmill.json', (path) => rmSync(path), 'packmill.json is missing'],
    ['with an emptied packmill.json', (path) => writeFileSync(path, ''), 'packmill.json is not what'],
  ])('%s: DATA_FORMAT', async (_, spoil, message) => {
    const { outcome } = await spoilt(closed, (data) => spoil(join(data, 'packmill.json')))
    expectRefused(outcome, 'DATA_FORMAT', message)
  })

  test('without its checkpoints: all is computed again from the log', async () => {
    const { outcome } = await spoilt(closed, (data) => rmSync(join(data, 'state'), { recursive: true }))
    expectRight(outcome)
  })
})
