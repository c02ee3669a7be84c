// The embedded state store: the contract over real files and LMDB and over simulated ones, then damage.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type StateStoreUnderTest, stateStoreConformance } from '../../engine/state/store.conformance.ts'
import type { StateStore } from '../../engine/state/store.ts'
import { seeded } from '../../tests/sim/seeded.ts'
import { SimDisk, SimFiles } from '../../tests/sim/sim-files.ts'
import { SimKeyValueDisk } from '../../tests/sim/sim-key-value.ts'
import { realFiles } from '../files/real-files.ts'
import { storageError } from '../files/storage-error.ts'
import { openCheckpointStore } from './checkpoint-store.ts'
import { lmdbKeyValue } from './lmdb-key-value.ts'

/** Low enough for a few checkpoints to be applied. */
const APPLY_FILES = 2

function simulated(): StateStoreUnderTest & { disk: SimDisk } {
  const disk = new SimDisk()
  const keyValueDisk = new SimKeyValueDisk()
  let files = new SimFiles(disk)
  return {
    disk,
    open: () => {
      files = new SimFiles(disk)
      return openCheckpointStore({ files, folder: '/state/task', keyValue: keyValueDisk.open(), applyFiles: APPLY_FILES })
    },
    async crash(seed) {
      files.cut()
      const random = seeded(seed)
      if (random() < 0.7) {
        disk.powerLoss(random)
        keyValueDisk.powerLoss(random)
      }
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
      store = await openCheckpointStore({ files: realFiles, folder, keyValue: lmdbKeyValue(join(folder, 'kv')), applyFiles: APPLY_FILES })
      return store
    },
    // One process cannot kill itself here: a close in the middle is what is left (tests/ kills real processes).
    crash: () => store.close(),
    dispose: async () => rmSync(join(folder, '..'), { recursive: true }),
  }
}

stateStoreConformance('Files and LMDB', async () => real(), 30)
stateStoreConformance('Simulated files', async () => simulated(), 400)

async function checkpoint(store: StateStore, epoch: number, keys: number): Promise<void> {
  const open = store.begin({ epoch })
  for (let n = 0; n < keys; n++) open.put('state', Buffer.from(`key-${n}`), Buffer.from(`value ${n} of ${epoch}`))
  await open.finish()
}

describe('A damaged state store', () => {
  it('with any byte of an older checkpoint file changed is STATE_CORRUPT', async () => {
    const under = simulated()
    const store = await under.open()
    await checkpoint(store, 1, 3)
    await checkpoint(store, 2, 1)
    await store.close()
    const path = '/state/task/ckpt-1.ckp'
    for (let at = 0; at < under.disk.bytes(path).length; at++) {
      under.disk.bytes(path)[at] ^= 0x10
      await expect(under.open(), `byte ${at}`).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
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
        const again = await under.open()
        expect(again.header).toEqual({ epoch: 1 })
        for (let n = 0; n < 2; n++) {
          expect(Buffer.from(again.get('state', Buffer.from(`key-${n}`))!).toString()).toBe(`value ${n} of 1`)
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'STATE_CORRUPT' })
        corrupt.push(at)
      }
    }
    expect(corrupt.length).toBeGreaterThan(50)
  })

  it('whose newest file was applied in part, then lost, is STATE_CORRUPT', async () => {
    const under = simulated()
    const store = await under.open()
    for (let epoch = 1; epoch <= 3; epoch++) await checkpoint(store, epoch, 5)
    // Three tables are merged, the application begins, and one step of it is done.
    for (let step = 0; step < 5; step++) expect(await store.maintain(), `step ${step}`).toBe(true)
    await store.close()
    under.disk.remove('/state/task/ckpt-3.ckp')
    await expect(under.open()).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
  })

  it('whose key-value store was emptied is STATE_CORRUPT once anything had been applied', async () => {
    const disk = new SimDisk()
    const open = (keyValueDisk: SimKeyValueDisk) =>
      openCheckpointStore({ files: new SimFiles(disk), folder: '/s', keyValue: keyValueDisk.open(), applyFiles: 0 })
    const store = await open(new SimKeyValueDisk())
    await checkpoint(store, 1, 5)
    while (await store.maintain());
    await checkpoint(store, 2, 1)
    await store.close()
    await expect(open(new SimKeyValueDisk())).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
  })

  it.each([
    ['overwritten', Buffer.alloc(8192, 'x')],
    ['zeros', Buffer.alloc(16384)],
    ['a few bytes', Buffer.from('x')],
  ])('whose LMDB file is %s is STATE_CORRUPT, with what to do', async (_, bytes) => {
    const under = real()
    const store = await under.open()
    await checkpoint(store, 1, 3)
    await store.close()
    writeFileSync(join(under.folder, 'kv', 'data.mdb'), bytes)
    await expect(under.open()).rejects.toMatchObject({
      code: 'STATE_CORRUPT',
      advice: expect.stringContaining('move the folder of this state away'),
    })
    await under.dispose()
  })

  it('whose LMDB file was cut off is STATE_CORRUPT', async () => {
    const under = real()
    const store = await under.open()
    for (let epoch = 1; epoch <= 3; epoch++) await checkpoint(store, epoch, 2000)
    while (await store.maintain());
    await store.close()
    truncateSync(join(under.folder, 'kv', 'data.mdb'), 8192)
    await expect(under.open()).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
    await under.dispose()
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
    expect(Buffer.from(store.get('state', Buffer.from('key-1'))!).toString()).toBe('value 1 of 2')
  })

  it('met by any write of an application loses no key: what was not written is written with room again', async () => {
    const KEYS = 2500
    let writes = 0
    for (let failing = 0, failed = true; failed; failing++) {
      failed = false
      writes = 0
      const keyValue = new SimKeyValueDisk().open(async (label) => {
        if (label !== 'key-value write' || writes++ !== failing) return
        failed = true
        throw storageError(Object.assign(new Error('no space'), { code: 'ENOSPC' }), '/state/task/kv')
      })
      const store = await openCheckpointStore({ files: new SimFiles(new SimDisk()), folder: '/state/task', keyValue, applyFiles: 0 })
      await checkpoint(store, 1, KEYS)
      let refused = 0
      for (let more = true; more; )
        more = await store.maintain().catch((error) => {
          expect(error).toMatchObject({ code: 'DISK_FULL' })
          return ++refused < 3
        })
      expect(refused).toBe(failed ? 1 : 0)
      for (let n = 0; n < KEYS; n++)
        expect(Buffer.from(store.get('state', Buffer.from(`key-${n}`)) ?? []).toString()).toBe(`value ${n} of 1`)
    }
    expect(writes).toBeGreaterThan(4)
  })
})

describe('Applying', () => {
  it('removes the files that it applied, and no other', async () => {
    const under = simulated()
    const store = await under.open()
    for (let epoch = 1; epoch <= 3; epoch++) await checkpoint(store, epoch, 5)
    for (let step = 0; step < 4; step++) await store.maintain()
    await checkpoint(store, 4, 1)
    while (await store.maintain());
    expect([...under.disk.files.keys()]).toEqual(['/state/task/ckpt-4.ckp'])
  })

  it('goes on where a file cannot be removed: nobody reads it any more, and the next start removes it', async () => {
    const disk = new SimDisk()
    const keyValueDisk = new SimKeyValueDisk()
    const open = (files: SimFiles) => openCheckpointStore({ files, folder: '/s', keyValue: keyValueDisk.open(), applyFiles: 0 })
    const stuck = new SimFiles(disk)
    stuck.remove = () => Promise.reject(new Error('EACCES'))
    const store = await open(stuck)
    await checkpoint(store, 1, 5)
    while (await store.maintain());
    expect([...disk.files.keys()]).toEqual(['/s/ckpt-1.ckp'])
    expect([...store.entries('state')]).toHaveLength(5)
    await store.close()
    const again = await open(new SimFiles(disk))
    expect([...again.entries('state')]).toHaveLength(5)
    expect([...disk.files.keys()]).toEqual([])
    await again.close()
  })
})

describe('A crash at any step', () => {
  it('leaves the last finished checkpoint, or the one that was finishing: whole, over 6 crashes each of 150 seeds', async () => {
    let finishedInAll = 0
    for (let seed = 1; seed <= 150; seed++) {
      const random = seeded(seed)
      const disk = new SimDisk()
      const keyValueDisk = new SimKeyValueDisk()
      /** What each checkpoint that may be the newest holds. */
      let possible = new Map<number, Map<string, string>>([[0, new Map()]])
      for (let crash = 0; crash < 6; crash++) {
        const ready: (() => void)[] = []
        const schedule = () => new Promise<void>((resolve) => ready.push(resolve))
        const files = new SimFiles(disk, { schedule })
        let dead = false
        const run = async () => {
          const store = await openCheckpointStore({ files, folder: '/s', keyValue: keyValueDisk.open(schedule), applyFiles: APPLY_FILES })
          let state = possible.get(store.header?.epoch ?? 0)!
          expect(state, `seed ${seed}`).toBeDefined()
          let epoch = store.header?.epoch ?? 0
          for (;;) {
            const found = [...store.entries('state')].map(([k, v]) => [Buffer.from(k).toString(), Buffer.from(v).toString()])
            expect(new Map(found as [string, string][]), `seed ${seed}`).toEqual(state)
            for (let n = 0; n < 30; n++) expect(store.get('state', Buffer.from(`${n}`))?.toString()).toBe(state.get(`${n}`))
            possible = new Map([[store.header?.epoch ?? 0, state]])
            const next = new Map(state)
            const checkpoint = store.begin({ epoch: ++epoch })
            for (let i = 0; i < random() * 20; i++) {
              const key = `${Math.floor(random() * 30)}`
              if (random() < 0.3) {
                checkpoint.delete('state', Buffer.from(key))
                next.delete(key)
              } else {
                const value = `${key} of ${epoch}`.padEnd(random() * 100)
                checkpoint.put('state', Buffer.from(key), Buffer.from(value))
                next.set(key, value)
              }
              if (random() < 0.2) await checkpoint.flush()
              if (random() < 0.3) await store.maintain()
            }
            possible.set(epoch, next)
            // The application may go on while a checkpoint finishes.
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
        if (random() < 0.6) {
          disk.powerLoss(random)
          keyValueDisk.powerLoss(random)
        }
      }
    }
    expect(finishedInAll).toBeGreaterThan(1000)
  })
})
