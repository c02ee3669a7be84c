// packmill dlq as its users meet it: on dead letters that a topology left in the log.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dataFolder } from '../services/process/data-folder.ts'
import { connect } from '../services/process/local.ts'
import { trafficEvents } from '../services/traffic/traffic.ts'
import { realFiles } from '../stores/files/real-files.ts'
import { openJournalLog } from '../stores/log/journal-log.ts'
import { prepareLog } from '../stores/log/prepare-log.ts'
import { packmill, startPackmill } from './packmill-process.fake.ts'
import { tablesOf } from './tables-of.fake.ts'

const PARTITIONS = 8

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-dlq-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

interface Letter {
  partition: number
  code: string
  message: string
  record: string
  whole_bytes?: number
}

/** A data folder whose topic of dead letters holds these. */
async function folderWith(name: string, letters: readonly Letter[]): Promise<void> {
  const data = join(folder, name)
  dataFolder(data, PARTITIONS)
  const shared = await prepareLog({ files: realFiles, folder: join(data, 'log'), writers: ['main'] })
  const log = await openJournalLog({ files: realFiles, folder: join(data, 'log'), writer: 'main', shared })
  const claim = await log.claim('test')
  const outputs = Array.from(
    Map.groupBy(letters, ({ partition }) => partition),
    ([partition, own]) => {
      const rows = own.map((letter, i) => `${JSON.stringify({ ...letter, offset: 100 + i })}\n`)
      return { topic: 'events.dlq', partition, count: own.length, bytes: Buffer.from(rows.join('')) }
    },
  )
  await claim.commit({ outputs, receipt: { epoch: 1, to: 1 } })
  await claim.release()
  await log.close()
}

const HOUR = Date.UTC(2026, 2, 2, 7)
const record = (fields: object) =>
  JSON.stringify({ orgId: 'o', productId: 'p', userId: 'u', type: 'click', ts: HOUR, receivedAt: HOUR + 60_000, ...fields })
const letter = (fields: object, partition = 3): Letter => ({
  partition,
  code: 'OPERATOR_THREW',
  message: 'TypeError: x is not a function',
  record: record(fields),
})
const json = (text: string) => JSON.parse(text) as Record<string, unknown>
const dlq = (data: string, ...args: string[]) => packmill(folder, ['dlq', ...args, '--data', data])
const IDS = 'SELECT event_id AS id FROM events_raw ORDER BY id'
const idsIn = async (data: string) => (await tablesOf<{ id: string }>(join(folder, data), IDS)).map(({ id }) => id)

const FEW = [
  letter({ eventId: 'a' }),
  letter({ eventId: 'b', ts: HOUR + 1 }),
  letter({ eventId: 'c', ts: HOUR + 2, receivedAt: HOUR + 3_600_000 }, 5),
  { partition: 5, code: 'INVALID', message: 'not an event', record: '{"orgId":' },
  // What was kept is a whole event: that is no reason to put it in.
  { partition: 6, code: 'EVENT_TOO_LARGE', message: 'too long', record: record({ eventId: 'd' }), whole_bytes: 900_000 },
]

/** In a folder that no process has. What is asked beside one is below: it takes a fifth of the time. */
describe('a few', () => {
  beforeAll(() => folderWith('few', FEW))

  test('list counts them by code, topic and hour, and names the newest', () => {
    const { code, out } = dlq('few', 'list')
    expect(code).toBe(0)
    expect(out).toMatch(/^INVALID +events\.raw +\(unknown\) +1 +0$/m)
    expect(out).toMatch(/^OPERATOR_THREW +events\.raw +2026-03-02T07:00:00Z +2 +0$/m)
    expect(out).toMatch(/^OPERATOR_THREW +events\.raw +2026-03-02T08:00:00Z +1 +0$/m)
    expect(out).toMatch(/^5:0 +OPERATOR_THREW +TypeError: x is not a function$/m)
    expect(out).toMatch(/^6:0 +EVENT_TOO_LARGE +too long \(only its beginning was kept\)$/m)
  })

  test('show prints one with its error and its record', () => {
    const { out } = dlq('few', 'show', '3:1')
    expect(out).toMatch(
      /^dead letter 3:1\nOPERATOR_THREW: TypeError: x is not a function\nrecord 3:101 of events\.raw\n\{\n {2}"orgId": "o"/,
    )
  })

  test('replay puts one in, then all others; what is no event stays; nothing goes in twice, and all is marked', async () => {
    expect(json(dlq('few', 'replay', '3:1', '--json').out)).toMatchObject({ replayed: 1, already: 0, refused: 0, late: 0, failedAgain: 0 })
    expect(await idsIn('few')).toEqual(['b'])
    expect(json(dlq('few', 'replay', '3:1', '--json').out)).toMatchObject({ replayed: 0, already: 1 })
    const all = dlq('few', 'replay', '--all')
    expect(all).toMatchObject({ code: 0 })
    expect(all.out).toMatch(/^replayed +2\nno events, not replayed +2$/m)
    expect(all.err).toContain('6:0  EVENT_TOO_LARGE: only its beginning was kept: the record had 900000 bytes')
    expect(await idsIn('few')).toEqual(['a', 'b', 'c'])
    const { groups } = json(dlq('few', 'list', '--json').out) as { groups: { code: string; count: number; replayed: number }[] }
    expect(groups.map(({ code, count, replayed }) => [code, count, replayed])).toEqual([
      ['EVENT_TOO_LARGE', 1, 0],
      ['INVALID', 1, 0],
      ['OPERATOR_THREW', 2, 2],
      ['OPERATOR_THREW', 1, 1],
    ])
  }, 200_000)

  test('what makes no sense is a usage error', () => {
    expect(dlq('few', 'replay')).toMatchObject({ code: 2, err: expect.stringContaining('one of these') })
    expect(dlq('few', 'replay', '3:1', '--all').code).toBe(2)
    expect(dlq('few', 'show', '3')).toMatchObject({ code: 2, err: expect.stringContaining('as in 3:17') })
    expect(dlq('nowhere', 'list')).toMatchObject({ code: 1, err: expect.stringMatching(/^NO_DATA: /m) })
  })
})

test('beside packmill up, through it', async () => {
  await folderWith('beside', FEW)
  const running = startPackmill(folder, ['up', '--data', 'beside', '--no-http'])
  try {
    await running.says(/ up: /)
    const { groups, newest } = json(dlq('beside', 'list', '--json', '--limit', '1').out) as { groups: object[]; newest: object[] }
    expect(groups).toMatchObject([{ replayed: 0 }, { replayed: 0 }, { count: 2, replayed: 0 }, { count: 1, replayed: 0 }])
    expect(newest).toEqual([
      expect.objectContaining({ partition: 5, offset: 0, replayed: false, source: { topic: 'events.raw', partition: 5, offset: 100 } }),
    ])
    expect(json(dlq('beside', 'show', '3:1', '--json').out)).toMatchObject({
      code: 'OPERATOR_THREW',
      replayed: false,
      record: { eventId: 'b' },
    })
    expect(dlq('beside', 'show', '6:0').out).toContain('\nrecord 6:100 of events.raw, the beginning of 900,000 bytes\n')
    expect(dlq('beside', 'show', '3:9')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^DEAD_LETTER_UNKNOWN: .*3:9\n {2}`packmill dlq list`/m),
    })
    expect(dlq('beside', 'replay', '5:1')).toMatchObject({ code: 1, err: expect.stringContaining('5:1  MALFORMED_JSON: ') })
    expect(json(dlq('beside', 'replay', '--code', 'OPERATOR_THREW', '--json').out)).toMatchObject({ replayed: 3, refused: 0 })
    expect(json(dlq('beside', 'replay', '--all', '--json').out)).toMatchObject({ replayed: 0, refused: 2 })
    expect(dlq('beside', 'show', '3:0').out).toContain('dead letter 3:0, replayed')
    const asked = packmill(folder, ['sql', IDS, '--json', '--data', 'beside'])
    expect(JSON.parse(asked.out)).toEqual([{ id: 'a' }, { id: 'b' }, { id: 'c' }])
  } finally {
    running.child.kill('SIGTERM')
    await running.ended
  }
})

test('killed in the middle, and again: each is in the log once', async () => {
  const events = [...trafficEvents({ events: 20_000, seed: 3, users: 300, orgs: 3, duplicates: 0 })]
  const letters = events.map((event, i) => ({
    partition: i % PARTITIONS,
    code: 'OPERATOR_THREW',
    message: 'x',
    record: JSON.stringify(event),
  }))
  let data = ''
  let partly = events.length
  // A replay that was over before it could be killed is no proof.
  for (let round = 0; partly === events.length && round < 5; round++) {
    data = `killed-${round}`
    await folderWith(data, letters)
    const up = startPackmill(folder, ['up', '--data', data, '--no-http'])
    await up.says(/ up: /)
    const owner = (await connect(join(folder, data)))!
    const replay = startPackmill(folder, ['dlq', 'replay', '--all', '--data', data])
    for (partly = 0; partly === 0; ) {
      const { groups } = await owner.deadLetters({ ask: 'list', limit: 0 })
      partly = groups.reduce((sum, { replayed }) => sum + replayed, 0)
    }
    up.child.kill('SIGKILL')
    await Promise.all([up.ended, replay.ended])
  }
  expect(partly).toBeLessThan(events.length)
  expect(dlq(data, 'replay', '--all').code).toBe(0)
  const statement =
    "SELECT count() AS n, uniqExact(event_id) AS ids, lower(hex(MD5(arrayStringConcat(arraySort(groupArray(event_id)), ',')))) AS sum FROM events_raw"
  const [found] = await tablesOf(join(folder, data), statement)
  const sum = createHash('md5')
    .update(
      events
        .map(({ eventId }) => eventId)
        .sort()
        .join(),
    )
    .digest('hex')
  expect(found).toEqual({ n: events.length, ids: events.length, sum })
  expect(json(dlq(data, 'replay', '--all', '--json').out)).toMatchObject({ replayed: 0 })
}, 200_000)
