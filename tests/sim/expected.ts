// What the stores must hold after a run, from the raw records and the receipts: the batch evaluator, told when epochs moved idle actors.
//
// The rules of idle actors and of a requested close are written here once more, from the definitions and not from the engine.
import assert from 'node:assert/strict'
import type { Receipt } from '../../engine/lane/receipt.ts'
import type { WireEvent } from '../../model/event.ts'
import type { ClickstreamSettings } from '../../topologies/clickstream.ts'
import { type Evaluation, evaluate, type Forgotten, type IdleAdvance, type LogRecord } from '../oracle/evaluate.ts'

interface ActorTimes {
  maxMs: number
  /** Processing time of the epoch of its last row. */
  lastRowMs: number
}

export interface LogRow {
  offset: number
  record: string
}

export interface PartitionHistory {
  /** Raw records, in the order of their offsets; between them there may be offsets that hold none. */
  records: readonly LogRow[]
  receipts: readonly Receipt[]
}

/** The evaluator's answer, and the number of records that are no event, over all partitions. Every record is in an epoch. */
export function expected(
  partitions: readonly PartitionHistory[],
  settings: ClickstreamSettings,
): Evaluation & { invalid: number; dead: number; keysForgotten: number } {
  const entries: (LogRecord | IdleAdvance | Forgotten)[] = []
  let invalid = 0
  let dead = 0
  let keysForgotten = 0
  for (const [partition, { records, receipts }] of partitions.entries()) {
    const end = (records.at(-1)?.offset ?? -1) + 1
    assert.ok((receipts.at(-1)?.to ?? 0) >= end, `partition ${partition} has been read to its end`)
    const actors = new Map<string, ActorTimes>()
    let claimedAtMs = 0
    for (const { from, to, inputs, dead: deadOffsets, forgotten } of receipts) {
      const { now, atEnd, close } = inputs
      claimedAtMs = inputs.claimedAt ?? claimedAtMs
      for (const [key, { maxMs, lastRowMs }] of actors) {
        const [orgId, productId] = JSON.parse(key) as [string, string]
        const idleMs = now !== undefined && atEnd ? now - Math.max(lastRowMs, claimedAtMs) - settings.idleTimeoutMs : 0
        if (idleMs > 0) entries.push({ orgId, productId, watermark: maxMs - settings.allowedDisorderMs + idleMs })
        if (close) entries.push({ orgId, productId, watermark: maxMs + settings.gapMs + 1 })
      }
      for (const { offset, record } of records.slice(placeOf(records, from), placeOf(records, to))) {
        const event = eventOf(record)
        if (!event) {
          invalid++
          continue
        }
        const key = JSON.stringify([event.orgId, event.productId])
        const actor = actors.get(key) ?? { maxMs: -Infinity, lastRowMs: 0 }
        actors.set(key, actor)
        actor.lastRowMs = now ?? actor.lastRowMs
        if (deadOffsets.includes(offset)) {
          dead++
          continue
        }
        actor.maxMs = Math.max(actor.maxMs, event.ts as number)
        entries.push({ partition, offset, event })
      }
      // At the end of the epoch: all its rows have been seen.
      for (const [orgId, productId, user] of forgotten) entries.push({ orgId, productId, forgotten: user })
      keysForgotten += forgotten.length
    }
  }
  return { ...evaluate(entries, settings), invalid, dead, keysForgotten }
}

/** Of the first record at or behind an offset. */
export function placeOf(records: readonly LogRow[], offset: number): number {
  let [low, high] = [0, records.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (records[middle].offset < offset) low = middle + 1
    else high = middle
  }
  return low
}

/** The simulator's records are events or plain nonsense. */
function eventOf(record: string): WireEvent | undefined {
  return record.startsWith('{') ? (JSON.parse(record) as WireEvent) : undefined
}
