// Record streams under the real task, the real journal on a disk that loses what was not synced, and crashes between any two steps: the topics in
// the end are those of the run in memory.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { PartitionTask } from '../../engine/lane/task.ts'
import { MemoryStore } from '../../streams/memory-store.ts'
import { operator } from '../../streams/operator.ts'
import { recordStages } from '../../streams/record-computer.ts'
import { merge, source, topology } from '../../streams/stream.ts'
import { runTable } from '../../streams/testing.ts'
import { session, tumbling } from '../../streams/window.ts'
import { type TaskProcess, TaskWorld } from '../sim/one-task.ts'

interface Row {
  id: number
  user: string
  at: number
}

const read = { parse: (value: unknown) => value as Row, timeMs: ({ at }: Row) => at, allowedDisorderMs: 4 }

/** Everything that a topology may have, operators and timers that throw among it. */
const make = () => {
  const orders = source('orders', read).keyBy(({ user }) => user)
  const payments = source('payments', read).keyBy(({ user }) => user)
  const touchy = operator({
    name: 'touchy',
    state: () => ({ ids: [] as number[], lastMs: 0 }),
    onRecord(state, { id }: Row, { timeMs }) {
      state.ids.push(id)
      state.lastMs = timeMs
      if (id % 6 === 5) throw new RangeError(`no ${id}`)
      return { ids: state.ids }
    },
    nextTimerMs: ({ lastMs }) => lastMs + 5,
    onTimer({ ids }, at) {
      if (ids.length % 3 === 2) throw new Error('odd')
      at.forget()
      return { ids: [-1] }
    },
  })
  const count = { init: () => 0, add: (n: number) => n + 1 }
  const kept = orders.apply(touchy)
  const both = merge('both', orders, payments)
  return topology(
    'crash',
    kept.to('kept'),
    kept
      .rekey(({ ids }) => `${ids.length}`)
      .window(session({ gapMs: 3 }), { ...count, name: 'runs', result: (n, window) => ({ ...window, n }) })
      .to('runs'),
    both.window(tumbling({ sizeMs: 7 }), { ...count, name: 'both', result: (n, window) => ({ ...window, n }) }).to('counts'),
  )
}

const rows = fc
  .array(fc.record({ user: fc.constantFrom('a', 'b', 'c'), at: fc.integer({ min: 0, max: 60 }) }), { minLength: 1, maxLength: 25 })
  .map((list) => list.map((one, id): Row => ({ ...one, id })))

async function produce(process: TaskProcess, topic: string, records: readonly Row[]): Promise<void> {
  const claim = await process.main.claim(`producer ${topic}`)
  for (const [i, record] of records.entries()) {
    const bytes = Buffer.from(`${JSON.stringify(record)}\n`)
    await claim.commit({ outputs: [{ topic, partition: 0, count: 1, bytes }], receipt: { epoch: i + 1, to: i + 1 } })
  }
}

test('crashes, checkpoints and evictions at any step leave every topic as it is without', async () => {
  let recomputed = 0
  let checkpoints = 0
  await fc.assert(
    fc.asyncProperty(
      rows,
      rows,
      fc.array(fc.integer({ min: 0, max: 39 }), { minLength: 30, maxLength: 120 }),
      async (orders, payments, fates) => {
        const world = new TaskWorld()
        const stores = recordStages(make()).map(() => new MemoryStore())
        let process!: TaskProcess
        let tasks!: PartitionTask[]
        const start = async () => {
          process = await world.open()
          tasks = []
          for (const [i, stage] of recordStages(make()).entries()) {
            const bounds = { epochBytes: 60 + 40 * i, checkpointBytes: 300, cacheBytes: i === 1 ? 1 : 4000 }
            const task = await process.task({ stage, store: stores[i], ...bounds })
            await task.recover(0, (done) => void (done > 0 && recomputed++))
            tasks.push(task)
          }
        }
        const step = async (task: PartitionTask, asked: { close?: true } = {}, dies = false): Promise<boolean> => {
          const epoch = await task.next(undefined, asked)
          if (!epoch || dies) return false
          await task.commit(epoch)
          await task.tend()
          return true
        }
        await start()
        await produce(process, 'orders', orders)
        await produce(process, 'payments', payments)
        for (const fate of fates) {
          const task = tasks[fate % tasks.length]
          if (fate <= 35) await step(task, {}, fate === 35)
          if (fate < 35) continue
          await start()
          // Each commits: several claims without a commit would make its next row the suspect of having killed them (protocol 22).
          for (const own of tasks) await step(own)
        }
        for (const task of tasks) {
          while (await step(task));
          await step(task, { close: true })
        }
        checkpoints += tasks.reduce((sum, { stats }) => sum + stats.checkpoints, 0)
        const expected = runTable(make(), { orders, payments })
        expect({
          kept: await process.records('kept'),
          runs: await process.records('runs'),
          counts: await process.records('counts'),
        }).toEqual({
          kept: expected.kept,
          runs: expected.runs,
          counts: expected.counts,
        })
        const letters = (list: readonly { message: string; record: string }[]) =>
          list.map(({ message, record }) => `${message} ${record}`).sort()
        expect(letters(await process.records('crash.dlq'))).toEqual(letters(expected.deadLetters))
      },
    ),
    { numRuns: 60 },
  )
  expect(recomputed).toBeGreaterThan(100)
  expect(checkpoints).toBeGreaterThan(20)
}, 120_000)

test('an operator that is no function of its records is caught by who computes its epochs again, and publishes nothing', async () => {
  let clock = 0
  const nondeterministic = () =>
    topology(
      'clock',
      source('orders', read)
        .map(({ id }) => ({ id, now: clock++ }))
        .to('out'),
    )
  const world = new TaskWorld()
  let process = await world.open()
  const [stage] = recordStages(nondeterministic())
  await produce(
    process,
    'orders',
    [1, 2, 3].map((id) => ({ id, user: 'a', at: id * 10 })),
  )
  const task = await process.task({ stage, store: new MemoryStore() })
  await task.recover(0)
  await task.commit((await task.next(undefined))!)
  process = await world.open()
  const again = await process.task({ stage: recordStages(nondeterministic())[0], store: new MemoryStore() })
  await expect(again.recover(0)).rejects.toMatchObject({
    code: 'REPLAY_DIVERGED',
    message: expect.stringContaining('topic out: 2 records of other content'),
  })
  expect(await process.records('out')).toEqual([
    { id: 1, now: 0 },
    { id: 2, now: 1 },
  ])
})

test('a row that kills the process, alone and again, is a dead letter; the others are processed', async () => {
  const world = new TaskWorld()
  const store = new MemoryStore()
  let isDead = false
  const deadly = () =>
    topology(
      'deadly',
      source('orders', { ...read, allowedDisorderMs: 0 })
        .map((row) => {
          if (row.id === 2) isDead = true
          return row
        })
        .to('out'),
    )
  let process = await world.open()
  await produce(
    process,
    'orders',
    [0, 1, 2, 3].map((id) => ({ id, user: 'a', at: id * 10 })),
  )
  for (let start = 0; ; start++) {
    expect(start).toBeLessThan(40)
    process = await world.open()
    isDead = false
    const task = await process.task({ stage: recordStages(deadly())[0], store })
    await task.recover(0)
    while (!isDead) {
      const epoch = (await task.next(undefined)) ?? (await task.next(undefined, { close: true }))!
      // What the row does to a process: nothing of its epoch is committed.
      if (isDead) break
      await task.commit(epoch)
      if (epoch.receipt.inputs.close) break
    }
    if (!isDead) break
  }
  expect((await process.records<Row>('out')).map(({ id }) => id)).toEqual([0, 1, 3])
  expect(await process.records('deadly.dlq')).toMatchObject([{ code: 'PROCESS_KILLED', offset: 2 }])
})
