// Where positions stand on Kafka, when what comes is no record: markers, aborted transactions, retention down to the last of them. The real task, lane and reader over the simulated broker.
import { expect, test } from 'vitest'
import { TopicTexts } from '../../../services/streams/topic-texts.ts'
import { retentionDefaults } from '../../../stores/log/retention.ts'
import { clickstream } from '../../../topologies/clickstream.ts'
import { settings as defaults } from '../../oracle/in-memory.ts'
import { nasty } from '../../oracle/nasty.ts'
import { Scheduler } from '../scheduler.ts'
import { seeded } from '../seeded.ts'
import { TASKS_NAME } from '../sim-lane.ts'
import { SimNode, World } from '../sim-node.ts'
import { SimBroker } from './sim-broker.ts'

const log = nasty(4, 200)
const settings = {
  ...{ topology: clickstream({ ...defaults, ...log.settings }), code: 'v1', live: false, sinks: false, retention: retentionDefaults },
  ...{ epochMs: 20, epochBytes: 3000, checkpointBytes: 1 << 30, cacheBytes: 1 << 30, journalBytes: 1 << 20 },
}
const NOTHING_ASKED = { snapshots: false, close: false }
const LONG_MS = 100_000

function begin() {
  const random = seeded(1)
  const scheduler = new Scheduler(random, 1_000_000)
  const broker = new SimBroker()
  const world = new World([log.events.map((event) => JSON.stringify(event))], undefined, broker)
  const raw = broker.partition('events.raw', 0)
  const node = () => new SimNode({ world, settings, scheduler, random })
  const transact = (values: string[], marker: 'commit' | 'abort') => {
    const epoch = broker.init('other')
    const records = values.map((value) => ({ key: null, value: Buffer.from(value) }))
    broker.produce('other', epoch, 10_000, scheduler.nowMs, [{ at: raw, records }])
    broker.endTransaction('other', epoch, marker)
    broker.writeMarkers()
  }
  const drain = async (one: SimNode, asked = NOTHING_ASKED) => {
    const [end] = await scheduler.until(one.ends('events.raw'))
    const drained = one.lane.drain(new Map([[0, end]]), asked).then(() => 'drained')
    return scheduler.until(Promise.race([drained, one.process.clock.sleep(LONG_MS).then(() => 'hangs')]))
  }
  const started = async () => {
    const one = node()
    await scheduler.until(one.start())
    return one
  }
  /** One that has processed the log. */
  const first = async () => {
    const one = await started()
    await scheduler.until(one.produce())
    expect(await drain(one)).toBe('drained')
    return one
  }
  const pass = (one: SimNode) => scheduler.until(one.process.clock.sleep(LONG_MS))
  const receipts = () => world.observed.of(TASKS_NAME(0))
  return { scheduler, world, raw, transact, drain, started, first, pass, receipts }
}

const another = (n: number) => JSON.stringify({ ...log.events.at(-1), eventId: `another-${n}` })

test('a stop keeps how far no record followed: a start after retention has taken all of it goes on', async () => {
  const { scheduler, world, raw, transact, drain, started, first, pass, receipts } = begin()
  await scheduler.until((await first()).stop())
  transact(['{}', '{}', '{}'], 'abort')
  const second = await started()
  await drain(second)
  expect(second.owner.tasks[0].passed).toBe(raw.stable)
  await scheduler.until(second.stop())
  const { length } = receipts()
  // Nothing to keep, nothing is written.
  await scheduler.until((await started()).stop())
  expect(receipts().length).toBe(length)
  raw.start = raw.stable
  const third = await started()
  await pass(third)
  expect(world.stopped).toEqual([])
  transact([another(1)], 'commit')
  expect(await drain(third)).toBe('drained')
  expect(receipts().at(-1)).toMatchObject({ rows: 1, dead: [] })
})

test('a log that ends before what a checkpoint has passed is refused: what comes next would be left out', async () => {
  const { scheduler, world, raw, transact, drain, started, first, receipts } = begin()
  await scheduler.until((await first()).stop())
  const { to } = receipts().at(-1)!
  transact(['{}', '{}', '{}', '{}', '{}', '{}'], 'abort')
  const second = await started()
  await drain(second)
  await drain(second, { snapshots: true, close: false })
  await scheduler.until(second.stop())
  const inside = raw as unknown as { batches: { base: number }[]; aborted: unknown[]; end: number }
  inside.batches = inside.batches.filter(({ base }) => base < to)
  inside.aborted.length = 0
  inside.end = to
  await started()
  expect(world.stopped.map(({ error }) => (error as { code?: string }).code)).toEqual(['REPLAY_IMPOSSIBLE'])
})

test('claimed twice, and an aborted transaction since: a drain that asks for nothing ends', async () => {
  const { scheduler, transact, drain, started, first, pass } = begin()
  await scheduler.until((await first()).stop())
  const second = await started()
  await pass(second)
  second.kill()
  transact(['{}', '{}', '{}'], 'abort')
  expect(await drain(await started())).toBe('drained')
})

test('claimed again and again with nothing to read: a record that comes later is not what killed them', async () => {
  const { scheduler, transact, drain, started, first, pass, receipts } = begin()
  await scheduler.until((await first()).stop())
  transact(['{}', '{}', '{}'], 'abort')
  for (let i = 0; i < 6; i++) {
    const one = await started()
    await pass(one)
    one.kill()
  }
  const { length } = receipts()
  const last = await started()
  await pass(last)
  transact([1, 2, 3].map(another), 'commit')
  await drain(last, { snapshots: true, close: false })
  expect(
    receipts()
      .slice(length)
      .flatMap(({ dead }) => dead),
  ).toEqual([])
  expect(
    receipts()
      .slice(length)
      .reduce((sum, { rows }) => sum + rows, 0),
  ).toBe(3)
})

test('who shows a topic goes on when retention has taken its marker', async () => {
  const { scheduler, raw, first } = begin()
  const one = await first()
  const texts = new TopicTexts(one.logs[0], 1)
  const from = await scheduler.until(one.ends('events.raw'))
  const shown: string[] = []
  const look = async () => {
    for await (const text of texts.records('events.raw', from)) shown.push(text)
  }
  await scheduler.until(look())
  raw.start = raw.stable
  await scheduler.until(look())
  expect(shown).toEqual([])
  expect(from).toEqual([raw.stable])
})
