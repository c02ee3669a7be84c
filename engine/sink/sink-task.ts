// One sink: all partitions of a topic into one table, exactly once (protocol 24–29).
//
// The task owns what is read, recorded and asked again; the target owns rows, tokens and tables; they talk through contract.ts.
//
//   fill ──► record as pending (durable) ──► write under the batch's token ──► done, recorded with the next pending batch or when idle
//                                                │ fails: again, same bytes, same token
//                                                │ older than half the window, or found at start: read back, write what is missing
//
// 1. The pending record is durable before the first byte is written (26).
// 2. A batch's token is lineage:sink:topic:number, and a number is recorded once: no two batches share a token (25, 28).
// 3. A pending batch found at start is read back, never sent again: embedded, the engine's tokens died half-written with the process (27).
// 4. Every read-back is recorded first and has a token of its own: one whose rows were lost must not be mistaken for written.
// 5. Nothing is dropped: what will never be written stops the sink, and its rows stay in the log, which keeps them from `done` on (24).
// 6. What may pass (a full disk at once, other causes after attemptsMax attempts) the sink waits for, and then begins as at a start: with a claim,
//    and a read-back. A table that found no room may have kept the token and not the rows, so that token is never sent again.
import { EngineError } from '../errors.ts'
import type { Claim, Log, Reader } from '../log/contract.ts'
import type { Clock } from '../time/clock.ts'
import type { PartitionRange, PendingBatch, SealedRows, SinkRecord, SinkSettings, SinkTarget } from './contract.ts'

export interface SinkTaskOptions {
  log: Log
  /** Names the sink within its lineage: the table, mostly. */
  sink: string
  lineage: string
  topic: string
  partitions: number
  target: SinkTarget<unknown>
  clock: Clock
  settings: SinkSettings
  /** Of how records become rows. A pending batch is resolved by the version that recorded it (29, 31), */
  codeVersion: string
  /** unless a person has decided otherwise: its rows are there one by one, whoever writes the missing ones. */
  acceptVersion?: boolean
  /** It failed by a cause that may pass (a full disk, a table that answers nobody), and is tried until it goes on. Told once, as is its end. */
  onWaiting?(error: unknown): void
  onResumed?(): void
}

export interface SinkStats {
  sink: string
  topic: string
  /** Per partition: everything below can be queried. */
  done: number[]
  rows: number
  writes: number
  retries: number
  readBacks: number
  /** Rows that a read-back found missing and wrote. */
  missingRows: number
}

interface Batch {
  ranges: PartitionRange[]
  sealed: SealedRows
  /** It ended at its bound in bytes: there may be more. */
  isFull: boolean
}

export class SinkTask {
  readonly stats: SinkStats
  private readonly options: SinkTaskOptions
  private readonly readers: Reader[]
  private claim!: Claim<SinkRecord>
  private record!: SinkRecord
  /** Per partition: what the target has acknowledged. It runs ahead of record.done until that is recorded. */
  private done: number[] = []
  /** Where the next fill reads. */
  private next: number[] = []
  private firstPartition = 0
  private waiting: { positions: readonly number[]; resolve: () => void; reject: (error: unknown) => void }[] = []
  private readonly stopping = new AbortController()
  /** Ends the present pause, if there is one. */
  private interrupt = new AbortController()
  private changed: Promise<void> | undefined
  private failure: unknown
  private isWaiting = false
  private backoffMs = 0
  private writtenAtMs = -Infinity
  private releasedAtMs = -Infinity

  constructor(options: SinkTaskOptions) {
    this.options = options
    const { log, sink, topic, partitions } = options
    this.readers = Array.from({ length: partitions }, (_, partition) => log.reader({ topic, partition }))
    this.stats = { sink, topic, done: [], rows: 0, writes: 0, retries: 0, readBacks: 0, missingRows: 0 }
  }

  /** Claims, checks the target and brings a pending batch to its end. Rejects with EngineError or what log and target reject with. */
  async open(): Promise<void> {
    const { log, sink, lineage, topic, partitions, target, codeVersion } = this.options
    this.claim = await log.claim<SinkRecord>(`sink.${lineage}.${sink}.${topic}`)
    await target.check()
    const last = this.claim.last
    const bounds = await Promise.all(this.readers.map((_, partition) => log.bounds({ topic, partition })))
    const starts = bounds.map(({ start }) => start)
    if (last) {
      this.refuseAnother(last)
      this.record = { ...last, done: starts.map((start, partition) => last.done[partition] ?? start) }
    } else {
      await this.refuseStrangeRows()
      this.record = { epoch: 0, to: 0, identity: target.identity, codeVersion, batch: 0, done: starts, pending: null }
      await Promise.all(starts.map((start, partition) => log.need(this.consumer, { topic, partition }, start)))
    }
    this.record.done.forEach((position, partition) => {
      if (position < starts[partition])
        throw new EngineError(
          'SINK_INPUT_GONE',
          `${sink} has not written ${topic}/${partition} from offset ${position}, and the log begins at ${starts[partition]}`,
          'Restore the data folder from a copy, or move it away and import again.',
        )
      // What comes next would get the offsets of what is lost, and never be written.
      if (position <= (bounds[partition]?.decided ?? bounds[partition]?.end ?? position)) return
      throw new EngineError(
        'SINK_INPUT_GONE',
        `${sink} has written ${topic}/${partition} up to offset ${position}, and the log ends at ${bounds[partition].end}`,
        'The log lost what was committed (a damaged or removed file?). Restore the data folder from a copy, or move it away and import again.',
      )
    })
    this.done = this.record.done.slice(0, partitions)
    if (this.record.pending) await this.resolve(this.record.pending)
    this.next = [...this.done]
    this.stats.done = this.done
  }

  /** Works until stop() is called. Rejects where the sink cannot go on; whoever waits in drained() is rejected too. `unopened`: what open() rejected
   *  with, if it may pass: it is opened when that has passed. */
  async run(unopened?: unknown): Promise<void> {
    try {
      if (unopened !== undefined) await this.recover(unopened)
      for (let isOver = false; !isOver; ) {
        try {
          await this.work()
          isOver = true
        } catch (error) {
          await this.recover(error)
        }
      }
    } catch (error) {
      this.failure = error
      for (const { reject } of this.waiting.splice(0)) reject(error)
      throw error
    } finally {
      for (const reader of this.readers) reader.close()
    }
  }

  private async work(): Promise<void> {
    let batch: Batch | undefined
    try {
      batch = await this.fill()
      while (!this.stopping.signal.aborted) {
        if (!batch) {
          await this.recordDone()
          this.resumed()
          this.settle()
          await this.idle()
          batch = await this.fill()
          continue
        }
        await this.recordPending(batch)
        batch = await this.deliver(batch)
        this.resumed()
        this.settle()
        if (!batch) {
          await this.pause()
          batch = await this.fill()
        }
      }
      await this.recordDone()
      await this.release()
      await this.claim.release()
    } finally {
      batch?.sealed.discard()
    }
  }

  /** Waits until it can begin again (6). Throws what is no cause that passes, and the cause itself where it is stopped meanwhile. */
  private async recover(cause: unknown): Promise<void> {
    const { target, clock, settings, onWaiting } = this.options
    for (let error = cause; ; ) {
      if ((error as { retryable?: boolean }).retryable !== true || this.stopping.signal.aborted) throw error
      if (!this.isWaiting) onWaiting?.(error)
      this.isWaiting = true
      this.backoffMs = Math.min(settings.waitMaxMs, this.backoffMs * 2 || settings.backoffMs)
      await clock.sleep(this.backoffMs, this.stopping.signal)
      if (this.stopping.signal.aborted) throw error
      // What was read and not sealed is read again.
      target.seal().discard()
      try {
        return await this.open()
      } catch (again) {
        error = again
      }
    }
  }

  private resumed(): void {
    this.backoffMs = 0
    if (!this.isWaiting) return
    this.isWaiting = false
    this.settle()
    this.options.onResumed?.()
  }

  /** Resolves when everything below the positions (one per partition) can be queried; hurries to get there. */
  drained(positions: readonly number[]): Promise<void> {
    if (this.failure) return Promise.reject(this.failure)
    return new Promise((resolve, reject) => {
      this.waiting.push({ positions, resolve, reject })
      this.settle()
      this.interrupt.abort()
    })
  }

  /** Ends run() after the write that is under way. What is not written is written at the next start: call drained() first to leave nothing. */
  stop(): void {
    this.stopping.abort()
    this.interrupt.abort()
  }

  private get consumer(): string {
    return `sink.${this.options.lineage}.${this.options.sink}`
  }

  private refuseAnother(last: SinkRecord): void {
    const { sink, target, codeVersion, acceptVersion } = this.options
    if (last.identity !== target.identity) {
      throw new EngineError(
        'SINK_TARGET_CHANGED',
        `${sink} has written to another analytics store (${last.identity}) than this one (${target.identity})`,
        'Put the analytics folder back that belongs to this data folder, or move the whole data folder away and import again.',
      )
    }
    if (last.pending && last.codeVersion !== codeVersion && !acceptVersion) {
      throw new EngineError(
        'SINK_VERSION',
        `version ${last.codeVersion} left a write of ${sink} unfinished; this is version ${codeVersion}`,
        'Run packmill upgrade drain with that version (or start and stop it once): it finishes the write. Or let this one write what is missing: packmill upgrade accept --all.',
      )
    }
  }

  /** A first claim that meets rows of its own lineage: their log is not this one, and its batch numbers would be taken for theirs. */
  private async refuseStrangeRows(): Promise<void> {
    const { sink, lineage, partitions, target } = this.options
    for (let partition = 0; partition < partitions; partition++) {
      if (!(await target.present(partition, 0, Number.MAX_SAFE_INTEGER)).length) continue
      throw new EngineError(
        'SINK_TARGET_CHANGED',
        `the table of ${sink} holds rows of lineage ${lineage} that this log knows nothing of`,
        'Put the log folder back that belongs to this analytics folder, or move the whole data folder away and import again.',
      )
    }
  }

  // ---- reading ----

  /** Rows from all partitions, up to the bound in bytes; undefined where there is nothing new. */
  private async fill(): Promise<Batch | undefined> {
    const { target, settings, partitions, log, clock } = this.options
    // Asked before reading: a commit that comes after an empty read is then one since this call.
    this.changed ??= log.changed().then(() => {
      this.changed = undefined
    })
    const from = [...this.next]
    let isFull = false
    for (let idle = 0; idle < partitions && !isFull; ) {
      const partition = this.firstPartition
      this.firstPartition = (partition + 1) % partitions
      const read = await this.readers[partition].read(this.next[partition], settings.readBytes)
      idle = read.blocks.length > 0 ? 0 : idle + 1
      // What is no record is passed when all before it is done.
      if (idle > 0 && this.done[partition] === this.next[partition])
        this.done[partition] = this.next[partition] = from[partition] = read.next
      if (idle > 0) continue
      target.add(partition, read, this.next[partition], read.next, [])
      this.next[partition] = read.next
      isFull = target.bytes >= settings.batchBytes
      await clock.sleep(0)
      if (this.stopping.signal.aborted) break
    }
    const ranges = from
      .map((position, partition) => ({ partition, from: position, to: this.next[partition] }))
      .filter(({ from, to }) => to > from)
    return ranges.length ? { ranges, sealed: target.seal(), isFull } : undefined
  }

  // ---- the protocol ----

  private async commit(change: Partial<SinkRecord>): Promise<void> {
    const epoch = this.record.epoch + 1
    const receipt: SinkRecord = { ...this.record, ...change, epoch, to: epoch, codeVersion: this.options.codeVersion }
    await this.claim.commit({ outputs: [], receipt, release: { receiptsThrough: epoch - 1, inputBefore: 0 } })
    this.record = receipt
  }

  private async recordPending({ ranges }: Batch): Promise<void> {
    const batch = this.record.batch + 1
    const pending = { number: batch, ranges, recordedAtMs: this.options.clock.now(), readBacks: 0 }
    await this.commit({ batch, done: [...this.done], pending })
    if (this.options.clock.now() - this.releasedAtMs >= this.options.settings.releaseMs) await this.release()
  }

  private async recordDone(): Promise<void> {
    const hasPassed = this.done.some((position, partition) => position > this.record.done[partition])
    if (this.record.pending || hasPassed) await this.commit({ done: [...this.done], pending: null })
  }

  /** Writes the pending batch; where it was full, the next one is filled meanwhile and returned. */
  private async deliver(batch: Batch): Promise<Batch | undefined> {
    const { lineage, sink, topic, clock } = this.options
    const pending = this.record.pending!
    this.writtenAtMs = clock.now()
    const [written, filled] = await Promise.allSettled([
      this.write(batch.sealed, `${lineage}:${sink}:${topic}:${pending.number}`, pending.recordedAtMs),
      batch.isFull ? this.fill() : undefined,
    ])
    batch.sealed.discard()
    const following = filled.status === 'fulfilled' ? filled.value : undefined
    if (written.status === 'rejected' || filled.status === 'rejected') {
      following?.sealed.discard()
      throw written.status === 'rejected' ? written.reason : (filled as PromiseRejectedResult).reason
    }
    if (written.value) {
      this.stats.rows += batch.sealed.rows
      for (const { partition, to } of batch.ranges) this.done[partition] = to
      return following
    }
    // The target fills one batch at a time: the one behind is read again.
    following?.sealed.discard()
    await this.resolve(pending)
    this.next = [...this.done]
    return undefined
  }

  /** True when the target has answered; false when the batch has become too old for its token. */
  private async write(sealed: SealedRows, token: string, recordedAtMs: number): Promise<boolean> {
    const { sink, clock, settings } = this.options
    for (let attempt = 1; ; attempt++) {
      if (clock.now() - recordedAtMs > settings.windowMs / 2) return false
      try {
        this.stats.writes++
        await sealed.write(token)
        return true
      } catch (error) {
        const { code, retryable, message, advice } = error as { code?: string; retryable?: boolean; message: string; advice?: string }
        const isStopping = this.stopping.signal.aborted
        if (code === 'DISK_FULL' || (retryable && attempt >= settings.attemptsMax && !isStopping)) throw error
        if (!retryable || isStopping) {
          throw new EngineError(
            'SINK_STOPPED',
            `the sink ${sink} stopped after ${attempt} attempts: ${message}`,
            advice ?? 'Its rows stay in the log. Mend the cause and start again.',
            { cause: error },
          )
        }
        this.stats.retries++
        await clock.sleep(Math.min(settings.backoffMs * 2 ** (attempt - 1), settings.backoffMaxMs), this.stopping.signal)
      }
    }
  }

  /** Reads back what the table holds of the pending batch, and writes what is missing (27). */
  private async resolve(found: PendingBatch): Promise<void> {
    const { lineage, sink, topic, target, clock, settings } = this.options
    for (let pending = found, written = false; !written; ) {
      if (settings.orphanMs > 0) await clock.sleep(settings.orphanMs, this.stopping.signal)
      if (this.stopping.signal.aborted)
        throw new EngineError('SINK_STOPPED', `the sink ${sink} was stopped before it had read back`, 'Start again: it goes on there.')
      pending = { ...pending, readBacks: pending.readBacks + 1, recordedAtMs: clock.now() }
      await this.commit({ pending })
      this.stats.readBacks++
      for (const range of pending.ranges) await this.addMissing(range, await target.present(range.partition, range.from, range.to))
      const sealed = target.seal()
      const token = `${lineage}:${sink}:${topic}:${pending.number}:missing:${pending.readBacks}`
      written = sealed.rows === 0 || (await this.write(sealed, token, pending.recordedAtMs).finally(() => sealed.discard()))
      if (written) this.stats.missingRows += sealed.rows
      else sealed.discard()
    }
    for (const { partition, to } of found.ranges) this.done[partition] = to
    await this.recordDone()
  }

  private async addMissing({ partition, from, to }: PartitionRange, present: readonly unknown[]): Promise<void> {
    const { target, settings, clock } = this.options
    for (let position = from; position < to; ) {
      const read = await this.readers[partition].read(position, settings.readBytes)
      if (read.next <= position)
        throw new EngineError(
          'SINK_INPUT_GONE',
          `${this.options.topic}/${partition} ends before offset ${to}, which was pending`,
          'The log is not the one that the sink wrote from: restore the data folder from a copy.',
        )
      target.add(partition, read, position, Math.min(read.next, to), present)
      position = read.next
      await clock.sleep(0)
    }
  }

  /** Tells the log what may go: what lies before the record's positions, from which a crash begins again (24). */
  private async release(): Promise<void> {
    const { log, topic, clock } = this.options
    this.releasedAtMs = clock.now()
    await Promise.all(this.record.done.map((position, partition) => log.need(this.consumer, { topic, partition }, position)))
  }

  // ---- waiting ----

  private settle(): void {
    this.waiting = this.waiting.filter(({ positions, resolve }) => {
      const isDone = positions.every((position, partition) => (this.done[partition] ?? 0) >= position)
      if (isDone) resolve()
      return !isDone
    })
  }

  /** Until something was committed; or, once, until somebody begins to wait. */
  private async idle(): Promise<void> {
    if (this.stopping.signal.aborted) return
    const { signal } = (this.interrupt = new AbortController())
    await Promise.race([this.changed, new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))])
    await this.pause()
  }

  /** The rest of the interval since the last write, unless somebody waits. */
  private async pause(): Promise<void> {
    const { clock, settings } = this.options
    // A clock that was set back makes no longer pause of it.
    const leftMs = Math.min(settings.intervalMs, this.writtenAtMs + settings.intervalMs - clock.now())
    if (leftMs <= 0 || this.stopping.signal.aborted || this.waiting.length > 0) return
    this.interrupt = new AbortController()
    await clock.sleep(leftMs, this.interrupt.signal)
  }
}
