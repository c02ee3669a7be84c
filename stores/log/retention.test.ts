// Retention: nothing that anyone needs goes, whatever is small and must stay is written again, and what went is gone for all threads.
import { beforeEach, describe, expect, it } from 'vitest'
import type { Claim, LogReceipt } from '../../engine/log/contract.ts'
import { SimDisk, SimFiles } from '../../tests/sim/sim-files.ts'
import { type JournalLog, openJournalLog } from './journal-log.ts'
import { prepareLog } from './prepare-log.ts'
import type { Retention } from './retention.ts'
import { localWaits } from './shared-log.ts'

const raw = { topic: 'events.raw', partition: 0 }
const out = { topic: 'events.out', partition: 0 }
const nothing: Retention = { topics: {}, others: { ms: -1, bytes: 0 } }

describe('Retention', () => {
  let disk: SimDisk
  let now: number
  let retention: Retention
  let main: JournalLog
  let lane: JournalLog
  /** Paths that are open to be read. */
  let held: string[]

  let open: (writer: string) => Promise<JournalLog>

  async function start(schedule?: (label: string) => Promise<void>): Promise<void> {
    const files = new SimFiles(disk, { schedule })
    held = []
    const openFile = files.open.bind(files)
    files.open = (path) => {
      const file = openFile(path)
      held.push(path)
      return { ...file, close: () => void held.splice(held.indexOf(path), 1) }
    }
    const shared = await prepareLog({ files, folder: '/log', writers: ['main', 'lane-0', 'late'] })
    const waits = localWaits()
    open = (writer) => openJournalLog({ files, folder: '/log', writer, shared, waits, journalBytes: 500, retention, nowMs: () => now })
    main = await open('main')
    lane = await open('lane-0')
  }
  beforeEach(() => {
    disk = new SimDisk()
    now = 1000
    retention = nothing
    return start()
  })

  const journals = (writer: string) => [...disk.files.keys()].filter((path) => path.includes(`/${writer}-`) && path.endsWith('.jnl')).length
  const block = (at: typeof raw, count = 10) => ({ ...at, count, bytes: Buffer.alloc(count * 20, '"2345678901234567"\n\n') })

  /** `n` commits of the importer to events.raw: 10 records each, a file for every second one. */
  async function fill(claim: Claim, n: number, from = 0): Promise<void> {
    for (let i = 1; i <= n; i++) await claim.commit({ outputs: [block(raw)], receipt: { epoch: from + i, to: i } })
  }

  it('without a consumer, what is older than the time and larger than the bytes goes, and the rest stays readable', async () => {
    const importer = await main.claim('import')
    await fill(importer, 10)
    await importer.commit({ outputs: [], receipt: { epoch: 11, to: 11 }, release: { receiptsThrough: 11, inputBefore: 0 } })
    const before = journals('main')
    expect(await main.retain()).toBeGreaterThanOrEqual(before - 1)
    const { start, end } = await main.bounds(raw)
    expect(start).toBeGreaterThan(0)
    expect(end).toBe(100)
    await expect(main.reader(raw).read(0, 1000)).rejects.toMatchObject({ code: 'LOG_TRIMMED' })
    expect(await lane.bounds(raw)).toEqual({ start, end })
    await importer.commit({ outputs: [block(raw)], receipt: { epoch: 12, to: 12 } })
    expect((await lane.reader(raw).read(end, 1000)).blocks).toMatchObject([{ baseOffset: 100, count: 10 }])
    await expect(lane.reader(raw).read(start - 1, 1000)).rejects.toMatchObject({ code: 'LOG_TRIMMED' })
    expect(journals('main')).toBeLessThan(4)
  })

  it('a file that goes is open in no thread once that knows of it, whether it deleted it or read it', async () => {
    const importer = await main.claim('import')
    await fill(importer, 10)
    const readers = [main.reader(raw), lane.reader(raw)]
    for (const reader of readers) for (let next = 0; next < 100; ) next = (await reader.read(next, 200)).next
    const before = held.length
    await importer.commit({ outputs: [], receipt: { epoch: 11, to: 11 }, release: { receiptsThrough: 11, inputBefore: 0 } })
    const deleted = await main.retain()
    expect(deleted).toBeGreaterThan(3)
    const { start } = await lane.bounds(raw)
    expect(held.filter((path) => !disk.files.has(path))).toEqual([])
    expect(held.length).toBeLessThan(before)
    for (const reader of readers) {
      await expect(reader.read(start - 1, 200)).rejects.toMatchObject({ code: 'LOG_TRIMMED' })
      expect((await reader.read(start, 1000)).next).toBe(100)
    }
    expect(held.filter((path) => !disk.files.has(path))).toEqual([])
  })

  it('within the time, as many bytes stay as the topic may have; beyond the time all go', async () => {
    retention = { topics: { 'events.raw': { ms: 5000, bytes: 1000 } }, others: { ms: -1, bytes: 0 } }
    await start()
    const importer = await main.claim('import')
    await fill(importer, 20)
    await importer.commit({ outputs: [], receipt: { epoch: 21, to: 21 }, release: { receiptsThrough: 21, inputBefore: 0 } })
    await main.retain()
    const { start: kept } = await main.bounds(raw)
    expect(kept).toBeGreaterThan(0)
    // 20 bytes a record: at least 1,000 bytes stay, and not two files more than that.
    expect((200 - kept) * 20).toBeGreaterThanOrEqual(1000)
    expect((200 - kept) * 20).toBeLessThan(2000)
    now += 5001
    await main.retain()
    expect((await main.bounds(raw)).start).toBeGreaterThan(kept)
  })

  it.each(['constructor', 'toString'])('a topic called %s is kept as the others are', async (topic) => {
    retention = { topics: {}, others: { ms: 5000, bytes: Number.POSITIVE_INFINITY } }
    await start()
    const importer = await main.claim('import')
    for (let i = 1; i <= 10; i++) await importer.commit({ outputs: [block({ ...raw, topic })], receipt: { epoch: i, to: i } })
    await importer.commit({ outputs: [], receipt: { epoch: 11, to: 11 }, release: { receiptsThrough: 11, inputBefore: 0 } })
    expect(await main.retain()).toBe(0)
    now += 5001
    expect(await main.retain()).toBeGreaterThan(0)
  })

  it('a task keeps its input from its release on, and a sink what it declared, over restarts', async () => {
    const importer = await main.claim('import')
    const task = await lane.claim('task', raw)
    await lane.need('sink', raw, 35)
    await fill(importer, 10)
    await importer.commit({ outputs: [], receipt: { epoch: 11, to: 11 }, release: { receiptsThrough: 11, inputBefore: 0 } })
    expect(await main.retain()).toBe(0)
    await task.commit({ outputs: [], receipt: { epoch: 1, to: 60 }, release: { receiptsThrough: 0, inputBefore: 60 } })
    await main.retain()
    const { start: bySink } = await main.bounds(raw)
    expect(bySink).toBeGreaterThan(0)
    expect(bySink).toBeLessThanOrEqual(35)
    await start()
    await main.retain()
    expect((await main.bounds(raw)).start).toBe(bySink)
    await lane.need('sink', raw, 90)
    await main.retain()
    const { start: byTask } = await main.bounds(raw)
    expect(byTask).toBeGreaterThan(bySink)
    expect(byTask).toBeLessThanOrEqual(60)
    await (await lane.claim('task', raw)).commit({
      outputs: [],
      receipt: { epoch: 2, to: 100 },
      release: { receiptsThrough: 0, inputBefore: 100 },
    })
    await lane.need('sink', raw, Infinity)
    await main.retain()
    expect((await main.bounds(raw)).start).toBeGreaterThan(60)
    await lane.need('sink', raw, 95)
    expect(main.index.neededFrom('events.raw', 0)).toBe(100)
    await main.bounds(raw)
    expect(main.index.neededFrom('events.raw', 0)).toBe(95)
  })

  it('a task that could not claim its input yet keeps all of it, where it was reserved for it', async () => {
    await main.reserve('task', raw)
    const importer = await main.claim('import')
    await lane.need('sink', raw, 35)
    await fill(importer, 10)
    await importer.commit({ outputs: [], receipt: { epoch: 11, to: 11 }, release: { receiptsThrough: 11, inputBefore: 0 } })
    await lane.need('sink', raw, 100)
    await main.retain()
    expect((await main.bounds(raw)).start).toBe(0)
    await start()
    // Its claim and its commits are what counts from then on, also where it is reserved again.
    const task = await lane.claim('task', raw)
    await task.commit({ outputs: [], receipt: { epoch: 1, to: 60 }, release: { receiptsThrough: 0, inputBefore: 60 } })
    await main.reserve('task', raw)
    await main.retain()
    const { start: first } = await main.bounds(raw)
    expect(first).toBeGreaterThan(0)
    expect(first).toBeLessThanOrEqual(60)
    await lane.need('task', raw, Infinity)
    await main.reserve('task', raw)
    await main.retain()
    expect((await main.bounds(raw)).start).toBeGreaterThan(60)
  })

  it('what a failed write left is passed over, also where the file that did not name it is gone', async () => {
    const importer = await main.claim('import')
    await fill(importer, 10)
    // As if its first frame had failed, and its removal: the file after it, which would have passed over it, goes.
    const [path] = [...disk.files.keys()].filter((path) => /main-\d+-3\.jnl$/.test(path))
    await importer.commit({ outputs: [], receipt: { epoch: 11, to: 11 }, release: { receiptsThrough: 11, inputBefore: 0 } })
    await main.retain()
    expect(disk.files.has(path)).toBe(false)
    const left = await new SimFiles(disk).create(path)
    await left.append([Buffer.alloc(40, 7)])
    await left.close()
    const late = await open('late')
    expect(await late.bounds(raw)).toEqual(await main.bounds(raw))
    await late.close()
  })

  it('a name’s receipts keep their file until they are released; the newest, the claims and the ends are written again', async () => {
    const importer = await main.claim('import')
    await fill(importer, 6)
    expect(await main.retain()).toBe(0)
    await importer.commit({
      outputs: [block(out)],
      receipt: { epoch: 7, to: 7, note: 'last' } as LogReceipt,
      release: { receiptsThrough: 7, inputBefore: 0 },
    })
    await main.claim('killer')
    await main.claim('killer')
    const other = await main.claim('other')
    for (let i = 1; i <= 8; i++) {
      await other.commit({
        outputs: [block(raw, 1)],
        receipt: { epoch: i, to: i, pad: 'x'.repeat(400) } as LogReceipt,
        release: { receiptsThrough: i, inputBefore: 0 },
      })
    }
    expect(await main.retain()).toBeGreaterThan(3)
    for (const restarted of [false, true]) {
      if (restarted) await start()
      expect(await main.bounds(out)).toEqual({ start: 10, end: 10 })
      expect((await main.bounds(raw)).end).toBe(68)
      expect((await main.claim('import')).last).toEqual({ epoch: 7, to: 7, note: 'last' })
      expect((await main.claim('killer')).claimsSinceCommit).toBe(restarted ? 4 : 3)
    }
  })

  it('each thread deletes its own files, and the first also those of earlier processes', async () => {
    const task = await lane.claim('task')
    for (let i = 1; i <= 6; i++)
      await task.commit({ outputs: [block(out)], receipt: { epoch: i, to: i }, release: { receiptsThrough: i, inputBefore: 0 } })
    expect(journals('lane-0')).toBeGreaterThan(2)
    expect(await main.retain()).toBe(0)
    await start()
    expect(await lane.retain()).toBe(0)
    expect(await main.retain()).toBeGreaterThan(1)
    expect(journals('lane-0')).toBe(0)
    expect((await lane.claim('task')).last).toEqual({ epoch: 6, to: 6 })
    expect(await lane.bounds(out)).toEqual({ start: 60, end: 60 })
  })

  it('a file whose index could not be written keeps its end when the files after it go', async () => {
    const importer = await main.claim('import')
    await lane.claim('task', out)
    await importer.commit({ outputs: [block(out), block(raw)], receipt: { epoch: 1, to: 1 } })
    await fill(importer, 4, 1)
    await importer.commit({ outputs: [], receipt: { epoch: 6, to: 6 }, release: { receiptsThrough: 6, inputBefore: 0 } })
    disk.remove('/log/main-1-1.idx')
    expect(await main.retain()).toBeGreaterThan(1)
    await start()
    expect(await main.bounds(out)).toEqual({ start: 0, end: 10 })
    expect((await main.reader(out).read(0, 1000)).blocks).toHaveLength(1)
  })

  it.each(['cut off', 'not durable'])('so does one whose index is %s', async (index) => {
    const importer = await main.claim('import')
    await lane.claim('task', out)
    await importer.commit({ outputs: [block(out), block(raw)], receipt: { epoch: 1, to: 1 } })
    await fill(importer, 4, 1)
    await importer.commit({ outputs: [], receipt: { epoch: 6, to: 6 }, release: { receiptsThrough: 6, inputBefore: 0 } })
    const file = disk.files.get('/log/main-1-1.idx')!
    // As a disk that was full left it, or one whose sync was cut off by a kill.
    if (index === 'cut off') disk.truncate('/log/main-1-1.idx', 40)
    else file.synced = 0
    expect(await main.retain()).toBeGreaterThan(1)
    disk.powerLoss(() => 0.4)
    await start()
    expect(await main.bounds(out)).toEqual({ start: 0, end: 10 })
    expect((await main.reader(out).read(0, 1000)).blocks).toHaveLength(1)
  })

  it('a receipt whose file goes while its name is being claimed is read where it was written again', async () => {
    const task = await lane.claim('task')
    const padded = (epoch: number) => ({ epoch, to: epoch, pad: 'x'.repeat(500) }) as LogReceipt
    for (let epoch = 1; epoch <= 3; epoch++) await task.commit({ outputs: [], receipt: padded(epoch) })
    let goOn = () => undefined as unknown
    const held = new Promise<void>((resolve) => (goOn = resolve))
    await start((label) => (label.startsWith('create /log/lane-') && label.endsWith('.jnl') ? held : Promise.resolve()))
    const claiming = lane.claim('task')
    expect(await main.retain()).toBeGreaterThan(0)
    goOn()
    expect((await claiming).last).toEqual(padded(3))
  })

  it('a deletion that was cut off is finished by the next start', async () => {
    const importer = await main.claim('import')
    await fill(importer, 6)
    await importer.commit({ outputs: [], receipt: { epoch: 7, to: 7 }, release: { receiptsThrough: 7, inputBefore: 0 } })
    const copies = new Map([...disk.files].map(([path, file]) => [path, { ...file }]))
    await main.retain()
    const left = new Set(disk.files.keys())
    for (const [path, file] of copies) if (!disk.files.has(path)) disk.files.set(path, file)
    expect(disk.files.size).toBeGreaterThan(left.size)
    const bounds = await main.bounds(raw)
    await start()
    expect(await main.bounds(raw)).toEqual(bounds)
    for (const path of disk.files.keys()) if (path.endsWith('.jnl')) expect(left.has(path), path).toBe(true)
  })
})
