// Runs actors' turns: the whole turn at once; after a throw undone and run again row by row (protocol 19–21).
//
// TurnRunner owns failure inside an actor. It never lets a throw of an operator reach the task, and never touches another actor's state.
//   whole turn ──throw──► undo ──► row by row ──row throws twice──► dead letter, no trace
//                                     └──► per user at the end ──timer or fold throws twice──► key forgotten
// Of RxJS the modules that are used: all of it is 200 more, a third of a lane's start.
import { Subject } from 'rxjs/internal/Subject'
import type { EventBatch } from '../../model/batch.ts'
import { EngineError } from '../errors.ts'
import type { KeyedState } from '../state/keyed-state.ts'
import type { Actor } from './actor.ts'
import type { Fire } from './fire.ts'
import { type DraftEmit, folded, gather, lift } from './lift.ts'
import type { Outputs } from './outputs.ts'
import type { Routed } from './routed.ts'
import type { TileSums } from './tile-sums.ts'
import { type Draft, markTurn, type Orphan, rollbackTurn, type Turn } from './turn.ts'
import { orphan, type SessionWindow } from './window.ts'

const NO_ROWS = new Uint32Array(0)
/** Attempts at a row or a user's timers before it is given up: a pure function that threw will mostly throw again. */
export const ATTEMPTS_MAX = 2

export interface TurnFailures {
  dead: { row: number; error: unknown }[]
  /** `offsets`: of its events. */
  forgotten: { user: number; error: unknown; offsets: number[] }[]
}
/** Stays empty: what is not there is not adopted from it. */
const NO_ORPHANS = new Map<string, Orphan>()
const NO_FAILURES: TurnFailures = { dead: [], forgotten: [] }

export interface TurnInputs {
  /** Emit open sessions that changed since they were last emitted. */
  snapshots: boolean
  /** Rows of the batch that a receipt lists as dead letters. */
  skip: ReadonlySet<number> | undefined
  /** Users (key bytes as latin1) that a receipt lists as forgotten in this epoch. */
  forget: ReadonlySet<string> | undefined
}

interface Pipeline {
  turns: Subject<Turn>
  failure: { error: unknown } | undefined
}

export class TurnRunner {
  private readonly state: KeyedState
  private readonly window: SessionWindow
  private readonly fire: Fire
  private readonly emit: DraftEmit
  private readonly outputs: Outputs
  private readonly tiles: TileSums
  private readonly pipelines: (Pipeline | undefined)[] = []
  /** Turns that were undone and run again. */
  restarts = 0

  constructor(state: KeyedState, window: SessionWindow, fire: Fire, emit: DraftEmit, outputs: Outputs, tiles: TileSums) {
    this.state = state
    this.window = window
    this.fire = fire
    this.emit = emit
    this.outputs = outputs
    this.tiles = tiles
  }

  /** The actor's turn at its waiting rows (none: timers and snapshots only). Settled when it returns. */
  run(actor: Actor, batch: EventBatch, routed: Routed, inputs: TurnInputs): TurnFailures {
    const turn: Turn = {
      actor,
      batch,
      routed,
      rows: actor.mailbox.words,
      from: 0,
      to: actor.mailbox.length,
      skip: inputs.skip,
      usersFrom: 0,
      usersTo: Number.POSITIVE_INFINITY,
      beganAt: actor.watermark,
      sessions: [],
      drafts: [],
      refolded: [],
      orphans: [],
      tiles: [],
    }
    if (actor.mailbox.length === 0) turn.rows = NO_ROWS
    const undo = this.savepoint(turn)
    let failures = NO_FAILURES
    const popped: [number, number][] = []
    try {
      this.window.place(turn)
      this.fire.due(actor, inputs.snapshots, popped)
      this.fold(turn)
      this.publish(turn, inputs, undefined)
    } catch (error) {
      undo()
      // The state store failed, no operator: that stops the partition.
      if (error instanceof EngineError) throw error
      this.fire.putBack(actor, popped)
      this.restarts++
      failures = this.rowByRow(turn, inputs)
    }
    this.tiles.write(turn)
    this.state.settle()
    actor.dirty = true
    actor.mailbox.length = 0
    return failures
  }

  private fold(turn: Turn): void {
    const pipeline = (this.pipelines[turn.actor.index] ??= this.build())
    pipeline.turns.next(turn)
    if (pipeline.failure === undefined) return
    const { error } = pipeline.failure
    this.pipelines[turn.actor.index] = undefined
    throw error
  }

  private build(): Pipeline {
    const { state, fire } = this
    const pipeline: Pipeline = { turns: new Subject<Turn>(), failure: undefined }
    const lifted = state.folds.map((fold) => lift(state, fold, this.emit))
    const gathered = pipeline.turns.pipe(
      gather(
        state,
        (turn, lastMs) => fire.hasExpired(turn.beganAt, lastMs),
        (turn, user, session, keepsRow) => orphan(state, turn, user, session, keepsRow),
      ),
    )
    lifted
      .reduce((stream, operator) => stream.pipe(operator), gathered)
      .pipe(folded(state))
      .subscribe({ error: (error: unknown) => (pipeline.failure = { error }) })
    return pipeline
  }

  private publish(turn: Turn, inputs: TurnInputs, guarded: TurnFailures | undefined): void {
    const { state, fire } = this
    const valid = new Map(turn.refolded.map(({ session, drafts }) => [session, drafts]))
    const own = valid.size === 0 ? turn.drafts : turn.drafts.filter(({ session }, at) => at >= (valid.get(session) ?? 0))
    const drafts = Map.groupBy(own, (draft) => draft.session)
    const orphans = new Map<number, Map<string, Orphan>>()
    for (const gone of turn.orphans) {
      const own = orphans.get(gone.user)
      // The highest version is what was emitted last: a retracted id may be remembered by two sessions that meet in its millisecond.
      if (own === undefined) orphans.set(gone.user, new Map([[gone.id, gone]]))
      else if ((own.get(gone.id)?.version ?? 0) < gone.version) own.set(gone.id, gone)
    }
    for (let i = 0; i < state.touched.length; i++) {
      const user = state.touched.words[i]
      const own = orphans.get(user) ?? NO_ORPHANS
      if (inputs.forget?.has(keyText(state, user))) fire.forgetUser(turn, user, own.values())
      else if (guarded === undefined) fire.user(turn, user, inputs.snapshots, drafts, own)
      else this.guardUser(turn, user, inputs, drafts, own, guarded)
    }
  }

  private rowByRow(turn: Turn, inputs: TurnInputs): TurnFailures {
    const failures: TurnFailures = { dead: [], forgotten: [] }
    const { to } = turn
    for (let i = 0; i < to; i++) {
      turn.from = i
      turn.to = i + 1
      const error = this.attempts(turn, () => {
        this.window.place(turn)
        this.fold(turn)
      })
      if (error === undefined) continue
      failures.dead.push({ row: turn.rows[i], error })
      turn.actor.counters.accepted++
      turn.actor.counters.deadLettered++
    }
    turn.usersFrom = this.state.touched.length
    this.fire.due(turn.actor, inputs.snapshots, [])
    // Each alone: who was kept under another layout is folded from the start.
    for (; turn.usersFrom < this.state.touched.length; turn.usersFrom++) {
      turn.usersTo = turn.usersFrom + 1
      const error = this.attempts(turn, () => this.fold(turn))
      const user = this.state.touched.words[turn.usersFrom]
      if (error !== undefined) failures.forgotten.push({ user, error, offsets: this.fire.forgetUser(turn, user, []) })
    }
    this.publish(turn, inputs, failures)
    return failures
  }

  private guardUser(
    turn: Turn,
    user: number,
    inputs: TurnInputs,
    drafts: Map<number, Draft[]>,
    orphans: Map<string, Orphan>,
    failures: TurnFailures,
  ): void {
    const error = this.attempts(turn, () => {
      // A timer's drafts come while the user's turn ends: they are grouped again, so that a second attempt sees its own only.
      this.fire.user(turn, user, inputs.snapshots, drafts, new Map(orphans))
    })
    if (error === undefined) return
    failures.forgotten.push({ user, error, offsets: this.fire.forgetUser(turn, user, orphans.values()) })
  }

  /** Runs it up to ATTEMPTS_MAX times, undone after each throw; the last error, or undefined. */
  private attempts(turn: Turn, work: () => void): { cause: unknown } | undefined {
    for (let attempt = 1; ; attempt++) {
      const undo = this.savepoint(turn)
      try {
        work()
        return undefined
      } catch (cause) {
        undo()
        if (cause instanceof EngineError) throw cause
        if (attempt === ATTEMPTS_MAX) return { cause }
      }
    }
  }

  private savepoint(turn: Turn): () => void {
    const state = this.state.savepoint()
    const outputs = this.outputs.mark()
    const mark = markTurn(turn)
    return () => {
      this.state.rollback(state)
      this.outputs.rollback(outputs)
      rollbackTurn(turn, mark)
    }
  }
}

export const keyText = (state: KeyedState, user: number): string => Buffer.from(state.users.key(user)).toString('latin1')
