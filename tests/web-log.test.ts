// A real web server's log through everything: what the tables hold is the batch evaluator's answer for lines that were read here in another way.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../config/index.ts'
import type { WireEvent } from '../model/event.ts'
import { openEmbedded } from '../services/process/embedded.ts'
import { openInput } from '../services/process/open-input.ts'
import { hashText } from './oracle/hash.ts'
import { needs, realDataPath } from './require.ts'
import { answerOf } from './torture/answer.ts'

/** By its quotes and brackets alone; undefined for a line without an agent. */
function read(line: string): { address: string; event: WireEvent } | undefined {
  const parts = line.split('"')
  if (parts.length < 7) return undefined
  const [address] = line.split(' ')
  const agent = parts.slice(5, -1).join('"')
  const at = line
    .slice(line.indexOf('[') + 1, line.indexOf(']'))
    .replace(':', ' ')
    .replaceAll('/', ' ')
  const screen = parts[1]!.split(' ')[1]!.split(/[?#]/)[0]!
  return {
    address: address!,
    event: {
      orgId: 'web',
      productId: 'site',
      eventId: hashText(line),
      anonymousId: hashText(`${address}\0${agent}`),
      type: 'screen_view',
      ts: Date.parse(at),
      screen,
    },
  }
}

const path = realDataPath('apache.log.gz')
describe.runIf(needs('the real web log', path, 'put apache.log.gz into the data folder beside the checkout'))('a real web log', () => {
  test('10,000 lines of 1,753 addresses: one rejected, sessions and incidents are the evaluator’s', async () => {
    const lines = gunzipSync(readFileSync(path)).toString('utf8').trimEnd().split('\n')
    const known = lines.map(read)
    expect(new Set(lines.map((line) => line.split(' ')[0])).size).toBe(1_753)
    const sent = known.flatMap((line) => line?.event ?? [])
    const data = mkdtempSync(join(tmpdir(), 'packmill-web-log-'))
    const { config } = loadConfig({ data, environment: {} })
    const onNotice = (notice: object) => {
      if ('error' in notice) throw notice.error as Error
    }
    const embedded = await openEmbedded({ config, version: 'test', live: false, onNotice })
    try {
      const rejected: number[] = []
      const result = await embedded.import((await openInput(path)).chunks, { onReject: (line) => rejected.push(line) })
      expect(rejected).toEqual(known.flatMap((line, i) => (line ? [] : [i + 1])))
      expect(result).toMatchObject({ lines: 10_000, accepted: 9_999, rejected: 1, complete: true, web: { filtered: 0 } })
      await embedded.settle({ snapshots: true, close: false })
      const { differences, events, evaluation } = await answerOf(embedded, config, sent)
      expect(differences).toEqual([])
      expect(events).toBe(9_999)
      expect(evaluation.sessions.size).toBeGreaterThan(1_753)
      const screens = await embedded.query('SELECT screen, count() AS n FROM events_raw GROUP BY screen ORDER BY n DESC, screen LIMIT 20')
      const counts = Array.from(
        Map.groupBy(sent, ({ screen }) => screen!),
        ([screen, own]) => ({ screen, n: own.length }),
      )
      expect(screens).toEqual(counts.sort((a, b) => b.n - a.n || (a.screen < b.screen ? -1 : 1)).slice(0, 20))
    } finally {
      await embedded.stop()
      rmSync(data, { recursive: true, force: true })
    }
  }, 120_000)
})
