// The analytics store is stopped for minutes while more comes in than the log's bound: over the real lane, sinks and journal, in virtual time.
import { expect, test } from 'vitest'
import { TOPICS } from '../../model/rows.ts'
import { retentionDefaults } from '../../stores/log/retention.ts'
import { settings as defaults } from '../../tests/oracle/in-memory.ts'
import { nasty } from '../../tests/oracle/nasty.ts'
import { Scheduler } from '../../tests/sim/scheduler.ts'
import { seeded } from '../../tests/sim/seeded.ts'
import { SimNode, World } from '../../tests/sim/sim-node.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { Backlog, backlogBytes, boundedLog } from './backlog.ts'

const BOUND = 200_000
const BLOCK = 20

/** A process whose tables take nothing while `isStopped`, and a source that has much more than the bound. */
async function start() {
  const log = nasty(4, 200)
  const random = seeded(1)
  const scheduler = new Scheduler(random, 1_000_000)
  const world = new World([[]])
  const store = { isStopped: false }
  const settings = {
    topology: clickstream({ ...defaults, ...log.settings }),
    ...{ code: 'v1', live: false, epochMs: 20, epochBytes: 30_000, checkpointBytes: 50_000, cacheBytes: 1 << 30, journalBytes: 1 << 16 },
    retention: retentionDefaults,
    sinks: true,
  }
  const node = new SimNode({ world, settings, scheduler, random, insertFault: () => (store.isStopped ? 'early' : undefined) })
  await scheduler.until(node.start())
  const main = node.journal
  const look = async () => {
    const sinks = node.sinks.map(({ stats }) => ({ topic: stats.topic, done: stats.done }))
    return backlogBytes({ tasks: node.lane.stats.map((task) => ({ ...task, topic: TOPICS.raw })), sinks }, (at, offset) =>
      main.bytesFrom(at, offset),
    )
  }
  const backlog = new Backlog({ boundBytes: BOUND, clock: node.process.clock, look })
  const events = Array.from({ length: 40 }, (_, round) =>
    log.events.map((event) => JSON.stringify({ ...event, eventId: `${round} ${event.eventId}`, ts: Number(event.ts) + round * 1000 })),
  ).flat()
  return { scheduler, world, node, store, backlog, look, events, main }
}

test('a source waits at the bound, memory stays bounded, and when the store is back everything arrives, once', async () => {
  const { scheduler, world, node, store, backlog, look, events, main } = await start()
  const waits: string[] = []
  const source = boundedLog(main, backlog, {
    full: 'wait',
    onWaiting: (error) => waits.push((error as Error & { code: string }).code),
    onResumed: () => waits.push('on'),
  })
  let sent = 0
  const feeding = (async () => {
    const claim = await source.claim('feed')
    for (; sent < events.length; sent += BLOCK) {
      const lines = events.slice(sent, sent + BLOCK)
      const bytes = Buffer.from(`${lines.join('\n')}\n`)
      await claim.commit({ outputs: [{ topic: TOPICS.raw, partition: 0, count: lines.length, bytes }] })
    }
  })()
  store.isStopped = true
  const stoppedMs = scheduler.nowMs
  let mostHeld = 0
  // Three minutes: every insert fails.
  while (scheduler.nowMs < stoppedMs + 180_000) {
    await scheduler.step()
    mostHeld = Math.max(mostHeld, ...node.targets.map((target) => target.bytes))
  }
  expect(waits).toEqual(['BACKLOG_FULL'])
  expect(sent).toBeGreaterThan(0)
  expect(sent).toBeLessThan(events.length / 2)
  // What was let in is at most the bound; lanes may add what they make of it.
  expect(main.bytesFrom({ topic: TOPICS.raw, partition: 0 }, 0)).toBeLessThanOrEqual(BOUND)
  expect(await look()).toBeGreaterThan(BOUND / 2)
  // A batch is filled until it has batchBytes, by one more block at most; it does not grow with what waits.
  expect(mostHeld).toBeGreaterThan(0)
  expect(mostHeld).toBeLessThan(BOUND / 8)
  store.isStopped = false
  await scheduler.until(feeding)
  const ends = await node.ends(TOPICS.raw)
  await scheduler.until(node.lane.drain(new Map([[0, ends[0]]]), { snapshots: false, close: false }))
  for (const sink of node.sinks) await scheduler.until(node.ends(sink.stats.topic).then((to) => sink.drained(to)))
  expect(ends).toEqual([events.length])
  expect(waits.at(-1)).toBe('on')
  expect(world.stopped).toEqual([])
  for (const [topic, table] of world.tables) {
    const [end] = await node.ends(topic)
    expect([topic, table.rows.map(({ offset }) => offset).sort((a, b) => a - b)]).toEqual([topic, Array.from({ length: end }, (_, i) => i)])
  }
  expect(
    world.tables
      .get(TOPICS.raw)!
      .rows.map(({ record }) => record)
      .sort(),
  ).toEqual([...events].sort())
  expect(await look()).toBe(0)
}, 60_000)

test('a source that cannot wait is refused with when to come again, and nothing of it is taken; a stop ends a wait', async () => {
  const { scheduler, node, backlog, main, store, events } = await start()
  store.isStopped = true
  const lines = events.slice(0, 1000)
  const commit = { outputs: [{ topic: TOPICS.raw, partition: 0, count: 1000, bytes: Buffer.from(`${lines.join('\n')}\n`) }] }
  const refusing = await scheduler.until(boundedLog(main, backlog, { full: 'refuse' }).claim('http'))
  // Larger than the bound: let through where nothing is behind, and then nothing more.
  await scheduler.until(refusing.commit(commit))
  const [end] = await node.ends(TOPICS.raw)
  await expect(scheduler.until(refusing.commit(commit))).rejects.toMatchObject({ code: 'BACKLOG_FULL', retryable: true })
  expect(await node.ends(TOPICS.raw)).toEqual([end])
  const stopping = new AbortController()
  const waiting = await scheduler.until(boundedLog(main, backlog, { full: 'wait', signal: stopping.signal }).claim('import'))
  const committing = waiting.commit(commit)
  committing.catch(() => undefined)
  stopping.abort()
  await expect(scheduler.until(committing)).rejects.toMatchObject({ code: 'STOPPED' })
}, 60_000)
