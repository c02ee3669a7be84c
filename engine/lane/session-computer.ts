// The computer of product events: scanned into a batch, routed, computed (epoch.ts), kept by the state cache.
import type { EventBatch } from '../../model/batch.ts'
import { newBatch, resetBatch, scanBlock, truncateBatch } from '../../model/scan.ts'
import type { OutputBlock, ReadResult } from '../log/contract.ts'
import { StateCache } from '../state/state-cache.ts'
import type { StateStore } from '../state/store.ts'
import type { Topology } from '../topology/topology.ts'
import type { Computer, ComputerStats, EpochScope, Replay, Stage } from './computer.ts'
import { EpochComputer } from './epoch.ts'
import type { EpochInputs } from './receipt.ts'

/** `batch` may be shared by all tasks of a lane: one of them computes at a time. */
export const sessionStage = (topology: Topology, batch: EventBatch = newBatch()): Stage => ({
  name: topology.name,
  topic: topology.pipeline.source.topic,
  computer: (scope, store) => new SessionComputer(topology, batch, scope, store),
})

class SessionComputer implements Computer {
  readonly checkpoints: StateCache
  private readonly batch: EventBatch
  private readonly epochs: EpochComputer

  constructor({ pipeline }: Topology, batch: EventBatch, scope: EpochScope, store: StateStore) {
    this.batch = batch
    this.epochs = new EpochComputer(pipeline, scope)
    this.checkpoints = new StateCache(this.epochs.state, store, this.epochs.actors.list, pipeline.window.correctionMs)
    this.checkpoints.restore((org, product) => this.epochs.actor(org, product))
    const { header } = store
    this.epochs.restored((header?.claimedAt as number | undefined) ?? 0, (header?.invalid as number | undefined) ?? 0)
  }

  get header() {
    return { ...this.epochs.header, layouts: this.checkpoints.codec.layouts.list }
  }

  get layout(): string {
    return this.checkpoints.codec.layouts.text
  }

  get watermark(): number {
    return this.epochs.actors.list.reduce((least, { watermark }) => Math.min(least, watermark), Number.POSITIVE_INFINITY)
  }

  get stats(): ComputerStats {
    const { epochs, checkpoints, batch } = this
    return {
      ...epochs.sumCounters(),
      invalid: epochs.header.invalid,
      users: epochs.state.users.count,
      stateBytes: this.stateBytes,
      restarts: epochs.restarts,
      loads: checkpoints.loads,
      evictions: checkpoints.evictions,
      fallbackRows: batch.fallbackRows,
    }
  }

  get stateBytes(): number {
    return this.epochs.state.bytesUsed()
  }

  isFull(cacheBytes: number): boolean {
    return this.epochs.state.bytesUsed(32) > cacheBytes
  }

  get rows(): number {
    return this.batch.count
  }

  reads(layout: string): boolean {
    return this.checkpoints.codec.layouts.reads(layout)
  }

  load(read: ReadResult, from: number, to: number): void {
    const { batch } = this
    const used = read.blocks.reduce((end, { pos, length }) => Math.max(end, pos + length), 0)
    resetBatch(batch, read.bytes, used)
    let first = from
    for (const { pos, length, baseOffset, count } of read.blocks) {
      if (baseOffset >= to) break
      // Blocks of several reads may overlap: one that contains a read's beginning is returned whole.
      const { count: before } = batch
      scanBlock(batch, pos, length, baseOffset, first)
      this.epochs.route(batch, before)
      first = Math.max(first, baseOffset + count)
    }
    let count = batch.count
    while (count > 0 && batch.offset[count - 1] >= to) count--
    truncateBatch(batch, count)
  }

  truncate(rows: number): void {
    truncateBatch(this.batch, rows)
  }

  offset(row: number): number {
    return this.batch.offset[row]
  }

  compute(epoch: number, from: number, to: number, inputs: EpochInputs, replay: Replay | undefined) {
    return this.epochs.compute(epoch, from, to, this.batch, inputs, replay)
  }

  recycle(outputs: readonly OutputBlock[]): void {
    this.epochs.recycle(outputs)
  }

  nextIdleMs(): number {
    return this.epochs.nextIdleMs()
  }
}
