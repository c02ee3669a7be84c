// The receipt of an epoch: what a recomputation needs to make the same decisions, and to prove that it did (protocol 4, 6).
import type { Counters } from '../actor/actor.ts'
import type { LogReceipt } from '../log/contract.ts'

/** What is no function of the records: it enters at the start of an epoch, before its first row. */
export interface EpochInputs {
  /** Processing time, ms since epoch. An import records none. */
  now?: number
  /** The partition had been read to its end: idle actors advance by `now`. */
  atEnd?: true
  /** First epoch after a claim, at this processing time. */
  claimedAt?: number
  /** Emit open sessions that changed. */
  snapshots?: true
  /** Close what is open: every actor's watermark passes its largest time + gap. */
  close?: true
  /** Epochs from this one to the one before had been published otherwise, by this code, and a person accepted that (protocol 31). */
  accepted?: { from: number; code: string }
}

export interface Receipt extends LogReceipt {
  lineage: string
  topic: string
  partition: number
  /** Version of the code, the topology and its settings. Another one may recompute this epoch where the outcome is the same (protocol 31). */
  code: string
  from: number
  rows: number
  inputs: EpochInputs
  /** Offsets of rows that an operator threw at, twice. */
  dead: number[]
  /** [org, product, user] whose timers or state had to be given up. */
  forgotten: [string, string, string][]
  /** Sum over actors of hash(actor, watermark). */
  watermarks: string
  /** Sums over actors, and rows that were no events. */
  counters: Counters & { invalid: number }
  outputs: Record<string, { count: number; sum: string }>
}

/** What differs between a committed receipt and its recomputation, or undefined. Named by what a person would look at first: topics. */
export function difference(committed: Receipt, recomputed: Receipt): string | undefined {
  for (const topic of new Set([...Object.keys(committed.outputs), ...Object.keys(recomputed.outputs)])) {
    const a = committed.outputs[topic] ?? { count: 0, sum: '' }
    const b = recomputed.outputs[topic] ?? { count: 0, sum: '' }
    if (a.count !== b.count) return `topic ${topic}: ${a.count} records were committed, ${b.count} were recomputed`
    if (a.sum !== b.sum) return `topic ${topic}: ${a.count} records of other content`
  }
  if (committed.rows !== recomputed.rows) return `input: ${committed.rows} rows were read, now ${recomputed.rows}`
  if (committed.watermarks !== recomputed.watermarks) return 'watermarks'
  for (const name of Object.keys(committed.counters) as (keyof Receipt['counters'])[])
    if (committed.counters[name] !== recomputed.counters[name])
      return `counter ${name}: ${committed.counters[name]} committed, ${recomputed.counters[name]} recomputed`
  return undefined
}
