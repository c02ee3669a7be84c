// How far each task and each sink is behind what has come into its topic, from the log alone: positions are those of their newest receipts, so
// the answer is the same whoever asks, and whether or not a process is at work. Claims nothing, so nobody is fenced by being looked at.
import type { Log, LogReceipt, TopicPartition } from '../../engine/log/contract.ts'
import type { SinkEdge, Topology } from '../../engine/topology/topology.ts'
import { partitionsOf } from './partitions-of.ts'
import { receivedAt } from './received-at.ts'

/** What is asked of a log: a part of its contract, what a name committed last, and bytes where it knows them without reading. */
export interface LagLog extends Pick<Log, 'bounds' | 'reader'> {
  lastReceipt(name: string): Promise<LogReceipt | undefined>
  bytesFrom?(at: TopicPartition, offset: number): number
}

/** A task, or a sink: the name it claims by, what a person calls it, and what it reads. */
export interface Consumer {
  kind: 'task' | 'sink'
  consumer: string
  name: string
  topic: string
  partition: number
}

export interface Lag extends Omit<Consumer, 'name'> {
  /** Everything below has been processed, and is committed. */
  position: number
  /** The offset after the last record. */
  end: number
  /** Records between the two, at most: offsets may have holes. */
  records: number
  /** What they take in the log; estimated by the oldest ones where the log does not know. */
  bytes: number
  /** How long ago the oldest of them was received, ms; absent where there is none, or it does not say. */
  oldestMs?: number
}

const READ_BYTES = 1 << 16

/** The tasks and sinks of the product's topology. */
export function consumersOf({ name, pipeline, sinks }: Topology, lineage: string, partitions: number): Consumer[] {
  const { topic } = pipeline.source
  const each = (of: string, make: (partition: number) => Consumer) =>
    Array.from({ length: partitionsOf(of, partitions) }, (_, partition) => make(partition))
  const tasks = each(topic, (partition) => ({
    ...{ kind: 'task', consumer: name, topic, partition },
    name: `task.${lineage}.${name}.${topic}.${partition}`,
  }))
  const into = sinks.flatMap(({ topic, table }) =>
    each(topic, (partition) => ({ ...{ kind: 'sink', consumer: table, topic, partition }, name: `sink.${lineage}.${table}.${topic}` })),
  )
  return [...tasks, ...into]
}

/** Those of a topology of one's own. `stage`: what its tasks are called by, where that is not its name. */
export function consumersOfOwn(
  { name, pipelines }: { name: string; pipelines: readonly { topic: string }[] },
  { lineage, partitions, sinks, stage = name }: { lineage: string; partitions: number; sinks: readonly SinkEdge[]; stage?: string },
): Consumer[] {
  const each = (make: (partition: number) => Consumer) => Array.from({ length: partitions }, (_, partition) => make(partition))
  const tasks = pipelines.flatMap(({ topic }) =>
    each((partition) => ({ kind: 'task', consumer: name, name: `task.${lineage}.${stage}.${topic}.${partition}`, topic, partition })),
  )
  const into = sinks.flatMap(({ topic, table }) =>
    each((partition) => ({ kind: 'sink', consumer: table, name: `sink.${lineage}.${table}.${topic}`, topic, partition })),
  )
  return [...tasks, ...into]
}

/** Those of a topology of one's own, as they have written their names into the log: one that never committed is not there. */
export async function consumersIn(log: LagLog & { names(): string[] }): Promise<Consumer[]> {
  const found: Consumer[] = []
  for (const name of log.names()) {
    const [, kind, , consumer, topic] = /^(task|sink)\.([^.]+)\.([^.]+)\.(.+)$/.exec(name) ?? []
    const last = kind && (await log.lastReceipt(name))
    if (!last) continue
    if (kind === 'sink') for (const partition of (last as SinkReceipt).done.keys()) found.push({ kind, consumer, name, topic, partition })
    else {
      const { topic, partition } = last as TaskReceipt
      found.push({ kind: 'task', consumer, name, topic, partition })
    }
  }
  return found.sort((a, b) =>
    a.kind === b.kind ? order(a.consumer, b.consumer) || order(a.topic, b.topic) || a.partition - b.partition : a.kind === 'task' ? -1 : 1,
  )
}

/** Of each consumer, in their order. Errors: those of the log. */
export async function lagOf(log: LagLog, consumers: readonly Consumer[], nowMs: number): Promise<Lag[]> {
  const receipts = new Map<string, LogReceipt | undefined>()
  // Of many sinks over one topic the oldest records are often the same ones.
  const heads = new Map<string, Promise<Head>>()
  const lags: Lag[] = []
  for (const { name, ...consumer } of consumers) {
    if (!receipts.has(name)) receipts.set(name, await log.lastReceipt(name))
    const at = { topic: consumer.topic, partition: consumer.partition }
    const { start, end: ofRecords } = await log.bounds(at)
    const position = Math.max(start, positionOf(receipts.get(name), consumer))
    // On Kafka markers of transactions are passed, which are no records.
    const end = Math.max(ofRecords, position)
    const lag: Lag = { ...consumer, position, end, records: Math.max(0, end - position), bytes: 0 }
    lags.push(lag)
    if (lag.records === 0) continue
    const key = `${at.topic}/${at.partition}/${position}`
    if (!heads.has(key)) heads.set(key, headOf(log, at, position))
    const { receivedMs, recordBytes } = (await heads.get(key))!
    lag.bytes = log.bytesFrom?.(at, position) ?? Math.round(recordBytes * lag.records)
    if (receivedMs !== undefined) lag.oldestMs = Math.max(0, nowMs - receivedMs)
  }
  return lags
}

interface TaskReceipt extends LogReceipt {
  topic: string
  partition: number
}
interface SinkReceipt extends LogReceipt {
  done: readonly number[]
}

function positionOf(last: LogReceipt | undefined, { kind, partition }: Pick<Consumer, 'kind' | 'partition'>): number {
  if (!last) return 0
  return kind === 'task' ? last.to : ((last as SinkReceipt).done[partition] ?? 0)
}

interface Head {
  receivedMs: number | undefined
  /** Of a record, on the average. */
  recordBytes: number
}

async function headOf(log: LagLog, at: TopicPartition, position: number): Promise<Head> {
  const reader = log.reader(at)
  try {
    const { bytes, blocks } = await reader.read(position, READ_BYTES)
    const [first] = blocks
    if (!first) return { receivedMs: undefined, recordBytes: 0 }
    const lines = Buffer.from(bytes.buffer, bytes.byteOffset + first.pos, first.length)
      .toString('utf8')
      .split('\n')
    const length = blocks.reduce((sum, block) => sum + block.length, 0)
    const count = blocks.reduce((sum, block) => sum + block.count, 0)
    return { receivedMs: receivedAt(lines[Math.max(0, position - first.baseOffset)] ?? ''), recordBytes: length / count }
  } finally {
    reader.close()
  }
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
