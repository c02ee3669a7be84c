// A record that lies in another partition than its key's, and its neighbours that do not.
import { expect, test } from 'vitest'
import { defaults } from '../../config/index.ts'
import type { StateStore } from '../../engine/state/store.ts'
import { kafkaPartition } from '../../model/hash.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { checkedStage } from './checked-stage.ts'

const PARTITIONS = 8
const event = (orgId: string, i: number) => ({
  eventId: `e${i}`,
  orgId,
  productId: 'p',
  userId: 'u',
  type: 'screen_view',
  ts: 1_772_400_000_000 + i,
  screen: '/a',
})
const partitionOf = (orgId: string) => kafkaPartition(Buffer.from(`${orgId}:p`), PARTITIONS)

test('a record on the wrong partition for its key is a dead letter, and counts in no session', () => {
  const orgs = Array.from({ length: 40 }, (_, i) => `org-${i}`)
  const own = partitionOf(orgs[0]!)
  const events = orgs.map(event)
  const bytes = new Uint8Array(Buffer.from(`${events.map((one) => JSON.stringify(one)).join('\n')}\n`))
  const store = { header: undefined, get: () => undefined, entries: () => [] } as unknown as StateStore
  const computer = checkedStage(clickstream(defaults.clickstream), PARTITIONS).computer({ lineage: 'l', code: 'c', partition: own }, store)
  computer.load(
    { bytes, blocks: [{ baseOffset: 0, count: events.length, pos: 0, length: bytes.length }], next: events.length },
    0,
    events.length,
  )
  const { receipt, outputs } = computer.compute(1, 0, events.length, {}, undefined)
  const strays = orgs.flatMap((org, offset) => (partitionOf(org) === own ? [] : [offset]))
  expect(strays.length).toBeGreaterThan(20)
  const dead = outputs
    .filter(({ topic }) => topic === 'events.dlq')
    .flatMap(({ bytes: text }) => Buffer.from(text).toString().trim().split('\n'))
  const rows = dead.map((line) => JSON.parse(line) as { code: string; offset: number; message: string })
  expect(rows.map(({ offset }) => offset)).toEqual(strays)
  expect(new Set(rows.map(({ code }) => code))).toEqual(new Set(['WRONG_PARTITION']))
  expect(rows[0]!.message).toMatch(/belongs to partition \d of 8, by Kafka's default partitioner; it was found in \d/)
  expect(receipt.counters).toMatchObject({ invalid: strays.length, accepted: orgs.length - strays.length })
})
