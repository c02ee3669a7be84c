// A Kafka broker in memory, with what a log on Kafka has to live with: transactions that are open, aborted or time out, epochs that fence, markers that take an
// offset and are written after the answer, fetches that begin before the offset asked for, compaction, retention. Survives the processes.
//
// Of stores/kafka it has the form of a batch only, in which it hands out what it holds.
import type { FetchedPartition } from '../../../stores/kafka/fetch-request.ts'
import { ProducedBatch } from '../../../stores/kafka/produced-batch.ts'
import { HEADER_BYTES, type RecordBatch } from '../../../stores/kafka/record-batch.ts'

export interface BrokerRecord {
  key: Buffer | null
  value: Buffer | null
}

interface Batch {
  base: number
  count: number
  /** Undefined: written outside of transactions. */
  pid: string | undefined
  marker?: 'commit' | 'abort'
  /** Those that compaction has left. */
  records: (BrokerRecord & { offset: number; atMs: number })[]
}

interface Transaction {
  partitions: Set<SimPartition>
  beganMs: number
  timeoutMs: number
}

interface Producer {
  pid: string
  epoch: number
  open: Transaction | undefined
}

/** The words of the protocol that the clients go by. */
export const refusal = (type: string) => Object.assign(new Error(type), { name: 'KafkaJSProtocolError', type, retriable: false })

export class SimPartition {
  start = 0
  end = 0
  private batches: Batch[] = []
  private readonly open = new Map<string, number>()
  private readonly aborted: { pid: string; first: number; last: number }[] = []
  /** As brokers name producers to readers. */
  private readonly numbers = new Map<string, number>()

  /** Everything before is decided. */
  get stable(): number {
    return Math.min(this.end, ...this.open.values())
  }

  append(pid: string | undefined, records: readonly BrokerRecord[], atMs: number): number {
    const base = this.end
    if (pid !== undefined && !this.open.has(pid)) this.open.set(pid, base)
    const kept = records.map(({ key, value }, i) => ({
      key: key && Buffer.from(key),
      value: value && Buffer.from(value),
      offset: base + i,
      atMs,
    }))
    this.batches.push({ base, count: records.length, pid, records: kept })
    this.end += records.length
    return base
  }

  mark(pid: string, marker: 'commit' | 'abort'): void {
    const first = this.open.get(pid)
    if (first === undefined) return
    this.open.delete(pid)
    if (marker === 'abort') this.aborted.push({ pid, first, last: this.end })
    this.batches.push({ base: this.end, count: 1, pid, marker, records: [] })
    this.end++
  }

  /** Whole batches from the one that holds `from` on. */
  fetch(from: number, maxBytes: number): Omit<FetchedPartition, 'topic' | 'partition'> {
    const { stable } = this
    const batches: RecordBatch[] = []
    let length = 0
    for (const batch of this.batches) {
      const { base, count } = batch
      if (base + count <= from || base >= stable || base + count <= this.start || (length >= maxBytes && batches.length > 0)) continue
      for (const part of this.encoded(batch)) {
        if (part.last < from) continue
        batches.push(part)
        length += part.end
      }
    }
    const until = batches.at(-1)?.last ?? from
    const aborted = this.aborted.filter(({ first, last }) => last >= from && first <= until)
    return {
      ...{ start: this.start, end: stable, batches, length },
      aborted: aborted.map(({ pid, first }) => ({ producerId: this.numberOf(pid), first })),
    }
  }

  /** All that was ever committed, deleted since or not. For what must hold in the end; decided here, not by who reads. */
  committed(): { offset: number; value: string }[] {
    return this.batches
      .filter((batch) => this.isCommitted(batch))
      .flatMap(({ records }) => records.map(({ offset, value }) => ({ offset, value: `${value}` })))
  }

  /** Removes what a newer committed record of its key has superseded, what was aborted, and tombstones that are old enough; not beyond what is decided. */
  compact(nowMs: number, tombstoneMs: number, to: number): { removed: number; tombstones: number } {
    const end = Math.min(to, this.stable)
    const before = this.batches.filter(({ base, count }) => base + count <= end)
    const newest = new Map<string, number>()
    for (const batch of before)
      if (this.isCommitted(batch)) for (const { key, offset } of batch.records) newest.set(key!.toString('hex'), offset)
    let removed = 0
    let tombstones = 0
    for (const batch of before) {
      const isCommitted = this.isCommitted(batch)
      batch.records = batch.records.filter(({ key, value, offset, atMs }) => {
        const isNewest = isCommitted && newest.get(key!.toString('hex')) === offset
        const isOld = value === null && nowMs - atMs > tombstoneMs
        if (isNewest && isOld) tombstones++
        if (!isNewest || isOld) removed++
        return isNewest && !isOld
      })
    }
    // What is empty takes no room; the offsets stay what they were.
    this.batches = this.batches.filter(({ records, marker, base, count }) => marker || records.length > 0 || base + count > end)
    return { removed, tombstones }
  }

  /** As batches of records that follow each other: what compaction has taken lies between them. */
  private encoded({ base, count, pid, marker, records }: Batch): RecordBatch[] {
    const all = marker ? [{ key: Buffer.from([0, 0, 0, marker === 'commit' ? 1 : 0]), value: Buffer.alloc(6), offset: base }] : records
    const runs: { first: number; batch: ProducedBatch }[] = []
    for (const { key, value, offset } of all) {
      const last = runs.at(-1)
      const run = last && last.first + last.batch.length === offset ? last : { first: offset, batch: new ProducedBatch(64) }
      if (run !== last) runs.push(run)
      run.batch.add(key ?? undefined, value, 0, value?.length ?? 0)
    }
    if (runs.length === 0) runs.push({ first: base, batch: new ProducedBatch(0) })
    const producerId = pid === undefined ? -1 : this.numberOf(pid)
    return runs.map(({ first, batch }, i) => {
      const bytes = batch.seal({ producerId, producerEpoch: 0, sequence: 0, nowMs: 0 })
      const last = i === runs.length - 1 ? base + count - 1 : first + batch.length - 1
      const kind = { producerId, isTransactional: pid !== undefined, isControl: marker !== undefined }
      return { base: first, last, ...kind, count: batch.length, bytes, pos: HEADER_BYTES, end: bytes.length }
    })
  }

  private numberOf(pid: string): number {
    const found = this.numbers.get(pid) ?? this.numbers.size + 1
    this.numbers.set(pid, found)
    return found
  }

  private isCommitted({ pid, marker, base }: Batch): boolean {
    if (marker) return false
    if (pid === undefined) return true
    if (base >= (this.open.get(pid) ?? Number.POSITIVE_INFINITY)) return false
    return !this.aborted.some((one) => one.pid === pid && one.first <= base && base < one.last)
  }
}

export class SimBroker {
  /** Nobody gets an answer until then. */
  outageEndsMs = 0
  /** What consumers of data have said that they need, by consumer and partition. */
  readonly needs = new Map<string, Map<string, number>>()
  readonly met = { aborted: 0, timedOut: 0, fenced: 0 }
  private readonly partitions = new Map<string, SimPartition>()
  private readonly producers = new Map<string, Producer>()
  /** Decided transactions whose markers are not written yet. */
  private deciding: { producer: Producer; write(): void }[] = []
  private readonly watching = new Set<() => void>()

  partition(topic: string, partition: number): SimPartition {
    const key = `${topic}/${partition}`
    let found = this.partitions.get(key)
    if (!found) this.partitions.set(key, (found = new SimPartition()))
    return found
  }

  /** Partitions of topics whose name begins so. */
  of(prefix: string): [name: string, partition: SimPartition][] {
    return [...this.partitions].filter(([name]) => name.startsWith(prefix))
  }

  need(consumer: string, topic: string, partition: number, from: number): void {
    const key = `${topic}/${partition}`
    this.needs.set(key, (this.needs.get(key) ?? new Map<string, number>()).set(consumer, from))
  }

  /** Called whenever something can be read that could not be before. */
  watch(onVisible: () => void): void {
    this.watching.add(onVisible)
  }

  /** Fences whoever had the id; its transaction is decided, and its markers are written. Returns the epoch. */
  init(id: string): number {
    const producer = this.producers.get(id) ?? { pid: id, epoch: 0, open: undefined }
    this.producers.set(id, producer)
    this.writeMarkers((one) => one.producer === producer)
    producer.epoch++
    if (producer.open) {
      this.met.aborted++
      this.decide(producer, 'abort')
      this.writeMarkers((one) => one.producer === producer)
    }
    return producer.epoch
  }

  produce(
    id: string,
    epoch: number,
    timeoutMs: number,
    nowMs: number,
    to: readonly { at: SimPartition; records: readonly BrokerRecord[] }[],
  ): number[] {
    const producer = this.holder(id, epoch)
    // A transaction's markers come before the next one's records.
    this.writeMarkers((one) => one.producer === producer)
    producer.open ??= { partitions: new Set(), beganMs: nowMs, timeoutMs }
    return to.map(({ at, records }) => {
      producer.open!.partitions.add(at)
      return at.append(producer.pid, records, nowMs)
    })
  }

  /** Answers before the markers are written. */
  endTransaction(id: string, epoch: number, marker: 'commit' | 'abort'): void {
    const producer = this.holder(id, epoch)
    if (!producer.open) throw refusal('INVALID_TXN_STATE')
    if (marker === 'abort') this.met.aborted++
    this.decide(producer, marker)
  }

  /** What the broker does by itself: transactions that are open for too long are aborted, and their owners fenced. */
  expire(nowMs: number): void {
    for (const producer of this.producers.values()) {
      if (!producer.open || nowMs - producer.open.beganMs <= producer.open.timeoutMs) continue
      producer.epoch++
      this.met.timedOut++
      this.decide(producer, 'abort')
      this.writeMarkers((one) => one.producer === producer)
    }
  }

  /** Markers that are due. */
  writeMarkers(which: (one: { producer: Producer }) => boolean = () => true): void {
    const due = this.deciding.filter(which)
    this.deciding = this.deciding.filter((one) => !due.includes(one))
    for (const { write } of due) write()
    if (due.length > 0) for (const onVisible of this.watching) onVisible()
  }

  get isDeciding(): boolean {
    return this.deciding.length > 0
  }

  private decide(producer: Producer, marker: 'commit' | 'abort'): void {
    const { partitions } = producer.open!
    producer.open = undefined
    this.deciding.push({
      producer,
      write: () => {
        for (const partition of partitions) partition.mark(producer.pid, marker)
      },
    })
  }

  private holder(id: string, epoch: number): Producer {
    const producer = this.producers.get(id)
    if (producer?.epoch === epoch) return producer
    this.met.fenced++
    throw refusal('INVALID_PRODUCER_EPOCH')
  }
}
