// Computes epochs: rows of a batch → actors' turns → outputs and receipt. Synchronous; no log, no clock, no store of its own.
//
// EpochComputer owns the task's memory (actors, keyed state). Committing is task.ts's. Whether an epoch is computed for the first time
// or again from its receipt, this is the code that runs.
//   inputs → route rows in offset order → each actor's turn → receipt (protocol 5)
import type { EventBatch } from '../../model/batch.ts'
import { threadBuffers } from '../../model/buffer-pool.ts'
import { addTo, HASH_SLACK, h128, hash32, hash128, hex128 } from '../../model/hash.ts'
import { keptMessage, keptRecord } from '../../model/kept-record.ts'
import type { DeadLetterRow } from '../../model/rows.ts'
import { type Actor, ActorTable, type Counters, noCounters } from '../actor/actor.ts'
import { Fire } from '../actor/fire.ts'
import { DraftEmit } from '../actor/lift.ts'
import { Outputs } from '../actor/outputs.ts'
import { Publisher } from '../actor/publisher.ts'
import { Routed } from '../actor/routed.ts'
import { TileSums } from '../actor/tile-sums.ts'
import type { Turn } from '../actor/turn.ts'
import { keyText, TurnRunner } from '../actor/turn-runner.ts'
import { SessionWindow } from '../actor/window.ts'
import type { OutputBlock } from '../log/contract.ts'
import { KeyedState } from '../state/keyed-state.ts'
import type { SessionPipeline } from '../topology/topology.ts'
import type { Epoch, EpochScope, Replay } from './computer.ts'
import type { EpochInputs, Receipt } from './receipt.ts'

export class EpochComputer {
  readonly state: KeyedState
  readonly actors = new ActorTable()
  private readonly pipeline: SessionPipeline
  private readonly scope: EpochScope
  private readonly outputs = new Outputs(threadBuffers)
  private readonly deadLetters = new Outputs(threadBuffers)
  private readonly runner: TurnRunner
  private readonly routed: Routed
  private readonly watermarks = new Uint32Array(4)
  private readonly watermarkOf: Uint32Array[] = []
  private readonly scratch = new Uint8Array(1024)
  private claimedAt = 0
  private invalid = 0

  constructor(pipeline: SessionPipeline, scope: EpochScope) {
    this.pipeline = pipeline
    this.scope = scope
    this.state = new KeyedState(pipeline.folds, pipeline.sessionFold)
    this.routed = new Routed(this.state, this.actors)
    const emit = new DraftEmit()
    const late = this.outputs.to(pipeline.outputs.late)
    const window = new SessionWindow(this.state, pipeline.window, (turn, row, reason) => {
      late.beginKey()
      late.write(lateRecord(turn, row, reason, scope.partition))
      late.endKey()
    })
    const sessionsOut = this.outputs.to(pipeline.outputs.sessions)
    const incidentsOut = this.outputs.to(pipeline.outputs.incidents)
    this.outputs.to(pipeline.outputs.deadLetters)
    const tiles = new TileSums(pipeline.tiles, pipeline.outputs.tiles === undefined ? undefined : this.outputs.to(pipeline.outputs.tiles))
    const publisher = new Publisher(this.state, pipeline, sessionsOut, incidentsOut, tiles, scope.partition)
    const fire = new Fire(this.state, pipeline.window, emit, publisher)
    this.runner = new TurnRunner(this.state, window, fire, emit, this.outputs, tiles)
  }

  /** Turns that were undone and run again, since the start. */
  get restarts(): number {
    return this.runner.restarts
  }

  actor(org: string, product: string): Actor {
    const o = withSlack(org)
    const p = withSlack(product)
    return this.actors.named(org, product, hash32(o, 0, o.length - HASH_SLACK), hash32(p, 0, p.length - HASH_SLACK))
  }

  /** After a restore: the sums that receipts carry. */
  restored(claimedAt: number, invalid: number): void {
    this.claimedAt = claimedAt
    this.invalid = invalid
    for (const actor of this.actors.list) this.sumWatermark(actor)
  }

  get header(): { claimedAt: number; invalid: number } {
    return { claimedAt: this.claimedAt, invalid: this.invalid }
  }

  /** Before compute, for all its rows: those from `first` on, whose block has just been scanned. */
  route(batch: EventBatch, first: number): void {
    this.routed.route(batch, first)
  }

  /** The epoch over the batch's rows, which have been routed. `from` and `to` are the input range; the rows lie within it. */
  compute(epoch: number, from: number, to: number, batch: EventBatch, inputs: EpochInputs, replay: Replay | undefined): Epoch {
    const { state, outputs } = this
    state.epoch = epoch
    const ready = new Set<Actor>()
    this.enter(inputs, ready)
    const dead: number[] = []
    const invalid = this.outputs.to(this.pipeline.outputs.deadLetters)
    const { routed } = this
    for (let row = 0; row < batch.count; row++) {
      if (batch.type[row] === 255) {
        this.invalid++
        const error = batch.errors.get(row)
        invalid.beginKey()
        invalid.write(deadLetter(batch, row, this.scope.partition, error?.code ?? 'INVALID', error?.message ?? 'not an event'))
        invalid.endKey()
        continue
      }
      const actor = this.actors.list[routed.actors[row]]
      if (actor.mailbox.length === 0) {
        ready.add(actor)
        if (inputs.now !== undefined) actor.lastRowMs = inputs.now
      }
      actor.mailbox.push(row)
    }
    const skip = replay && replay.dead.size > 0 ? rowsAt(batch, replay.dead) : undefined
    const forgotten: Receipt['forgotten'] = []
    const thrown = this.deadLetters.to(this.pipeline.outputs.deadLetters)
    for (const actor of ready) {
      const own = replay?.forgotten.filter(([org, product]) => org === actor.org && product === actor.product)
      const forget = own && own.length > 0 ? new Set(own.map(([, , user]) => Buffer.from(user).toString('latin1'))) : undefined
      const failures = this.runner.run(actor, batch, this.routed, { snapshots: inputs.snapshots === true, skip, forget })
      for (const { row, error } of failures.dead) {
        dead.push(batch.offset[row])
        thrown.write(deadLetter(batch, row, this.scope.partition, 'OPERATOR_THREW', messageOf(error)))
      }
      for (const { user, error, offsets } of failures.forgotten) {
        const name = Buffer.from(keyText(state, user), 'latin1').toString()
        forgotten.push([actor.org, actor.product, name])
        // Of very many the first offsets: it must fit anywhere.
        const record = { orgId: actor.org, productId: actor.product, user: name, events: offsets.length, offsets: offsets.slice(0, 10_000) }
        thrown.write(
          JSON.stringify({
            code: 'KEY_FORGOTTEN',
            message: messageOf(error),
            partition: this.scope.partition,
            offset: to,
            record: JSON.stringify(record),
          }),
        )
      }
      for (const key of own ?? []) forgotten.push(key)
      this.sumWatermark(actor)
    }
    for (const offset of replay?.dead ?? []) dead.push(offset)
    // A row that was alone when the process died, again and again (protocol 22); in a recomputation it has been written before.
    const killed = 'the process died several times at this row and at no other'
    for (const row of skip ?? [])
      if (batch.type[row] !== 255) thrown.write(deadLetter(batch, row, this.scope.partition, 'PROCESS_KILLED', killed))
    const receipt: Receipt = {
      epoch,
      lineage: this.scope.lineage,
      topic: this.pipeline.source.topic,
      partition: this.scope.partition,
      code: this.scope.code,
      from,
      to,
      rows: batch.count,
      inputs,
      dead: dead.sort((a, b) => a - b),
      forgotten,
      watermarks: hex128([...this.watermarks].reverse()),
      counters: { ...this.sumCounters(), invalid: this.invalid },
      outputs: {},
    }
    const blocks: OutputBlock[] = []
    for (const list of [outputs.list, this.deadLetters.list])
      for (const output of list) {
        if (output.count === 0) continue
        // What a throw left is proven by the offsets in `dead`: its message need not be the same twice.
        if (list === outputs.list) receipt.outputs[output.topic] = { count: output.count, sum: hex128([...output.sum].reverse()) }
        const count = output.count
        blocks.push({ topic: output.topic, partition: this.scope.partition, count, bytes: output.take() })
      }
    return { receipt, outputs: blocks }
  }

  /** The epoch of these outputs is committed: their buffers are filled again. */
  recycle(outputs: readonly OutputBlock[]): void {
    for (const { bytes } of outputs) threadBuffers.give(bytes)
  }

  /** When processing time alone would fire the first timer of an idle actor, ms since epoch; Infinity for never. */
  nextIdleMs(): number {
    const { allowedDisorderMs, idleTimeoutMs } = this.pipeline.window
    let next = Number.POSITIVE_INFINITY
    for (const actor of this.actors.list) {
      if (actor.timers.size === 0) continue
      const since = Math.max(actor.lastRowMs, this.claimedAt)
      next = Math.min(next, actor.timers.firstMs - (actor.maxMs - allowedDisorderMs) + since + idleTimeoutMs + 1)
    }
    return next
  }

  private enter(inputs: EpochInputs, ready: Set<Actor>): void {
    const { allowedDisorderMs, idleTimeoutMs, gapMs } = this.pipeline.window
    if (inputs.claimedAt !== undefined) this.claimedAt = inputs.claimedAt
    for (const actor of this.actors.list) {
      const { maxMs } = actor
      let watermark = actor.watermark
      if (inputs.now !== undefined && inputs.atEnd) {
        const idleMs = inputs.now - Math.max(actor.lastRowMs, this.claimedAt) - idleTimeoutMs
        if (idleMs > 0) watermark = Math.max(watermark, maxMs - allowedDisorderMs + idleMs)
      }
      if (inputs.close) watermark = Math.max(watermark, maxMs + gapMs + 1)
      if (watermark > actor.watermark) {
        actor.watermark = watermark
        actor.dirty = true
        this.sumWatermark(actor)
      }
      if (actor.timers.firstMs <= (inputs.snapshots ? Number.MAX_VALUE : watermark)) ready.add(actor)
    }
  }

  private sumWatermark(actor: Actor): void {
    const own = (this.watermarkOf[actor.index] ??= new Uint32Array(4))
    // Minus the old: adding its two's complement modulo 2^128.
    const minus = new Uint32Array([~own[0], ~own[1], ~own[2], ~own[3]])
    addTo(minus, ONE)
    addTo(this.watermarks, minus)
    const { scratch } = this
    scratch.set(actor.prefix)
    new DataView(scratch.buffer).setFloat64(actor.prefix.length, actor.watermark)
    hash128(scratch, 0, actor.prefix.length + 8)
    own.set(h128)
    addTo(this.watermarks, own)
  }

  /** Of all actors. */
  sumCounters(): Counters {
    const sum = noCounters()
    for (const { counters } of this.actors.list) for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += counters[name]
    return sum
  }
}

const withSlack = (text: string) => Buffer.concat([Buffer.from(text), Buffer.alloc(HASH_SLACK)])
const ONE = new Uint32Array([1, 0, 0, 0])
const recordOf = (batch: EventBatch, row: number) => keptRecord(batch.bytes, batch.start[row], batch.end[row])
const messageOf = (error: unknown) => {
  const cause = (error as { cause?: unknown }).cause ?? error
  return keptMessage(cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause))
}

function deadLetter(batch: EventBatch, row: number, partition: number, code: string, message: string): string {
  const { record, wholeBytes: whole_bytes } = recordOf(batch, row)
  return JSON.stringify({ code, message, partition, offset: batch.offset[row], record, whole_bytes } satisfies DeadLetterRow)
}

const lateRecord = ({ actor, batch }: Turn, row: number, reason: 'late' | 'cap', partition: number) =>
  JSON.stringify({ reason, partition, offset: batch.offset[row], watermark: actor.watermark, record: recordOf(batch, row).record })

function rowsAt(batch: EventBatch, offsets: ReadonlySet<number>): Set<number> {
  const rows = new Set<number>()
  for (let row = 0; row < batch.count; row++) if (offsets.has(batch.offset[row])) rows.add(row)
  return rows
}
