// The journal's bytes: heads of frames, index files, and whole folders of the log, damaged in any way.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LogReceipt } from '../../engine/log/contract.ts'
import { decodeHead, encodeHead, findHead, headLength, type LogRecord } from '../../stores/log/frame.ts'
import { openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { localWaits } from '../../stores/log/shared-log.ts'
import { SimDisk, SimFiles } from '../sim/sim-files.ts'
import { codeOf, damage, damaged, outcome } from './damage.ts'

const text = fc.string({ maxLength: 20, unit: 'grapheme' })
const whole = fc.nat(2 ** 31)
const record: fc.Arbitrary<LogRecord> = fc.oneof(
  fc.record({ is: fc.constant('file' as const), prevSeq: whole, prevEnd: whole }),
  fc.record({ is: fc.constant('claim' as const), name: text, generation: whole, count: whole }),
  fc.record(
    {
      is: fc.constant('receipt' as const),
      name: text,
      generation: whole,
      epoch: whole,
      to: whole,
      length: fc.nat(1000),
      crc: whole,
      releasedThrough: whole,
    },
    { requiredKeys: ['is', 'name', 'generation', 'epoch', 'to', 'length', 'crc'] },
  ),
  fc.record({ is: fc.constant('drop' as const), file: text }),
)
const block = fc.tuple(text, whole, whole, whole, fc.nat(1000), whole)
const directory = fc.record({ blocks: fc.array(block, { maxLength: 5 }), records: fc.array(record, { maxLength: 5 }) })

describe('the head of a frame', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(directory, fc.maxSafeNat(), fc.nat(), (directory, position, writtenMs) => {
        const bytes = encodeHead(directory, position, writtenMs)
        expect(decodeHead(bytes, position)).toMatchObject({ ...directory, position, writtenMs, body: position + bytes.length })
        expect(decodeHead(bytes, position + 1)).toBeUndefined()
      }),
    )
  })

  test('damaged in any way is none: its checksum says so, and nothing is searched for beyond the bytes', () => {
    fc.assert(
      fc.property(directory, fc.nat(1e9), damage, (directory, position, how) => {
        const before = encodeHead(directory, position, 1)
        const bytes = damaged(before, how)
        const found = decodeHead(bytes, position)
        if (!bytes.equals(before)) expect(found).toBeUndefined()
        const length = headLength(bytes)
        expect(length).toBeLessThanOrEqual(64 << 20)
        const at = findHead(bytes, 0, position)
        // Whatever follows a whole head, it is found; nothing else is.
        expect(at).toBe(bytes.subarray(0, before.length).equals(before) ? position : -1)
      }),
      { numRuns: 500 },
    )
  })
})

// ---- folders ----

const folder = '/log'
interface Receipt extends LogReceipt {
  epoch: number
  to: number
  text: string
}

async function open(files: SimFiles, journalBytes: number) {
  const shared = await prepareLog({ files, folder, writers: ['main'] })
  return openJournalLog({ files, folder, writer: 'main', shared, waits: localWaits(), journalBytes, nowMs: () => 1 })
}

/** Records, and the receipts' own copies of them, in order. */
async function readAll(disk: SimDisk): Promise<{ records: string[]; receipts: string[] }> {
  const log = await open(new SimFiles(disk), 1 << 20)
  const records: string[] = []
  const reader = log.reader({ topic: 'topic', partition: 0 })
  for (let next = (await log.bounds({ topic: 'topic', partition: 0 })).start; ; ) {
    const read = await reader.read(next, 64)
    if (read.blocks.length === 0) break
    for (const { pos, length } of read.blocks)
      records.push(JSON.parse(Buffer.from(read.bytes.subarray(pos, pos + length)).toString()) as string)
    next = read.next
  }
  const receipts: string[] = []
  for await (const receipt of (await log.claim<Receipt>('task')).receipts(0)) receipts.push(receipt.text)
  return { records, receipts }
}

const folderOf = fc.record({
  texts: fc.array(text, { minLength: 1, maxLength: 6 }),
  journalBytes: fc.constantFrom(1, 500, 1 << 20),
  isClosed: fc.boolean(),
  file: fc.nat(20),
  how: damage,
})

describe('a folder of the log', () => {
  test('with one file damaged in any way: everything, or LOG_CORRUPT; of a killed writer’s last file, what lies before the damage', async () => {
    const met: Record<string, number> = {}
    await fc.assert(
      fc.asyncProperty(folderOf, async ({ texts, journalBytes, isClosed, file, how }) => {
        const disk = new SimDisk()
        const files = new SimFiles(disk)
        const log = await open(files, journalBytes)
        const claim = await log.claim<Receipt>('task')
        for (const [i, text] of texts.entries())
          await claim.commit({
            outputs: [{ topic: 'topic', partition: 0, count: 1, bytes: Buffer.from(`${JSON.stringify(text)}\n`) }],
            receipt: { epoch: i + 1, to: i + 1, text },
          })
        if (isClosed) await log.close()
        else files.cut()
        expect(await readAll(copyOf(disk))).toEqual({ records: texts, receipts: texts })

        const names = [...disk.files.keys()].sort()
        const name = names[file % names.length]
        const spoilt = copyOf(disk, { name, bytes: damaged(disk.bytes(name), how) })
        let result: string
        try {
          const { records, receipts } = await readAll(spoilt)
          expect(receipts).toEqual(records)
          expect(records).toEqual(texts.slice(0, records.length))
          const isLastOfKilled = !isClosed && name === names.findLast((one) => one.endsWith('.jnl'))
          if (!isLastOfKilled) expect(records).toEqual(texts)
          result = records.length === texts.length ? 'all of it' : 'a beginning'
        } catch (error) {
          result = codeOf(error)
          expect(error).toMatchObject({ code: 'LOG_CORRUPT', message: expect.stringContaining(folder) })
        }
        met[result] = (met[result] ?? 0) + 1
      }),
      { numRuns: 400 },
    )
    expect(Object.keys(met).sort()).toEqual(['LOG_CORRUPT', 'a beginning', 'all of it'])
    for (const count of Object.values(met)) expect(count).toBeGreaterThan(5)
  })

  test('with a file that is none of its own is as without it, or says so', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('main-1-2.jnl', 'main-9-9.jnl', 'main-1-1.idx', 'other-1-1.jnl', 'notes.txt'),
        damage,
        async (name, how) => {
          const disk = new SimDisk()
          const files = new SimFiles(disk)
          const log = await open(files, 1 << 20)
          await (await log.claim<Receipt>('task')).commit({ outputs: [], receipt: { epoch: 1, to: 1, text: 'one' } })
          files.cut()
          const spoilt = copyOf(disk, { name: `${folder}/${name}`, bytes: damaged(Buffer.from('PMJ1PMI1'), how) })
          const result = await readAll(spoilt).then(
            ({ receipts }) => receipts,
            (error: unknown) => codeOf(error),
          )
          expect([['one'], 'LOG_CORRUPT']).toContainEqual(result)
        },
      ),
      { numRuns: 100 },
    )
  })
})

function copyOf(disk: SimDisk, other?: { name: string; bytes: Uint8Array }): SimDisk {
  const copy = new SimDisk()
  const put = (name: string, content: Uint8Array) => {
    const bytes = Buffer.from(content)
    copy.files.set(name, { bytes, length: bytes.length, synced: bytes.length, named: true })
  }
  for (const name of disk.files.keys()) put(name, disk.bytes(name))
  if (other) put(other.name, other.bytes)
  return copy
}

test('an error without a code is none that a test here takes for an answer', () => {
  expect(() =>
    outcome(() => {
      throw new TypeError('x is undefined')
    }),
  ).toThrow(TypeError)
})
