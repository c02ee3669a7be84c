// What the routing pass finds out about the rows of an epoch's batch: whose they are, and their strings as symbols.
//
// Routed owns these columns, by row of the batch. The routing pass goes through the records' bytes in the order in which they lie, where
// memory is read ahead; an actor's turn then reads a few words per row. Done turn by turn, each row's strings were fetched from far away.
import { type EventBatch, FIELD, FIELD_COUNT, USER_ID } from '../../model/batch.ts'
import type { KeyedState } from '../state/keyed-state.ts'
import { viewOf } from '../state/same-bytes.ts'
import type { Actor } from './actor.ts'

const PREFIX_USER = 117
const PREFIX_ANONYMOUS = 97

export class Routed {
  /** The row's user. */
  users = new Uint32Array(0)
  /** Of each row, a symbol for each kept field that holds symbols: side by side, because they are written and read together. */
  symbols = new Uint32Array(0)
  /** Over the batch's bytes. */
  view: DataView = new DataView(new ArrayBuffer(0))
  private readonly state: KeyedState
  private readonly fields: readonly number[]

  constructor(state: KeyedState) {
    this.state = state
    this.fields = state.kept.symbolFields
  }

  /** Before the first row of a batch. */
  begin(batch: EventBatch): void {
    this.view = viewOf(batch.bytes)
    if (batch.count <= this.users.length) return
    this.users = new Uint32Array(batch.ts.length)
    this.symbols = new Uint32Array(batch.ts.length * this.fields.length)
  }

  /** A user that is not known is made: dirty, so that the next checkpoint removes one whose rows are all late. */
  route(actor: Actor, batch: EventBatch, row: number): void {
    const { fields, view } = this
    const { spans, hash } = batch
    const { users } = this.state
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
      this.symbols[row * fields.length + i] = length === 0 ? 0 : actor.symbols.intern(view, spans[field * 2], length, hash[field])
    }
  }
}
