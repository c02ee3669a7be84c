// LMDB files with damage anywhere: what is opened answers right, or says STATE_CORRUPT. LMDB itself would take the process down over some of
// them, and hide keys over others.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StateStore } from '../../engine/state/store.ts'
import { seeded } from '../../tests/sim/seeded.ts'
import { realFiles } from '../files/real-files.ts'
import { openCheckpointStore } from './checkpoint-store.ts'
import { checkTrees } from './lmdb-file.ts'
import { lmdbKeyValue } from './lmdb-key-value.ts'

const PAGE = 4096
let root: string
let folder: string
let whole: Buffer
const model = new Map<string, string>()

const open = () => openCheckpointStore({ files: realFiles, folder, keyValue: lmdbKeyValue(join(folder, 'kv')), applyFiles: 0 })

/** Everything goes into LMDB at once. */
async function checkpoint(store: StateStore, changes: Iterable<[key: string, value: string | undefined]>): Promise<void> {
  const file = store.begin({ epoch: (store.header?.epoch ?? 0) + 1 })
  for (const [name, value] of changes) {
    const key = Buffer.from(name)
    if (value === undefined) file.delete('state', key)
    else file.put('state', key, Buffer.from(value))
    if (value === undefined) file.delete('index', key)
    else file.put('index', key, Buffer.from(value.slice(0, 12)))
  }
  await file.finish()
  while (await store.maintain());
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'packmill-lmdb-'))
  folder = join(root, 'base')
  await realFiles.makeFolder(folder)
  const random = seeded(1)
  const store = await open()
  // Several rounds, so that pages are freed; some values have pages of their own.
  for (let round = 1; round <= 4; round++) {
    const changes = Array.from({ length: 600 }, (): [string, string | undefined] => {
      const key = `key-${Math.floor(random() * 1500)}`
      const length = random() < 0.1 ? 3000 + random() * 9000 : random() * 300
      return [key, random() < 0.1 ? undefined : `${key} of ${round} `.padEnd(length, 'v')]
    })
    await checkpoint(store, changes)
    for (const [key, value] of changes) {
      if (value === undefined) model.delete(key)
      else model.set(key, value)
    }
  }
  await store.close()
  whole = readFileSync(join(folder, 'kv', 'data.mdb'))
})
afterAll(() => rmSync(root, { recursive: true }))

/** What a store over these bytes does: 'right', or its error's code. Anything else than the right answer fails. */
async function answer(bytes: Uint8Array, name: string): Promise<string> {
  folder = join(root, name)
  await realFiles.makeFolder(join(folder, 'kv'))
  writeFileSync(join(folder, 'kv', 'data.mdb'), bytes)
  let store: StateStore | undefined
  try {
    store = await open()
    expect(store.header, name).toEqual({ epoch: 4 })
    const keys = () => [...store!.entries('index')].map(([key]) => Buffer.from(key).toString()).sort()
    expect(keys(), name).toEqual([...model.keys()].sort())
    for (const [key, value] of model) expect(Buffer.from(store.get('state', Buffer.from(key))!).toString(), name).toBe(value)
    await checkpoint(
      store,
      Array.from({ length: 100 }, (_, i) => [`key-${i * 15}`, 'new'.padEnd(i * 10)]),
    )
    const changed = new Set([...model.keys(), ...Array.from({ length: 100 }, (_, i) => `key-${i * 15}`)])
    expect(keys(), name).toEqual([...changed].sort())
    return 'right'
  } catch (error) {
    const { code } = error as { code?: string }
    if (code !== 'STATE_CORRUPT') throw error
    expect(error, name).toMatchObject({ message: expect.stringContaining(folder), advice: expect.stringContaining('Restore') })
    return code
  } finally {
    await store?.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

describe('An LMDB file', () => {
  it('as it was left answers right', async () => {
    expect(whole.length / PAGE).toBeGreaterThan(100)
    expect(await answer(whole, 'whole')).toBe('right')
  })

  it('with a bit changed, bytes zeroed or one page over another: the right answer or STATE_CORRUPT, over 120 seeds', async () => {
    const results: Record<string, number> = {}
    for (let seed = 1; seed <= 120; seed++) {
      const random = seeded(seed)
      const bytes = Buffer.from(whole)
      const page = Math.floor((random() * bytes.length) / PAGE)
      // Heads of pages more than what they hold, whose values have checksums.
      const at = page * PAGE + Math.floor(random() * (random() < 0.7 ? 64 : PAGE))
      const kind = random()
      if (kind < 0.6) bytes[at] ^= 1 << Math.floor(random() * 8)
      else if (kind < 0.8) bytes.fill(0, at, at + 512)
      else {
        const other = Math.floor((random() * bytes.length) / PAGE) * PAGE
        whole.copy(bytes, page * PAGE, other, other + PAGE)
      }
      const result = await answer(bytes, `seed-${seed}`)
      results[result] = (results[result] ?? 0) + 1
    }
    // Free pages may hold anything.
    expect(results.right).toBeGreaterThan(10)
    expect(results.STATE_CORRUPT).toBeGreaterThan(40)
  })

  it.each([0.3, 0.6, 0.9])('cut off after %d of it', async (share) => {
    expect(await answer(whole.subarray(0, Math.floor(whole.length * share)), `cut-${share}`)).toBe('STATE_CORRUPT')
  })

  it('whose pages claim to be of a later transaction, which LMDB would write to where they lie', async () => {
    const bytes = Buffer.from(whole)
    for (let at = 2 * PAGE; at < bytes.length; at += PAGE) if (bytes.readUInt32LE(at) === at / PAGE) bytes[at + 15] = 0x7f
    expect(await answer(bytes, 'later')).toBe('STATE_CORRUPT')
  })

  it('of a transaction that it does not hold', async () => {
    const kv = join(root, 'transaction')
    await realFiles.makeFolder(kv)
    writeFileSync(join(kv, 'data.mdb'), whole)
    expect(() => checkTrees(kv, 1_000_000)).toThrow(expect.objectContaining({ code: 'STATE_CORRUPT' }))
  })
})
