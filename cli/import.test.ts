// packmill import as its users meet it: what it says, what it keeps, how it fails.
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type FolderLock, lockFolder } from '../stores/files/folder-lock.ts'
import { packmill, type Running, startPackmill } from './packmill-process.fake.ts'
import { tablesOf } from './tables-of.fake.ts'
import { LARGE, lines } from './traffic-lines.fake.ts'

let folder: string
/** One that another process has, and an import into it: it asks that process for seconds, while other cases are at work. */
let locked: { data: string; lock: FolderLock; running: Running }
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-import-'))
  const data = join(folder, 'locked')
  mkdirSync(data)
  locked = { data, lock: lockFolder(data), running: startPackmill(folder, ['import', '-', '--data', 'locked']) }
  locked.running.child.stdin!.end(event({}))
})
afterAll(async () => {
  locked.running.child.kill('SIGKILL')
  await locked.running.ended
  locked.lock.release()
  rmSync(folder, { recursive: true })
})

const event = (fields: object) =>
  `${JSON.stringify({ orgId: 'o', productId: 'p', userId: 'u', type: 'click', ts: 1_772_434_800_000, ...fields })}\n`
const write = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content)
const json = (text: string) => JSON.parse(text) as Record<string, unknown>
const count = async (data: string, table: string) => {
  const [{ n }] = await tablesOf<{ n: number }>(join(folder, data), `SELECT count() AS n FROM ${table}`)
  return n
}

/** Per actor, the hash of its ids in the order of the log. */
const actorsIn = async (data: string) => {
  const statement = `SELECT concat(org_id, ' ', product_id) AS actor, lower(hex(MD5(arrayStringConcat(groupArray(event_id), ',')))) AS ids
    FROM (SELECT * FROM events_raw ORDER BY partition, offset) GROUP BY actor`
  const rows = await tablesOf<{ actor: string; ids: string }>(join(folder, data), statement)
  return new Map(rows.map(({ actor, ids }) => [actor, ids]))
}
const actorOf = ({ orgId, productId }: Record<string, unknown>) => `${String(orgId)} ${String(productId)}`
const digests = (sent: Map<string, Record<string, unknown>[]>) =>
  new Map(
    Array.from(sent, ([actor, events]) => [
      actor,
      createHash('md5')
        .update(events.map(({ eventId }) => eventId).join())
        .digest('hex'),
    ]),
  )

describe('a file', () => {
  test('gzip is seen by its bytes, not its name; all can be queried at the end, and the same file again adds nothing', async () => {
    write('zipped.jsonl', gzipSync(lines(3_000)))
    write('plain.gz', lines(3_000))
    const first = packmill(folder, ['import', 'zipped.jsonl', '--data', 'd', '--json'])
    expect(first).toMatchObject({ code: 0 })
    expect(json(first.out)).toMatchObject({ accepted: 3_000, rejected: 0, before: 0, late: 0, deadLettered: 0 })
    const { sessions, incidents, duplicates } = json(first.out) as Record<string, number>
    expect(sessions).toBeGreaterThan(50)
    expect(incidents).toBeGreaterThan(10)
    expect(duplicates).toBeGreaterThan(50)
    expect(await count('d', 'sessions')).toBe(sessions)
    // The same events under another name, not compressed.
    const again = packmill(folder, ['import', 'plain.gz', '--data', 'd'])
    expect(again.err).toContain('plain.gz had been imported before: nothing is added')
    expect(again.out).toMatch(/^accepted +0 events, beside 3,000 of an earlier run$/m)
    expect(again.code).toBe(0)
    expect(await count('d', 'events_raw')).toBe(3_000)
    expect(existsSync(join(folder, 'zipped.jsonl.rejects.jsonl'))).toBe(false)
  })

  test('from stdin, lines without orgId for --org, sessions ended by --close', async () => {
    const input = [1, 2, 3].map((i) => event({ orgId: undefined, eventId: `e${i}`, ts: 1_772_434_800_000 + i })).join('')
    const { code, out, err } = packmill(folder, ['import', '-', '--org', 'acme', '--close', '--data', 'stdin'], { input })
    expect([code, err]).toEqual([0, expect.stringContaining('import stdin  3 events')])
    expect(out).toMatch(/^sessions +1 in the folder, 0 of them open$/m)
    expect(await tablesOf(join(folder, 'stdin'), 'SELECT org_id, closed FROM sessions')).toEqual([{ org_id: 'acme', closed: 1 }])
  })

  test('rejected lines go to a file with line, code, field, reason and text; their neighbours are accepted', () => {
    const long = event({ eventId: 'x'.repeat(1 << 20) })
    const bad = Buffer.concat([Buffer.from('{"orgId":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}\n')])
    write(
      'mixed.jsonl',
      Buffer.concat([
        Buffer.from(event({ eventId: '1' })),
        Buffer.from('not json\n'),
        bad,
        Buffer.from(long),
        Buffer.from(event({ productId: undefined })),
        Buffer.from(event({ ts: -62_135_596_800_000 })),
        Buffer.from(event({ eventId: '2' })),
      ]),
    )
    const { code, out } = packmill(folder, ['import', 'mixed.jsonl', '--data', 'mixed'])
    expect(code).toBe(0)
    expect(out).toMatch(/^accepted +2 events$/m)
    expect(out).toMatch(/^rejected +5 lines, see mixed\.jsonl\.rejects\.jsonl$/m)
    const rejects = readFileSync(join(folder, 'mixed.jsonl.rejects.jsonl'), 'utf8').trimEnd().split('\n').map(json)
    expect(rejects.map(({ line, code, field }) => [line, code, field])).toEqual([
      [2, 'MALFORMED_JSON', undefined],
      [3, 'INVALID_UTF8', undefined],
      [4, 'EVENT_TOO_LARGE', undefined],
      [5, 'MISSING_FIELD', 'productId'],
      [6, 'INVALID_TIME', 'ts'],
    ])
    expect(rejects[0]).toMatchObject({ text: 'not json', message: expect.any(String) })
    // The same again: the file stays as it is, the sum of the rejects too.
    expect(packmill(folder, ['import', 'mixed.jsonl', '--data', 'mixed']).code).toBe(0)
    expect(readFileSync(join(folder, 'mixed.jsonl.rejects.jsonl'), 'utf8').trimEnd().split('\n')).toHaveLength(5)
  })

  test('rejects that would be written over an input, by whatever path, are refused, and it stays', () => {
    write('kept.jsonl', 'not json\n')
    symlinkSync('kept.jsonl', join(folder, 'other-name'))
    write('kept.jsonl.rejects.jsonl', 'nor this\n')
    const refused = [
      packmill(folder, ['import', 'kept.jsonl', '--rejects', 'kept.jsonl', '--data', 'kept']),
      packmill(folder, ['import', 'kept.jsonl', '--rejects', './other-name', '--data', 'kept']),
      packmill(folder, ['import', 'kept.jsonl', 'kept.jsonl.rejects.jsonl', '--data', 'kept']),
    ]
    for (const { code, err } of refused) expect([code, err]).toEqual([1, expect.stringMatching(/^SAME_FILE: .*kept\.jsonl/)])
    expect(['kept.jsonl', 'kept.jsonl.rejects.jsonl'].map((name) => readFileSync(join(folder, name), 'utf8'))).toEqual([
      'not json\n',
      'nor this\n',
    ])
    expect(existsSync(join(folder, 'kept'))).toBe(false)
    const { code, err } = packmill(folder, ['traffic', '--events', '5', '--out', 'one.jsonl', '--truth', './one.jsonl'])
    expect([code, err]).toEqual([1, expect.stringMatching(/^SAME_FILE: /)])
  })

  test('times that look like seconds are asked about, and accepted', () => {
    write('seconds.jsonl', [1_772_434_800, 1_772_434_801, 1_772_434_800_000].map((ts, i) => event({ eventId: `s${i}`, ts })).join(''))
    const { code, out, err } = packmill(folder, ['import', 'seconds.jsonl', '--data', 'seconds', '--json'])
    expect([code, json(out)]).toMatchObject([0, { accepted: 3, rejected: 0 }])
    expect(json(out)).not.toHaveProperty('old')
    expect(err).toMatch(/^2 events in the folder have times before 1973: are they in seconds\? ts is in milliseconds\.$/m)
    expect(packmill(folder, ['import', 'seconds.jsonl', '--data', 'seconds']).err).not.toContain('1973')
  })

  test('several files, their rejects in one file and told apart', () => {
    write('a.jsonl', `${event({ eventId: 'a' })}x\n`)
    write('b.jsonl', `y\n${event({ eventId: 'b', ts: 1_772_434_801_000 })}`)
    const { out } = packmill(folder, ['import', 'a.jsonl', 'b.jsonl', '--rejects', 'all.txt', '--data', 'two', '--json'])
    expect(json(out)).toMatchObject({ accepted: 2, rejected: 2, sessions: 1 })
    const rejects = readFileSync(join(folder, 'all.txt'), 'utf8').trimEnd().split('\n').map(json)
    expect(rejects.map(({ file, line, text }) => [file, line, text])).toEqual([
      ['a.jsonl', 2, 'x'],
      ['b.jsonl', 1, 'y'],
    ])
  })

  test('several files are appended in the order given, whatever their sizes; one given twice, or that begins like another, counts once', async () => {
    const all = lines(20_000).toString().trimEnd().split('\n')
    const parts = [0, 9_000, 9_500, 14_000, 14_001, 20_000].map((from, i, starts) =>
      all
        .slice(from, starts[i + 1])
        .map((line) => `${line}\n`)
        .join(''),
    )
    const names = parts.slice(0, 5).map((part, i) => {
      write(`part-${i}`, i % 2 === 0 ? gzipSync(part) : part)
      return `part-${i}`
    })
    write('longer', parts[0] + parts[1])
    const { code, out, err } = packmill(folder, ['import', ...names, 'part-1', 'longer', '--data', 'ordered', '--json'])
    expect(code, err).toBe(0)
    expect(json(out)).toMatchObject({ accepted: 20_500, rejected: 0 })
    expect(err).toContain('part-1 had been imported before: nothing is added')
    expect(err).toContain('longer had been begun before: it went on behind its first 9,000 events')
    const sent = Map.groupBy([...all, ...parts[1]!.trimEnd().split('\n')].map(json), actorOf)
    expect(await actorsIn('ordered')).toEqual(digests(sent))
  })

  test('a web log beside events: told by its first lines; rejects have the line as it was; what is left out is counted', async () => {
    const request = (second: number, path: string, agent = 'Mozilla/5.0') =>
      `10.0.0.1 - - [02/Mar/2026:07:00:${String(second).padStart(2, '0')} +0000] "GET ${path} HTTP/1.1" 200 5 "-" "${agent}"\n`
    write(
      'access.log',
      `${request(1, '/home?a=b') + request(2, '/logo.png')}nonsense\n${request(3, '/buy', 'Googlebot')}${request(4, '/buy')}`,
    )
    write('beside.jsonl', event({ eventId: 'beside' }))
    const some = packmill(folder, ['import', 'access.log', 'beside.jsonl', '--org', 'acme', '--skip', 'bots', '--data', 'web', '--json'])
    expect(json(some.out)).toMatchObject({ accepted: 4, rejected: 1, filtered: 1, web: { assets: 1, bots: 1, filtered: 1 } })
    const rejects = json(readFileSync(join(folder, 'access.log.rejects.jsonl'), 'utf8'))
    expect(rejects).toMatchObject({ line: 3, code: 'MALFORMED_LOG_LINE', text: 'nonsense' })
    const screens = await tablesOf(join(folder, 'web'), "SELECT screen_sequence FROM sessions WHERE org_id = 'acme'")
    expect(screens).toEqual([{ screen_sequence: ['/home', '/logo.png', '/buy'] }])
    // With others left out it is another import, whose events are known.
    const all = packmill(folder, ['import', 'access.log', '--org', 'acme', '--data', 'web', '--json'])
    expect(json(all.out)).toMatchObject({ accepted: 4, filtered: 0, duplicates: 3 })
    expect(packmill(folder, ['import', 'access.log', '--skip', 'people', '--data', 'web'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('assets,bots'),
    })
  })

  test('options of web logs where there are none are refused before anything is read in: files, stdin, and what --format says', () => {
    write('only.jsonl', event({ eventId: 'only' }))
    write('only.jsonl.gz', gzipSync(event({ eventId: 'only' })))
    const refused = (args: string[], input?: string) => {
      const { code, err } = packmill(folder, ['import', ...args, '--data', 'refused'], { input })
      return [code, err.match(/^USAGE: (.*)/m)?.[1]]
    }
    const why = 'for web logs (docs/web-logs.md), and'
    expect(refused(['only.jsonl', '--skip', 'bots'])).toEqual([2, `--skip is ${why} only.jsonl holds JSON lines`])
    expect(refused(['only.jsonl', 'only.jsonl.gz', '--skip', 'bots', '--product', 'p'])).toEqual([
      2,
      `--product and --skip are ${why} none of the inputs holds anything but JSON lines`,
    ])
    expect(refused(['access.log', '--format', 'jsonl', '--product', 'p'])).toEqual([
      2,
      `--product is ${why} --format jsonl says that these are JSON lines`,
    ])
    expect(existsSync(join(folder, 'refused'))).toBe(false)
    expect(refused(['-', '--skip', 'bots'], event({ eventId: 'only' }))).toEqual([2, `--skip is ${why} stdin holds JSON lines`])
    expect(packmill(folder, ['sql', 'SELECT count() FROM events_raw', '--format', 'TSV', '--data', 'refused']).out.trim()).toBe('0')
    // One that was rotated a moment ago.
    write('empty.log', '')
    expect(refused(['empty.log', '--skip', 'bots'])).toEqual([0, undefined])
    const piped = packmill(folder, ['import', '-', 'only.jsonl', '--skip', 'bots', '--data', 'mixed', '--json'], {
      input: readFileSync(join(folder, 'access.log'), 'utf8'),
    })
    expect(json(piped.out)).toMatchObject({ accepted: 4, filtered: 1 })
  })

  test('events behind the watermark by more than the correction time are reported with the cure', () => {
    write('new.jsonl', event({ eventId: 'new', ts: 1_772_500_000_000 }))
    write('old.jsonl', event({ eventId: 'old', ts: 1_772_400_000_000 }))
    const { code, out, err } = packmill(folder, ['import', 'new.jsonl', 'old.jsonl', '--data', 'late'])
    expect(code).toBe(0)
    expect(out).toMatch(/^late +1$/m)
    expect(err).toContain('LATE: 1 events came too late to be counted: more than clickstream.correctionMs (1 h 0 min) behind')
    expect(err).toMatch(/import the files oldest first, or raise clickstream\.correctionMs/)
    const cured = packmill(folder, [
      'import',
      'new.jsonl',
      'old.jsonl',
      '--data',
      'cured',
      '--set',
      'clickstream.correctionMs=48h',
      '--json',
    ])
    expect(json(cured.out)).toMatchObject({ late: 0, sessions: 2 })
    expect(cured.err).not.toContain('LATE')
  })

  test('a file that has grown since: only what is new', async () => {
    const all = lines(6_000)
    const cut = all.indexOf(10, Math.floor(all.length * 0.9)) + 1
    expect(cut).toBeGreaterThan(1 << 20)
    write('growing.jsonl', all.subarray(0, cut))
    const first = json(packmill(folder, ['import', 'growing.jsonl', '--data', 'growing', '--json']).out) as { accepted: number }
    write('growing.jsonl', all)
    const second = packmill(folder, ['import', 'growing.jsonl', '--data', 'growing', '--json'])
    expect(json(second.out)).toMatchObject({ accepted: 6_000 - first.accepted, before: first.accepted })
    expect(second.err).toContain('it went on behind its first')
    expect(await count('growing', 'events_raw')).toBe(6_000)
  })
})

describe('a file that was mended behind its first megabyte', () => {
  const all = lines(6_000)
  const from = all.indexOf(10, Math.floor(all.length * 0.9)) + 1
  const spoilt = Buffer.concat([all.subarray(0, from), Buffer.from('not json'), all.subarray(all.indexOf(10, from))])
  const set = ['--set', 'clickstream.correctionMs=48h', '--json']

  test('is read from its start; what was imported before counts once', async () => {
    write('spoilt.jsonl', spoilt)
    expect(json(packmill(folder, ['import', 'spoilt.jsonl', '--data', 'mended', ...set]).out)).toMatchObject({
      accepted: 5_999,
      rejected: 1,
    })
    write('spoilt.jsonl', all)
    const mended = packmill(folder, ['import', 'spoilt.jsonl', '--data', 'mended', ...set])
    expect(mended).toMatchObject({ code: 0, err: expect.stringContaining('is another: it is read from its start') })
    expect(json(mended.out)).toMatchObject({ accepted: 6_000, before: 0, rejected: 0, late: 0 })
    write('whole.jsonl', all)
    const whole = json(packmill(folder, ['import', 'whole.jsonl', '--data', 'whole', ...set]).out)
    const { sessions, openSessions, incidents } = whole
    expect(json(mended.out)).toMatchObject({ sessions, openSessions, incidents })
    expect(await count('mended', 'events')).toBe(await count('whole', 'events'))
    // And now it is known.
    const again = packmill(folder, ['import', 'spoilt.jsonl', '--data', 'mended', ...set])
    expect(json(again.out)).toMatchObject({ accepted: 0, before: 6_000 })
  })

  test('from stdin it is refused: it cannot be read twice', () => {
    packmill(folder, ['import', '-', '--data', 'piped'], { input: spoilt })
    const { code, err } = packmill(folder, ['import', '-', '--data', 'piped'], { input: all })
    expect([code, err]).toEqual([1, expect.stringMatching(/^INPUT_CHANGED: .*\n {2}Import it as a file/m)])
  })
})

describe('a stop in the middle', () => {
  test.each([
    ['SIGKILL', null],
    ['SIGINT', 130],
  ] as const)('%s: run again it goes on, and nothing is doubled or lost', async (signal, expected) => {
    const data = `stop-${signal}`
    write('large.jsonl', lines(LARGE))
    const running = startPackmill(folder, ['import', '-', '--data', data])
    // Ten megabytes that have been taken: at four the first commit begins, at eight it has been waited for. The rest never comes.
    const some = readFileSync(join(folder, 'large.jsonl')).subarray(0, 10 << 20)
    await new Promise<void>((resolve, reject) => running.child.stdin!.write(some, (error) => (error ? reject(error) : resolve())))
    running.child.kill(signal)
    const { code, err } = await running.ended
    expect(code, err).toBe(expected)
    if (signal === 'SIGINT') expect(err).toMatch(/INTERRUPTED: stopped by SIGINT\n {2}Run the same command again/)
    const again = packmill(folder, ['import', 'large.jsonl', '--data', data, '--json'])
    const { accepted, before } = json(again.out) as { accepted: number; before: number }
    expect(before).toBeGreaterThan(0)
    expect(accepted + before).toBe(LARGE)
    expect(again.code).toBe(0)
    expect(await count(data, 'events_raw')).toBe(LARGE)
  })
})

describe('a stop in the middle of several files', () => {
  test.each(['SIGKILL', 'SIGINT'] as const)('%s: run again they go on, in their order, and nothing is doubled or lost', async (signal) => {
    const all = lines(LARGE).toString().trimEnd().split('\n')
    const names = [0, 1, 2, 3, 4, 5].map((i) => {
      const part = Buffer.from(
        all
          .slice((i * LARGE) / 6, ((i + 1) * LARGE) / 6)
          .map((line) => `${line}\n`)
          .join(''),
      )
      write(`stopped-${i}`, i === 3 ? gzipSync(part) : part)
      return `stopped-${i}`
    })
    const data = `several-${signal}`
    const running = startPackmill(folder, ['import', ...names, '--data', data])
    // While others of them are decoded, and not all are in.
    await running.says(/^import stopped-1 {2}7,500 events/m)
    running.child.kill(signal)
    const { code } = await running.ended
    const again = packmill(folder, ['import', ...names, '--data', data, '--json'])
    expect(again.code, again.err).toBe(0)
    const { accepted, before } = json(again.out) as { accepted: number; before: number }
    expect(before).toBeGreaterThanOrEqual(LARGE / 3)
    expect(accepted + before).toBe(LARGE)
    if (signal === 'SIGINT') expect(code).toBe(130)
    expect(await actorsIn(data)).toEqual(digests(Map.groupBy(all.map(json), actorOf)))
  })
})

describe('what cannot be read', () => {
  test.each([
    ['missing.jsonl', /^INPUT_MISSING: missing\.jsonl: .*\n {2}Look at the path/],
    ['fine.jsonl', /^ENOENT: .*\n {2}Look at the path/, '--rejects', 'no/such/folder.jsonl'],
    ['.', /^INPUT_IS_FOLDER: \. is a folder\n {2}Name the files/],
  ] as const)('%s', (file, message, ...more: string[]) => {
    write('fine.jsonl', event({}))
    const { code, out, err } = packmill(folder, ['import', 'fine.jsonl', file, '--data', 'never', ...more])
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(message)
    // Said before anything was begun.
    expect(existsSync(join(folder, 'never'))).toBe(false)
  })

  test('an empty file is no failure, and said', () => {
    write('empty.jsonl', '')
    const { code, err } = packmill(folder, ['import', 'empty.jsonl', '--data', 'empty'])
    expect([code, err]).toEqual([0, expect.stringContaining('empty.jsonl is empty: there was nothing to import')])
  })

  test('truncated gzip: what came before is kept, can be queried, and is said; the whole file later adds the rest', async () => {
    const whole = gzipSync(lines(12_000))
    write('truncated.gz', whole.subarray(0, Math.floor(whole.length * 0.6)))
    const cut = packmill(folder, ['import', 'truncated.gz', '--data', 'truncated', '--json'])
    expect(cut).toMatchObject({ code: 1, err: expect.stringContaining('GZIP_TRUNCATED: ') })
    const { accepted } = json(cut.out) as { accepted: number }
    expect(accepted).toBeGreaterThan(4_000)
    expect(accepted).toBeLessThan(12_000)
    expect(await count('truncated', 'events_raw')).toBe(accepted)
    write('truncated.gz', whole)
    const mended = packmill(folder, ['import', 'truncated.gz', '--data', 'truncated', '--json'])
    expect(json(mended.out)).toMatchObject({ accepted: 12_000 - accepted, before: accepted })
    expect(mended.code).toBe(0)
  })

  // Damage shows at the end of the data, by its checksum: lines after it have other lengths than those of the whole file.
  test('damaged gzip: what came before is kept, can be queried, and is said; the whole file later lacks no event', async () => {
    const all = lines(12_000)
    const whole = gzipSync(all)
    const middle = Math.floor(whole.length * 0.6)
    write('damaged.gz', Buffer.from(whole).fill(0xff, middle, middle + 64))
    const damaged = packmill(folder, ['import', 'damaged.gz', '--data', 'damaged', '--json'])
    expect(damaged).toMatchObject({ code: 1, err: expect.stringContaining('GZIP_CORRUPT: ') })
    const { accepted } = json(damaged.out) as { accepted: number }
    expect(accepted).toBeGreaterThan(4_000)
    expect(accepted).toBeLessThan(12_000)
    expect(await count('damaged', 'events_raw')).toBe(accepted)
    write('damaged.gz', whole)
    const mended = packmill(folder, ['import', 'damaged.gz', '--data', 'damaged', '--json'])
    expect(mended).toMatchObject({ code: 0, err: expect.stringContaining('is another: it is read from its start') })
    expect(json(mended.out)).toMatchObject({ accepted: 12_000, before: 0, rejected: 0 })
    const rows = await tablesOf<{ id: string }>(join(folder, 'damaged'), 'SELECT DISTINCT event_id AS id FROM events')
    const found = new Set(rows.map(({ id }) => id))
    const wanted = all
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => json(line).eventId as string)
    expect(wanted.filter((id) => !found.has(id))).toEqual([])
  })

  test('a file of another format: nothing is accepted, exit code 1, the first reasons', () => {
    write('table.csv', 'org,user,ts\nacme,7,1\nacme,8,2\n')
    const { code, err } = packmill(folder, ['import', 'table.csv', '--data', 'csv'])
    expect(code).toBe(1)
    expect(err).toMatch(/None of the lines is an event: is this another format\?.*\n {2}table\.csv:1 {2}MALFORMED_JSON: .* \(3 lines\)/)
  })

  test('an org that cannot be one', () => {
    const { code, err } = packmill(folder, ['import', '-', '--org', 'o'.repeat(300), '--data', 'org'], { input: '{}\n' })
    expect([code, err]).toEqual([1, expect.stringContaining('INVALID_ORG: ')])
  })
})

describe('the data folder', () => {
  test('that another process has, and that does not answer: who it is', async () => {
    const { code, err } = await locked.running.ended
    expect(code).toBe(1)
    expect(err).toMatch(
      new RegExp(`^DATA_LOCKED: ${locked.data} belongs to process ${process.pid} on .* since 20.*\\n {2}Stop that process`, 'm'),
    )
  })

  test('that cannot be written', () => {
    // Root may write anywhere but here.
    const isRoot = process.getuid?.() === 0
    const data = isRoot ? '/sys/packmill' : join(folder, 'read-only')
    if (!isRoot) {
      mkdirSync(data)
      chmodSync(data, 0o555)
    }
    const { code, err } = packmill(folder, ['import', '-', '--data', data], { input: event({}) })
    expect([code, err]).toEqual([1, expect.stringMatching(/^DATA_READ_ONLY: .*\n {2}Give this user write permission/m)])
  })
})
