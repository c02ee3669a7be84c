// Makes one of the things that are kept for later runs (cache.ts), in a process of its own.
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { WireEvent } from '../../model/event.ts'
import { kafkaPartition } from '../../model/hash.ts'
import { importLines } from '../../services/process/importer.ts'
import { traffic, trafficDefaults } from '../../services/traffic/traffic.ts'
import type { JournalLog } from '../../stores/log/journal-log.ts'
import { evaluator } from '../../tests/oracle/evaluate.ts'
import { writeAnswer } from './answer-file.ts'
import type { Cached, PrepareOrder } from './cache.ts'
import { type CrowdShape, crowdBlocks, crowdDefaults } from './crowd.ts'
import { answer } from './in-child.ts'
import { returningBlocks } from './returning.ts'
import { allPartitions, type InputMeta, LINEAGE, openLog, PARTITIONS, TOPIC } from './workload.ts'

/** Lines per chunk that the importer is given. */
const CHUNK_EVENTS = 5_000

const make: Record<Cached, (events: number, folder: string, shape: CrowdShape) => Promise<void> | void> = {
  log: makeLog,
  crowd: makeCrowd,
  file: makeFile,
  answer: makeAnswer,
}

await answer(async ({ what, events, folder, shape = crowdDefaults }: PrepareOrder) => {
  await make[what](events, folder, shape)
  return {}
})

function* chunks(events: number): Generator<Uint8Array> {
  const generator = traffic({ events })
  for (let chunk = generator.nextChunk(CHUNK_EVENTS); chunk; chunk = generator.nextChunk(CHUNK_EVENTS)) yield chunk
}

async function makeLog(events: number, folder: string): Promise<void> {
  const log = await openLog(folder, 'input')
  async function* stream() {
    yield* chunks(events)
  }
  const result = await importLines(stream(), {
    log,
    lineage: LINEAGE,
    topic: TOPIC,
    partitions: PARTITIONS,
    // The same events, the same blocks: no clock decides where they are cut.
    nowMs: () => trafficDefaults.startMs,
    onReject: (line, _, { code }) => {
      throw new Error(`generated line ${line} was rejected: ${code}`)
    },
  })
  if (result.accepted !== events) throw new Error(`${result.accepted} events were accepted, not ${events}`)
  await finishLog(log, events, folder, allPartitions)
}

async function makeCrowd(events: number, folder: string, shape: CrowdShape): Promise<void> {
  const log = await openLog(folder, 'input')
  const claim = await log.claim('crowd')
  let epoch = 0
  for (const blocks of shape.returning ? returningBlocks(shape) : crowdBlocks(shape)) {
    epoch++
    const outputs = blocks.map((block) => ({ topic: TOPIC, ...block }))
    await claim.commit({ outputs, receipt: { epoch, to: epoch }, release: { receiptsThrough: epoch - 1, inputBefore: 0 } })
  }
  await claim.release()
  const partitions = Array.from({ length: shape.partitions }, (_, partition) => partition)
  await finishLog(log, events, folder, partitions)
}

async function finishLog(log: JournalLog, events: number, folder: string, partitions: readonly number[]): Promise<void> {
  const partitionBytes = partitions.map((partition) => {
    const index = log.index.partition(TOPIC, partition)
    return Array.from({ length: index.blocks }, (_, at) => index.block(at).length).reduce((sum, length) => sum + length, 0)
  })
  await log.close()
  const meta: InputMeta = { events, bytes: partitionBytes.reduce((sum, bytes) => sum + bytes, 0), partitionBytes }
  writeFileSync(join(folder, 'input.json'), JSON.stringify(meta))
}

function makeFile(events: number, folder: string): void {
  const file = openSync(join(folder, 'events.jsonl'), 'w')
  for (const chunk of chunks(events)) writeSync(file, chunk)
  closeSync(file)
}

/** From the generator's lines in their order, which is that of each partition: nothing of the door, the log or the scanner is between. */
function makeAnswer(events: number, folder: string): void {
  const it = evaluator()
  const ends = allPartitions.map(() => 0)
  const decoder = new TextDecoder()
  const encoder = new TextEncoder()
  for (const chunk of chunks(events)) {
    for (const line of decoder.decode(chunk).trimEnd().split('\n')) {
      const event = JSON.parse(line) as WireEvent
      const partition = kafkaPartition(encoder.encode(`${event.orgId}:${event.productId}`), PARTITIONS)
      it.add({ partition, offset: ends[partition]++, event })
    }
  }
  writeAnswer(folder, events, it.finish())
}
