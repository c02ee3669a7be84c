// What the routing pass finds out about the rows of an epoch's batch: whose they are, and their strings as symbols.
//
// Routed owns these columns, by row of the batch. Blocks are routed as they are scanned, while their bytes and columns are in the cache of the
// core; an actor's turn then reads a few words per row. Done turn by turn, each row's strings were fetched from far away.
// Routing makes actors, users and symbols that are not known, and does nothing else: a row may be routed and then left to a later epoch.
import { type EventBatch, FIELD, FIELD_COUNT, USER_ID } from '../../model/batch.ts'
import { viewOf } from '../../model/same-bytes.ts'
import { INVALID } from '../../model/scan.ts'
import type { KeyedState } from '../state/keyed-state.ts'
import type { ActorTable } from './actor.ts'

const PREFIX_USER = 117
const PREFIX_ANONYMOUS = 97

export class Routed {
  /** The row's actor, by its number. */
  actors = new Uint32Array(0)
  /** The row's user. */
  users = new Uint32Array(0)
  /** Of each row, a symbol for each kept field that holds symbols: side by side, because they are written and read together. */
  symbols = new Uint32Array(0)
  private readonly state: KeyedState
  private readonly table: ActorTable
  private readonly fields: readonly number[]

  constructor(state: KeyedState, table: ActorTable) {
    this.state = state
    this.table = table
    this.fields = state.kept.symbolFields
  }

  /** Routes the batch's rows from `first` on. A user that is not known is made dirty, so that the next checkpoint removes one whose rows are all late. */
  route(batch: EventBatch, first: number): void {
    if (batch.count > this.actors.length) this.grow(batch.start.length)
    const { table, fields, symbols } = this
    const { spans, hash, type } = batch
    const { users } = this.state
    const view = viewOf(batch.bytes)
    for (let row = first; row < batch.count; row++) {
      if (type[row] === INVALID) continue
      const actor = table.of(batch, view, row)
      this.actors[row] = actor.index
      const cell = row * FIELD_COUNT + FIELD.user
      const prefix = batch.userKind[row] === USER_ID ? PREFIX_USER : PREFIX_ANONYMOUS
      let user = users.find(actor.index, prefix, view, spans[cell * 2], spans[cell * 2 + 1], hash[cell])
      if (user === 0) {
        user = users.add(actor.index, prefix, batch.bytes, spans[cell * 2], spans[cell * 2 + 1], hash[cell])
        this.state.markDirty(user)
      }
      this.users[row] = user
      for (let i = 0; i < fields.length; i++) {
        const field = row * FIELD_COUNT + fields[i]
        const length = spans[field * 2 + 1]
        symbols[row * fields.length + i] = length === 0 ? 0 : actor.symbols.intern(view, spans[field * 2], length, hash[field])
      }
    }
  }

  private grow(rows: number): void {
    const { actors, users, symbols } = this
    this.actors = new Uint32Array(rows)
    this.actors.set(actors)
    this.users = new Uint32Array(rows)
    this.users.set(users)
    this.symbols = new Uint32Array(rows * this.fields.length)
    this.symbols.set(symbols)
  }
}
