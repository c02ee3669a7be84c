import { beforeEach, expect, test } from 'vitest'
import type { Claim } from '../../engine/log/contract.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { localWaits } from '../../stores/log/shared-log.ts'
import { SimDisk, SimFiles } from '../../tests/sim/sim-files.ts'
import { Overdue } from './overdue.ts'

const HOUR_MS = 3_600_000
const at = { topic: 'events.raw', partition: 0 }
const busy = { topic: 'events.raw', partition: 1 }

let now: number
let log: JournalLog
let main: JournalLog
let task: Claim
let overdue: Overdue

beforeEach(async () => {
  now = HOUR_MS
  const files = new SimFiles(new SimDisk())
  const shared = await prepareLog({ files, folder: '/log', writers: ['main', 'lane-0'] })
  const retention = { topics: {}, others: { ms: HOUR_MS, bytes: Number.POSITIVE_INFINITY } }
  const open = (writer: string) =>
    openJournalLog({ files, folder: '/log', writer, shared, waits: localWaits(), journalBytes: 500, retention, nowMs: () => now })
  main = await open('main')
  log = await open('lane-0')
  task = await log.claim('task', at)
  overdue = new Overdue(log, retention)
  overdue.watch('task', at)
})

/** Ten records of each partition. */
async function append(): Promise<void> {
  const ingest = await main.claim('ingest')
  const block = { count: 10, bytes: Buffer.alloc(200, '"2345678901234567"\n\n') }
  for (let n = 0; n < 2; n++)
    await ingest.commit({
      outputs: [
        { ...at, ...block },
        { ...busy, ...block },
      ],
    })
  await log.bounds(at)
}
const journals = async () => {
  await log.bounds(at)
  return [...log.index.files.keys()].filter((name) => name.startsWith('main-')).length
}

test('due is the checkpoint of a task whose input is all that keeps a file beyond its retention, until that input is given up', async () => {
  await append()
  overdue.look(now)
  expect(overdue.has('task')).toBe(false)
  now += HOUR_MS + 1
  await append()
  expect(overdue.has('task')).toBe(false)
  overdue.look(now)
  expect(overdue.has('task')).toBe(true)
  await main.retain()
  const before = await journals()
  // Its checkpoint has finished: what it needs is younger.
  await task.commit({ outputs: [], receipt: { epoch: 1, to: 20 }, release: { receiptsThrough: 0, inputBefore: 20 } })
  expect(overdue.has('task')).toBe(false)
  await main.retain()
  expect(await journals()).toBeLessThan(before)
})

test('nobody is asked for more where the log is kept for good, or there is nothing in it', async () => {
  overdue.look(now + 10 * HOUR_MS)
  expect(overdue.has('task')).toBe(false)
  await append()
  const kept = new Overdue(log, { topics: {}, others: { ms: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY } })
  kept.watch('task', at)
  kept.look(now + 10 * HOUR_MS)
  expect(kept.has('task')).toBe(false)
})

test('a topic that has a time of its own is kept by that', async () => {
  await append()
  const own = new Overdue(log, { topics: { [at.topic]: { ms: 1000, bytes: 0 } }, others: { ms: HOUR_MS, bytes: 0 } })
  own.watch('task', at)
  own.look(now + 1001)
  expect(own.has('task')).toBe(true)
})
