import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Claim } from '../../engine/log/contract.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { retentionDefaults } from '../../stores/log/retention.ts'
import { SinksClient } from './sinks-client.ts'
import type { SinksSetup } from './sinks-protocol.ts'

const PARTITIONS = 2
let folder: string
let log: JournalLog
let claim: Claim
let sinks: SinksClient
let epoch: number
const stoppedSinks: [string, unknown][] = []

/** A process: its log, a writer of events in the main thread, and the sinks' thread. */
async function start(over: Partial<SinksSetup> = {}) {
  const logFolder = join(folder, 'log')
  const shared = await prepareLog({ files: realFiles, folder: logFolder, writers: ['main', 'sinks'] })
  log = await openJournalLog({ files: realFiles, folder: logFolder, writer: 'main', shared })
  claim = await log.claim('import.test')
  epoch = claim.last?.epoch ?? 0
  sinks = new SinksClient(
    {
      name: 'sinks',
      folder,
      shared,
      journalBytes: 1 << 20,
      retention: retentionDefaults,
      lineage: 'live',
      acceptVersion: false,
      partitions: PARTITIONS,
      sinks: [
        { topic: 'events.raw', table: 'events_raw' },
        { topic: 'events.dlq', table: 'events_dlq' },
      ],
      sink: { intervalMs: 3_600_000, batchBytes: 1 << 20, fsync: false },
      analytics: { memoryBytes: 2e9, threads: 2, ttlDays: { events: 400, facts: 800 } },
      ...over,
    },
    { onSinkStopped: (table, error) => stoppedSinks.push([table, error]) },
  )
}

const append = (topic: string, partition: number, records: readonly object[]) =>
  claim.commit({
    outputs: [
      { topic, partition, count: records.length, bytes: new TextEncoder().encode(records.map((r) => `${JSON.stringify(r)}\n`).join('')) },
    ],
    receipt: { epoch: ++epoch, to: epoch },
  })
const events = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    orgId: 'o',
    productId: 'p',
    eventId: `e${from + i}`,
    userId: 'u',
    type: 'click',
    ts: 1.7e12 + from + i,
    receivedAt: 1.79e12,
  }))

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-sinks-'))
  stoppedSinks.length = 0
  await start()
})
afterEach(async () => {
  await sinks.stop().catch(() => {})
  await log.close()
  rmSync(folder, { recursive: true, force: true })
})

test('rows of every topic can be queried when drained, once each, also after a restart, and the counters say so', async () => {
  await append('events.raw', 0, events(0, 500))
  await append('events.dlq', 1, [{ code: 'C', message: 'm', partition: 0, offset: 3, record: '{}' }])
  await sinks.ready
  await append('events.raw', 1, events(500, 300))
  await sinks.drain()
  expect(await sinks.query('SELECT count() AS rows, uniqExact(event_id) AS ids FROM events_raw')).toEqual([{ rows: 800, ids: 800 }])
  expect(await sinks.query('SELECT source_offset FROM events_dlq WHERE code = {c:String}', { c: 'C' })).toEqual([{ source_offset: 3 }])
  expect(await sinks.stats()).toMatchObject([
    { sink: 'events_raw', topic: 'events.raw', done: [500, 300], rows: 800 },
    { sink: 'events_dlq', done: [0, 1], rows: 1 },
  ])
  await sinks.stop()
  await log.close()
  await start()
  await append('events.raw', 0, events(800, 10))
  await sinks.drain({ 'events.raw': [510, 300] })
  expect(await sinks.queryText('SELECT count() AS n FROM events', 'TabSeparated')).toBe('810\n')
  const outside = join(folder, 'out.csv')
  for (const ask of [sinks.query(`SELECT 1 AS n INTO OUTFILE '${outside}'`), sinks.queryText("SELECT * FROM file('/etc/hosts')", 'TSV')])
    await expect(ask).rejects.toMatchObject({ code: 'QUERY_FORBIDDEN', advice: expect.stringContaining('SELECT') })
  expect(existsSync(outside)).toBe(false)
  await expect(sinks.query('SELECT')).rejects.toMatchObject({
    name: 'EngineError',
    code: 'QUERY_FAILED',
    advice: expect.stringContaining('SHOW TABLES'),
  })
})

test('a sink that cannot go on says why, and only it stops', async () => {
  await sinks.ready
  await append('events.dlq', 0, [{ code: 'C' }])
  await append('events.raw', 0, events(0, 5))
  await expect(sinks.drain({ 'events.dlq': [1, 0] })).rejects.toMatchObject({ code: 'INSERT_REFUSED', retryable: false })
  expect(stoppedSinks).toMatchObject([
    ['events_dlq', { code: 'INSERT_REFUSED', message: expect.stringContaining('an absent value is no string') }],
  ])
  await sinks.drain({ 'events.raw': [5, 0] })
  expect(await sinks.query('SELECT count() AS n FROM events_raw')).toEqual([{ n: 5 }])
})

test('a thread that cannot start says why to whoever waits for it', async () => {
  await sinks.stop()
  await log.close()
  await start({ sinks: [{ topic: 'events.raw', table: 'nowhere' }] })
  await expect(sinks.ready).rejects.toMatchObject({ code: 'UNKNOWN_TABLE' })
  await expect(sinks.ended).rejects.toMatchObject({ code: 'UNKNOWN_TABLE' })
  await expect(sinks.query('SELECT 1')).rejects.toMatchObject({ code: 'STOPPED' })
})
