// One of Nexmark's questions over a log in a new folder: the task of a lane with its journal and checkpoint files, measured from the first record to the
// commit of what the end of the input fires. Making the events is not measured, reading and parsing their JSON is.
import { join } from 'node:path'
import { PartitionTask } from '../../engine/lane/task.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import { recordStages } from '../../streams/record-computer.ts'
import { answer, type Cost, measuring } from './in-child.ts'
import { nexmarkEvent } from './nexmark-events.ts'
import { NEXMARK_OUT, NEXMARK_TOPIC, oracle, queries } from './nexmark-queries.ts'

export interface NexmarkOrder {
  query: string
  folder: string
  events: number
  /** Not measured: for the compiler. */
  warmUp: number
  checkpointBytes: number
}
export interface NexmarkAnswer extends Cost {
  differences: number
  checkpoints: number
  records: number
}

const SEED = 1
const BLOCK_EVENTS = 10_000
const EPOCH_BYTES = 4 << 20
const CACHE_BYTES = 512 << 20

async function play({ query, folder, events, checkpointBytes }: NexmarkOrder): Promise<NexmarkAnswer> {
  const shared = await prepareLog({ files: realFiles, folder: join(folder, 'log'), writers: ['main', 'lane-0'] })
  const [main, log] = await Promise.all(
    shared.writers.map((writer) => openJournalLog({ files: realFiles, folder: join(folder, 'log'), writer, shared })),
  )
  const claim = await main.claim('nexmark')
  for (let from = 0, epoch = 1; from < events; from += BLOCK_EVENTS, epoch++) {
    const count = Math.min(BLOCK_EVENTS, events - from)
    const lines = Array.from({ length: count }, (_, i) => `${JSON.stringify(nexmarkEvent(SEED, from + i))}\n`)
    const outputs = [{ topic: NEXMARK_TOPIC, partition: 0, count, bytes: Buffer.from(lines.join('')) }]
    await claim.commit({ outputs, receipt: { epoch, to: from + count } })
  }
  const [stage] = recordStages(queries[query]())
  const store = await openCheckpointStore({ files: realFiles, folder: join(folder, 'state') })
  const bounds = { epochBytes: EPOCH_BYTES, cacheBytes: CACHE_BYTES, checkpointBytes, exactlyOnce: true }
  const task = new PartitionTask({ stage, lineage: 'bench', code: 'bench', partition: 0, ...bounds }, log, store)
  await task.recover(0)
  const measured = measuring()
  // One commit in flight while the next epoch is computed, as a lane does it.
  let committing = Promise.resolve()
  for (let epoch = await task.next(undefined); epoch; epoch = await task.next(undefined)) {
    await committing
    committing = task.commit(epoch)
    await task.tend()
  }
  await committing
  await task.commit((await task.next(undefined, { close: true }))!)
  while (await task.tend());
  const cost = measured()
  const { checkpoints } = task.stats
  const expected = new Map<string, number>()
  for (const record of oracle(query, SEED, events)) expected.set(record, (expected.get(record) ?? 0) + 1)
  let records = 0
  let wrong = 0
  const reader = main.reader({ topic: NEXMARK_OUT, partition: 0 })
  for (let next = 0; ; ) {
    const read = await reader.read(next, EPOCH_BYTES)
    if (read.blocks.length === 0) break
    for (const { pos, length } of read.blocks)
      for (const record of Buffer.from(read.bytes.buffer, read.bytes.byteOffset + pos, length)
        .toString()
        .trimEnd()
        .split('\n')) {
        records++
        const left = expected.get(record) ?? 0
        if (left === 0) wrong++
        else if (left === 1) expected.delete(record)
        else expected.set(record, left - 1)
      }
    next = read.next
  }
  let missing = 0
  for (const left of expected.values()) missing += left
  await task.stop()
  for (const one of [main, log]) await one.close()
  return { ...cost, differences: wrong + missing, checkpoints, records }
}

await answer(async (order: NexmarkOrder) => {
  await play({ ...order, folder: join(order.folder, 'warm-up'), events: order.warmUp })
  return play({ ...order, folder: join(order.folder, 'measured') })
})
