// The sink of events_raw over the whole input, into a new embedded analytics store; in a process of its own.
import { join } from 'node:path'
import { sinkDefaults } from '../../engine/sink/contract.ts'
import { SinkTask } from '../../engine/sink/sink-task.ts'
import { systemClock } from '../../engine/time/clock.ts'
import { EVENTS_RAW, eventEncoder, openChdbStore, sinkTarget } from '../../stores/analytics/index.ts'
import { answer, type Cost, measuring } from './in-child.ts'
import { allPartitions, LINEAGE, openLog, PARTITIONS, TOPIC } from './workload.ts'

export interface SinkOrder {
  /** From roundFolder. */
  folder: string
  /** Likewise, short: not measured, for the compiler. */
  warmUp: string
  batchBytes: number
}

export interface SinkAnswer extends Cost {
  rows: number
  writes: number
}

async function fill({ folder, batchBytes }: Pick<SinkOrder, 'folder' | 'batchBytes'>): Promise<SinkAnswer> {
  const store = await openChdbStore({
    folder: join(folder, 'analytics'),
    threads: 2,
    memoryBytesMax: 2048 * (1 << 20),
    insertDeadlineMs: 60_000,
    fsync: true,
    ttlDays: { events: 400, facts: 800 },
  })
  await store.migrate()
  const log = await openLog(folder, 'sinks')
  const task = new SinkTask({
    log,
    sink: EVENTS_RAW.table,
    lineage: LINEAGE,
    topic: TOPIC,
    partitions: PARTITIONS,
    target: sinkTarget(store, EVENTS_RAW, LINEAGE, eventEncoder(LINEAGE)),
    clock: systemClock,
    settings: { ...sinkDefaults, batchBytes },
    codeVersion: 'bench',
  })
  await task.open()
  const ends = await Promise.all(allPartitions.map(async (partition) => (await log.bounds({ topic: TOPIC, partition })).end))
  const end = measuring()
  const running = task.run()
  await Promise.race([task.drained(ends), running])
  const cost = end()
  task.stop()
  await running
  const { rows, writes } = task.stats
  const [{ total }] = await store.query<{ total: unknown }>('SELECT count() AS total FROM events_raw')
  if (Number(total) !== rows) throw new Error(`events_raw holds ${String(total)} rows, ${rows} were written`)
  await log.close()
  await store.close()
  return { ...cost, rows, writes }
}

await answer(async ({ warmUp, ...order }: SinkOrder) => {
  // One engine in one process: the store of the warm-up is closed before the next is opened.
  await fill({ folder: warmUp, batchBytes: 4 << 20 })
  return fill(order)
})
