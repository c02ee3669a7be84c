// The log contract as tests. Every implementation passes it unchanged; nothing here knows how one stores anything.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Claim, Log, LogReceipt, OutputBlock, TopicPartition } from './contract.ts'

/** One store of topics, and the processes that use it one after the other. */
export interface LogUnderTest {
  /** A new process opens the log; whatever was open before is closed or dead. */
  open(): Promise<Log>
  /** Another member beside the one that is open, as another thread or process would see the log. */
  openBeside(): Promise<Log>
  /** Kills everything that is open: promises under way may never settle. What was acknowledged stays. */
  kill(): Promise<void>
  dispose(): Promise<void>
}

interface Receipt extends LogReceipt {
  epoch: number
  to: number
  note?: string
}

const raw: TopicPartition = { topic: 'events.raw', partition: 0 }
const out: TopicPartition = { topic: 'events.out', partition: 3 }

/** A block of `count` records that tell their number. */
const block = ({ topic, partition }: TopicPartition, count: number, mark: string): OutputBlock => ({
  topic,
  partition,
  count,
  bytes: Buffer.from(Array.from({ length: count }, (_, i) => `{"mark":"${mark}","i":${i}}\n`).join('')),
})

/** All records of a partition from `from` on, as [offset, text]. */
async function readAll(log: Log, at: TopicPartition, from = 0, maxBytes = 1 << 20): Promise<[number, string][]> {
  const reader = log.reader(at)
  const records: [number, string][] = []
  for (let next = from; ; ) {
    const read = await reader.read(next, maxBytes)
    if (!read.blocks.length) break
    for (const { baseOffset, count, pos, length } of read.blocks) {
      const lines = Buffer.from(read.bytes.subarray(pos, pos + length))
        .toString()
        .split('\n')
      expect(lines.pop()).toBe('')
      expect(lines).toHaveLength(count)
      for (const [i, line] of lines.entries()) if (baseOffset + i >= from) records.push([baseOffset + i, line])
    }
    expect(read.next).toBeGreaterThan(next)
    next = read.next
  }
  reader.close()
  return records
}

const marks = (records: readonly [number, string][]): string[] => records.map(([, text]) => (JSON.parse(text) as { mark: string }).mark)

async function receiptsOf(claim: Claim<Receipt>, after: number): Promise<number[]> {
  const epochs: number[] = []
  for await (const { epoch } of claim.receipts(after)) epochs.push(epoch)
  return epochs
}

const fenced = { code: 'FENCED' }

export function logConformance(name: string, makeLog: () => Promise<LogUnderTest>): void {
  describe(`${name} keeps the log contract`, () => {
    let store: LogUnderTest
    let log: Log
    beforeEach(async () => {
      store = await makeLog()
      log = await store.open()
    })
    afterEach(() => store.dispose())

    it('an empty partition begins and ends at 0, and a read of it returns nothing', async () => {
      expect(await log.bounds(raw)).toEqual({ start: 0, end: 0 })
      expect(await log.reader(raw).read(0, 1000)).toMatchObject({ blocks: [], next: 0 })
    })

    it('a name that never committed has no last receipt, and its first claim counts 1', async () => {
      const claim = await log.claim<Receipt>('task', raw)
      expect(claim.last).toBeUndefined()
      expect(claim.claimsSinceCommit).toBe(1)
      expect(await receiptsOf(claim, 0)).toEqual([])
      expect(await claim.holds()).toBe(true)
    })

    it('1: outputs and receipt of a commit are there together, for a second member and after a kill', async () => {
      const claim = await log.claim<Receipt>('task', raw)
      const receipt = { epoch: 1, to: 7, note: 'ü\n"' }
      await claim.commit({ outputs: [block(raw, 3, 'a'), block(out, 2, 'b')], receipt })
      expect(marks(await readAll(await store.openBeside(), raw))).toEqual(['a', 'a', 'a'])
      await store.kill()
      log = await store.open()
      expect(marks(await readAll(log, raw))).toEqual(['a', 'a', 'a'])
      expect(marks(await readAll(log, out))).toEqual(['b', 'b'])
      expect((await log.claim<Receipt>('task', raw)).last).toEqual(receipt)
    })

    it('1: a commit without outputs has a receipt', async () => {
      const claim = await log.claim<Receipt>('task', raw)
      await claim.commit({ outputs: [], receipt: { epoch: 1, to: 0 } })
      await claim.commit({ outputs: [block(raw, 1, 'a')], receipt: { epoch: 2, to: 0 } })
      log = await store.open()
      expect(await readAll(log, raw)).toHaveLength(1)
      expect(await receiptsOf(await log.claim<Receipt>('task'), 0)).toEqual([1, 2])
    })

    it('outputs without a receipt are appended, and the last receipt stays the last', async () => {
      const claim = await log.claim<Receipt>('task', raw)
      await claim.commit({ outputs: [block(out, 1, 'a')], receipt: { epoch: 1, to: 1 } })
      await claim.commit({ outputs: [block(out, 1, 'b')] })
      log = await store.open()
      expect(marks(await readAll(log, out))).toEqual(['a', 'b'])
      expect(await receiptsOf(await log.claim<Receipt>('task'), 0)).toEqual([1])
    })

    it('2: a commit after another claim of the name is refused and leaves nothing', async () => {
      const first = await log.claim<Receipt>('task', raw)
      await first.commit({ outputs: [block(out, 1, 'first')], receipt: { epoch: 1, to: 1 } })
      const second = await (await store.openBeside()).claim<Receipt>('task', raw)
      expect(second.last).toEqual({ epoch: 1, to: 1 })
      expect(await first.holds()).toBe(false)
      await expect(first.commit({ outputs: [block(out, 1, 'late')], receipt: { epoch: 2, to: 2 } })).rejects.toMatchObject(fenced)
      await second.commit({ outputs: [block(out, 1, 'second')], receipt: { epoch: 2, to: 2 } })
      expect(marks(await readAll(log, out))).toEqual(['first', 'second'])
      log = await store.open()
      expect(marks(await readAll(log, out))).toEqual(['first', 'second'])
    })

    it('2: a claim that crosses a commit either sees it whole or it is refused', async () => {
      for (let round = 1; round <= 20; round++) {
        const name = `crossing-${round}`
        const beside = round === 1 ? await store.openBeside() : log
        const first = await log.claim<Receipt>(name)
        const committing = first.commit({ outputs: [block(out, 1, name)], receipt: { epoch: 1, to: 1 } }).then(
          () => true,
          () => false,
        )
        const second = await beside.claim<Receipt>(name)
        const seen = marks(await readAll(beside, out)).includes(name)
        expect(await committing).toBe(second.last !== undefined)
        expect(seen).toBe(second.last !== undefined)
        expect(marks(await readAll(log, out)).includes(name)).toBe(seen)
      }
    })

    it('2: another name is not fenced', async () => {
      const one = await log.claim<Receipt>('one')
      await (await store.openBeside()).claim<Receipt>('two')
      await one.commit({ outputs: [], receipt: { epoch: 1, to: 1 } })
      expect(await one.holds()).toBe(true)
    })

    it('2: commits of several names at the same time are all there, each with its own receipt', async () => {
      const claims = await Promise.all(Array.from({ length: 8 }, (_, i) => log.claim<Receipt>(`task-${i}`)))
      for (let epoch = 1; epoch <= 5; epoch++) {
        await Promise.all(
          claims.map((claim, i) =>
            claim.commit({
              outputs: [block({ topic: 'events.out', partition: i }, 2, `${epoch}`)],
              receipt: { epoch, to: epoch * 10 + i },
            }),
          ),
        )
      }
      log = await store.open()
      for (let i = 0; i < 8; i++) {
        expect(marks(await readAll(log, { topic: 'events.out', partition: i }))).toEqual(['1', '1', '2', '2', '3', '3', '4', '4', '5', '5'])
        expect((await log.claim<Receipt>(`task-${i}`)).last).toEqual({ epoch: 5, to: 50 + i })
      }
    })

    it('3: a read returns whole blocks, at least one, at most about maxBytes; offsets rise, also after a reopening', async () => {
      let claim = await log.claim<Receipt>('task')
      for (let epoch = 1; epoch <= 6; epoch++) {
        await claim.commit({ outputs: [block(raw, epoch, `e${epoch}`)], receipt: { epoch, to: epoch } })
        if (epoch !== 3) continue
        log = await store.open()
        claim = await log.claim<Receipt>('task')
      }
      const all = await readAll(log, raw)
      expect(marks(all).join(' ')).toBe('e1 e2 e2 e3 e3 e3 e4 e4 e4 e4 e5 e5 e5 e5 e5 e6 e6 e6 e6 e6 e6')
      for (let i = 1; i < all.length; i++) expect(all[i][0]).toBeGreaterThan(all[i - 1][0])
      expect((await log.bounds(raw)).start).toBeLessThanOrEqual(all[0][0])
      expect((await log.bounds(raw)).end).toBeGreaterThan(all.at(-1)![0])
      expect(await readAll(log, raw, 0, 1)).toEqual(all)
      const one = await log.reader(raw).read(all[0][0], 1)
      expect(one.blocks).toHaveLength(1)
      const reader = log.reader(raw)
      for (const [offset] of all) {
        const { blocks } = await reader.read(offset, 1)
        expect(blocks[0].baseOffset).toBeLessThanOrEqual(offset)
        expect(blocks[0].baseOffset + blocks[0].count).toBeGreaterThan(offset)
      }
    })

    it('3: a read at the end returns nothing, then what is committed after', async () => {
      const claim = await log.claim<Receipt>('task')
      await claim.commit({ outputs: [block(raw, 2, 'a')], receipt: { epoch: 1, to: 1 } })
      const reader = log.reader(raw)
      const { next } = await reader.read(0, 1000)
      expect(await reader.read(next, 1000)).toMatchObject({ blocks: [], next })
      await claim.commit({ outputs: [block(raw, 1, 'b')], receipt: { epoch: 2, to: 2 } })
      expect((await reader.read(next, 1000)).blocks).toHaveLength(1)
    })

    it('4: a released claim commits no more', async () => {
      const claim = await log.claim<Receipt>('task')
      await claim.release()
      await expect(claim.commit({ outputs: [], receipt: { epoch: 1, to: 1 } })).rejects.toMatchObject(fenced)
    })

    it('claims are counted until a commit or a release, over kills', async () => {
      for (let count = 1; count <= 3; count++) {
        expect((await log.claim<Receipt>('task')).claimsSinceCommit).toBe(count)
        await store.kill()
        log = await store.open()
      }
      const claim = await log.claim<Receipt>('task')
      expect(claim.claimsSinceCommit).toBe(4)
      await claim.commit({ outputs: [], receipt: { epoch: 1, to: 1 } })
      const next = await log.claim<Receipt>('task')
      expect(next.claimsSinceCommit).toBe(1)
      await next.release()
      log = await store.open()
      expect((await log.claim<Receipt>('task')).claimsSinceCommit).toBe(1)
      expect((await log.claim<Receipt>('other')).claimsSinceCommit).toBe(1)
    })

    it('a claim again, by an owner that lives on, is not counted', async () => {
      await log.claim<Receipt>('task')
      await store.kill()
      log = await store.open()
      expect((await log.claim<Receipt>('task')).claimsSinceCommit).toBe(2)
      const again = await log.claim<Receipt>('task', undefined, true)
      expect(again.claimsSinceCommit).toBe(2)
      await store.kill()
      log = await store.open()
      expect((await log.claim<Receipt>('task')).claimsSinceCommit).toBe(3)
    })

    it('receipts are read from any epoch on, oldest first; released ones may go, the last never does', async () => {
      let claim = await log.claim<Receipt>('task', raw)
      for (let epoch = 1; epoch <= 5; epoch++) await claim.commit({ outputs: [], receipt: { epoch, to: epoch } })
      expect(await receiptsOf(claim, 0)).toEqual([1, 2, 3, 4, 5])
      expect(await receiptsOf(claim, 3)).toEqual([4, 5])
      await claim.commit({ outputs: [], receipt: { epoch: 6, to: 6 }, release: { receiptsThrough: 4, inputBefore: 4 } })
      expect(await receiptsOf(claim, 4)).toEqual([5, 6])
      await claim.commit({ outputs: [], receipt: { epoch: 7, to: 7 }, release: { receiptsThrough: 7, inputBefore: 7 } })
      log = await store.open()
      claim = await log.claim<Receipt>('task', raw)
      expect(claim.last).toEqual({ epoch: 7, to: 7 })
      expect(await receiptsOf(claim, 6)).toEqual([7])
    })

    it('changed() resolves after a commit of another member, and at once for one that was before the call', async () => {
      const beside = await store.openBeside()
      const claim = await beside.claim<Receipt>('task')
      await log.changed()
      let resolved = false
      const waiting = log.changed().then(() => (resolved = true))
      await log.bounds(raw)
      expect(resolved).toBe(false)
      await claim.commit({ outputs: [block(raw, 1, 'a')], receipt: { epoch: 1, to: 1 } })
      await waiting
      expect((await log.bounds(raw)).end).toBeGreaterThan(0)
      await claim.commit({ outputs: [block(raw, 1, 'a')], receipt: { epoch: 2, to: 2 } })
      await log.changed()
    })

    it('close() ends a changed() that waits', async () => {
      const claim = await log.claim<Receipt>('task')
      await claim.commit({ outputs: [], receipt: { epoch: 1, to: 1 } })
      await log.changed()
      const waiting = log.changed()
      await log.close()
      await waiting
    })
  })
}
