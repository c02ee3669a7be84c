// The log over Kafka, a broker beside it on the same cores; in a process of its own.

import { traffic } from '../../services/traffic/traffic.ts'
import { openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { kafkaWorld } from '../../stores/kafka/kafka-world.fake.ts'
import { answer, type Cost, measuring } from './in-child.ts'

export interface KafkaLogOrder {
  broker: string
  events: number
  /** At how many events per second latency is measured, and for how long. */
  rate: number
  seconds: number
}

export interface KafkaLogAnswer {
  append: Cost
  read: Cost
  bytes: number
  /** From the call of a commit of one line to its return. */
  commitMs: number[]
  /** From the call of a commit to when another member has read its records. */
  readMs: number[]
}

const PARTITIONS = 2
const BLOCK_EVENTS = 10_000
const READ_BYTES = 4 << 20
const COMMITS = 200
const EPOCH_MS = 20

await answer(run)

async function run({ broker, events, rate, seconds }: KafkaLogOrder): Promise<KafkaLogAnswer> {
  const world = await kafkaWorld(broker)
  const writer = await openKafkaLog(world.options)
  const reader = await openKafkaLog(world.options)
  const topic = 'events.out'
  const claim = await writer.claim('bench')
  const blocks = blocksOf(events)
  // The compiler's turn.
  for (const [i, bytes] of blocksOf(50_000).entries())
    await claim.commit({ outputs: [{ topic, partition: 7, count: BLOCK_EVENTS, bytes }], receipt: { epoch: i, to: 0 } })
  await readTo(reader, topic, 7)

  let end = measuring()
  for (const [i, bytes] of blocks.entries())
    await claim.commit({ outputs: [{ topic, partition: i % PARTITIONS, count: BLOCK_EVENTS, bytes }], receipt: { epoch: i, to: 0 } })
  const append = end()

  end = measuring()
  const counts = await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => readTo(reader, topic, partition)))
  const read = end()
  const found = counts.reduce((sum, count) => sum + count, 0)
  if (found !== events) throw new Error(`${found} of ${events} events were read`)

  const commitMs: number[] = []
  const line = blocks[0].subarray(0, blocks[0].indexOf(10) + 1)
  for (let i = 0; i < COMMITS; i++) {
    const fromMs = performance.now()
    await claim.commit({ outputs: [{ topic, partition: 6, count: 1, bytes: line }], receipt: { epoch: i, to: 0 } })
    commitMs.push(performance.now() - fromMs)
  }
  return { append, read, bytes: blocks.reduce((sum, { length }) => sum + length, 0), commitMs, readMs: await latency() }

  /** A block each EPOCH_MS, and a reader that waits for changes. */
  async function latency(): Promise<number[]> {
    const at = { topic, partition: 5 }
    const count = Math.round((rate * EPOCH_MS) / 1000)
    const some = linesOf(count)
    const due = Math.round((seconds * 1000) / EPOCH_MS)
    const sentMs: number[] = []
    const readMs: number[] = []
    const follow = reader.reader(at)
    let seen = 0
    const reading = (async () => {
      for (let next = 0; seen < due * count; ) {
        const result = await follow.read(next, READ_BYTES)
        next = result.next
        for (const block of result.blocks) {
          for (let i = 0; i < block.count; i++) if (seen++ % count === 0) readMs.push(performance.now() - sentMs[readMs.length])
        }
        if (result.blocks.length === 0) await reader.changed()
      }
    })()
    const startMs = performance.now()
    for (let i = 0; i < due; i++) {
      const waitMs = startMs + i * EPOCH_MS - performance.now()
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
      sentMs.push(performance.now())
      await claim.commit({ outputs: [{ ...at, count, bytes: some }], receipt: { epoch: i, to: 0 } })
    }
    await reading
    return readMs
  }
}

async function readTo(log: Awaited<ReturnType<typeof openKafkaLog>>, topic: string, partition: number): Promise<number> {
  const reader = log.reader({ topic, partition })
  let count = 0
  for (let next = 0; ; ) {
    const { blocks, next: after } = await reader.read(next, READ_BYTES)
    if (blocks.length === 0) break
    for (const block of blocks) count += block.count
    next = after
  }
  reader.close()
  return count
}

/** Generated events as blocks of lines. */
function blocksOf(events: number): Buffer[] {
  const whole = linesOf(events)
  const blocks: Buffer[] = []
  for (let from = 0, lines = 0, at = 0; at < whole.length; ) {
    at = whole.indexOf(10, at) + 1
    if (++lines % BLOCK_EVENTS !== 0) continue
    blocks.push(whole.subarray(from, at))
    from = at
  }
  return blocks
}

function linesOf(events: number): Buffer {
  return Buffer.concat([...traffic({ seed: 1, events, orgs: 16, users: 30_000 })].map((chunk) => Buffer.from(chunk)))
}
