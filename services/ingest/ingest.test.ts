// Batches into the real log over a simulated disk, which is full now and then, fails to sync and loses power: what was acknowledged is there, once,
// and what was refused is not.
import { expect, test } from 'vitest'
import { openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { seeded } from '../../tests/sim/seeded.ts'
import { SimDisk, SimFiles } from '../../tests/sim/sim-files.ts'
import { Ingest, openIngest } from './ingest.ts'

const FOLDER = '/data/log'
const PARTITIONS = 2
const SEEDS = 60
const BATCHES = 60

async function openLog(disk: SimDisk) {
  const files = new SimFiles(disk)
  const shared = await prepareLog({ files, folder: FOLDER, writers: ['main'] })
  return openJournalLog({ files, folder: FOLDER, writer: 'main', shared, journalBytes: 20_000 })
}
const options = { lineage: 'main', partitions: PARTITIONS, nowMs: () => 1_760_000_000_000, newId: () => 'never' }

function bodyOf(ids: string[]) {
  const events = ids.map((eventId, i) => ({
    eventId,
    orgId: 'o',
    productId: `p${i % 5}`,
    userId: 'u',
    type: 'click',
    ts: 1_760_000_000_000,
  }))
  const bytes = Buffer.from(JSON.stringify({ events }))
  return { bytes, length: bytes.length }
}

test(`${SEEDS} seeds: full disks, failed syncs and a power loss`, async () => {
  const totals = { acknowledged: 0, refused: 0 }
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = seeded(seed)
    const disk = new SimDisk()
    const ingest = await openIngest({ log: await openLog(disk), ...options })
    const acknowledged: string[] = []
    const refused: string[] = []
    let underWay: Promise<unknown>[] = []
    for (let batch = 0; batch < BATCHES; batch++) {
      if (random() < 0.1) disk.freeBytes = random() < 0.5 ? Math.floor(random() * 3_000) : Number.POSITIVE_INFINITY
      if (random() < 0.05) disk.failingSyncs = 1
      const ids = Array.from({ length: 1 + Math.floor(random() * 5) }, (_, i) => `${batch}-${i}`)
      const taking = ingest.take(bodyOf(ids)).then(
        () => acknowledged.push(...ids),
        (error: unknown) => {
          expect(error, `seed ${seed}`).toMatchObject({ code: expect.stringMatching(/^DISK_(FULL|FAILED)$/), retryable: true })
          refused.push(...ids)
        },
      )
      underWay.push(taking)
      if (random() < 0.5) {
        await Promise.all(underWay)
        underWay = []
      }
    }
    await Promise.all(underWay)
    disk.freeBytes = Number.POSITIVE_INFINITY
    disk.failingSyncs = 0
    disk.powerLoss(random)
    const log = await openLog(disk)
    const found: string[] = []
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const reader = log.reader({ topic: 'events.raw', partition })
      for (let read = await reader.read(0, 1 << 20); read.blocks.length > 0; read = await reader.read(read.next, 1 << 20))
        for (const { pos, length } of read.blocks)
          for (const line of Buffer.from(read.bytes.subarray(pos, pos + length))
            .toString()
            .trimEnd()
            .split('\n'))
            found.push((JSON.parse(line) as { eventId: string }).eventId)
    }
    expect(found.sort(), `seed ${seed}`).toEqual(acknowledged.sort())
    totals.acknowledged += acknowledged.length
    totals.refused += refused.length
  }
  expect(totals.acknowledged).toBeGreaterThan(SEEDS * 30)
  expect(totals.refused).toBeGreaterThan(SEEDS * 3)
}, 120_000)

test('what may wait is bounded: bytes are counted until they are given back', () => {
  const claim = { last: undefined, commit: () => Promise.resolve(), release: () => Promise.resolve() }
  const ingest = new Ingest(claim, { log: { claim: () => Promise.reject(new Error('none')) }, ...options, waitingBytesMax: 10 })
  expect([ingest.reserve(6), ingest.reserve(5), ingest.reserve(4), ingest.reserve(1)]).toEqual([true, false, true, false])
  ingest.give(6)
  expect([ingest.reserve(6), ingest.waitingBytes]).toEqual([true, 10])
})
