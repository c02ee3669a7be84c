// Records on their way into tables, lines on their way in, and the small files of a data folder: whatever the bytes are, the answer has a code.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { SLACK } from '../../model/scan-plain.ts'
import { dataFolder } from '../../services/process/data-folder.ts'
import { openInput } from '../../services/process/open-input.ts'
import { convertWebLog, noWebLogCounts } from '../../services/process/web-log.ts'
import type { AnalyticsStore, TableSchema } from '../../stores/analytics/contract.ts'
import * as analytics from '../../stores/analytics/index.ts'
import { folderOwner, lockFolder } from '../../stores/files/folder-lock.ts'
import { codeOf, damage, damaged, outcome } from './damage.ts'

const folder = mkdtempSync(join(tmpdir(), 'packmill-fuzz-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Lines as topics hold them, and what others might write there. */
const line = fc.oneof(
  { weight: 3, arbitrary: fc.json({ noUnicodeString: false }).map((text) => text.replaceAll('\n', ' ')) },
  {
    weight: 2,
    arbitrary: fc
      .dictionary(fc.constantFrom('orgId', 'tile', 'version', 'startedAt', 'code', 'offset', 'partition', 'events'), fc.jsonValue())
      .map((record) => JSON.stringify(record)),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', ' ')) },
)
const lines = fc.array(line, { minLength: 1, maxLength: 5 })

// ---- sinks ----

const store = {
  identity: 'fuzz',
  stageNative: (_: TableSchema, parts: Uint8Array[]) => ({ bytes: parts.reduce((sum, { length }) => sum + length, 0), discard() {} }),
} as unknown as AnalyticsStore
const targets = [
  ...[analytics.FACT_SESSIONS, analytics.FACT_INCIDENTS, analytics.EVENTS_LATE, analytics.EVENTS_DLQ].map(
    (schema) => [schema.table, () => analytics.sinkTarget(store, schema, 'main', analytics.rowEncoder(schema, 'main'))] as const,
  ),
  ...analytics.TILE_TABLES.map((schema) => [schema.table, () => analytics.tileTarget(store, schema, 'main')] as const),
  ['events_raw', () => analytics.sinkTarget(store, analytics.EVENTS_RAW, 'main', analytics.eventEncoder('main'))] as const,
]

describe.each(targets)('the sink into %s', (table, make) => {
  test('writes a row for what fits, and says INSERT_REFUSED for what does not, whatever the bytes are', () => {
    fc.assert(
      fc.property(lines, damage, fc.nat(3), (all, how, more) => {
        const bytes = damaged(Buffer.from(`${all.join('\n')}\n`), how)
        const target = make()
        const read = { bytes, next: 0, blocks: [{ pos: 0, length: bytes.length, baseOffset: 7, count: all.length + more }] }
        const result = outcome(() => target.add(0, read, 0, 1000, []))
        if ('code' in result) expect(result.code).toBe('INSERT_REFUSED')
        // What has been added is staged or dropped without a word more.
        expect(outcome(() => target.seal().discard())).toEqual({ value: undefined })
        expect(target.rows, table).toBe(0)
      }),
      { numRuns: 300 },
    )
  })
})

// ---- lines ----

const WEB_LINE = '83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a.html HTTP/1.1" 200 203 "http://b.c/" "Mozilla/5.0"\n'

/** zstd, xz, bzip2, zip. */
const MAGIC_OF_OTHERS = /^(28b52ffd|fd377a585a00|425a68|504b0[357]0[468])/

describe('lines on their way in', () => {
  test('of a web server’s log, damaged in any way: each is an event, left out, or rejected with a code', () => {
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (all) => {
        const content = Buffer.concat(all.map((how) => damaged(Buffer.from(WEB_LINE), how)))
        const bytes = Buffer.concat([content, Buffer.alloc(SLACK)])
        const {
          places,
          rejected,
          length,
          bytes: converted,
        } = convertWebLog(bytes, 0, content.length, { product: 'site', skip: [] }, noWebLogCounts())
        const texts = Buffer.from(converted.subarray(0, length)).toString('latin1').split('\n').slice(0, -1)
        expect(texts).toHaveLength(places.length / 2)
        for (const [i, text] of texts.entries()) {
          if (text !== '') JSON.parse(text)
          else if (
            content
              .subarray(places[2 * i], places[2 * i] + places[2 * i + 1])
              .toString('latin1')
              .trim() !== ''
          )
            expect(rejected.map(({ line }) => line)).toContain(i)
        }
        for (const { code, message } of rejected) expect([/^[A-Z_]+$/.test(code), message !== '']).toEqual([true, true])
      }),
      { numRuns: 2000 },
    )
  })

  test('in a gzip, damaged in any way: a beginning of it, then GZIP_TRUNCATED or GZIP_CORRUPT; or lines that are none, or packed by another', async () => {
    const text = Buffer.from(Array.from({ length: 200 }, (_, i) => `{"n":${i}}\n`).join(''))
    const whole = gzipSync(text)
    let refused = 0
    await fc.assert(
      fc.asyncProperty(damage, async (how) => {
        const bytes = damaged(whole, how)
        const path = join(folder, 'lines.gz')
        writeFileSync(path, bytes)
        const input = await openInput(path)
        const chunks: Uint8Array[] = []
        let code: string | undefined
        try {
          for await (const chunk of input.chunks) chunks.push(chunk.slice())
        } catch (error) {
          code = codeOf(error)
        } finally {
          input.close()
        }
        const got = Buffer.concat(chunks)
        const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
        if (code === 'INPUT_PACKED') expect([got.length, MAGIC_OF_OTHERS.test(bytes.subarray(0, 6).toString('hex'))]).toEqual([0, true])
        else if (!isGzip) expect([code, got.equals(bytes)]).toEqual([undefined, true])
        else if (code === undefined) expect(got.equals(text) || got.length === 0 || how.is !== 'flip').toBe(true)
        else {
          expect(['GZIP_TRUNCATED', 'GZIP_CORRUPT']).toContain(code)
          refused++
        }
      }),
      { numRuns: 200 },
    )
    expect(refused).toBeGreaterThan(50)
  })
})

// ---- small files ----

describe('packmill.json', () => {
  test('damaged in any way: DATA_FORMAT, unless it says the same', () => {
    const data = join(folder, 'data')
    const meta = dataFolder(data, 2)
    const path = join(data, 'packmill.json')
    const whole = readFileSync(path)
    expect(dataFolder(data, 2)).toEqual(meta)
    let refused = 0
    fc.assert(
      fc.property(damage, (how) => {
        writeFileSync(path, damaged(whole, how))
        const result = outcome(() => dataFolder(data, 2))
        if ('code' in result) {
          expect(result.code).toBe('DATA_FORMAT')
          refused++
        } else expect(result.value).toEqual(meta)
      }),
      { numRuns: 300 },
    )
    expect(refused).toBeGreaterThan(100)
  })
})

test('the lock of a process that lives, damaged in any way: the folder is still its own', () => {
  const data = join(folder, 'locked')
  const lock = lockFolder(data)
  const path = join(data, 'owner.lock')
  const whole = readFileSync(path)
  fc.assert(
    fc.property(damage, (how) => {
      const bytes = damaged(whole, how)
      // An empty one is what a power loss leaves.
      if (bytes.length === 0) return
      writeFileSync(path, bytes)
      expect(outcome(() => lockFolder(data))).toEqual({ code: 'DATA_LOCKED' })
    }),
  )
  writeFileSync(path, damaged(whole, { is: 'flip', share: 0.5, bits: 1 }))
  // Nobody renews it any more.
  expect(folderOwner(data, Date.now() + 60_000)).toBeUndefined()
  writeFileSync(path, whole)
  lock.release()
  expect(folderOwner(data)).toBeUndefined()
})
