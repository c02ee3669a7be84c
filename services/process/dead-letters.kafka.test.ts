// Two processes that list and replay the same dead letters: each sees what the other has put in, and neither stops the other by looking.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type KafkaLog, openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { kafkaWorld, raw, textsOf } from '../../stores/kafka/kafka-world.fake.ts'
import { kafkaServer } from '../../tests/kafka-server.ts'
import { trafficEvents } from '../traffic/traffic.ts'
import { DeadLetters } from './dead-letters.ts'

const server = await kafkaServer()
const events = [...trafficEvents({ events: 3, seed: 1 })]
const rows = events.map((event, offset) => ({
  ...{ partition: 0, offset, code: 'OPERATOR_THREW', message: 'x', source_partition: 0, source_offset: offset, whole_bytes: null },
  record: JSON.stringify(event),
}))

/** Whether a statement takes the row for replayed: it names ranges of partition, from, to. */
const marks = (sql: string, { partition, offset }: (typeof rows)[number]) =>
  [...sql.matchAll(/\((\d+), (\d+), (\d+)\)/g)].some(
    ([, p, from, to]) => Number(p) === partition && Number(from) <= offset && offset < Number(to),
  )

/** As the tables answer what is asked of them here. */
function answer(sql: string, { o }: Record<string, unknown> = {}): unknown[] {
  if (sql.includes('GROUP BY'))
    return [{ code: 'OPERATOR_THREW', at: '', n: rows.length, done: rows.filter((row) => marks(sql, row)).length }]
  if (sql.includes('AS done')) return []
  if (sql.includes('IN (')) return rows.filter(({ offset }) => sql.includes(`(0, ${offset})`))
  return rows.filter((row) => row.offset > Number(o) && !marks(sql, row)).slice(0, 1)
}

describe.runIf(server)('Dead letters of two processes', () => {
  let logs: KafkaLog[]
  let one: DeadLetters
  let other: DeadLetters
  /** Before each answer to `one`. */
  let meanwhile: () => Promise<void>

  beforeEach(async () => {
    const world = await kafkaWorld(server!.broker)
    logs = [await openKafkaLog(world.options), await openKafkaLog(world.options)]
    meanwhile = async () => undefined
    const [first, second] = logs.map(
      (log, n) =>
        new DeadLetters({
          log,
          lastReceipt: (name) => log.lastReceipt(name),
          ...{ lineage: 'main', topic: raw.topic, partitions: 1, nowMs: () => 1, patience: { patienceMs: 0 }, pageRows: 1 },
          async query<T>(sql: string, params?: Record<string, unknown>) {
            if (n === 0) await meanwhile()
            return answer(sql, params) as T[]
          },
        }),
    )
    one = first
    other = second
  })
  afterEach(() => Promise.all(logs.map((log) => log.close())))

  const replayedIn = async (letters: DeadLetters) => (await letters.ask({ ask: 'list', limit: 0 })).groups[0].replayed
  const ids = async () => (await textsOf(logs[0], raw)).map((line) => (JSON.parse(line) as { eventId: string }).eventId)

  it('a list is of now, and a replay goes on where the other has stopped, in turns', async () => {
    expect(await replayedIn(one)).toBe(0)
    expect(await other.ask({ ask: 'replay', places: [[0, 0]] })).toMatchObject({ replayed: 1 })
    expect([await replayedIn(one), await replayedIn(other)]).toEqual([1, 1])
    expect((await one.ask({ ask: 'show', place: [0, 0] })).replayed).toBe(true)
    expect(await one.ask({ ask: 'replay', places: [[0, 0]] })).toMatchObject({ replayed: 0, already: 1 })
    expect(await one.ask({ ask: 'replay', places: [[0, 1]] })).toMatchObject({ replayed: 1 })
    expect(await other.ask({ ask: 'replay' })).toMatchObject({ replayed: 1 })
    expect(await replayedIn(one)).toBe(3)
    expect(await ids()).toEqual(events.map(({ eventId }) => eventId))
  })

  it('who lists and shows between two commits of a replay does not end it', async () => {
    const seen: number[] = []
    meanwhile = async () => {
      await other.ask({ ask: 'show', place: [0, 0] })
      seen.push(await replayedIn(other))
    }
    expect(await one.ask({ ask: 'replay' })).toMatchObject({ replayed: 3 })
    expect(seen).toEqual([0, 1, 2, 3])
  })

  it('a replay that begins during another goes on in its place; that one says what to do, and each is put in once', async () => {
    let asked = 0
    meanwhile = async () => {
      if (++asked === 2) await other.ask({ ask: 'replay', places: [[0, 1]] })
    }
    await expect(one.ask({ ask: 'replay' })).rejects.toMatchObject({ code: 'FENCED', advice: expect.stringContaining('Run it again') })
    expect(await ids()).toEqual([events[0].eventId, events[1].eventId])
    expect(await one.ask({ ask: 'replay' })).toMatchObject({ replayed: 1 })
    expect(await ids()).toEqual(events.map(({ eventId }) => eventId))
  })
})
