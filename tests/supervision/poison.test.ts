// Events that an operator throws at: what they cost others, and what a replay after the fix gives.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { startPackmill } from '../../cli/packmill-process.fake.ts'
import type { WireEvent } from '../../model/event.ts'
import type { Embedded } from '../../services/process/embedded.ts'
import { deadLetters, differences, eventsOf, harmful, importEvents, newFolder, openWith, SETTINGS } from './supervised.ts'

const folders: ReturnType<typeof newFolder>[] = []
const opened: Embedded[] = []
afterEach(async () => {
  for (const embedded of opened.splice(0)) await embedded.stop().catch(() => undefined)
  for (const { remove } of folders.splice(0)) remove()
})
async function open(...how: Parameters<typeof openWith>): ReturnType<typeof openWith> {
  const supervised = await openWith(...how)
  opened.push(supervised.embedded)
  return supervised
}
const folder = () => {
  const made = newFolder()
  folders.push(made)
  return made.data
}

test('an organisation whose every event throws costs itself only: each is a dead letter, the others’ tables are the evaluator’s', async () => {
  const supervised = await open('planted', folder())
  const { embedded, notices } = supervised
  const events = eventsOf(1500).flatMap((event, n) => [event, { ...harmful(event, '#throw', n), orgId: 'poison', userId: `u${n % 7}` }])
  await importEvents(embedded, events)
  await embedded.settle({ snapshots: true, close: false })
  const dead = await deadLetters(embedded)
  expect(dead.length).toBe(1500)
  expect(new Set(dead.map(({ code, orgId }) => `${code} of ${orgId}`))).toEqual(new Set(['OPERATOR_THREW of poison']))
  expect(await differences(supervised)).toEqual([])
  expect(await embedded.query(`SELECT count() AS n FROM fact_sessions WHERE org_id = 'poison'`)).toEqual([{ n: 0 }])
  expect(notices.filter(({ type }) => type !== 'migrating')).toEqual([])
}, 120_000)

/** What people ask for, without what says when and how often it was computed. */
async function tables(embedded: Embedded): Promise<Record<string, string[]>> {
  const placed = 'version, received_at, lineage, partition, offset'
  const all: Record<string, string[]> = {}
  for (const [view, columns] of Object.entries({
    sessions: `* EXCEPT (${placed})`,
    // A record that was put in again has another place in the log.
    incidents: `* EXCEPT (${placed}, evidence), length(evidence) AS events`,
    task_events: '* EXCEPT (version)',
    overview_hourly: '*',
    overview_daily: '*',
    screen_hotspots: '*',
    flows: '*',
    dim_task_types: '*',
  }))
    all[view] = (await embedded.query(`SELECT ${columns} FROM ${view}`)).map((row) => JSON.stringify(row)).sort()
  return all
}

test('dead letters replayed after a fix give the tables that there would have been', async () => {
  const set = ['clickstream.correctionMs=48h']
  const ordinary = eventsOf(1500)
  const events: WireEvent[] = ordinary.flatMap((event, n) =>
    n % 60 === 30 ? [event, { ...event, type: 'click', element: '#throw', eventId: `poison-${n}`, ts: Number(event.ts) + 1 }] : [event],
  )
  const data = folder()
  const wrong = await open('planted', data, { set })
  await importEvents(wrong.embedded, events)
  await wrong.embedded.settle({ snapshots: true, close: false })
  expect((await deadLetters(wrong.embedded)).length).toBe(25)
  const before = await tables(wrong.embedded)
  await wrong.embedded.stop()

  const mended = await open('mended', data, { set })
  const result = await mended.embedded.deadLetters({ ask: 'replay', code: 'OPERATOR_THREW' })
  expect(result).toMatchObject({ replayed: 25, refused: 0 })
  await mended.embedded.settle({ snapshots: true, close: true })
  const after = await tables(mended.embedded)
  await mended.embedded.stop()

  const right = await open('mended', folder(), { set })
  await importEvents(right.embedded, events)
  await right.embedded.settle({ snapshots: true, close: true })
  const expected = await tables(right.embedded)
  await right.embedded.stop()
  expect(Object.values(expected).every((rows) => rows.length > 0)).toBe(true)
  expect(expected.incidents.filter((row) => row.includes('"kind":"planted"')).length).toBe(25)
  expect(before.sessions).not.toEqual(expected.sessions)
  for (const view of Object.keys(expected)) {
    const missing = expected[view].filter((row) => !after[view].includes(row))
    const strange = after[view].filter((row) => !expected[view].includes(row))
    expect([view, missing.slice(0, 3), strange.slice(0, 3), after[view].length]).toEqual([view, [], [], expected[view].length])
  }
}, 120_000)

test('packmill up shows a partition that cannot go on, and /readyz says so', async () => {
  const data = folder()
  // Epochs of operators that these are not, though they say so: what a wrong operator leaves.
  expect(spawnSync(process.execPath, [join(import.meta.dirname, 'killed-child.ts'), data]).signal).toBe('SIGKILL')
  const elsewhere = mkdtempSync(join(tmpdir(), 'packmill-up-'))
  const set = SETTINGS.flatMap((setting) => ['--set', setting])
  const running = startPackmill(elsewhere, ['up', '--json', '--every', '1', '--port', '0', '--data', data, ...set])
  try {
    let text = ''
    running.child.stdout!.on('data', (part: Buffer) => (text += part.toString()))
    await running.says(/"stoppedPartitions":\[\d/)
    const { http } = JSON.parse(text.split('\n')[0]!) as { http: string }
    const ready = await fetch(`${http}/readyz`)
    expect([ready.status, await ready.json()]).toMatchObject([
      503,
      { code: 'PARTITION_STOPPED', stoppedPartitions: expect.arrayContaining([expect.any(Number)]) },
    ])
  } finally {
    running.child.kill('SIGTERM')
    expect((await running.ended).err).toMatch(/"code":"REPLAY_DIVERGED"/)
    rmSync(elsewhere, { recursive: true, force: true })
  }
}, 60_000)
