// The write-back cache over a task's state store: checkpointing, eviction and loading at a first touch are one mechanism.
//
// StateCache owns the dirty list, the open checkpoint's list, and who is in memory. KeyedState owns the records; StateStore owns the files.
// 1. At begin the dirty users become the list; a listed user that changes first leaves a copy of its records (protocol 10).
// 2. A user stays dirty until a checkpoint that holds it has finished; an aborted one gives its list back (protocol 13).
// 3. Only clean users are evicted: what they had is in a finished checkpoint (protocol 14).
// 4. A user without sessions is written as deleted in the same unit (protocol 12).
import { hash32 } from '../../model/hash.ts'
import { utf8Text } from '../../model/utf8.ts'
import type { Actor } from '../actor/actor.ts'
import { named } from '../errors.ts'
import { chunksOf } from './kept.ts'
import { type KeyedState, S } from './keyed-state.ts'
import type { CheckpointHeader, OpenCheckpoint, StateStore } from './store.ts'
import { stateCorrupt, UserCodec } from './user-codec.ts'
import { USER, USER_FLAG } from './users.ts'

/** A symbol table past this many strings, and twice those that the last sweep left, is swept at the next checkpoint: all state in memory is walked. */
const SYMBOLS_MAX = 1 << 16
/** Of the directory, looked at for what has expired with each begin, and with each MiB of slices: about a millisecond. */
const SWEPT_USERS = 1 << 14
const ACTOR_SPACE = 0x61
const USER_SPACE = 0x75
const NO_BYTES = new Uint8Array(0)

interface Open {
  file: OpenCheckpoint
  list: number[]
  next: number
  frozen: Map<number, Frozen>
  emptied: number[]
  epoch: number
}
/** Times that there are not are null. */
type SavedActor = { [name in 'maxMs' | 'watermark']: number | null } & Pick<Actor, 'lastRowMs' | 'counters'>
interface Frozen {
  sessions: number[]
  dueMs: number
  endsMs: number
}

export class StateCache {
  private readonly state: KeyedState
  private readonly store: StateStore
  private readonly actors: readonly Actor[]
  readonly codec: UserCodec
  private readonly correctionMs: number
  private open: Open | undefined
  private clock = 0
  private swept = 0
  /** None was left to evict, and no checkpoint has finished since. */
  private allDirty = false
  private readonly list: number[] = []
  /** Of one user: due, end. */
  private readonly times = new Float64Array(2)
  private readonly timesBytes = new Uint8Array(this.times.buffer)
  loads = 0
  private loadsBefore = 0
  /** Of those that changed while the last checkpoint was open, how many it did not have, for each that it had; 1 at most. */
  private freshShare = 1
  evictions = 0

  constructor(state: KeyedState, store: StateStore, actors: readonly Actor[], correctionMs: number) {
    this.state = state
    this.store = store
    this.actors = actors
    this.correctionMs = correctionMs
    this.codec = new UserCodec(state, store.header?.layouts)
    state.load = (user) => this.load(user)
  }

  /** The epoch of the open checkpoint. */
  get openEpoch(): number | undefined {
    return this.open?.epoch
  }

  dirtyShare(cacheBytes: number): number {
    const { dirty } = this.state
    // What comes while it is written must find room; what changes again has it. Where most of them were loaded to be changed, waiting saves few writes, and
    // after a crash all that came meanwhile is computed again.
    const parts = (this.loads - this.loadsBefore) * 2 > dirty.length ? 8 : 1.5 + this.freshShare / 2
    return (parts * this.bytesOf(dirty.length)) / cacheBytes
  }

  heldShare(cacheBytes: number): number {
    const { list } = this.open ?? {}
    return this.bytesOf(list === undefined ? this.state.dirty.length : list.length + this.state.fresh) / cacheBytes
  }

  /** What so many of the users in memory take, on average. */
  private bytesOf(count: number): number {
    const { state } = this
    return (state.bytesUsed() * count) / Math.max(1, state.users.count - state.evictedUsers)
  }

  /** Brings actors and the directory of users back from the newest finished checkpoint. `actor` finds or makes one. */
  restore(actor: (org: string, product: string) => Actor): void {
    const { users } = this.state
    const byHash = new Map<number, Actor>()
    for (const [key, value] of this.store.entries()) {
      let end = 1
      for (let names = 0; end < key.length && (key[end] !== 0 || ++names < 2); ) end++
      const hash = hash32(key, 1, end - 1)
      let own = byHash.get(hash)
      if (own === undefined || !isOf(own, key, end)) {
        own = actor(...(utf8Text(key.subarray(1, end)).split('\0') as [string, string]))
        byHash.set(hash, own)
      }
      if (key[0] === ACTOR_SPACE) {
        const { maxMs, watermark, lastRowMs, counters } = JSON.parse(utf8Text(value)) as SavedActor
        own.maxMs = maxMs ?? Number.NEGATIVE_INFINITY
        own.watermark = watermark ?? Number.NEGATIVE_INFINITY
        own.lastRowMs = lastRowMs
        own.counters = counters
        continue
      }
      for (let i = 0; i < 16; i++) this.timesBytes[i] = value[i]
      const length = key.length - end - 3
      const user = users.add(own.index, key[end + 1], key, end + 3, length, hash32(key, end + 3, length))
      const at = user * users.arena.words
      users.arena.u32[at + USER.FLAGS] |= USER_FLAG.EVICTED
      this.state.evictedUsers++
      users.arena.f64[(at >> 1) + USER.DUE] = this.times[0]
      users.arena.f64[(at >> 1) + USER.ENDS] = this.times[1]
      users.queue(own.timers, user)
    }
  }

  /** Begins a checkpoint of the state as it is now: after an epoch, outside of any turn. */
  begin(header: CheckpointHeader): void {
    const { state } = this
    this.sweep(SWEPT_USERS)
    state.users.compact()
    state.compactTexts()
    this.sweepSymbols()
    const list = state.dirty
    state.dirty = []
    this.loadsBefore = this.loads
    state.generation++
    state.isSaving = true
    for (const arena of state.arenas) arena.hold()
    const open: Open = {
      file: this.store.begin(header),
      list,
      next: 0,
      frozen: new Map(),
      emptied: [],
      epoch: header.epoch,
    }
    this.open = open
    state.isFrozen = (user) => open.frozen.has(user)
    state.freeze = (user) => {
      const sessions = state.listSessions(user, []).map((session) => state.sessions.copy(session))
      const at = (user * state.users.arena.words) >> 1
      open.frozen.set(user, { sessions, dueMs: state.users.arena.f64[at + USER.DUE], endsMs: state.users.arena.f64[at + USER.ENDS] })
    }
    const encoder = new TextEncoder()
    for (const actor of this.actors) {
      if (!actor.dirty) continue
      actor.dirty = false
      const saved = { maxMs: finite(actor.maxMs), watermark: finite(actor.watermark), lastRowMs: actor.lastRowMs, counters: actor.counters }
      open.file.put(actorKey(actor), NO_BYTES, encoder.encode(JSON.stringify(saved)))
    }
  }

  /** Writes up to about maxBytes of the open checkpoint; true when its whole list is written. */
  async slice(maxBytes: number): Promise<boolean> {
    const { open } = this
    if (open === undefined) return true
    this.sweep(Math.ceil((maxBytes / (1 << 20)) * SWEPT_USERS))
    const until = open.file.bytes + maxBytes
    while (open.next < open.list.length && open.file.bytes < until) this.write(open, open.list[open.next++])
    await open.file.flush()
    if (this.open !== open) return true
    return open.next === open.list.length
  }

  /** Makes the open checkpoint the newest finished one. Its epoch is durable in the log. */
  async finish(): Promise<void> {
    const open = this.open as Open
    await open.file.finish()
    this.end(open)
    for (const user of open.emptied) {
      const flags = this.state.users.arena.u32[user * this.state.users.arena.words + USER.FLAGS]
      const isBusy = this.state.isDirty(user) || (flags & (USER_FLAG.EVICTED | USER_FLAG.TOUCHED)) !== 0
      if (this.state.newest(user) === 0 && !isBusy) this.state.users.remove(user)
    }
  }

  async abort(): Promise<void> {
    const { open, state } = this
    if (open === undefined) return
    await open.file.abort()
    for (const user of open.list) state.markDirty(user)
    for (const actor of this.actors) actor.dirty = true
    this.end(open)
  }

  /** Evicts clean users, those not touched lately first, until the records in memory take at most maxBytes, none is left to evict, or so many were looked at. */
  evict(maxBytes: number, looks = Number.POSITIVE_INFINITY): void {
    const { state } = this
    const { arena } = state.users
    if (this.allDirty) return
    let isFull = state.bytesUsed() > maxBytes
    for (let round = 0; round < 2 && isFull; round++) {
      for (let seen = 0; seen < arena.last && isFull; seen++) {
        if (looks-- <= 0) return
        this.clock = this.clock < arena.last ? this.clock + 1 : 1
        const user = this.clock
        const at = user * arena.words
        const flags = arena.u32[at + USER.FLAGS]
        if ((flags & (USER_FLAG.EVICTED | USER_FLAG.TOUCHED)) !== 0 || arena.u32[at + USER.HEAD] === 0) continue
        if (state.isDirty(user) || state.isUnsaved(user)) continue
        if (state.epoch - arena.u32[at + USER.USED] <= (round === 0 ? 8 : -1)) continue
        this.releaseSessions(user)
        arena.u32[at + USER.FLAGS] |= USER_FLAG.EVICTED
        state.evictedUsers++
        this.evictions++
        isFull = state.bytesUsed() > maxBytes
      }
    }
    this.allDirty = isFull
  }

  /** A store that fails while an operator runs is the engine's failure, not the operator's (turn-runner). */
  private kept(key: Uint8Array): Uint8Array | undefined {
    try {
      return this.store.get(key)
    } catch (error) {
      throw named(error)
    }
  }

  private load(user: number): void {
    const actor = this.actors[this.state.users.arena.u32[user * this.state.users.arena.words + USER.ACTOR]]
    const value = this.kept(this.keyOf(actor, user))
    if (value === undefined)
      throw stateCorrupt(`the state of a user of ${actor.org}/${actor.product} is in the index and not in the state store`)
    this.codec.decode(user, value, actor.symbols)
    this.loads++
  }

  private write(open: Open, user: number): void {
    const { state } = this
    const { arena } = state.users
    const at = user * arena.words
    const actor = this.actors[arena.u32[at + USER.ACTOR]]
    const frozen = open.frozen.get(user)
    const sessions = frozen?.sessions ?? state.listSessions(user, this.list)
    const key = this.keyOf(actor, user)
    if (!state.isDirty(user)) arena.u32[at + USER.FLAGS] |= USER_FLAG.WRITTEN
    if (sessions.length === 0) {
      open.file.delete(key)
      open.emptied.push(user)
      return
    }
    const { times } = this
    times[0] = frozen?.dueMs ?? arena.f64[(at >> 1) + USER.DUE]
    times[1] = frozen?.endsMs ?? arena.f64[(at >> 1) + USER.ENDS]
    open.file.put(key, this.codec.encode(sessions, actor.symbols), this.timesBytes)
    if (frozen) {
      for (const copy of frozen.sessions) state.sessions.release(copy)
      open.frozen.delete(user)
    }
  }

  private end(open: Open): void {
    const { state } = this
    for (const { sessions } of open.frozen.values()) for (const copy of sessions) state.sessions.release(copy)
    state.isSaving = this.allDirty = false
    this.freshShare = Math.min(1, state.fresh / Math.max(1, open.list.length))
    state.fresh = 0
    state.freeze = () => undefined
    state.isFrozen = () => false
    for (const arena of state.arenas) arena.unhold()
    this.open = undefined
  }

  /** Frees what can no longer be joined, of the next slots of the directory: expiry is decided by comparing times wherever a session is read,
   *  this only gives memory back. */
  private sweep(most: number): void {
    const { state } = this
    const { arena } = state.users
    for (let left = Math.min(most, arena.last); left > 0; left--) {
      this.swept = this.swept < arena.last ? this.swept + 1 : 1
      const user = this.swept
      const at = user * arena.words
      if (arena.f64[(at >> 1) + USER.DUE] < Number.POSITIVE_INFINITY || !state.users.has(user)) continue
      // What an open checkpoint still refers to waits for the next time round. Asked of few: that takes longest.
      if (state.isUnsaved(user) || state.isFrozen(user)) continue
      const actor = this.actors[arena.u32[at + USER.ACTOR]]
      if (!(arena.f64[(at >> 1) + USER.ENDS] < actor.watermark - this.correctionMs)) continue
      this.releaseSessions(user)
      state.markDirty(user)
    }
  }

  private sweepSymbols(): void {
    const { state } = this
    const { arena } = state.users
    const grown = this.actors.filter(({ symbols }) => symbols.count > Math.max(SYMBOLS_MAX, 2 * symbols.left))
    if (grown.length === 0) return
    const inUse = new Map(grown.map(({ index }) => [index, new Set<number>()]))
    for (const user of state.users) {
      const own = inUse.get(arena.u32[user * arena.words + USER.ACTOR])
      if (own) for (let session = state.newest(user); session !== 0; session = state.older(session)) this.codec.symbolsOf(session, own)
    }
    for (const { index, symbols } of grown) symbols.sweep(inUse.get(index)!)
  }

  private releaseSessions(user: number): void {
    const { state } = this
    for (let session = state.newest(user), older = 0; session !== 0; session = older) {
      older = state.older(session)
      state.kept.arena.releaseChain(state.word(session, S.HEAD), chunksOf(state.word(session, S.COUNT)))
      state.texts.release(state.word(session, S.CONTENT), state.word(session, S.CONTENT_LENGTH))
      state.idFilters.delete(session)
      state.sessions.release(session)
    }
    state.users.arena.u32[user * state.users.arena.words + USER.HEAD] = 0
  }

  private keyOf(actor: Actor, user: number): Uint8Array {
    const own = this.state.users.key(user)
    const key = new Uint8Array(1 + actor.prefix.length + own.length)
    key[0] = USER_SPACE
    key.set(actor.prefix, 1)
    key.set(own, 1 + actor.prefix.length)
    return key
  }
}

/** Whether the key is one of the actor's: its names are key[1 … end). */
function isOf({ prefix }: Actor, key: Uint8Array, end: number): boolean {
  if (prefix.length !== end) return false
  for (let i = 1; i < end; i++) if (prefix[i - 1] !== key[i]) return false
  return true
}

const finite = (value: number) => (Number.isFinite(value) ? value : null)

function actorKey({ prefix }: Actor): Uint8Array {
  const key = new Uint8Array(prefix.length)
  key[0] = ACTOR_SPACE
  key.set(prefix.subarray(0, -1), 1)
  return key
}
