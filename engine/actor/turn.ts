// What one actor's turn at its rows of the open epoch leaves behind before it is settled or undone. Data only.
import type { EventBatch } from '../../model/batch.ts'
import type { TilePart } from '../../model/tile.ts'
import type { Incident } from '../../operators/contract.ts'
import type { Published } from '../state/keyed-state.ts'
import type { Actor } from './actor.ts'
import type { Routed } from './routed.ts'

/** An incident that a fold emitted in this turn; the last one of the same (session, kind, profile, first) counts. */
export interface Draft extends Incident {
  session: number
}

/** Something published whose session is folded anew: adopted by the same id, or retracted at the end of the turn. `gone`: it was retracted before. */
export interface Orphan extends Published {
  kind: 'session' | 'gone' | 'incident'
  user: number
}

export interface Turn {
  actor: Actor
  batch: EventBatch
  routed: Routed
  /** Rows of the batch: rows[from … to). */
  rows: Uint32Array
  from: number
  to: number
  /** Rows to leave out (dead letters of a receipt). */
  skip: ReadonlySet<number> | undefined
  /** Of the users touched in this turn, those whose sessions are folded next: from … to. */
  usersFrom: number
  usersTo: number
  /** The actor's watermark when the turn began. */
  beganAt: number
  /** Sessions that the folds must look at, oldest of a user first. */
  sessions: number[]
  drafts: Draft[]
  /** Where a session was folded from its start although this turn had folded it before (row by row): its drafts before that are void. */
  refolded: { session: number; drafts: number }[]
  orphans: Orphan[]
  /** What the versions that leave add to cells of tiles. */
  tiles: TilePart[]
}

export const markTurn = (turn: Turn) => ({
  drafts: turn.drafts.length,
  refolded: turn.refolded.length,
  orphans: turn.orphans.length,
  tiles: turn.tiles.length,
  counters: { ...turn.actor.counters },
  maxMs: turn.actor.maxMs,
  watermark: turn.actor.watermark,
})

export function rollbackTurn(turn: Turn, mark: ReturnType<typeof markTurn>): void {
  turn.drafts.length = mark.drafts
  turn.refolded.length = mark.refolded
  turn.orphans.length = mark.orphans
  turn.tiles.length = mark.tiles
  turn.sessions.length = 0
  turn.actor.counters = { ...mark.counters }
  turn.actor.maxMs = mark.maxMs
  turn.actor.watermark = mark.watermark
}
