import { describe, expect, test } from 'vitest'
import type { LogReceipt } from '../../engine/log/contract.ts'
import { type Consumer, consumersIn, type LagLog, lagOf } from './lag.ts'

const task = (partition: number): Consumer => ({ kind: 'task', consumer: 't', name: `task.main.t.in.${partition}`, topic: 'in', partition })
const sink: Consumer = { kind: 'sink', consumer: 'table', name: 'sink.main.table.in', topic: 'in', partition: 1 }

/** A log of one block per partition: records from `start` on, of these texts. */
function logOf(receipts: Record<string, LogReceipt & Record<string, unknown>>, partitions: { start: number; records: string[] }[]): LagLog {
  return {
    lastReceipt: async (name) => receipts[name],
    bounds: async ({ partition }) => ({
      start: partitions[partition]!.start,
      end: partitions[partition]!.start + partitions[partition]!.records.length,
    }),
    reader: ({ partition }) => ({
      async read() {
        const { start, records } = partitions[partition]!
        const bytes = Buffer.from(records.map((record) => `${record}\n`).join(''))
        return { bytes, blocks: [{ baseOffset: start, count: records.length, pos: 0, length: bytes.length }], next: start + records.length }
      },
      close: () => undefined,
    }),
  }
}

const RECORDS = ['{"receivedAt":100}', '{"received_at":200}', '{"record":"{\\"receivedAt\\":300}"}', '{"n":1}', 'text']

describe('lagOf', () => {
  test.each([
    [0, 900],
    [1, 800],
    [2, 700],
    [3, undefined],
    [4, undefined],
  ])('at offset %i the oldest unread record has waited %s ms; it is found within its block', async (to, oldestMs) => {
    const log = logOf({ 'task.main.t.in.0': { epoch: 1, to: to + 40 } }, [{ start: 40, records: RECORDS }])
    const [lag] = await lagOf(log, [task(0)], 1_000)
    expect(lag).toEqual({
      kind: 'task',
      consumer: 't',
      topic: 'in',
      partition: 0,
      position: 40 + to,
      end: 45,
      records: 5 - to,
      bytes: expect.any(Number),
      ...(oldestMs && { oldestMs }),
    })
  })

  test('one that never committed is at the beginning of what is there; one that is caught up has nothing before it', async () => {
    const log = logOf({ 'sink.main.table.in': { epoch: 3, to: 3, done: [0, 7] } }, [
      { start: 2, records: ['{}', '{}'] },
      { start: 6, records: ['{}'] },
    ])
    expect(await lagOf(log, [task(0), sink], 0)).toEqual([
      { kind: 'task', consumer: 't', topic: 'in', partition: 0, position: 2, end: 4, records: 2, bytes: 6 },
      { kind: 'sink', consumer: 'table', topic: 'in', partition: 1, position: 7, end: 7, records: 0, bytes: 0 },
    ])
  })

  test("bytes are the log's where it knows them, else those of the oldest records times how many there are", async () => {
    const log = logOf({ 'task.main.t.in.0': { epoch: 1, to: 1 } }, [{ start: 0, records: ['12345', '1234567'] }])
    expect((await lagOf(log, [task(0)], 0))[0]!.bytes).toBe(7)
    expect((await lagOf({ ...log, bytesFrom: () => 77 }, [task(0)], 0))[0]!.bytes).toBe(77)
  })
})

test('consumersIn: the tasks and sinks that have committed, by their receipts, tasks first; not who only appends', async () => {
  const receipts = {
    'task.main.words.text.0': { epoch: 2, to: 9, lineage: 'main', topic: 'text', partition: 0 },
    'task.main.words.words.by-key.1': { epoch: 2, to: 9, lineage: 'main', topic: 'words.by-key', partition: 1 },
    'sink.main.counts.out': { epoch: 1, to: 1, done: [4, 5] },
    'import.main.abc': { epoch: 1, to: 1 },
  }
  const log = { ...logOf(receipts, []), names: () => [...Object.keys(receipts), 'sink.main.never.out'] }
  expect((await consumersIn(log)).map(({ kind, consumer, topic, partition }) => [kind, consumer, topic, partition])).toEqual([
    ['task', 'words', 'text', 0],
    ['task', 'words', 'words.by-key', 1],
    ['sink', 'counts', 'out', 0],
    ['sink', 'counts', 'out', 1],
  ])
})
