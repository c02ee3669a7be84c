// A lane that is idle for hours, in virtual time.
import { expect, test } from 'vitest'
import type { PartitionTask } from '../../engine/lane/task.ts'
import { retentionDefaults } from '../../stores/log/retention.ts'
import { settings as defaults } from '../../tests/oracle/in-memory.ts'
import { nasty } from '../../tests/oracle/nasty.ts'
import { Scheduler } from '../../tests/sim/scheduler.ts'
import { seeded } from '../../tests/sim/seeded.ts'
import { SimNode, World } from '../../tests/sim/sim-node.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { CheckpointAge } from './checkpoint-age.ts'
import { goRound, ROUND_EVERY_MS } from './go-round.ts'

const HOUR_MS = 3_600_000
const log = nasty(4, 200)
const settings = {
  ...{ topology: clickstream({ ...defaults, ...log.settings }), code: 'v1', live: false, sinks: false, retention: retentionDefaults },
  ...{ epochMs: 20, epochBytes: 3000, checkpointBytes: 1 << 30, cacheBytes: 1 << 30, journalBytes: 1 << 20 },
}

/** A day is what the broker keeps; the one task knows how old its checkpoint is, as on Kafka. */
function start() {
  const random = seeded(1)
  const scheduler = new Scheduler(random, 1_000_000)
  const world = new World([log.events.map((event) => JSON.stringify(event))])
  let task!: PartitionTask
  const plant = {
    task(made: PartitionTask) {
      task = made
      const age = new CheckpointAge(24 * HOUR_MS, scheduler.nowMs)
      const due = { get: () => (age.isDue(made.checkpoints, scheduler.nowMs) ? 'soon' : undefined) }
      Object.defineProperty((made as unknown as { options: object }).options, 'checkpointDue', due)
    },
  }
  const node = new SimNode({ world, settings, scheduler, random, plant })
  return { node, scheduler, checkpoints: () => task.checkpoints }
}

async function worked({ node, scheduler }: ReturnType<typeof start>): Promise<void> {
  await scheduler.until(node.start())
  await scheduler.until(node.produce())
  const [end] = await node.ends('events.raw')
  await scheduler.until(node.lane.drain(new Map([[0, end]]), { snapshots: false, close: false }))
}

test('an idle partition takes the checkpoint that is due by its age within a round, and then no more of the same', async () => {
  const run = start()
  const { node, scheduler, checkpoints } = run
  await worked(run)
  const over = new AbortController()
  const rounds = goRound(node.lane, 0, node.process.clock, over.signal)
  const pass = (ms: number) => scheduler.until(node.process.clock.sleep(ms))
  // The first is due after an eighth of a day.
  await pass(3 * HOUR_MS - ROUND_EVERY_MS)
  expect(checkpoints()).toBe(0)
  await pass(2 * ROUND_EVERY_MS)
  expect(checkpoints()).toBe(1)
  await pass(24 * HOUR_MS)
  expect(checkpoints()).toBe(1)
  over.abort()
  await scheduler.until(rounds)
})

test('one that nobody sends round takes none; one that has stopped is not waited for', async () => {
  const run = start()
  const { node, scheduler, checkpoints } = run
  await worked(run)
  await scheduler.until(node.process.clock.sleep(24 * HOUR_MS))
  expect(checkpoints()).toBe(0)
  const over = new AbortController()
  const rounds = goRound(node.lane, 0, node.process.clock, over.signal)
  node.lane.stop()
  await scheduler.until(node.process.clock.sleep(3 * ROUND_EVERY_MS))
  over.abort()
  await scheduler.until(rounds)
})
