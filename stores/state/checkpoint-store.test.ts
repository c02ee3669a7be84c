// The embedded state store: the contract over real files and over simulated ones, then damage, a full disk, and what becomes of files.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type StateStoreUnderTest, stateStoreConformance } from '../../engine/state/store.conformance.ts'
import type { OpenCheckpoint, StateStore } from '../../engine/state/store.ts'
import { seeded } from '../../tests/sim/seeded.ts'
import { SimDisk, SimFiles } from '../../tests/sim/sim-files.ts'
import { realFiles } from '../files/real-files.ts'
import { openCheckpointStore } from './checkpoint-store.ts'

/** Low enough for files to go after a few checkpoints. */
const LOW = { slackBytes: 0, filesMax: 2 }

function simulated(): StateStoreUnderTest & { disk: SimDisk } {
  const disk = new SimDisk()
  let files = new SimFiles(disk)
  return {
    disk,
    open: () => {
      files = new SimFiles(disk)
      return openCheckpointStore({ files, folder: '/state/task', ...LOW })
    },
    async crash(seed) {
      files.cut()
      const random = seeded(seed)
      if (random() < 0.7) disk.powerLoss(random)
    },
    dispose: async () => undefined,
  }
}

function real(): StateStoreUnderTest & { folder: string } {
  const folder = join(mkdtempSync(join(tmpdir(), 'packmill-state-')), 'task')
  let store: StateStore
  return {
    folder,
    async open() {
      await realFiles.makeFolder(folder)
      store = await openCheckpointStore({ files: realFiles, folder, ...LOW })
      return store
    },
    // One process cannot kill itself here: a close in the middle is what is left (tests/ kills real processes).
    crash: () => store.close(),
    dispose: async () => rmSync(join(folder, '..'), { recursive: true }),
  }
}

stateStoreConformance('Files', async () => real(), 30)
stateStoreConformance('Simulated files', async () => simulated(), 400)

const NOTHING = Buffer.alloc(0)

/** All is done that it does beside its task: files are removed, too. */
async function maintained(store: StateStore): Promise<void> {
  while (await store.maintain());
  await new Promise((resolve) => setImmediate(resolve))
}

async function checkpoint(store: StateStore, epoch: number, keys: number): Promise<void> {
  const open = store.begin({ epoch })
  for (let n = 0; n < keys; n++) open.put(Buffer.from(`key-${n}`), Buffer.from(`value ${n} of ${epoch}`), NOTHING)
  await open.finish()
}

it('a key that a checkpoint put and then deleted is not among the entries, whichever of its changes that was', async () => {
  // The table says of a deleted key which change that was, of another where its value lies: both are small numbers here.
  for (let others = 0; others < 200; others++) {
    const store = await simulated().open()
    const open = store.begin({ epoch: 1 })
    open.put(Buffer.from('key'), Buffer.from('value'), NOTHING)
    for (let n = 0; n < others; n++) open.delete(Buffer.from(`other-${n}`))
    open.delete(Buffer.from('key'))
    await open.finish()
    expect([...store.entries()], `${others} between`).toEqual([])
    await store.close()
  }
})

describe('A damaged state store', () => {
  /** Opens it and reads all that is in it: damage is found at the start, or where a value is read. */
  async function readAll(under: ReturnType<typeof simulated>): Promise<StateStore> {
    const store = await under.open()
    for (const [key] of store.entries()) store.get(key)
    return store
  }

  it('with any byte of an older checkpoint file changed is STATE_CORRUPT', async () => {
    const under = simulated()
    const store = await under.open()
    await checkpoint(store, 1, 3)
    const second = store.begin({ epoch: 2 })
    second.put(Buffer.from('other'), Buffer.from('o'), NOTHING)
    await second.finish()
    await store.close()
    const path = '/state/task/ckpt-1.ckp'
    for (let at = 0; at < under.disk.bytes(path).length; at++) {
      under.disk.bytes(path)[at] ^= 0x10
      await expect(readAll(under), `byte ${at}`).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
      under.disk.bytes(path)[at] ^= 0x10
    }
    expect((await under.open()).header).toEqual({ epoch: 2 })
  })

  it('with any byte of the newest file changed is STATE_CORRUPT, or as if that checkpoint had not finished: never a mixture', async () => {
    const corrupt: number[] = []
    for (let at = 0; ; at++) {
      const under = simulated()
      const store = await under.open()
      await checkpoint(store, 1, 2)
      await checkpoint(store, 2, 2)
      await store.close()
      const bytes = under.disk.bytes('/state/task/ckpt-2.ckp')
      if (at === bytes.length) break
      bytes[at] ^= 1
      try {
        const again = await readAll(under)
        expect(again.header).toEqual({ epoch: 1 })
        for (let n = 0; n < 2; n++) {
          expect(Buffer.from(again.get(Buffer.from(`key-${n}`))!).toString()).toBe(`value ${n} of 1`)
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'STATE_CORRUPT' })
        corrupt.push(at)
      }
    }
    expect(corrupt.length).toBeGreaterThan(50)
  })

  it('whose older file is missing is STATE_CORRUPT where the newest needs it', async () => {
    const under = simulated()
    const store = await under.open()
    for (let epoch = 1; epoch <= 2; epoch++) await checkpoint(store, epoch, 3 - epoch)
    await store.close()
    under.disk.remove('/state/task/ckpt-1.ckp')
    await expect(under.open()).rejects.toMatchObject({
      code: 'STATE_CORRUPT',
      message: expect.stringContaining('ckpt-1.ckp'),
      advice: expect.stringContaining('move the folder of this state away'),
    })
  })

  it("with another key's value at a value's place is STATE_CORRUPT when it is read", async () => {
    const under = simulated()
    const store = await under.open()
    await checkpoint(store, 1, 2)
    await store.close()
    const bytes = under.disk.bytes('/state/task/ckpt-1.ckp')
    const at = (n: number) => Buffer.from(bytes).indexOf(`value ${n} of 1`)
    const length = 'value 0 of 1'.length + 4
    bytes.copyWithin(at(1), at(0), at(0) + length)
    const again = await under.open()
    expect(() => again.get(Buffer.from('key-1'))).toThrow(expect.objectContaining({ code: 'STATE_CORRUPT' }))
    expect(Buffer.from(again.get(Buffer.from('key-0'))!).toString()).toBe('value 0 of 1')
  })
})

describe('A full disk', () => {
  it('ends the open checkpoint with DISK_FULL and leaves the last one; with room again the same epoch finishes', async () => {
    const under = simulated()
    const store = await under.open()
    await checkpoint(store, 1, 2)
    under.disk.freeBytes = 50
    await expect(checkpoint(store, 2, 20)).rejects.toMatchObject({ code: 'DISK_FULL', retryable: true })
    expect(store.header).toEqual({ epoch: 1 })
    under.disk.freeBytes = Infinity
    await checkpoint(store, 2, 20)
    expect(Buffer.from(store.get(Buffer.from('key-1'))!).toString()).toBe('value 1 of 2')
  })
})

describe('A file', () => {
  const namesOf = (disk: SimDisk) => [...disk.files.keys()]

  it('goes when nothing in it is in force any more, and the newest checkpoint does not name it', async () => {
    const under = simulated()
    const store = await under.open()
    await checkpoint(store, 1, 5)
    await checkpoint(store, 2, 5)
    await maintained(store)
    // Named by the second, so that a loss of it would be found.
    expect(namesOf(under.disk)).toEqual(['/state/task/ckpt-1.ckp', '/state/task/ckpt-2.ckp'])
    await checkpoint(store, 3, 1)
    await maintained(store)
    expect(namesOf(under.disk)).toEqual(['/state/task/ckpt-2.ckp', '/state/task/ckpt-3.ckp'])
  })

  it('with a key that never changes is not kept for ever: the key is taken along', async () => {
    const under = simulated()
    const store = await under.open()
    await checkpoint(store, 1, 5)
    for (let epoch = 2; epoch < 12; epoch++) {
      await checkpoint(store, epoch, 1)
      await maintained(store)
      expect(namesOf(under.disk).length).toBeLessThanOrEqual(LOW.filesMax + 2)
    }
    expect(namesOf(under.disk)).not.toContain('/state/task/ckpt-1.ckp')
    expect(Buffer.from(store.get(Buffer.from('key-4'))!).toString()).toBe('value 4 of 1')
    await store.close()
    expect(Buffer.from((await under.open()).get(Buffer.from('key-4'))!).toString()).toBe('value 4 of 1')
  })

  it('with a deletion stays while an older one may have the key', async () => {
    const under = simulated()
    let store = await under.open()
    await checkpoint(store, 1, 3)
    const second = store.begin({ epoch: 2 })
    second.delete(Buffer.from('key-0'))
    await second.finish()
    for (let epoch = 3; epoch < 6; epoch++) {
      const next = store.begin({ epoch })
      next.put(Buffer.from('other'), Buffer.from(`${epoch}`), NOTHING)
      await next.finish()
      await maintained(store)
      await store.close()
      store = await under.open()
      expect(store.get(Buffer.from('key-0'))).toBeUndefined()
      expect([...store.entries()]).toHaveLength(3)
    }
  })

  it('that cannot be removed does not hold the store up: nobody reads it any more, and the next start removes it', async () => {
    const disk = new SimDisk()
    const open = (files: SimFiles) => openCheckpointStore({ files, folder: '/s', ...LOW })
    const stuck = new SimFiles(disk)
    stuck.remove = () => Promise.reject(new Error('EACCES'))
    const store = await open(stuck)
    for (let epoch = 1; epoch <= 3; epoch++) await checkpoint(store, epoch, 5)
    await maintained(store)
    expect(namesOf(disk)).toHaveLength(3)
    expect([...store.entries()]).toHaveLength(5)
    await store.close()
    const again = await open(new SimFiles(disk))
    expect([...again.entries()]).toHaveLength(5)
    expect(namesOf(disk)).toEqual(['/s/ckpt-2.ckp', '/s/ckpt-3.ckp'])
    await again.close()
  })
})

describe('Small checkpoints after a large one', () => {
  const put = (open: OpenCheckpoint, state: Map<string, string>, key: string, value: string) => {
    open.put(Buffer.from(key), Buffer.from(value), Buffer.from(key))
    state.set(key, value)
  }
  const compare = (store: StateStore, state: ReadonlyMap<string, string>) => {
    const found = [...store.entries()].map(([key]) => Buffer.from(key).toString())
    expect(found.sort().join()).toBe([...state.keys()].sort().join())
    expect([...state].filter(([key, value]) => Buffer.from(store.get(Buffer.from(key)) ?? '').toString() !== value)).toEqual([])
  }

  it.each([
    ['that say something', 3],
    ['that say nothing', 0],
  ])('%s leave at most twice as many files as may be and a few, at every one of 300; no append is much over a MiB', async (_, keys) => {
    const filesMax = 4
    const disk = new SimDisk()
    let longest = 0
    const files = new SimFiles(disk)
    const create = files.create.bind(files)
    files.create = async (path) => {
      const file = await create(path)
      const append = (parts: readonly Uint8Array[]) => {
        longest = Math.max(
          longest,
          parts.reduce((sum, { length }) => sum + length, 0),
        )
        return file.append(parts)
      }
      return { ...file, append }
    }
    const open = () => openCheckpointStore({ files, folder: '/s', filesMax })
    let store = await open()
    const state = new Map<string, string>()
    const large = store.begin({ epoch: 1 })
    for (let n = 0; n < 1500; n++) {
      put(large, state, `large ${n}`, `${n}`.padEnd(4000))
      if (n % 200 === 0) await large.flush()
    }
    await large.finish()
    longest = 0
    for (let epoch = 2; epoch <= 301; epoch++) {
      const small = store.begin({ epoch })
      for (let n = 0; n < keys; n++) put(small, state, `small ${epoch} ${n}`, `${epoch}`.padEnd(500))
      if (epoch % 10 === 0) await small.flush()
      // What it took along has not moved.
      if (epoch % 50 === 0) await small.abort()
      if (epoch % 50 === 0) for (let n = 0; n < keys; n++) state.delete(`small ${epoch} ${n}`)
      if (epoch % 50 !== 0) await small.finish()
      await maintained(store)
      expect(disk.files.size, `after ${epoch}`).toBeLessThanOrEqual(2 * filesMax + 3)
      if (epoch % 100 !== 1) continue
      compare(store, state)
      await store.close()
      store = await open()
      compare(store, state)
    }
    expect(longest).toBeLessThan(1.1 * (1 << 20))
  })

  it('drain a file of which little is in force, and others have their turn meanwhile', async () => {
    const disk = new SimDisk()
    const files = new SimFiles(disk)
    const store = await openCheckpointStore({ files, folder: '/s', filesMax: 2 })
    const state = new Map<string, string>()
    const pad = 'p'.repeat(400)
    const turns: number[] = []
    for (let epoch = 1; epoch <= 12; epoch++) {
      const open = store.begin({ epoch })
      // All but the last of the first file are changed in the second.
      for (let n = 0; n < ([0, 40_000, 39_999][epoch] ?? 0); n++) put(open, state, `${n}`, epoch === 1 ? pad : `${n}`)
      put(open, state, 'small', `${epoch}`)
      let isOver = false
      const finishing = open.finish().then(() => (isOver = true))
      turns[epoch] = 0
      for (; !isOver; turns[epoch]++) await new Promise((resolve) => setImmediate(resolve))
      await finishing
      await maintained(store)
      expect(disk.files.size, `after ${epoch}`).toBeLessThanOrEqual(2 * 2 + 3)
    }
    expect(disk.files.has('/s/ckpt-1.ckp')).toBe(false)
    // 40,000 entries are passed as if they were 1.3 MB, a MiB at a time.
    expect(turns[4]).toBeGreaterThan(turns[3])
    compare(store, state)
  })
})

describe('A slice', () => {
  const waiting: (() => void)[] = []
  const disk = new SimDisk()
  const files = new SimFiles(disk, { schedule: () => new Promise<void>((resolve) => waiting.push(resolve)) })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  /** The disk does all it is asked for until this has resolved. */
  const until = async <T>(promise: Promise<T>): Promise<T> => {
    let isOver = false
    const over = () => void (isOver = true)
    promise.then(over, over)
    for (await turn(); !isOver; await turn()) waiting.shift()?.()
    return promise
  }
  const put = (checkpoint: OpenCheckpoint, key: string, bytes: number) =>
    checkpoint.put(Buffer.from(key), Buffer.alloc(bytes, key), Buffer.from('i'))
  const isOver = async (promise: Promise<void>) => Promise.race([promise.then(() => true), turn().then(() => false)])

  it('is appended while its task goes on; the next one grows until it is, and keeps its task only when it is large', async () => {
    const store = await until(openCheckpointStore({ files, folder: '/slices' }))
    const checkpoint = store.begin({ epoch: 1 })
    put(checkpoint, 'a', 10)
    await until(checkpoint.flush())
    // The disk stands still.
    put(checkpoint, 'b', 10)
    expect(await isOver(checkpoint.flush())).toBe(true)
    put(checkpoint, 'c', 2 << 20)
    const large = checkpoint.flush()
    expect(await isOver(large)).toBe(false)
    await until(large)
    put(checkpoint, 'd', 10)
    await until(checkpoint.finish())
    for (const [key, bytes] of [
      ['a', 10],
      ['b', 10],
      ['c', 2 << 20],
      ['d', 10],
    ] as const)
      expect(Buffer.alloc(bytes, key).equals(store.get(Buffer.from(key))!)).toBe(true)
  })

  it('that could not be appended fails what comes after it, and leaves nothing', async () => {
    const store = await until(openCheckpointStore({ files, folder: '/failing' }))
    const checkpoint = store.begin({ epoch: 1 })
    put(checkpoint, 'a', 10)
    await until(checkpoint.flush())
    // It is on its way.
    disk.freeBytes = 0
    await expect(until(checkpoint.finish())).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(store.header).toBeUndefined()
  })
})

describe('A crash at any step', () => {
  it('leaves the last finished checkpoint, or the one that was finishing: whole, over 6 crashes each of 150 seeds', async () => {
    let finishedInAll = 0
    for (let seed = 1; seed <= 150; seed++) {
      const random = seeded(seed)
      const disk = new SimDisk()
      /** What each checkpoint that may be the newest holds. */
      let possible = new Map<number, Map<string, string>>([[0, new Map()]])
      for (let crash = 0; crash < 6; crash++) {
        const ready: (() => void)[] = []
        const schedule = () => new Promise<void>((resolve) => ready.push(resolve))
        const files = new SimFiles(disk, { schedule })
        let dead = false
        const run = async () => {
          const store = await openCheckpointStore({ files, folder: '/s', ...LOW })
          let state = possible.get(store.header?.epoch ?? 0)!
          expect(state, `seed ${seed}`).toBeDefined()
          let epoch = store.header?.epoch ?? 0
          for (;;) {
            const found = [...store.entries()].map(([k]) => [Buffer.from(k).toString(), Buffer.from(store.get(k)!).toString()])
            expect(new Map(found as [string, string][]), `seed ${seed}`).toEqual(state)
            for (let n = 0; n < 30; n++) expect(store.get(Buffer.from(`${n}`))?.toString()).toBe(state.get(`${n}`))
            possible = new Map([[store.header?.epoch ?? 0, state]])
            const next = new Map(state)
            const checkpoint = store.begin({ epoch: ++epoch })
            for (let i = 0; i < random() * 20; i++) {
              const key = `${Math.floor(random() * 30)}`
              if (random() < 0.3) {
                checkpoint.delete(Buffer.from(key))
                next.delete(key)
              } else {
                const value = `${key} of ${epoch}`.padEnd(random() * 100)
                checkpoint.put(Buffer.from(key), Buffer.from(value), Buffer.from(key))
                next.set(key, value)
              }
              if (random() < 0.2) await checkpoint.flush()
              if (random() < 0.3) await store.maintain()
            }
            possible.set(epoch, next)
            // Files may be removed while a checkpoint finishes.
            await Promise.all([random() < 0.1 ? checkpoint.abort() : checkpoint.finish(), store.maintain()])
            if (dead) return
            if (store.header?.epoch === epoch) state = next
            else possible = new Map([[store.header?.epoch ?? 0, state]])
            finishedInAll++
            while (random() < 0.7) await store.maintain()
          }
        }
        let error: unknown
        run().catch((cause: unknown) => (error = cause))
        for (let steps = Math.floor(random() * 120); steps > 0 && !error; steps--) {
          await new Promise((resolve) => setImmediate(resolve))
          ready.splice(Math.floor(random() * ready.length), 1)[0]?.()
        }
        if (error) throw error
        dead = true
        files.cut()
        if (random() < 0.6) disk.powerLoss(random)
      }
    }
    expect(finishedInAll).toBeGreaterThan(1000)
  })
})
