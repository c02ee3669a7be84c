// Records that nobody decides stop whoever needs them, by name, and not before an ordinary transaction must have ended (protocol 17).
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { entryRecord, readChangelog } from './changelog.ts'
import { encodeRecord, Ledger } from './ledger.ts'

const AT = { topic: 'own', partition: 2 }
const END = 9
const FETCH_MS = 20_000

let nowMs = 0
beforeEach(() => {
  nowMs = 0
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
})
afterEach(() => vi.restoreAllMocks())

/** Records at the offsets before END, of which those from 4 on are undecided: one more can be read each time that it was asked for so often. */
function undecided(record: { key?: Uint8Array; value: Uint8Array | null }, asks: number) {
  let readable = 4
  let asked = 0
  const cluster = {
    bounds: async () => ({ start: 0, end: END }),
    async fetch({ from }: { from: number }) {
      nowMs += FETCH_MS
      if (from === readable && ++asked > asks) {
        asked = 0
        readable++
      }
      let offset = from
      return { record: () => (offset < readable ? { offset: offset++, key: null, ...record } : undefined), after: Math.max(from, readable) }
    },
  }
  return cluster as never
}

const readers = {
  'a ledger': async (asks: number) => {
    const cluster = undecided({ value: encodeRecord({ is: 'release' }) }, asks)
    const ledger = new Ledger({ cluster, written: cluster, at: AT })
    await ledger.load()
    return ledger.position
  },
  'a changelog': async (asks: number) => {
    const cluster = undecided(entryRecord(Buffer.from('key'), Buffer.from('value')), asks)
    let end = 0
    for await (const { position } of readChangelog(cluster, AT, 0, END)) end = position
    return end
  },
}

test.each(Object.entries(readers))('%s with a transaction that nobody ends is given up, and what to abort is said', async (_, read) => {
  await expect(read(Infinity)).rejects.toMatchObject({
    ...{ code: 'KAFKA_TRANSACTION_HANGS', retryable: false },
    message: expect.stringMatching(/^own\/2: records from offset 4 to 9 .* after 100 s/),
    advice: expect.stringMatching(/kafka-transactions.sh describe-producers --topic own --partition 2.* abort --topic own --partition 2 /),
  })
  // Producers' transactions time out after 60 s unless they say otherwise, which brokers look for every 10 s.
  expect(nowMs).toBeGreaterThan(70_000)
})

test.each(Object.entries(readers))(
  '%s of which more becomes readable in time is read to its end, however long that takes in all',
  async (_, read) => {
    expect(await read(3)).toBe(END)
    expect(nowMs).toBeGreaterThan(300_000)
  },
)
