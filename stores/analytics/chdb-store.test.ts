import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openChdbStore } from './chdb-store.ts'
import type { AnalyticsStore } from './contract.ts'

let folder: string
let store: AnalyticsStore
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-chdb-'))
  store = await openChdbStore({ folder, threads: 2, memoryBytesMax: 2e9, insertDeadlineMs: 60_000 })
  await store.migrate()
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

test('migrations are applied once, and again changes nothing', async () => {
  const steps: string[] = []
  await store.migrate((name) => steps.push(name))
  expect(steps).toEqual([])
  expect((await store.query('SELECT name FROM _migrations ORDER BY name')).length).toBe(3)
  expect(store.identity).toMatch(/^[0-9a-f-]{36}$/)
})

test('queries are read-only, bind their parameters and come back as rows or as text', async () => {
  expect(await store.query('SELECT {n:UInt64} AS n, {s:String} AS s', { n: 2 ** 40, s: "it's" })).toEqual([{ n: 2 ** 40, s: "it's" }])
  expect(await store.queryText('SELECT 1 AS a, 2 AS b;', 'CSVWithNames')).toBe('"a","b"\n1,2\n')
  await expect(store.query('INSERT INTO events_dlq (code) VALUES (1)')).rejects.toMatchObject({ code: 'QUERY_FAILED' })
  await expect(store.query('SELECT nonsense')).rejects.toMatchObject({ code: 'QUERY_FAILED', retryable: false })
})
