// One bit, anywhere in a data folder: the process goes on and every answer is right, or it says what is damaged; and it does not spread: with that bit
// turned back, everything is right. Every kind of file that a folder holds, at seeded places. (Each byte of each format: beside the stores, and tests/fuzz.)
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seeded } from '../sim/seeded.ts'
import { filesOf, type Kit, makeKit, type Outcome } from './folder-kit.ts'

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

/** What a killed writer's last frame is taken for, where it is damaged: torn. Then others know of more than the log. */
const TORN = ['CHECKPOINT_AHEAD', 'REPLAY_IMPOSSIBLE', 'SINK_INPUT_GONE', 'SINK_TARGET_CHANGED']

interface Flip {
  path: string
  at: number
  bit: number
}

/** Turns one bit, in one of the files; undefined where the folder has none with a byte. */
function flipOne(data: string, pattern: RegExp, seed: number): Flip | undefined {
  const random = seeded(seed)
  const files = filesOf(data, pattern)
  const path = join(data, files[Math.floor(random() * files.length)] ?? '')
  const bytes = files.length > 0 ? readFileSync(path) : Buffer.alloc(0)
  if (bytes.length === 0) return undefined
  const flip = { path, at: Math.floor(random() * bytes.length), bit: 1 << Math.floor(random() * 8) }
  turn(flip)
  return flip
}

/** Of a file that is gone meanwhile, or that is shorter, there is no such bit. */
function turn({ path, at, bit }: Flip): void {
  if (!existsSync(path)) return
  const bytes = readFileSync(path)
  if (at >= bytes.length) return
  bytes[at] ^= bit
  writeFileSync(path, bytes)
}

function expectRight({ answer, troubles, code, stderr }: Outcome, what: string): void {
  expect([troubles, code, stderr], what).toEqual([[], 0, ''])
  expect(answer, what).toMatchObject({ differences: [], events: 4000 })
}

/** The first error that it named, without an answer; undefined where everything is right. Fails on anything else. */
function refusal(outcome: Outcome, what: string): string | undefined {
  const { answer, troubles, signal } = outcome
  if (answer && troubles.length === 0) {
    expectRight(outcome, what)
    return undefined
  }
  // What is on stderr is the analytics engine's.
  expect([answer, signal], what).toEqual([undefined, null])
  expect(troubles[0].advice, what).not.toBe('')
  return troubles[0].code
}

describe('one bit of ours', () => {
  type Left = 'closed' | 'killed'
  test.each<[what: string, pattern: RegExp, code: string, folders: Left[]]>([
    ['a journal of events', /^log\/main.*jnl$/, 'LOG_CORRUPT', ['closed', 'killed']],
    ['a journal of a lane', /^log\/lane.*jnl$/, 'LOG_CORRUPT', ['closed', 'killed']],
    ['a journal of the sinks', /^log\/sinks.*jnl$/, 'LOG_CORRUPT', ['closed', 'killed']],
    ['an index of a journal', /^log\/.*idx$/, 'none', ['closed']],
    ['a checkpoint', /^state\/.*ckp$/, 'STATE_CORRUPT', ['closed']],
    ['packmill.json', /^packmill\.json$/, 'DATA_FORMAT', ['closed']],
    ['the lock of the folder', /^owner\.lock$/, 'DATA_LOCKED', ['killed']],
  ])(
    'in %s',
    async (what, pattern, code, folders) => {
      for (const [seed, left] of folders.entries()) {
        const kit = left === 'closed' ? closed : killed
        const data = kit.copy()
        const flip = flipOne(data, pattern, seed + 1)
        expect(flip).toBeDefined()
        const named = `${what}, ${left}: ${JSON.stringify(flip)}`
        const found = refusal(await kit.start(data), named)
        if (found !== undefined) expect([code, ...(left === 'killed' ? TORN : [])], named).toContain(found)
        if (found === code) {
          turn(flip!)
          expectRight(await kit.start(data), `${named}, turned back`)
        }
        rmSync(data, { recursive: true })
      }
    },
    120_000,
  )
})

/** Of the analytics engine: it has checksums of its own, and what it finds has a name of ours. A part that it cannot read it puts aside, so that only a
 *  copy of the folder helps. What it never asks for (an index that no question uses) is right, or not found.
 *  Of its small files some are here: each takes a start of the engine. */
describe('one bit of the analytics folder', () => {
  const ENGINE = ['ANALYTICS_CORRUPT', 'ANALYTICS_UNREADABLE', 'QUERY_FAILED', 'SINK_STOPPED', 'SINK_TARGET_CHANGED']
  test.each([
    'data.bin',
    'data.cmrk\\d',
    'primary.cidx',
    'checksums.txt',
    'columns.txt',
    'count.txt',
    'minmax_[a-z_]*.idx',
    'partition.dat',
    'skp_idx_[a-z_]*.idx\\d',
    'deduplication_log_\\d+.txt',
    '[a-z_]+.sql',
    'parts.json',
  ])('in a %s', async (name) => {
    const seed = name.length
    const kit = name === 'parts.json' || seed % 2 === 0 ? closed : killed
    const data = kit.copy()
    const flip = flipOne(data, new RegExp(`^analytics/(engine/data/default/.*/|engine/store/.*/|engine/metadata/.*/|)${name}$`), seed)
    expect(flip).toBeDefined()
    const found = refusal(await kit.start(data), JSON.stringify(flip))
    if (found !== undefined) expect(ENGINE, JSON.stringify(flip)).toContain(found)
    rmSync(data, { recursive: true })
  })
})
