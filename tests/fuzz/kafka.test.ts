// What stands in topics of Packmill's own, and what members of a group say, with bytes that nobody encoded: damaged on their way, where each batch has its CRC, and
// written by somebody else, where all is sound but what it says.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { assignPartitions } from '../../stores/kafka/assign-partitions.ts'
import { batchBytes, type FakeRecord } from '../../stores/kafka/batches.fake.ts'
import { type ChangelogRecord, entryRecord, headerRecord, ownerRecord, readChangelog } from '../../stores/kafka/changelog.ts'
import { Fetched } from '../../stores/kafka/fetched.ts'
import type { KafkaCluster } from '../../stores/kafka/kafka-cluster.ts'
import { encodeRecord, Ledger, type LedgerRecord } from '../../stores/kafka/ledger.ts'
import { decodeKnown, decodeShare, encodeKnown, encodeShare } from '../../stores/kafka/member-words.ts'
import { readBatches } from '../../stores/kafka/record-batch.ts'
import type { OutputRecord } from '../../stores/kafka/transactional-producer.ts'
import { codeOf, type Damage, damage, damaged, outcome } from './damage.ts'

const AT = { topic: 'own', partition: 3 }
/** Longer than what hangs is waited for. */
const FETCH_MS = 100_000

let nowMs = 0
beforeEach(() => void vi.spyOn(performance, 'now').mockImplementation(() => nowMs))
afterEach(() => void vi.restoreAllMocks())

/** A partition with a batch per list of records; of what is read from it the bytes are damaged. */
async function partitionOf(batches: readonly (readonly FakeRecord[])[], how?: Damage): Promise<{ cluster: KafkaCluster; end: number }> {
  const parts: { base: number; pos: number }[] = []
  const encoded: Buffer[] = []
  let end = 0
  let pos = 0
  for (const records of batches) {
    parts.push({ base: end, pos })
    encoded.push(await batchBytes({ base: end, records }))
    end += records.length
    pos += encoded.at(-1)!.length
  }
  const whole = Buffer.concat(encoded)
  const bytes = how ? damaged(whole, how) : whole
  const cluster = {
    bounds: async () => ({ start: 0, end }),
    async fetch({ from }: { from: number }) {
      nowMs += FETCH_MS
      const begin = parts.findLast(({ base }) => base <= from)!.pos
      const length = from < end ? whole.length - begin : 0
      const read = length > 0 ? await readBatches(bytes.subarray(begin), 'own/3') : []
      return new Fetched({ ...AT, start: 0, end, length, aborted: [], batches: read }, from, true)
    },
  }
  return { cluster: cluster as unknown as KafkaCluster, end }
}

const bytes = fc.uint8Array({ maxLength: 40 }).map((all) => Buffer.from(all))
const asFake = ({ key, value }: OutputRecord): FakeRecord => ({ key: key ? Buffer.from(key) : null, value: value && Buffer.from(value) })
/** The same records in batches of a few. */
const batched = <T>(all: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
const counted = () => {
  const met: Record<string, number> = {}
  return { met, count: (what: string) => void (met[what] = (met[what] ?? 0) + 1) }
}
const settled = <T>(work: Promise<T>): Promise<{ value: T } | { code: string }> =>
  work.then(
    (value) => ({ value }),
    (error: unknown) => ({ code: codeOf(error) }),
  )

/** What both topics hold that is damaged on its way. */
const DAMAGED = ['KAFKA_RECORDS_DAMAGED', 'KAFKA_TRANSACTION_HANGS']

/** `read` of batches as they were gives what is `right`; of damaged ones that, or an error with a name. */
async function damagedOnItsWay<T, K>(
  what: fc.Arbitrary<T[]>,
  recordOf: (one: T) => FakeRecord,
  read: (batches: readonly (readonly FakeRecord[])[], how?: Damage) => Promise<K>,
  right: (all: T[]) => K,
): Promise<void> {
  const { met, count } = counted()
  await fc.assert(
    fc.asyncProperty(what, fc.integer({ min: 1, max: 4 }), damage, async (all, size, how) => {
      const batches = batched(all.map(recordOf), size)
      expect(await read(batches)).toEqual(right(all))
      const result = await settled(read(batches, how))
      if ('code' in result) expect(DAMAGED).toContain(result.code)
      else expect(result.value).toEqual(right(all))
      count('code' in result ? result.code : 'right')
    }),
    { numRuns: 500 },
  )
  expect(met.right).toBeGreaterThan(5)
  expect(met.KAFKA_RECORDS_DAMAGED).toBeGreaterThan(100)
}

// ---- ledgers ----

const ledgerRecord: fc.Arbitrary<LedgerRecord> = fc.oneof(
  fc.record({ is: fc.constant('claim' as const), owner: fc.uuid(), count: fc.nat(9), input: fc.option(fc.uuid(), { nil: undefined }) }),
  fc.record({
    is: fc.constant('receipt' as const),
    receipt: fc.record({ epoch: fc.nat(), to: fc.maxSafeNat(), text: fc.string({ unit: 'binary' }) }),
  }),
  fc.record({ is: fc.constant('release' as const) }),
)
const ledger = fc.array(ledgerRecord, { minLength: 1, maxLength: 12 })

interface Known {
  last: unknown
  input: string | undefined
  count: number
}

async function loaded(batches: readonly (readonly FakeRecord[])[], how?: Damage): Promise<Known> {
  const { cluster } = await partitionOf(batches, how)
  const read = new Ledger({ cluster, written: cluster, at: AT })
  await read.load()
  return { last: read.last, input: read.input, count: read.count }
}
const known = (all: readonly LedgerRecord[]): Known => {
  const last = all.findLast((record) => record.is === 'receipt')
  const newest = all.at(-1)!
  const input = all.map((record) => (record.is === 'claim' ? record.input : undefined)).findLast((id) => id !== undefined)
  return { last: last?.is === 'receipt' ? last.receipt : undefined, input, count: newest.is === 'claim' ? newest.count : 0 }
}
const inLedger = (record: LedgerRecord): FakeRecord => ({ key: Buffer.from('task'), value: encodeRecord(record) })

describe('a ledger', () => {
  test('damaged on its way in any way: what it was, or an error with a name', () => damagedOnItsWay(ledger, inLedger, loaded, known))

  test('with a record that somebody else wrote: what and where it is, and not tried again; else a record of its form', async () => {
    const { met, count } = counted()
    await fc.assert(
      fc.asyncProperty(ledger, fc.nat(), damage, async (all, at, how) => {
        const records = all.map(inLedger)
        const offset = at % all.length
        const value = damaged(records[offset].value!, how)
        records[offset] = { ...records[offset], value }
        const result = await settled(loaded([records]))
        if ('value' in result) expect(JSON.parse(value.toString())).toHaveProperty('is')
        else
          await expect(loaded([records])).rejects.toMatchObject({
            ...{ code: 'KAFKA_RECORD_FOREIGN', retryable: false },
            message: expect.stringContaining(`own/3: the record at offset ${offset} `),
            advice: expect.stringContaining('packmill topology reset'),
          })
        count('code' in result ? 'foreign' : 'a record')
      }),
      { numRuns: 500 },
    )
    expect(met.foreign).toBeGreaterThan(100)
  })

  const texts = ['', 'hello', 'null', '7', '[]', '{}', '{"is":"claim"}', '{"is":"claim","owner":1,"count":1}', '{"is":"toString"}']
  const receipts = [
    '{"is":"receipt"}',
    '{"is":"receipt","receipt":null}',
    '{"is":"receipt","receipt":{"epoch":"1","to":2}}',
    '{"is":"retired"}',
  ]
  test.each([...texts, ...receipts])('a record %s is none', async (text) => {
    await expect(loaded([[{ value: Buffer.from(text) }]])).rejects.toMatchObject({ code: 'KAFKA_RECORD_FOREIGN' })
  })
  test('nor is one without a value; whoever gives the name up passes what is none', async () => {
    await expect(loaded([[{ value: null }]])).rejects.toMatchObject({ code: 'KAFKA_RECORD_FOREIGN' })
    const { cluster, end } = await partitionOf([
      [{ value: null }, inLedger({ is: 'claim', owner: 'o', count: 3 }), { value: Buffer.from('?') }],
    ])
    const passing = new Ledger({ cluster, written: cluster, at: AT, passForeign: true })
    await passing.load()
    expect([passing.count, passing.position]).toEqual([3, end])
  })
})

// ---- changelogs ----

const epoch = fc.nat().map((n) => n + 1)
const changelogRecord: fc.Arbitrary<{ put: OutputRecord; record: ChangelogRecord }> = fc.oneof(
  fc.tuple(bytes, bytes, bytes).map(([key, value, index]) => ({
    put: entryRecord(key, value, index),
    record: { is: 'entry' as const, key, kept: { value, index } },
  })),
  bytes.map((key) => ({ put: entryRecord(key), record: { is: 'entry' as const, key, kept: undefined } })),
  fc.tuple(epoch, fc.uuid()).map(([epoch, store]) => {
    const value = { header: { epoch, to: epoch }, store }
    return { put: headerRecord(value), record: { is: 'header' as const, value } }
  }),
  fc.uuid().map((owner) => ({ put: ownerRecord(owner), record: { is: 'owner' as const, owner } })),
)
const changelog = fc.array(changelogRecord, { minLength: 1, maxLength: 12 })

/** In a form that can be compared: views of buffers as hex. */
const plain = (record: ChangelogRecord) => {
  if (record.is !== 'entry') return record
  const hex = (of: Uint8Array) => Buffer.from(of).toString('hex')
  return { ...record, key: hex(record.key), kept: record.kept && { value: hex(record.kept.value), index: hex(record.kept.index) } }
}

async function restored(batches: readonly (readonly FakeRecord[])[], how?: Damage) {
  const { cluster, end } = await partitionOf(batches, how)
  const all: ReturnType<typeof plain>[] = []
  for await (const { records } of readChangelog(cluster, AT, 0, end)) all.push(...records.map(({ record }) => plain(record)))
  return all
}

describe('a changelog', () => {
  test('damaged on its way in any way: all that was put, or an error with a name', () =>
    damagedOnItsWay(
      changelog,
      ({ put }) => asFake(put),
      restored,
      (all) => all.map(({ record }) => plain(record)),
    ))

  test('with a key or value that somebody else wrote: what and where it is, and not tried again; never is one left out', async () => {
    const { met, count } = counted()
    await fc.assert(
      fc.asyncProperty(changelog, fc.nat(), fc.constantFrom('key' as const, 'value' as const), damage, async (all, at, what, how) => {
        const records = all.map(({ put }) => asFake(put))
        const offset = at % all.length
        const before = records[offset]
        records[offset] = { ...before, [what]: damaged(before[what] ?? Buffer.alloc(0), how) }
        const result = await settled(restored([records]))
        if ('value' in result) expect(result.value.length).toBe(all.length)
        else
          await expect(restored([records])).rejects.toMatchObject({
            ...{ code: 'KAFKA_RECORD_FOREIGN', retryable: false },
            message: expect.stringContaining(`own/3: the record at offset ${offset} `),
          })
        count('code' in result ? 'foreign' : 'a record')
      }),
      { numRuns: 500 },
    )
    expect(met.foreign).toBeGreaterThan(100)
  })

  test.each([
    ['whose index ends behind its value', { key: Buffer.from([0, 1]), value: Buffer.from([4, 0, 0, 0, 1, 2, 3]) }],
    ['that is shorter than a length', { key: Buffer.from([0, 1]), value: Buffer.from([0, 0, 0]) }],
    ['without a key', { key: null, value: Buffer.alloc(9) }],
    ['of an unknown kind', { key: Buffer.from('hello'), value: Buffer.from('world') }],
    ['of a header that is none', { key: Buffer.from([255]), value: Buffer.from('{"header":{},"store":"s"}') }],
    ['of an owner that is none', { key: Buffer.from([254]), value: Buffer.from('null') }],
  ])('a record %s is none', async (_, record) => {
    await expect(restored([[record]])).rejects.toMatchObject({ code: 'KAFKA_RECORD_FOREIGN' })
  })
})

// ---- members of a group ----

const PARTITIONS = 8
const partitions = fc.uniqueArray(fc.nat(PARTITIONS - 1))
const target = fc.dictionary(fc.string(), partitions, { maxKeys: 5 })
const says = fc.record({ generation: fc.nat(), owned: partitions, target })
const GROUP = { groupId: 'group', topic: 'events.raw' }

describe('members of a group', () => {
  test('are heard as they spoke', () => {
    fc.assert(fc.property(says, (known) => void expect(decodeKnown(encodeKnown('events.raw', known))).toEqual(known)))
    fc.assert(
      fc.property(
        partitions,
        target,
        (given, target) => void expect(decodeShare(encodeShare('events.raw', given, target), GROUP)).toEqual({ partitions: given, target }),
      ),
    )
  })

  test('what never ends is not read for ever', () => {
    // As many topics as can be, the length of each −2: behind it stands the same again.
    const endless = Buffer.from([0, 0, 127, 255, 255, 255, 255, 254])
    expect(decodeKnown(endless).owned).toEqual([])
    expect(outcome(() => decodeShare(endless, GROUP))).toEqual({ code: 'KAFKA_GROUP_REFUSED' })
  })

  test('whatever some of them say, each partition is to be one’s, and nobody is given another’s', () => {
    const { met, count } = counted()
    fc.assert(
      fc.property(fc.array(fc.tuple(says, fc.option(damage)), { minLength: 1, maxLength: 5 }), (all) => {
        const members = all.map(([known, how], i) => {
          const spoken = encodeKnown('events.raw', known)
          const heard = decodeKnown(how ? damaged(spoken, how) : spoken)
          count(heard.generation < 0 ? 'odd' : 'heard')
          return { id: `${i}`, name: `${i}`, ...heard }
        })
        for (const { target: last } of members) {
          const { given, target } = assignPartitions(members, PARTITIONS, new Map(Object.entries(last)))
          expect([...target.values()].flat().sort()).toEqual(Array.from({ length: PARTITIONS }, (_, i) => i))
          for (const [id, own] of given) for (const partition of own) expect(target.get(id)).toContain(partition)
        }
      }),
      { numRuns: 500 },
    )
    expect(met.odd).toBeGreaterThan(50)
    expect(met.heard).toBeGreaterThan(100)
  })

  test('a leader’s word that is damaged is a share, or refused by name', () => {
    const { met, count } = counted()
    fc.assert(
      fc.property(partitions, target, damage, (given, target, how) => {
        const spoken = encodeShare('events.raw', given, target)
        const result = outcome(() => decodeShare(damaged(spoken, how), GROUP))
        if ('code' in result) expect(result.code).toBe('KAFKA_GROUP_REFUSED')
        count('code' in result ? 'refused' : 'heard')
      }),
      { numRuns: 500 },
    )
    expect(met.refused).toBeGreaterThan(100)
  })
})
