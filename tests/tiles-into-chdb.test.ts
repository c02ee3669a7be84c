// Tables of sums against the real embedded engine: a process that dies in a write may leave all of its rows, some, or only its token, and
// merges may sum them on before anybody looks. Each record counts once, whatever is left.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { createChdbConnection } from 'chdb/connection'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type SealedRows, type SinkTarget, sinkDefaults } from '../engine/sink/contract.ts'
import { SinkTask } from '../engine/sink/sink-task.ts'
import { SinkWorld } from '../engine/sink/sink-world.fake.ts'
import { chdbTestOptions } from '../stores/analytics/chdb-test-options.fake.ts'
import type { AnalyticsStore } from '../stores/analytics/contract.ts'
import { openChdbStore, TILE_TABLES, tileTarget } from '../stores/analytics/index.ts'
import { seeded } from './sim/seeded.ts'

let folder: string
/** Merges all parts of the table into one. */
const merge = async () => {
  const client = createClient({ connection: createChdbConnection({ path: join(folder, 'engine') }) } as Parameters<typeof createClient>[0])
  await client.command({ query: 'OPTIMIZE TABLE fact_screen_hotspots FINAL' })
  await client.close()
}
let store: AnalyticsStore
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-tiles-'))
  store = await openChdbStore({ ...chdbTestOptions, folder })
  await store.migrate()
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

const hotspots = TILE_TABLES.find(({ tile }) => tile === 'hotspots')!
const DAY = 1_790_035_200_000
/** Partitions share cells; the sums of every fourth cell become 0; a third of the records is of another tile. */
const screenOf = (offset: number) => `/${(offset * 7) % 11}`
const viewsOf = (offset: number) => ((offset * 7) % 11 === 4 ? (offset % 2 === 0 ? 1 : -1) : offset + 1)
const line = (partition: number, offset: number) =>
  JSON.stringify({
    tile: offset % 3 === 2 ? 'overview' : 'hotspots',
    org_id: 'o',
    product_id: 'p',
    day: DAY,
    screen: screenOf(offset),
    element: '',
    kind: '',
    sessions: 1,
    views: viewsOf(offset),
    incidents: 0,
    events: -partition,
  })

function filledWorld(blocks: number): SinkWorld {
  const world = new SinkWorld(3, line)
  for (let i = 0; i < blocks; i++) for (let partition = 0; partition < 3; partition++) world.append(partition, 4 + partition, i % 2)
  return world
}

const taskOf = (world: SinkWorld, target: SinkTarget<string>, lineage: string) =>
  new SinkTask({
    log: world.log(),
    sink: hotspots.table,
    lineage,
    topic: 'events.tiles',
    partitions: world.topic.length,
    target: target as SinkTarget<unknown>,
    clock: world.clock(),
    codeVersion: '1',
    settings: { ...sinkDefaults, batchBytes: 500, readBytes: 600 },
  })

/** The target of a process that dies in its write number `at`, after `instead`. */
function dying(target: SinkTarget<string>, at: number, instead: (sealed: SealedRows, token: string) => Promise<void>) {
  let writes = 0
  const died = Promise.withResolvers<void>()
  const seal = () => {
    const sealed = target.seal()
    const write = async (token: string) => {
      if (sealed.rows > 0 && ++writes !== at) return sealed.write(token)
      await instead(sealed, token)
      died.resolve()
      return new Promise<never>(() => {})
    }
    return { ...sealed, write }
  }
  const proxy = new Proxy(target, { get: (of, name) => (name === 'seal' ? seal : Reflect.get(of, name, of)) })
  return { target: proxy, died: died.promise }
}

async function finish(world: SinkWorld, lineage: string) {
  const task = taskOf(world, tileTarget(store, hotspots, lineage), lineage)
  await task.open()
  const running = task.run()
  await Promise.race([task.drained(world.ends), running])
  task.stop()
  await running
  return task.stats
}

const inMs = (name: string) => `toUnixTimestamp64Milli(toDateTime64(${name}, 3, 'UTC')) AS ${name}_ms`
const VALUES: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  // Up to 2200, where a wire event's time ends.
  Date32: fc.integer({ min: 0, max: 84_004 }).map((days) => days * 86_400_000),
  "DateTime64(0, 'UTC')": fc.integer({ min: 0, max: 2_016_143 }).map((hours) => hours * 3_600_000),
  'Array(String)': fc.array(fc.string({ unit: 'binary', maxLength: 3 }), { maxLength: 3 }),
}
/** Few values each, so that cells meet. */
const recordOf = ({ tile, cell, sums }: (typeof TILE_TABLES)[number]) =>
  fc
    .record({
      ...Object.fromEntries(
        cell.map(([name, type]) => [
          name,
          fc.oneof(
            fc.constant(type === 'Array(String)' ? ['/a'] : type.startsWith('Date') ? DAY : 'a'),
            VALUES[type] ?? fc.string({ unit: 'binary', maxLength: 3 }),
          ),
        ]),
      ),
      ...Object.fromEntries(sums.map((name) => [name, fc.integer({ min: -(2 ** 48), max: 2 ** 48 })])),
    })
    .map((record): Record<string, unknown> => ({ tile, ...record }))

type Sums = Record<string, [sessions: number, views: number, events: number]>
function wanted(world: SinkWorld): Sums {
  const sums: Sums = {}
  for (const at of world.wanted) {
    const [partition, offset] = at.split(':').map(Number)
    if (offset % 3 === 2) continue
    const own = (sums[screenOf(offset)] ??= [0, 0, 0])
    own[0] += 1
    own[1] += viewsOf(offset)
    own[2] -= partition
  }
  return sums
}
async function held(lineage: string): Promise<Sums> {
  const rows = await store.query<{ screen: string; sums: Sums[string] }>(
    `SELECT screen, [sum(sessions), sum(views), sum(events)] AS sums FROM fact_screen_hotspots WHERE lineage = {lineage:String} GROUP BY screen`,
    { lineage },
  )
  return Object.fromEntries(rows.map(({ screen, sums }) => [screen, sums]))
}
const countOf = async (lineage: string) =>
  (await store.query<{ n: number }>('SELECT count() AS n FROM fact_screen_hotspots WHERE lineage = {lineage:String}', { lineage }))[0].n

test('records are summed per cell and batch, and rows of one cell are few', async () => {
  const world = filledWorld(6)
  const stats = await finish(world, 'plain')
  expect(await held('plain')).toEqual(wanted(world))
  expect(await countOf('plain'), 'merges may have summed on').toBeLessThanOrEqual(stats.rows)
  expect(stats.rows).toBeLessThan(world.wanted.length)
})

test.each(['rows without their token', 'some rows without their token', 'a token without its rows', 'all of it', 'nothing'] as const)(
  'a write that left %s, with and without a merge before it is read back',
  async (left) => {
    for (const merged of [false, true]) {
      const lineage = `${left} ${merged}`
      const world = filledWorld(6)
      const target = tileTarget(store, hotspots, lineage)
      const { target: mortal, died } = dying(target, 2, async (sealed, token) => {
        if (left === 'rows without their token') await sealed.write(`some other token for ${lineage}`)
        if (left === 'all of it') await sealed.write(token)
        if (left === 'some rows without their token') await writeSome(world, lineage)
        if (left === 'a token without its rows') {
          const other = tileTarget(store, hotspots, `${lineage} of another`)
          const record = new TextEncoder().encode(`${line(0, 0)}\n`)
          other.add(0, { bytes: record, blocks: [{ baseOffset: 0, count: 1, pos: 0, length: record.length }] }, 0, 1, [])
          await other.seal().write(token)
        }
      })
      const task = taskOf(world, mortal, lineage)
      await task.open()
      await Promise.race([died, task.run()])
      if (merged) await merge()
      const stats = await finish(world, lineage)
      expect(stats.readBacks, 'it was read back').toBe(1)
      if (left.startsWith('rows') || left === 'all of it') expect(stats.missingRows).toBe(0)
      else expect(stats.missingRows).toBeGreaterThan(0)
      expect(await held(lineage)).toEqual(wanted(world))
    }
  },
)

/** A third of the cells of the pending batch, as a part that was written before the kill. */
async function writeSome(world: SinkWorld, lineage: string): Promise<void> {
  const { ranges } = (world.record as unknown as { pending: { ranges: { partition: number; from: number; to: number }[] } }).pending
  const target = tileTarget(store, hotspots, lineage)
  const others = Array.from({ length: 11 }, (_, n) => n)
    .filter((n) => n % 3 !== 0)
    .map((n) => JSON.stringify(['o', 'p', DAY, `/${n}`, '', '']))
  const log = world.log()
  for (const { partition, from, to } of ranges) {
    for (let at = from; at < to; ) {
      const read = await log.reader({ topic: 'events.tiles', partition }).read(at, 1 << 20)
      target.add(partition, read, at, Math.min(to, read.next), others)
      at = read.next
    }
  }
  const sealed = target.seal()
  expect(sealed.rows).toBeGreaterThan(0)
  await sealed.write(`some rows of ${lineage}`)
}

test('lives that end at random in a write: what is left at random is counted once', async () => {
  const random = seeded(7)
  const lineage = 'lives'
  const world = filledWorld(3)
  let deaths = 0
  for (let life = 0; life < 25; life++) {
    for (let partition = 0; partition < 3; partition++) world.append(partition, 1 + Math.floor(random() * 8), 0)
    const { target, died } = dying(tileTarget(store, hotspots, lineage), 1 + Math.floor(random() * 3), async (sealed, token) => {
      deaths++
      const left = random()
      if (left < 0.3) await sealed.write(`other ${life}`)
      else if (left < 0.6) await sealed.write(token)
    })
    const task = taskOf(world, target, lineage)
    await Promise.race([
      died,
      task.open().then(() => {
        const running = task.run()
        return Promise.race([task.drained(world.ends), running]).then(() => {
          task.stop()
          return running
        })
      }),
    ])
    if (random() < 0.5) await merge()
  }
  await finish(world, lineage)
  expect(deaths).toBeGreaterThan(10)
  expect(await held(lineage)).toEqual(wanted(world))
})

test.each(TILE_TABLES)('$table: what went in comes back, and which cells are there', async (schema) => {
  await fc.assert(
    fc.asyncProperty(fc.array(recordOf(schema), { minLength: 1, maxLength: 30 }), fc.uuid(), async (records, lineage) => {
      const target = tileTarget(store, schema, lineage)
      const bytes = new TextEncoder().encode(records.map((record) => `${JSON.stringify(record)}\n`).join(''))
      target.add(5, { bytes, blocks: [{ baseOffset: 100, count: records.length, pos: 0, length: bytes.length }] }, 0, 1000, [])
      await target.seal().write(lineage)
      const sums: Record<string, number[]> = {}
      for (const record of records) {
        const key = JSON.stringify(schema.cell.map(([name]) => record[name]))
        sums[key] = schema.sums.map((name, i) => (sums[key]?.[i] ?? 0) + (record[name] as number))
      }
      expect((await target.present(5, 100, 1000)).sort()).toEqual(Object.keys(sums).sort())
      expect(await target.present(5, 100 + records.length, 2000)).toEqual([])
      expect(await target.present(4, 0, 2000)).toEqual([])
      const names = [...schema.cell.map(([name, type]) => (type.startsWith('Date') ? inMs(name) : name)), ...schema.sums]
      const rows = await store.query(`SELECT ${names.join(', ')} FROM ${schema.table} WHERE lineage = '${lineage}'`)
      const found = rows.map((row) => {
        const values = Object.values(row)
        return [JSON.stringify(values.slice(0, schema.cell.length)), values.slice(schema.cell.length)]
      })
      expect(Object.fromEntries(found)).toEqual(sums)
    }),
    { numRuns: 25 },
  )
})

test('the first claim over a table that holds sums of its lineage is refused', async () => {
  const world = filledWorld(2)
  await finish(world, 'strange')
  const another = filledWorld(2)
  await expect(finish(another, 'strange')).rejects.toMatchObject({ code: 'SINK_TARGET_CHANGED' })
})
