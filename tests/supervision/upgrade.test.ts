// Another version, or other settings, on a data folder whose process was killed: what is the same goes on; what differs is a person's decision.
import { createReadStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { packmill, type Run } from '../../cli/packmill-process.fake.ts'
import { tablesOf } from '../../cli/tables-of.fake.ts'
import { loadConfig } from '../../config/index.ts'
import type { WireEvent } from '../../model/event.ts'
import { folderMeta, writeMeta } from '../../services/process/data-folder.ts'
import { type Embedded, type Notice, openEmbedded } from '../../services/process/embedded.ts'
import { type Kit, makeKit } from '../damage/folder-kit.ts'
import { answerOf } from '../torture/answer.ts'

let kit: Kit
const opened: Embedded[] = []
beforeAll(async () => {
  // Without a checkpoint: all epochs are computed again. Its version is 'torture'.
  kit = await makeKit({ files: 2, eventsPerFile: 1500, before: 1, killed: true, set: ['engine.checkpointBytes=1GB'] })
}, 60_000)
afterAll(() => kit.remove())
afterEach(async () => {
  for (const embedded of opened.splice(0)) await embedded.stop().catch(() => undefined)
})

const OTHER = 'clickstream.rage.clicks=2'
const linesOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as WireEvent)

async function open(data: string, version: string, set: string[] = []) {
  const { config } = loadConfig({ data, set: [...kit.set, ...set], environment: {} })
  const notices: Notice[] = []
  const embedded = await openEmbedded({ config, version, live: false, onNotice: (notice) => notices.push(notice) })
  opened.push(embedded)
  const stopped = () =>
    notices.flatMap((notice) => (notice.type === 'partition-stopped' ? [notice.error as Error & Record<string, unknown>] : []))
  return { embedded, config, stopped, notices }
}
function upgrade(data: string, args: string[], set: string[] = []): Run {
  const settings = [...kit.set, ...set].flatMap((setting) => ['--set', setting])
  return packmill(join(data, '..'), ['upgrade', ...args, '--data', data, ...settings])
}
/** What a fresh folder would have, for these settings. */
async function expectAnswer({ embedded, config }: Awaited<ReturnType<typeof open>>): Promise<void> {
  await embedded.settle({ snapshots: true, close: false })
  const { differences, events } = await answerOf(embedded, config, linesOf(kit.files[0]))
  expect([differences, events]).toEqual([[], 1500])
}

test('another version that computes the same goes on after a kill, and says nothing', async () => {
  const now = await open(kit.copy(), 'the next')
  expect(now.stopped()).toEqual([])
  expect(now.notices.some((notice) => notice.type === 'recovering' && notice.of > 0)).toBe(true)
  await expectAnswer(now)
}, 60_000)

test('other settings that compute it otherwise do not start, in no partition; the error has both codes and three commands', async () => {
  const data = kit.copy()
  const error = await open(data, 'the next', [OTHER]).catch((thrown) => thrown)
  expect(error).toMatchObject({
    code: 'UPGRADE_DIVERGED',
    message: expect.stringMatching(/committed by packmill torture.*this is packmill the next/),
    advice: expect.stringMatching(/packmill upgrade drain.*packmill upgrade accept \d:\d+.*packmill upgrade rebuild --into DIR/),
  })
  // With the first as many as would make a record a suspect (protocol 22), were its process killed each time.
  for (let n = 1; n < 7; n++) await expect(open(data, 'the next', [OTHER])).rejects.toMatchObject({ code: 'UPGRADE_DIVERGED' })
  // It has changed nothing: the old ones go on, with more to do, and suspect no record of having ended those starts.
  const now = await open(data, 'torture')
  await now.embedded.import(createReadStream(kit.files[1]), { onReject: () => undefined })
  await now.embedded.settle({ snapshots: true, close: false })
  const { differences, events } = await answerOf(now.embedded, now.config, kit.files.flatMap(linesOf))
  expect([differences, events]).toEqual([[], 3000])
}, 120_000)

test('drain: the old settings finish, the new ones go on from there', async () => {
  const data = kit.copy()
  const refused = upgrade(data, ['drain'], [OTHER])
  expect([refused.code, refused.err]).toEqual([1, expect.stringMatching(/CODE_CHANGED.*its last epoch was committed by/)])
  // As the version of before would: drain asks for the very same.
  const { config } = loadConfig({ data, set: kit.set, environment: {} })
  const before = await openEmbedded({ config, version: 'torture', live: false, upgrade: { recoverOnly: true }, onNotice: () => undefined })
  await before.stop()
  const { stopped, notices } = await open(data, 'the next', [])
  expect(stopped()).toEqual([])
  expect(notices.filter((notice) => notice.type === 'recovering' && notice.of > 0)).toEqual([])
  const drained = upgrade(data, ['drain', '--json'])
  expect(drained.err).toContain('DATA_LOCKED')
}, 60_000)

test('after a clean stop: other settings go on, sessions that were open then are as if these had been set from the start', async () => {
  const [data, fresh] = [kit.copy(), `${kit.copy()}-fresh`]
  const before = await open(data, 'torture')
  await before.embedded.settle({ snapshots: true, close: false })
  const open1 = await before.embedded.query<{ session_id: string }>('SELECT session_id FROM sessions WHERE closed = 0')
  expect(open1.length).toBeGreaterThan(20)
  await before.embedded.stop()
  const settings = [...kit.set, OTHER, 'clickstream.deadClicks.enabled=true'].flatMap((setting) => ['--set', setting])
  const imported = packmill(join(data, '..'), ['import', kit.files[1], '--close', '--data', data, ...settings])
  expect(imported.code, imported.err).toBe(0)
  const anew = packmill(join(data, '..'), ['import', ...kit.files, '--close', '--data', fresh, ...settings])
  expect(anew.code, anew.err).toBe(0)
  const ids = open1.map(({ session_id }) => `'${session_id}'`).join()
  const rows = async (folder: string) => [
    await tablesOf(
      folder,
      `SELECT * EXCEPT (version, received_at, partition, offset) FROM sessions WHERE session_id IN (${ids}) ORDER BY session_id`,
    ),
    await tablesOf(
      folder,
      `SELECT kind, count() AS n, sum(count) AS clicks FROM incidents WHERE session_id IN (${ids}) GROUP BY kind ORDER BY kind`,
    ),
  ]
  const [sessions, incidents] = await rows(data)
  expect(sessions).toHaveLength(open1.length)
  expect(incidents!.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['dead_click', 'rage_click']))
  expect([sessions, incidents]).toEqual(await rows(fresh))
}, 120_000)

test('drain by its command', () => {
  const data = kit.copy()
  const settings = kit.set.flatMap((setting) => ['--set', setting])
  expect(packmill(join(data, '..'), ['import', kit.files[1], '--data', data, ...settings]).code).toBe(0)
  const drained = upgrade(data, ['drain', '--json'])
  expect([drained.code, drained.err, drained.out]).toEqual([0, '', '{\n  "drained": true\n}\n'])
}, 60_000)

test('accept: from the epoch that is named, in that partition; what was published stays', async () => {
  const data = kit.copy()
  const published = await open(kit.copy(), 'torture')
  const counts = 'SELECT count() AS n FROM fact_incidents'
  const before = await published.embedded.query(counts)
  await published.embedded.stop()
  // Each partition is named in turn, as its error says.
  const named: string[] = []
  for (let last = upgrade(data, ['accept', '9:1'], [OTHER]); last.code !== 0; last = upgrade(data, ['accept', ...named], [OTHER])) {
    const [, place] = /packmill upgrade accept (\d+:\d+)/.exec(last.err) ?? []
    expect(place, last.err).toBeDefined()
    expect(named).not.toContain(place)
    named.push(place!)
  }
  expect(named.length).toBeGreaterThan(0)
  const { embedded, stopped } = await open(data, 'the next', [OTHER])
  expect(stopped()).toEqual([])
  await embedded.settle({ snapshots: false, close: false })
  expect(await embedded.query(counts)).toEqual(before)
}, 120_000)

test('rebuild: all output anew in another folder, also of a log whose state this version cannot read; broken off and run again', async () => {
  const data = kit.copy()
  const into = `${data}-new`
  const same = upgrade(data, ['rebuild', '--into', data], [OTHER])
  expect([same.code, same.err]).toEqual([1, expect.stringContaining('SAME_FOLDER')])
  const first = upgrade(data, ['rebuild', '--into', into, '--json'], [OTHER])
  expect([first.code, JSON.parse(first.out || '{}')], first.err).toEqual([0, { into, records: 1500, before: 0, missing: 0 }])
  const sessions = 'SELECT countIf(closed = 0) AS open, count() AS n, sum(event_count) AS events FROM sessions'
  const [rebuilt] = await tablesOf<{ open: number }>(into, sessions)
  expect(rebuilt!.open).toBeGreaterThan(0)
  // As a rebuild leaves it that was broken off when all had been copied.
  const settings = { 'clickstream.rage.clicks': 2 }
  writeMeta(into, { ...folderMeta(into), rebuilding: data, settings })
  const mixed = upgrade(data, ['rebuild', '--into', into], ['clickstream.rage.clicks=4'])
  expect([mixed.code, mixed.err]).toEqual([
    1,
    expect.stringMatching(/^INTO_NOT_EMPTY: .*begun with clickstream\.rage\.clicks 2 \(now 4\)\n {2}Say the same settings/),
  ])
  const again = upgrade(data, ['rebuild', '--into', into, '--json'], [OTHER])
  expect([again.code, JSON.parse(again.out || '{}')], again.err).toEqual([0, { into, records: 0, before: 1500, missing: 0 }])
  const now = await open(into, 'the next', [OTHER])
  await expectAnswer(now)
  // It had them all before anybody asked for open ones.
  expect(await now.embedded.query(sessions)).toEqual([rebuilt])
}, 120_000)

test('rebuild: a folder that holds something else is not mixed into, nor one that it has finished', () => {
  const [data, other] = [kit.copy(), kit.copy()]
  const refused = (into: string, message: string) =>
    expect(upgrade(data, ['rebuild', '--into', into], [OTHER])).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(new RegExp(`^INTO_NOT_EMPTY: .*${message}.*\\n {2}Name a folder that is not there`, 'm')),
    })
  refused(other, 'is a data folder already')
  writeMeta(other, { ...folderMeta(other), rebuilding: '/elsewhere' })
  refused(other, 'holds a part of /elsewhere')
  const into = `${data}-new`
  expect(upgrade(data, ['rebuild', '--into', into], [OTHER]).code).toBe(0)
  refused(into, 'is a data folder already')
}, 120_000)

test('upgrade refuses what makes no sense', () => {
  const data = kit.copy()
  expect(upgrade(data, ['accept']).code).toBe(2)
  expect(upgrade(data, ['accept', '1:2', '--all']).code).toBe(2)
  expect(upgrade(data, ['accept', 'one']).code).toBe(2)
  expect(upgrade(data, ['rebuild']).code).toBe(2)
  expect(upgrade(join(data, 'nothing'), ['drain']).err).toContain('NO_DATA')
})
