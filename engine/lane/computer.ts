// What a partition task drives: something that computes epochs from blocks of records. The seam between the protocol (task, lane, receipts,
// checkpoints: the same code for all) and what a row means (session-computer.ts for product events, streams/ for one's own topologies).
//
// A computer owns a task's memory. It is synchronous and deterministic: no log, no clock, no store but the one that it loads keys from.
// 1. What `compute` gives is a function of the records, the inputs and the state before; computed again from a receipt it is the same.
// 2. `checkpoint` is of the state after the epoch computed last; `evict` drops only what a finished checkpoint holds (protocol 10–14).
import type { Counters } from '../actor/actor.ts'
import type { OutputBlock, ReadResult } from '../log/contract.ts'
import type { CheckpointHeader, StateStore } from '../state/store.ts'
import type { EpochInputs, Receipt } from './receipt.ts'

export interface EpochScope {
  lineage: string
  code: string
  partition: number
}

/** One epoch, computed and not yet committed. */
export interface Epoch {
  receipt: Receipt
  outputs: OutputBlock[]
}

/** What a receipt fixes when its epoch is computed again. */
export interface Replay {
  dead: ReadonlySet<number>
  forgotten: Receipt['forgotten']
}

export interface ComputerStats extends Counters {
  invalid: number
  /** Keys known. */
  users: number
  stateBytes: number
  restarts: number
  loads: number
  evictions: number
  fallbackRows: number
}

/** The write-back cache over the state store; state-cache.ts has the rules. */
export interface Checkpoints {
  readonly openEpoch: number | undefined
  /** What has changed since the last checkpoint began, of what may have before the next one begins: from 1 on it is time. */
  dirtyShare(cacheBytes: number): number
  /** What cannot leave memory before the open checkpoint has finished, of cacheBytes, about. */
  heldShare(cacheBytes: number): number
  begin(header: CheckpointHeader): void
  slice(maxBytes: number): Promise<boolean>
  finish(): Promise<void>
  abort(): Promise<void>
  /** Clean keys leave until at most about maxBytes are left, or no clean one is; `looks`: of so many at most. */
  evict(maxBytes: number, looks?: number): void
}

export interface Computer {
  readonly stats: ComputerStats
  readonly checkpoints: Checkpoints
  /** Fields of a checkpoint's header beside those of the task. */
  readonly header: Record<string, unknown>
  /** The form of its state, kept with each checkpoint. */
  readonly layout: string
  /** Of the slowest actor, for displays only. */
  readonly watermark: number
  /** Bytes of state in memory. */
  readonly stateBytes: number
  /** Nothing more finds room in so many bytes. */
  isFull(cacheBytes: number): boolean
  /** Rows loaded. */
  readonly rows: number
  /** Whether state of this layout can be read. Throws an EngineError that names what is unknown, where it knows better. */
  reads(layout: string): boolean
  /** Loads the rows of [from, to) in place of those before. */
  load(read: ReadResult, from: number, to: number): void
  /** Keeps the first `rows`. */
  truncate(rows: number): void
  offset(row: number): number
  /** The epoch over the rows loaded. */
  compute(epoch: number, from: number, to: number, inputs: EpochInputs, replay: Replay | undefined): Epoch
  /** The epoch of these outputs is committed: their buffers are free. */
  recycle(outputs: readonly OutputBlock[]): void
  /** When processing time alone would fire a timer, ms since epoch; Infinity for never. */
  nextIdleMs(): number
}

/** A topic and what is computed from it. */
export interface Stage {
  /** Of the topology: part of the task's name. */
  name: string
  topic: string
  /** A computer with the state of the store's newest finished checkpoint. */
  computer(scope: EpochScope, store: StateStore): Computer
}
