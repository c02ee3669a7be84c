// Keyed state of a record computer: for each key one value per operator, as the objects that operators change, and as bytes.
//
// RecordState owns entries, next timers, undo and checkpoints. What a record does to a state is record-computer.ts's.
// 1. The bytes of a key are its state as of the last `settle`. Undo forgets the objects; they are read again from the bytes.
// 2. Bytes never change, so an open checkpoint holds on to them: what happens after its epoch cannot leak into it (protocol 10).
// 3. A key is dirty until a checkpoint that holds it has finished (13). Only clean ones are evicted (14); next timers stay in memory.
// 4. Each value says which version of its operator wrote it, so that `migrate` reads it whenever it is touched next (32).
import { deserialize, serialize } from 'node:v8'
import { EngineError, named } from '../engine/errors.ts'
import type { Checkpoints } from '../engine/lane/computer.ts'
import type { CheckpointHeader, OpenCheckpoint, StateStore } from '../engine/state/store.ts'
import { Heap } from './heap.ts'
import type { AnyOperator } from './operator.ts'
import { keyOf, storedKey } from './record-key.ts'
import { Timers } from './timers.ts'

export interface Entry {
  readonly key: string
  /** One per operator; undefined where the objects were not needed since the last undo or load. */
  slots: (object | undefined)[] | undefined
  bytes: Uint8Array | undefined
  /** Next timer as of the last settle. */
  settledDueMs: number
  isTouched: boolean
  isDirty: boolean
  isListed: boolean
  /** Epoch of its last touch. */
  used: number
}
/** A record that waits for the watermark. */
export interface Pending {
  offset: number
  timeMs: number
  upstream: number
  key: string
  text: string
  /** Undefined after a restart or an undo: read again from the text. */
  value: unknown
}
interface Open {
  file: OpenCheckpoint
  epoch: number
  next: number
  /** Without an index value: deleted. */
  changes: { key: Uint8Array; value: Uint8Array; index: Uint8Array | undefined }[]
  entries: Entry[]
  pending: Set<number>
}

const ENTRY_BYTES = 300
const EVICT_LOOKS = 20_000
const RECENT_EPOCHS = 8
const WAITING = 0x77
const NEVER = Number.POSITIVE_INFINITY
const NO_BYTES = new Uint8Array(0)

/** By content: which upstream was quicker does not matter. */
export const pendingBefore = (a: Pending, b: Pending) =>
  a.timeMs !== b.timeMs ? a.timeMs < b.timeMs : a.upstream !== b.upstream ? a.upstream < b.upstream : a.offset < b.offset

export class RecordState implements Checkpoints {
  /** Of every key that has one, also where its state is not in memory. */
  readonly timers = new Timers()
  pending = new Heap<Pending>(pendingBefore)
  bytesUsed = 0
  loads = 0
  evictions = 0
  epoch = 0
  private readonly operators: readonly AnyOperator[]
  private readonly store: StateStore
  private readonly entries = new Map<string, Entry>()
  private readonly touched: Entry[] = []
  private dirty: Entry[] = []
  private readonly waiting = new Map<number, Pending>()
  private dirtyPending = new Set<number>()
  private addedPending = new Set<Pending>()
  private removedPending = new Set<Pending>()
  private open: Open | undefined
  /** Keys may be in the store that are not in memory. */
  private isPartial = false
  private clock: Iterator<Entry> | undefined

  constructor(operators: readonly AnyOperator[], store: StateStore) {
    this.operators = operators
    this.store = store
    this.isPartial = store.header !== undefined
    for (const [key, value] of store.entries()) {
      const name = keyOf(key)
      if (name !== undefined) {
        // A key without a timer has no index value.
        if (value.length === 0) continue
        const atMs = value.length === 8 ? new DataView(value.buffer, value.byteOffset, 8).getFloat64(0) : Number.NaN
        if (Number.isNaN(atMs)) throw unreadable('a timer')
        this.timers.set(name, atMs)
      } else {
        const [offset, timeMs, upstream, own, text] = valuesOf(value, 5, 'a waiting record') as [number, number, number, string, string]
        this.addPending({ offset, timeMs, upstream, key: own, text, value: undefined })
      }
    }
    this.dirtyPending.clear()
    this.addedPending.clear()
  }

  /** Keys in memory. */
  get count(): number {
    return this.entries.size
  }

  dirtyShare(cacheBytes: number): number {
    return (2 * this.bytesOf(this.dirty.length + this.dirtyPending.size)) / cacheBytes
  }

  heldShare(cacheBytes: number): number {
    const { dirty, dirtyPending, open } = this
    return this.bytesOf(dirty.length + dirtyPending.size + (open === undefined ? 0 : open.entries.length + open.pending.size)) / cacheBytes
  }

  /** What so many of the entries take, on average. */
  private bytesOf(count: number): number {
    return (this.bytesUsed * count) / Math.max(1, this.entries.size + this.waiting.size)
  }

  get openEpoch(): number | undefined {
    return this.open?.epoch
  }

  // ---- one step: a record or a timer of one key ----

  /** The key's entry, its objects there to be changed. */
  touch(key: string): Entry {
    let entry = this.entries.get(key)
    if (!entry) {
      const bytes = this.isPartial ? this.kept(key) : undefined
      entry = { key, slots: undefined, bytes, settledDueMs: this.dueMs(key), isTouched: false, isDirty: false, isListed: false, used: 0 }
      this.entries.set(key, entry)
      this.bytesUsed += costOf(bytes)
    }
    entry.slots ??= this.decode(entry)
    if (!entry.isTouched) {
      entry.isTouched = true
      this.touched.push(entry)
    }
    entry.used = this.epoch
    return entry
  }

  dueMs(key: string): number {
    return this.timers.atMs(key)
  }

  /** After a change of its objects, at event time `nowMs`: the next timer is asked for again; one in the past is due now. */
  setDue({ key, slots }: Entry, nowMs: number): void {
    let next = NEVER
    for (let slot = 0; slot < slots!.length; slot++) {
      const operator = this.operators[slot]
      const state = slots![slot]
      if (state === undefined || !operator.nextTimerMs) continue
      const atMs = operator.nextTimerMs(state)
      if (typeof atMs !== 'number' || Number.isNaN(atMs))
        throw new TypeError(`${operator.name}: nextTimerMs gave ${atMs}; it must be a number`)
      next = Math.min(next, Math.max(atMs, nowMs))
    }
    this.timers.set(key, next)
  }

  /** Forgets the whole key. */
  drop(key: string): void {
    const entry = this.touch(key)
    entry.slots = this.operators.map(() => undefined)
    this.timers.set(key, NEVER)
  }

  addPending(item: Pending): void {
    this.pending.push(item)
    this.waiting.set(item.offset, item)
    this.addedPending.add(item)
    this.dirtyPending.add(item.offset)
    this.bytesUsed += ENTRY_BYTES + 2 * item.text.length
  }

  popPending(): Pending {
    const item = this.pending.pop()!
    this.waiting.delete(item.offset)
    this.removedPending.add(item)
    this.dirtyPending.add(item.offset)
    this.bytesUsed -= ENTRY_BYTES + 2 * item.text.length
    return item
  }

  // ---- epochs ----

  /** What was changed is the state now. Throws where it cannot be encoded: then nothing is settled. */
  settle(): void {
    const encoded = this.touched.map((entry) => this.encode(entry))
    for (const [i, entry] of this.touched.entries()) {
      entry.isTouched = false
      const bytes = encoded[i]
      const dueMs = this.dueMs(entry.key)
      if (same(bytes, entry.bytes) && dueMs === entry.settledDueMs) continue
      this.bytesUsed += costOf(bytes) - costOf(entry.bytes)
      entry.bytes = bytes
      entry.settledDueMs = dueMs
      if (!entry.isDirty) this.dirty.push(entry)
      entry.isDirty = true
    }
    this.touched.length = 0
  }

  /** Back to the last settle. */
  undo(): void {
    for (const entry of this.touched) {
      entry.isTouched = false
      entry.slots = undefined
      this.timers.set(entry.key, entry.settledDueMs)
    }
    this.touched.length = 0
  }

  /** Back to before the epoch, of which nothing has been settled. */
  undoEpoch(): void {
    this.undo()
    const items = [...this.pending].filter((item) => !this.addedPending.has(item))
    const before = [...items, ...[...this.removedPending].filter((item) => !this.addedPending.has(item))]
    for (const item of [...this.pending]) this.bytesUsed -= ENTRY_BYTES + 2 * item.text.length
    this.pending = new Heap<Pending>(pendingBefore)
    this.waiting.clear()
    this.cutEpoch()
    // Read again from their texts: a step may have changed a value in place before another one threw.
    for (const item of before) this.addPending({ ...item, value: undefined })
    this.cutEpoch()
  }

  /** The epoch is over: what waits now, waits. */
  cutEpoch(): void {
    this.addedPending.clear()
    this.removedPending.clear()
  }

  // ---- checkpoints ----

  begin(header: CheckpointHeader): void {
    const changes: Open['changes'] = []
    for (const entry of this.dirty) {
      const { key, bytes, settledDueMs } = entry
      const index = settledDueMs === NEVER ? NO_BYTES : float64(settledDueMs)
      changes.push({ key: storedKey(key), value: bytes ?? NO_BYTES, index: bytes || index.length > 0 ? index : undefined })
      entry.isDirty = false
      entry.isListed = true
    }
    for (const offset of this.dirtyPending) {
      const item = this.waiting.get(offset)
      const index = item && serialize([item.offset, item.timeMs, item.upstream, item.key, item.text])
      changes.push({ key: waitingKey(offset), value: NO_BYTES, index })
    }
    const { dirty: entries, dirtyPending: pending } = this
    this.open = { file: this.store.begin(header), epoch: header.epoch, next: 0, changes, entries, pending }
    this.dirty = []
    this.dirtyPending = new Set()
  }

  async slice(maxBytes: number): Promise<boolean> {
    const { open } = this
    if (!open) return true
    const until = open.file.bytes + maxBytes
    while (open.next < open.changes.length && open.file.bytes < until) {
      const { key, value, index } = open.changes[open.next++]
      if (index) open.file.put(key, value, index)
      else open.file.delete(key)
    }
    await open.file.flush()
    return this.open !== open || open.next === open.changes.length
  }

  async finish(): Promise<void> {
    const open = this.open!
    await open.file.finish()
    this.open = undefined
    for (const entry of open.entries) {
      entry.isListed = false
      if (entry.bytes === undefined && !entry.isDirty && !entry.isTouched) this.forget(entry)
    }
  }

  async abort(): Promise<void> {
    const { open } = this
    if (!open) return
    this.open = undefined
    for (const entry of open.entries) {
      entry.isListed = false
      if (!entry.isDirty) this.dirty.push(entry)
      entry.isDirty = true
    }
    for (const offset of open.pending) this.dirtyPending.add(offset)
    await open.file.abort()
  }

  evict(maxBytes: number): void {
    for (let looks = 0; looks < EVICT_LOOKS && this.bytesUsed > maxBytes; looks++) {
      this.clock ??= this.entries.values()
      const { value: entry, done } = this.clock.next()
      if (done) {
        this.clock = undefined
        if (this.entries.size <= looks) return
        continue
      }
      if (entry.isDirty || entry.isListed || entry.isTouched || this.epoch - entry.used <= RECENT_EPOCHS) continue
      this.forget(entry)
      this.isPartial = true
      this.evictions++
    }
  }

  private forget(entry: Entry): void {
    this.entries.delete(entry.key)
    this.bytesUsed -= costOf(entry.bytes)
  }

  private kept(key: string): Uint8Array | undefined {
    try {
      const bytes = this.store.get(storedKey(key))
      if (!bytes || bytes.length === 0) return undefined
      this.loads++
      // The store's buffer is its own, and a Buffer's slice is no copy.
      return new Uint8Array(bytes)
    } catch (error) {
      throw named(error)
    }
  }

  private encode({ slots }: Entry): Uint8Array | undefined {
    const values: unknown[] = []
    for (const [slot, state] of slots!.entries()) {
      if (state === undefined) continue
      const { name, stateVersion = 1 } = this.operators[slot]
      values.push(name, stateVersion, state)
    }
    return values.length === 0 ? undefined : serialize(values)
  }

  private decode({ bytes }: Entry): (object | undefined)[] {
    const slots: (object | undefined)[] = this.operators.map(() => undefined)
    const values = bytes ? valuesOf(bytes, 3, 'a key') : []
    for (let i = 0; i < values.length; i += 3) {
      const [name, version, state] = values.slice(i, i + 3) as [string, number, object]
      const slot = this.operators.findIndex((operator) => operator.name === name)
      if (slot >= 0) slots[slot] = readState(this.operators[slot], version, state)
    }
    return slots
  }
}

/** A list of so many values, or of as many times that. The store has verified its checksum: what is unreadable here, another program wrote. */
function valuesOf(bytes: Uint8Array, count: number, what: string): unknown[] {
  let values: unknown
  try {
    values = deserialize(bytes)
  } catch (error) {
    throw unreadable(what, error)
  }
  if (!Array.isArray(values) || values.length === 0 || values.length % count !== 0) throw unreadable(what)
  return values
}

const unreadable = (what: string, cause?: unknown) =>
  new EngineError(
    'STATE_CORRUPT',
    `the state of ${what} is not what this program writes`,
    'Start with the version that wrote it, or move the state folder away: it is computed again where the log reaches back to its beginning.',
    { cause },
  )

/** Throws STATE_VERSION_UNKNOWN. */
export function readState({ name, stateVersion = 1, migrate }: AnyOperator, version: number, state: object): object {
  if (version === stateVersion) return state
  if (version < stateVersion && migrate) return migrate(state, version)
  throw unknownVersion(name, version, stateVersion)
}

export const unknownVersion = (name: string, version: number, own: number) =>
  new EngineError(
    'STATE_VERSION_UNKNOWN',
    `the state of operator ${name} is of stateVersion ${version}, this ${name} has stateVersion ${own}${version < own ? ' and no migrate' : ''}`,
    version < own
      ? `Give ${name} a migrate(old, fromVersion) that reads version ${version}; or begin anew in another folder (--data).`
      : `Run the topology that has version ${version} of ${name}; or begin anew in another folder (--data).`,
  )

const costOf = (bytes: Uint8Array | undefined) => ENTRY_BYTES + 3 * (bytes?.length ?? 0)
const same = (a: Uint8Array | undefined, b: Uint8Array | undefined) =>
  a === b || (a !== undefined && b !== undefined && Buffer.compare(a, b) === 0)
const waitingKey = (offset: number) => Buffer.concat([Buffer.of(WAITING), float64(offset)])
function float64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes
}
