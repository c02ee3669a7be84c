// Two lineages of the same input side by side, in one log and one table (protocol 28, 33). A simulated run has one; so here the rules are held, and
// broken: a token without its lineage, and a name without it.
import { expect, test } from 'vitest'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import { PartitionTask } from '../../engine/lane/task.ts'
import { type SinkTarget, sinkDefaults } from '../../engine/sink/contract.ts'
import { SinkTask } from '../../engine/sink/sink-task.ts'
import { SinkWorld } from '../../engine/sink/sink-world.fake.ts'
import { TOPICS } from '../../model/rows.ts'
import { openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { localWaits } from '../../stores/log/shared-log.ts'
import { MemoryStore } from '../../streams/memory-store.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { settings } from '../oracle/in-memory.ts'
import { nasty } from '../oracle/nasty.ts'
import { SimDisk, SimFiles } from '../sim/sim-files.ts'

// ---- 28: the token ----

/** A table that both fill, and that remembers tokens as the analytics store does. */
class SharedTable {
  readonly rows: string[] = []
  private readonly tokens = new Set<string>()

  target(lineage: string, tokenOf: (token: string) => string): SinkTarget {
    let added: string[] = []
    return {
      identity: 'store',
      check: () => Promise.resolve(),
      add: (partition, { blocks }, from, to) => {
        for (const { baseOffset, count } of blocks)
          for (let o = baseOffset; o < baseOffset + count; o++) if (o >= from && o < to) added.push(`${lineage} ${partition}:${o}`)
      },
      get rows() {
        return added.length
      },
      get bytes() {
        return added.length * 10
      },
      seal: () => {
        const rows = added
        added = []
        return {
          rows: rows.length,
          bytes: rows.length * 10,
          write: async (token) => {
            const own = tokenOf(token)
            if (!this.tokens.has(own)) this.rows.push(...rows)
            this.tokens.add(own)
          },
          discard: () => undefined,
        }
      },
      present: () => Promise.resolve([]),
    }
  }
}

/** Rows of each lineage in the table, when both have written all that they have. */
async function rowsOfBoth(tokenOf: (token: string) => string): Promise<number[]> {
  const table = new SharedTable()
  for (const lineage of ['main', 'again']) {
    const world = new SinkWorld(2)
    for (let i = 0; i < 5; i++) world.append(i % 2, 4)
    const task = new SinkTask({
      ...{ log: world.log(), sink: 'table', lineage, topic: 'events.raw', partitions: 2, clock: world.clock(), codeVersion: 'v1' },
      target: table.target(lineage, tokenOf),
      settings: { ...sinkDefaults, batchBytes: 60 },
    })
    await task.open()
    const running = task.run()
    await task.drained(world.ends)
    task.stop()
    await running
  }
  return ['main', 'again'].map((lineage) => table.rows.filter((row) => row.startsWith(`${lineage} `)).length)
}

test('28: the rows of both are there; with tokens that do not name the lineage, those of the second are taken for seen', async () => {
  expect(await rowsOfBoth((token) => token)).toEqual([20, 20])
  expect(await rowsOfBoth((token) => token.replace(/^[^:]+:/, ''))).toEqual([20, 0])
})

// ---- 33: the names ----

/** A task of each lineage over the same partition; what became of the first one's commit when the second had begun. */
async function commitOfTheFirst(nameOf: (task: PartitionTask) => string): Promise<string> {
  const files = new SimFiles(new SimDisk())
  const shared = await prepareLog({ files, folder: '/log', writers: ['main'] })
  const log = await openJournalLog({ files, folder: '/log', writer: 'main', shared, waits: localWaits(), nowMs: () => 1 })
  const { events } = nasty(3, 20)
  const bytes = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  await (await log.claim('producer')).commit({ outputs: [{ topic: TOPICS.raw, partition: 0, count: events.length, bytes }] })
  const [first, second] = ['main', 'again'].map((lineage) => {
    const bounds = { epochBytes: 1 << 20, checkpointBytes: 1 << 30, cacheBytes: 1 << 30, exactlyOnce: true }
    const task = new PartitionTask(
      { stage: sessionStage(clickstream(settings)), lineage, code: 'law', partition: 0, ...bounds },
      log,
      new MemoryStore(),
    )
    const name = nameOf(task)
    Object.defineProperty(task, 'name', { get: () => name })
    return task
  })
  await first.recover(1)
  await second.recover(1)
  const results: string[] = []
  for (const task of [first, second])
    results.push(
      await task.commit((await task.next(undefined))!).then(
        () => 'committed',
        (error: { code: string }) => error.code,
      ),
    )
  expect(results[1]).toBe('committed')
  return results[0]
}

test('33: both go on; under names that do not have the lineage, the second fences the first', async () => {
  expect(await commitOfTheFirst((task) => task.name)).toBe('committed')
  expect(await commitOfTheFirst((task) => task.name.replace(/^task\.[^.]+/, 'task'))).toBe('FENCED')
})
