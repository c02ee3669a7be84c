// The computer of record streams: blocks of JSON records in; each parsed once, put in order of event time, run through the pipeline's steps.
//
// RecordComputer owns watermark, order and the outputs of the open epoch; RecordState the keys. Committing is the task's.
//   read a record → watermark moves → what it has passed happens, in order of time: records, and behind all records of its time a timer
// 1. Everything of a partition happens in one order: (time, upstream, offset) of records, (time, key) of timers, a record before a timer of the same
//    time. The watermark moves row by row (protocol 3), so where an epoch is cut changes nothing but when it leaves.
// 2. A record older than the watermark is late: it goes to the late topic, and no step sees it.
// 3. A step that throws: the epoch is undone and computed again one step at a time, each settled by itself; what throws again is a dead letter,
//    and left no trace (19, 20). A timer that throws again: its key is forgotten (21).
// 4. In `dead`, an offset is a row that was not read (22); −1 − offset is a row that was read, and not processed. A recomputation does the same.
import { inspect } from 'node:util'
import { Outputs } from '../engine/actor/outputs.ts'
import { EngineError } from '../engine/errors.ts'
import type { Computer, ComputerStats, Epoch, EpochScope, Replay, Stage } from '../engine/lane/computer.ts'
import type { EpochInputs, Receipt } from '../engine/lane/receipt.ts'
import type { OutputBlock, ReadResult } from '../engine/log/contract.ts'
import type { StateStore } from '../engine/state/store.ts'
import { threadBuffers } from '../model/buffer-pool.ts'
import { hex128 } from '../model/hash.ts'
import { deadLetter, lateRecord, messageOf, type Place } from './aside.ts'
import type { AnyOperator, At } from './operator.ts'
import type { Pipeline } from './pipelines.ts'
import { type Fields, restored, saved } from './record-fields.ts'
import { checkedKey } from './record-key.ts'
import { type Entry, type Pending, RecordState, unknownVersion } from './record-state.ts'
import { type HopRecord, type Next, stepFunctions } from './step-functions.ts'
import type { InputNode, Topology } from './stream.ts'

/** The stages of a topology, in the order in which records pass them. `inputOf`: a pipeline's input as a partition of it is read. */
export const recordStages = (
  { name, pipelines }: Topology,
  inputOf: (input: InputNode, partition: number) => InputNode = (input) => input,
): Stage[] =>
  pipelines.map((pipeline) => ({
    name,
    topic: pipeline.topic,
    computer: (scope, store) => new RecordComputer({ ...pipeline, input: inputOf(pipeline.input, scope.partition) }, scope, store),
  }))

const NEVER = Number.POSITIVE_INFINITY

export class RecordComputer implements Computer {
  readonly checkpoints: RecordState
  private readonly pipeline: Pipeline
  private readonly scope: EpochScope
  private readonly outputs = new Outputs(threadBuffers)
  private readonly thrown = new Outputs(threadBuffers)
  private readonly first: Next
  private readonly hopTopics: { topic: string; upstream: number }[] = []
  private fields: Fields
  private restarts = 0
  /** The rows loaded. */
  private bytes: Buffer = Buffer.alloc(0)
  private readonly offsets: number[] = []
  private readonly starts: number[] = []
  private readonly ends: number[] = []
  /** Of the step under way. */
  private key = ''
  private nowMs = 0
  private entry: Entry | undefined
  private readonly at: At & { key: string; timeMs: number }
  private slot = 0
  /** One step at a time, each settled by itself. */
  private isCareful = false
  private replay: Replay | undefined
  /** While the input is closed: up to when timers run. */
  private closingMs = Number.NEGATIVE_INFINITY
  private dead: number[] = []
  private forgotten: Receipt['forgotten'] = []

  constructor(pipeline: Pipeline, scope: EpochScope, store: StateStore) {
    this.pipeline = pipeline
    this.scope = scope
    this.checkpoints = new RecordState(pipeline.operators, store)
    this.fields = restored(store.header?.fields, pipeline.input.kind === 'hop' ? pipeline.input.from.length : 1)
    const forget = () => {
      this.entry!.slots![this.slot] = undefined
    }
    this.at = { key: '', timeMs: 0, forget }
    for (const topic of [pipeline.late, pipeline.deadLetters]) this.outputs.to(topic)
    this.first = stepFunctions(pipeline.root, {
      now: () => this.nowMs,
      key: () => this.key,
      output: (topic) => this.outputs.to(topic),
      fold: (slot, operator, record) => this.fold(slot, operator, record),
      onOperator: (slot, next) => {
        this.nexts[slot] = next
      },
      onHop: (hop) => this.hopTopics.push(hop),
    })
  }

  get header() {
    return { fields: saved(this.fields) }
  }

  get layout(): string {
    return JSON.stringify(this.pipeline.operators.map(({ name, stateVersion = 1 }) => [name, stateVersion]))
  }

  get watermark(): number {
    return this.fields.watermark
  }

  get stateBytes(): number {
    return this.checkpoints.bytesUsed
  }

  isFull(cacheBytes: number): boolean {
    return this.stateBytes > cacheBytes
  }

  get stats(): ComputerStats {
    const { count: users, bytesUsed: stateBytes, loads, evictions } = this.checkpoints
    return { ...this.counters(), users, stateBytes, restarts: this.restarts, loads, evictions, fallbackRows: 0 }
  }

  get rows(): number {
    return this.offsets.length
  }

  /** Operators may come and go; of one that stays, the version must be known. Throws STATE_VERSION_UNKNOWN. */
  reads(layout: string): boolean {
    for (const [name, version] of JSON.parse(layout) as [string, number][]) {
      const operator = this.pipeline.operators.find((own) => own.name === name)
      const own = operator?.stateVersion ?? 1
      if (operator && version !== own && (version > own || !operator.migrate)) throw unknownVersion(name, version, own)
    }
    return true
  }

  load({ bytes, blocks }: ReadResult, from: number, to: number): void {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.truncate(0)
    let first = from
    for (const { pos, length, baseOffset, count } of blocks) {
      let offset = baseOffset
      for (let start = pos; start < pos + length && offset < to; offset++) {
        const end = this.bytes.indexOf(10, start)
        if (offset >= first) {
          this.offsets.push(offset)
          this.starts.push(start)
          this.ends.push(end)
        }
        start = end + 1
      }
      // Blocks of several reads may overlap.
      first = Math.max(first, baseOffset + count)
    }
  }

  truncate(rows: number): void {
    this.offsets.length = this.starts.length = this.ends.length = rows
  }

  offset(row: number): number {
    return this.offsets[row]
  }

  compute(epoch: number, from: number, to: number, inputs: EpochInputs, replay: Replay | undefined): Epoch {
    const before = { ...this.fields, maxMs: [...this.fields.maxMs] }
    this.replay = replay
    this.checkpoints.epoch = epoch
    this.dead = []
    this.forgotten = []
    this.isCareful = false
    try {
      this.run(inputs)
      this.checkpoints.settle()
    } catch (error) {
      if (error instanceof EngineError) throw error
      this.restarts++
      this.fields = before
      this.checkpoints.undoEpoch()
      this.outputs.rollback([])
      this.dead = []
      this.forgotten = []
      this.isCareful = true
      this.run(inputs)
    }
    this.tellHops()
    this.checkpoints.cutEpoch()
    return this.cut(epoch, from, to, inputs)
  }

  recycle(outputs: readonly OutputBlock[]): void {
    for (const { bytes } of outputs) threadBuffers.give(bytes)
  }

  nextIdleMs(): number {
    const next = this.nextMs()
    const { lastRowMs, claimedAt } = this.fields
    return next === NEVER ? NEVER : next - this.newestMs() + Math.max(lastRowMs, claimedAt) + this.pipeline.input.idleTimeoutMs + 1
  }

  // ---- the epoch ----

  private run(inputs: EpochInputs): void {
    const { fields, replay } = this
    if (inputs.claimedAt !== undefined) fields.claimedAt = inputs.claimedAt
    if (inputs.now !== undefined && inputs.atEnd) {
      const idleMs = inputs.now - Math.max(fields.lastRowMs, fields.claimedAt) - this.pipeline.input.idleTimeoutMs
      if (idleMs > 0) this.advance(this.newestMs() + idleMs)
    }
    if (inputs.close) this.close()
    if (this.rows > 0 && inputs.now !== undefined) fields.lastRowMs = inputs.now
    for (let row = 0; row < this.rows; row++) {
      const offset = this.offsets[row]
      if (replay?.dead.has(offset)) this.kill(row, offset)
      else this.read(row, offset)
    }
  }

  /** The input is at its end: what waits, happens, and of each key the timer that it has asked for, and those that must follow. */
  private close(): void {
    const { checkpoints } = this
    this.closingMs = lastOf(checkpoints.pending, ({ timeMs }) => timeMs)
    this.advance(this.closingMs)
    this.closingMs = lastOf(checkpoints.timers, ({ atMs }) => atMs)
    // Further on with what its timers tell.
    while (this.fields.watermark < this.closingMs + 1) this.advance(this.closingMs + 1)
  }

  /** A record comes in: it waits, or is late, or is none. */
  private read(row: number, offset: number): void {
    const { fields, pipeline, checkpoints } = this
    const text = this.bytes.toString('utf8', this.starts[row], this.ends[row])
    let item: Pending
    try {
      item = this.parse(text, offset)
    } catch (error) {
      fields.invalid++
      this.outputs
        .to(pipeline.deadLetters)
        .write(this.letter(error instanceof EngineError ? error.code : 'INVALID', messageOf(error), offset, text))
      return
    }
    if (pipeline.input.kind === 'hop') {
      fields.maxMs[item.upstream] = Math.max(fields.maxMs[item.upstream], item.timeMs)
      if (item.value === undefined) {
        this.advance(this.frontMs())
        return
      }
    } else fields.maxMs[0] = Math.max(fields.maxMs[0], item.timeMs)
    fields.accepted++
    if (item.timeMs < fields.watermark) {
      fields.late++
      this.outputs.to(pipeline.late).write(lateRecord(this.placeOf(offset), item.key, item.timeMs, fields.watermark, text))
      return
    }
    const front = this.frontMs()
    // Nothing is before it: it need not wait.
    if (front >= item.timeMs && this.timerMs() >= item.timeMs && !((checkpoints.pending.first?.timeMs ?? NEVER) <= item.timeMs)) {
      this.process(item)
      this.advance(front)
      return
    }
    checkpoints.addPending(item)
    this.advance(front)
  }

  private parse(text: string, offset: number): Pending {
    const { input } = this.pipeline
    if (input.kind === 'hop') {
      const { k = '', t, s, v } = JSON.parse(text) as HopRecord
      return { offset, timeMs: t, upstream: s, key: checkedKey(k, 'its key'), text, value: v }
    }
    const value = input.read(input.value(text))
    const timeMs = input.timeMs(value)
    if (!Number.isSafeInteger(timeMs)) throw new TypeError(`timeMs is ${timeMs}; it must be whole milliseconds`)
    const key = input.key ? checkedKey(input.key(value), 'its key') : ''
    return { offset, timeMs, upstream: 0, key, text, value }
  }

  /** Moves the watermark; what it has passed happens, in order. */
  private advance(toMs: number): void {
    const { fields, checkpoints } = this
    if (!(toMs > fields.watermark)) return
    fields.watermark = toMs
    for (;;) {
      const item = checkpoints.pending.first
      const timerMs = this.timerMs()
      if (item && item.timeMs <= toMs && item.timeMs <= timerMs) this.process(checkpoints.popPending())
      else if (timerMs < toMs) this.fire()
      else return
    }
  }

  private process(item: Pending): void {
    const { fields, replay } = this
    const mark = -1 - item.offset
    if (replay?.dead.has(mark)) {
      this.dead.push(mark)
      fields.deadLettered++
      return
    }
    this.step(
      item.key,
      item.timeMs,
      () => this.first(item.value === undefined ? this.parse(item.text, item.offset).value : item.value),
      (error) => {
        fields.deadLettered++
        fields.processed--
        this.dead.push(mark)
        this.thrown.to(this.pipeline.deadLetters).write(this.letter('OPERATOR_THREW', messageOf(error), item.offset, item.text))
      },
    )
    fields.processed++
  }

  private fire(): void {
    const { atMs, key } = this.checkpoints.timers.first!
    const name = [this.pipeline.topic, key, String(atMs)] as [string, string, string]
    const forget = () => {
      this.checkpoints.drop(key)
      this.forgotten.push(name)
    }
    if (this.replay?.forgotten.some(([topic, own, ms]) => topic === name[0] && own === key && ms === name[2])) {
      forget()
      if (this.isCareful) this.checkpoints.settle()
      return
    }
    this.step(
      key,
      atMs,
      () => this.onTimers(),
      (error) => {
        const record = JSON.stringify({ key, timerMs: atMs, state: inspect(this.checkpoints.touch(key).slots, { depth: 8 }) })
        forget()
        this.checkpoints.settle()
        this.thrown.to(this.pipeline.deadLetters).write(this.letter('KEY_FORGOTTEN', messageOf(error), -1, record))
      },
    )
  }

  /** Every operator of the key whose timer is due, in their order. Its next timer is later then, or it has none. */
  private onTimers(): void {
    this.entry = this.checkpoints.touch(this.key)
    for (const [slot, operator] of this.pipeline.operators.entries()) {
      const state = this.entry.slots![slot]
      if (state === undefined || !operator.nextTimerMs || !(operator.nextTimerMs(state) <= this.nowMs)) continue
      this.emit(slot, operator.onTimer?.(state, this.place(slot)))
      const after = this.entry.slots![slot]
      if (after && operator.lastTimerMs) this.closingMs = Math.max(this.closingMs, operator.lastTimerMs(after))
      if (after && operator.nextTimerMs(after) <= this.nowMs)
        throw new RangeError(
          `${operator.name}: after onTimer at ${this.nowMs} nextTimerMs asks for ${operator.nextTimerMs(after)}: it must be later, or forget()`,
        )
    }
  }

  /** One record or timer of one key. `failed` where it throws and steps are taken one at a time: then nothing of it is left. */
  private step(key: string, timeMs: number, work: () => void, failed: (error: unknown) => void): void {
    const { checkpoints, outputs } = this
    this.key = key
    this.nowMs = timeMs
    this.entry = undefined
    if (!this.isCareful) {
      work()
      if (this.entry !== undefined) checkpoints.setDue(this.entry, timeMs)
      return
    }
    const mark = outputs.mark()
    try {
      work()
      if (this.entry !== undefined) checkpoints.setDue(this.entry, timeMs)
      checkpoints.settle()
    } catch (error) {
      if (error instanceof EngineError) throw error
      outputs.rollback(mark)
      checkpoints.undo()
      failed(error)
    }
  }

  /** The row was alone when the process died, again and again: it is not even read (22). */
  private kill(row: number, offset: number): void {
    this.dead.push(offset)
    this.fields.accepted++
    this.fields.deadLettered++
    const text = this.bytes.toString('utf8', this.starts[row], this.ends[row])
    const message = 'the process died several times at this record and at no other'
    this.thrown.to(this.pipeline.deadLetters).write(this.letter('PROCESS_KILLED', message, offset, text))
  }

  // ---- operators ----

  private readonly nexts: Next[] = []

  private fold(slot: number, operator: AnyOperator, record: unknown): void {
    const entry = (this.entry ??= this.checkpoints.touch(this.key))
    const state = (entry.slots![slot] ??= operator.state())
    this.emit(slot, operator.onRecord(state, record, this.place(slot)))
  }

  private place(slot: number): At {
    this.slot = slot
    this.at.key = this.key
    this.at.timeMs = this.nowMs
    return this.at
  }

  private emit(slot: number, emitted: unknown): void {
    if (emitted === undefined) return
    const next = this.nexts[slot]
    if (Array.isArray(emitted)) for (const record of emitted) next(record)
    else next(emitted)
  }

  /** Whoever reads on goes on too: nothing older than the watermark comes from here. */
  private tellHops(): void {
    const { fields } = this
    if (!(fields.watermark > fields.toldMs)) return
    fields.toldMs = fields.watermark
    for (const { topic, upstream } of this.hopTopics)
      this.outputs.to(topic).write(JSON.stringify({ t: fields.watermark, s: upstream } satisfies HopRecord))
  }

  // ---- times ----

  /** Where the records so far bring the watermark. */
  private frontMs(): number {
    const { input } = this.pipeline
    const { maxMs } = this.fields
    if (input.kind === 'source') return maxMs[0] - input.allowedDisorderMs
    // An upstream may still send records of the time that it has told: of several, one's must not be before another's by chance.
    return maxMs.length === 1 ? maxMs[0] : Math.min(...maxMs) - 1
  }

  /** The same for a partition without input: no upstream holds it back. */
  private newestMs(): number {
    return this.fields.maxMs.length === 1 ? this.frontMs() : Math.max(...this.fields.maxMs) - 1
  }

  private timerMs(): number {
    return this.checkpoints.timers.first?.atMs ?? NEVER
  }

  private nextMs(): number {
    return Math.min(this.timerMs(), this.checkpoints.pending.first?.timeMs ?? NEVER)
  }

  // ---- what leaves ----

  private cut(epoch: number, from: number, to: number, inputs: EpochInputs): Epoch {
    const { lineage, code, partition } = this.scope
    const { topic } = this.pipeline
    const receipt: Receipt = {
      epoch,
      lineage,
      topic,
      partition,
      code,
      from,
      to,
      rows: this.rows,
      inputs,
      dead: this.dead.sort((a, b) => a - b),
      forgotten: this.forgotten,
      watermarks: String(this.fields.watermark),
      counters: this.counters(),
      outputs: {},
    }
    const blocks: OutputBlock[] = []
    for (const list of [this.outputs.list, this.thrown.list])
      for (const output of list) {
        const { count } = output
        if (count === 0) continue
        // The order of an epoch's outputs is a function of content, so the whole of a topic is one sum. What a throw left is proven by `dead`.
        output.endKey()
        if (list === this.outputs.list) receipt.outputs[output.topic] = { count, sum: hex128([...output.sum].reverse()) }
        blocks.push({ topic: output.topic, partition, count, bytes: output.take() })
      }
    return { receipt, outputs: blocks }
  }

  /** accepted = open (they wait) + closed (processed) + late + deadLettered. */
  private counters() {
    const { accepted, processed: closed, late, deadLettered, invalid } = this.fields
    return { accepted, open: this.checkpoints.pending.size, closed, duplicates: 0, late, deadLettered, filtered: 0, invalid }
  }

  private placeOf(offset: number): Place {
    return { pipeline: this.pipeline.topic, partition: this.scope.partition, offset }
  }

  private letter(code: string, message: string, offset: number, text: string): string {
    return deadLetter(code, message, this.placeOf(offset), text)
  }
}

function lastOf<T>(items: Iterable<T>, timeOf: (item: T) => number): number {
  let last = Number.NEGATIVE_INFINITY
  for (const item of items) last = Math.max(last, timeOf(item))
  return last
}
