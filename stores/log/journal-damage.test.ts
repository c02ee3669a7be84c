// What journals do with torn ends, damaged bytes, full disks, kills and power losses. Everything over the simulated file system.
import { describe, expect, it } from 'vitest'
import type { Claim, LogReceipt } from '../../engine/log/contract.ts'
import { seeded } from '../../tests/sim/seeded.ts'
import { SimDisk, SimFiles } from '../../tests/sim/sim-files.ts'
import { type JournalLog, openJournalLog } from './journal-log.ts'
import { prepareLog } from './prepare-log.ts'
import { localWaits } from './shared-log.ts'

const folder = '/log'
const at = { topic: 'events.out', partition: 0 }

interface Receipt extends LogReceipt {
  epoch: number
  to: number
}

async function open(files: SimFiles, writers = ['main'], journalBytes = 1 << 20): Promise<JournalLog[]> {
  const shared = await prepareLog({ files, folder, writers })
  const waits = localWaits()
  const logs: JournalLog[] = []
  for (const writer of writers) logs.push(await openJournalLog({ files, folder, writer, shared, waits, journalBytes, nowMs: () => 1 }))
  return logs
}

const output = (text: string, partition = 0) => ({ topic: at.topic, partition, count: 1, bytes: Buffer.from(`"${text}"\n`) })
const commit = (claim: Claim<Receipt>, epoch: number, text = `epoch ${epoch}`, partition = 0) =>
  claim.commit({ outputs: [output(text, partition)], receipt: { epoch, to: epoch } })

async function texts(log: JournalLog, partition = 0): Promise<string[]> {
  const found: string[] = []
  const reader = log.reader({ topic: at.topic, partition })
  const { start } = await log.bounds({ topic: at.topic, partition })
  for (let next = start; ; ) {
    const read = await reader.read(next, 100)
    if (!read.blocks.length) return found
    for (const { pos, length, baseOffset } of read.blocks) {
      expect(baseOffset).toBe(start + found.length)
      found.push(JSON.parse(Buffer.from(read.bytes.subarray(pos, pos + length)).toString()) as string)
    }
    next = read.next
  }
}

/** Receipts' epochs and records, which must say the same. */
async function epochs(log: JournalLog): Promise<number[]> {
  const found = (await texts(log)).map((text) => Number(text.split(' ')[1]))
  const receipts: number[] = []
  const claim = await log.claim<Receipt>('task')
  for await (const { epoch, to } of claim.receipts(0)) {
    expect(to).toBe(epoch)
    receipts.push(epoch)
  }
  expect(receipts).toEqual(found)
  expect(claim.last?.epoch ?? 0).toBe(found.at(-1) ?? 0)
  return found
}

/** A disk with three commits in one journal, as a kill leaves it (no index) or a clean stop. */
async function threeCommits(close: boolean): Promise<{ disk: SimDisk; path: string; lastFrame: number }> {
  const disk = new SimDisk()
  const files = new SimFiles(disk)
  const [log] = await open(files)
  const claim = await log.claim<Receipt>('task')
  let lastFrame = 0
  const path = `${folder}/main-1-1.jnl`
  for (let epoch = 1; epoch <= 3; epoch++) {
    lastFrame = disk.bytes(path).length
    await commit(claim, epoch)
  }
  if (close) await log.close()
  else files.cut()
  return { disk, path, lastFrame }
}

describe('A journal whose process was killed', () => {
  it('cut at any byte of its last frame, ends before that frame, and goes on in a new file', async () => {
    const { disk, path, lastFrame } = await threeCommits(false)
    const whole = Buffer.from(disk.bytes(path))
    for (let length = lastFrame; length < whole.length; length++) {
      const copy = new SimDisk()
      const file = await new SimFiles(copy).create(path)
      await file.append([whole.subarray(0, length)])
      const [log] = await open(new SimFiles(copy))
      expect(await epochs(log), `cut at ${length}`).toEqual([1, 2])
      await commit(await log.claim<Receipt>('task'), 3)
      const [again] = await open(new SimFiles(copy))
      expect(await epochs(again)).toEqual([1, 2, 3])
    }
  })

  it('with zeros behind its end has nothing more, and so with part of a frame of zeros', async () => {
    const { disk, path } = await threeCommits(false)
    const whole = Buffer.from(disk.bytes(path))
    const copy = new SimDisk()
    const file = await new SimFiles(copy).create(path)
    await file.append([whole, Buffer.alloc(5000)])
    expect(await epochs((await open(new SimFiles(copy)))[0])).toEqual([1, 2, 3])
  })

  it.each([false, true])(
    'with any bit changed (closed: %s) is LOG_CORRUPT, or ends before its last frame: never other data',
    async (close) => {
      const { disk, lastFrame } = await threeCommits(close)
      const names = [...disk.files.keys()]
      expect(names).toHaveLength(close ? 2 : 1)
      let corrupt = 0
      for (const name of names) {
        const whole = Buffer.from(disk.bytes(name))
        for (let bit = 0; bit < whole.length * 8; bit += 3) {
          const copy = new SimDisk()
          for (const other of names) {
            const bytes = Buffer.from(disk.bytes(other))
            if (other === name) bytes[bit >> 3] ^= 1 << (bit & 7)
            const file = await new SimFiles(copy).create(other)
            await file.append([bytes])
          }
          // A kill may have torn the last frame; nothing else may look torn.
          const torn = !close && bit >> 3 >= lastFrame
          try {
            const [log] = await open(new SimFiles(copy))
            expect(await epochs(log), `bit ${bit} of ${name}`).toEqual(torn ? [1, 2] : [1, 2, 3])
          } catch (error) {
            if (torn) throw error
            expect(error, `bit ${bit} of ${name}`).toMatchObject({ code: 'LOG_CORRUPT', message: expect.stringContaining('main-1-1') })
            corrupt++
          }
        }
      }
      expect(corrupt).toBeGreaterThan(100)
    },
  )

  it('a file that is shorter than its successor says is LOG_CORRUPT', async () => {
    const disk = new SimDisk()
    const files = new SimFiles(disk)
    const [log] = await open(files, ['main'], 300)
    const claim = await log.claim<Receipt>('task')
    for (let epoch = 1; epoch <= 3; epoch++) await commit(claim, epoch)
    files.cut()
    const path = `${folder}/main-1-1.jnl`
    disk.remove(`${folder}/main-1-1.idx`)
    disk.truncate(path, disk.bytes(path).length - 1)
    await expect(open(new SimFiles(disk))).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
  })
})

describe('A frame that could not be written', () => {
  it('a full disk: DISK_FULL, the claim is over, nothing of it is seen; with room again the next claim goes on', async () => {
    for (const free of [0, 1, 40, 100, 300]) {
      const disk = new SimDisk()
      const files = new SimFiles(disk)
      const [log] = await open(files)
      const claim = await log.claim<Receipt>('task')
      await commit(claim, 1)
      disk.freeBytes = free
      await expect(commit(claim, 2, 'epoch 2'.padEnd(400))).rejects.toMatchObject({ code: 'DISK_FULL', retryable: true })
      await expect(commit(claim, 2)).rejects.toMatchObject({ code: 'FENCED' })
      disk.freeBytes = 0
      await expect(log.claim('task')).rejects.toMatchObject({ code: 'DISK_FULL' })
      disk.freeBytes = Infinity
      const again = await log.claim<Receipt>('task')
      expect(again.last).toEqual({ epoch: 1, to: 1 })
      await commit(again, 2)
      files.cut()
      expect(await epochs((await open(new SimFiles(disk)))[0])).toEqual([1, 2])
    }
  })

  it('a failed sync: the frame is gone for good once anything is written after it, although its bytes are on the disk', async () => {
    const disk = new SimDisk()
    const files = new SimFiles(disk)
    const [log] = await open(files)
    const claim = await log.claim<Receipt>('task')
    await commit(claim, 1)
    disk.failingSyncs = 1
    await expect(commit(claim, 2, 'epoch 9')).rejects.toMatchObject({ code: 'DISK_FAILED' })
    const again = await log.claim<Receipt>('task')
    expect(again.last?.epoch).toBe(1)
    await commit(again, 2)
    files.cut()
    disk.remove(`${folder}/main-1-1.idx`)
    expect(await epochs((await open(new SimFiles(disk)))[0])).toEqual([1, 2])
  })
})

describe('A file in which nothing was committed, and which could not be removed', () => {
  it('is passed over by other threads and by the next start, whole frames and all', async () => {
    const disk = new SimDisk()
    const files = new SimFiles(disk)
    const [log, lane] = await open(files, ['main', 'lane-0'], 1)
    const claim = await log.claim<Receipt>('task')
    await commit(claim, 1)
    // The full file is closed beside what follows.
    await new Promise((resolve) => setImmediate(resolve))
    disk.failingSyncs = 1
    disk.failingRemoves = 1
    await expect(commit(claim, 2, 'epoch 9')).rejects.toMatchObject({ code: 'DISK_FAILED' })
    expect(disk.failingRemoves).toBe(0)
    await commit(await log.claim<Receipt>('task'), 2)
    expect(await texts(lane)).toEqual(['epoch 1', 'epoch 2'])
    files.cut()
    expect(await epochs((await open(new SimFiles(disk)))[0])).toEqual([1, 2])
  })
})

describe('A full file', () => {
  it('is closed beside what comes after it: no commit waits for its index, retention passes it over, and a close waits', async () => {
    const disk = new SimDisk()
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const indexes = () => [...disk.files.keys()].filter((path) => path.endsWith('.idx')).length
    const files = new SimFiles(disk, { schedule: async (label) => (label.includes('.idx') ? held : undefined) })
    const [log] = await open(files, ['main'], 2000)
    const claim = await log.claim<Receipt>('task')
    await commit(claim, 1, 'epoch 1'.padEnd(2000))
    expect(await log.retain()).toBe(0)
    await commit(claim, 2)
    expect(indexes()).toBe(0)
    let isClosed = false
    const closed = log.close().then(() => {
      isClosed = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(isClosed).toBe(false)
    release()
    await closed
    expect(indexes()).toBe(2)
    expect(await epochs((await open(new SimFiles(disk)))[0])).toEqual([1, 2])
  })
})

describe('Group commit', () => {
  it('commits that wait while one is written share one append and one sync', async () => {
    const labels: string[] = []
    const files = new SimFiles(new SimDisk(), { schedule: async (label) => void labels.push(label) })
    const [log] = await open(files)
    const claims = await Promise.all(Array.from({ length: 10 }, (_, i) => log.claim<Receipt>(`task-${i}`)))
    const before = labels.filter((label) => label.startsWith('sync ')).length
    await Promise.all(claims.map((claim, i) => commit(claim, 1, `task ${i}`, i)))
    expect(labels.filter((label) => label.startsWith('sync ')).length - before).toBe(1)
  })
})

describe('A writer opened again in the same process', () => {
  it('takes its journal over: the earlier instance commits no more, and other threads see both one after the other', async () => {
    const files = new SimFiles(new SimDisk())
    const shared = await prepareLog({ files, folder, writers: ['main', 'lane-0'] })
    const waits = localWaits()
    const openOne = (writer: string) => openJournalLog({ files, folder, writer, shared, waits })
    const main = await openOne('main')
    const dead = await openOne('lane-0')
    const claim = await dead.claim<Receipt>('task')
    await commit(claim, 1)
    const alive = await openOne('lane-0')
    await expect(commit(claim, 2, 'late')).rejects.toMatchObject({ code: 'FENCED' })
    const again = await alive.claim<Receipt>('task')
    expect(again.last?.epoch).toBe(1)
    await commit(again, 2)
    expect(await texts(main)).toEqual(['epoch 1', 'epoch 2'])
    expect(await epochs((await open(files, ['main', 'lane-0']))[0])).toEqual([1, 2])
  })

  it('a commit that died with its thread does not keep the name', async () => {
    let stuck = false
    const disk = new SimDisk()
    const files = new SimFiles(disk, {
      schedule: (label) => (stuck && label.startsWith('sync') ? new Promise(() => undefined) : Promise.resolve()),
    })
    const shared = await prepareLog({ files, folder, writers: ['lane-0'] })
    const openOne = () => openJournalLog({ files, folder, writer: 'lane-0', shared, waits: localWaits() })
    const claim = await (await openOne()).claim<Receipt>('task')
    stuck = true
    void commit(claim, 1)
    await new Promise((resolve) => setImmediate(resolve))
    stuck = false
    const again = await (await openOne()).claim<Receipt>('task')
    expect(again.last).toBeUndefined()
    expect(again.claimsSinceCommit).toBe(2)
  })
})

describe('Crashes at any step', () => {
  const WRITERS = ['main', 'lane-0', 'lane-1']

  /** Claims and commits of three threads until the crash; tells what was acknowledged and what was tried. */
  async function work(
    logs: readonly JournalLog[],
    random: () => number,
    say: (name: number, epoch: number, acknowledged: boolean) => void,
  ) {
    await Promise.all(
      logs.map(async (log, i) => {
        for (;;) {
          try {
            const claim = await log.claim<Receipt>(`task-${i}`)
            let epoch = claim.last?.epoch ?? 0
            for (let n = 0; n < 1 + random() * 10; n++) {
              say(i, ++epoch, false)
              await commit(claim, epoch, `${i} ${epoch} `.padEnd(10 + random() * 300), i)
              say(i, epoch, true)
            }
            await log.retain()
          } catch (error) {
            expect(error).toMatchObject({ code: expect.stringMatching(/^DISK_/) })
          }
        }
      }),
    )
  }

  it('what was acknowledged is there, what was not is there whole or not at all, over 5 crashes each of 150 seeds', async () => {
    let total = 0
    for (let seed = 1; seed <= 150; seed++) {
      const random = seeded(seed)
      const disk = new SimDisk()
      const acknowledged = WRITERS.map(() => 0)
      const tried = WRITERS.map(() => 0)
      for (let crash = 0; crash < 5; crash++) {
        // Steps go on one at a time, in random order, until the crash.
        let steps = Math.floor(random() * 150)
        const ready: (() => void)[] = []
        let dead = false
        const files = new SimFiles(disk, { schedule: () => new Promise((resolve) => ready.push(resolve)) })
        const run = async () => {
          const logs = await open(files, WRITERS, 600)
          for (const [i, log] of logs.entries()) {
            const found = await texts(log, i)
            // A release of the input was never declared: nothing but the newest is needed, yet retention in time keeps all of it.
            expect(
              found.map((text) => text.trim()),
              `seed ${seed}`,
            ).toEqual(found.map((_, n) => `${i} ${n + 1}`))
            expect(found.length).toBeGreaterThanOrEqual(acknowledged[i])
            expect(found.length).toBeLessThanOrEqual(tried[i])
            acknowledged[i] = tried[i] = found.length
          }
          await work(logs, random, (i, epoch, done) => {
            if (dead) return
            if (done) acknowledged[i] = epoch
            else tried[i] = epoch
          })
        }
        const failed = run().then(
          () => undefined,
          (error: unknown) => error ?? true,
        )
        let error: unknown
        void failed.then((e) => (error = e))
        for (; steps > 0 && !error; steps--) {
          await new Promise((resolve) => setImmediate(resolve))
          if (!ready.length) break
          ready.splice(Math.floor(random() * ready.length), 1)[0]()
          if (random() < 0.01) disk.failingSyncs = 1
          disk.freeBytes = random() < 0.05 ? random() * 400 : Infinity
        }
        // A disk that fails while the log is opened ends the process like a crash.
        if (error && !/^DISK_/.test((error as { code?: string }).code ?? '')) throw Object.assign(error as Error, { seed })
        dead = true
        files.cut()
        for (const go of ready) go()
        disk.failingSyncs = 0
        disk.freeBytes = Infinity
        if (random() < 0.6) disk.powerLoss(random)
      }
      for (const count of acknowledged) total += count
    }
    expect(total).toBeGreaterThan(1000)
  })
})
