// The directory of users: one small record for every (actor, user) with kept state, resident or evicted.
//
// Users owns the key bytes and the table from key to record. Sessions hang off a record's HEAD; who changes HEAD or DUE touches first.
import { Chains } from '../../model/chains.ts'
import { GrowingMemory } from '../../model/growing-memory.ts'
import { hash32 } from '../../model/hash.ts'
import { sameBytes, viewOf } from '../../model/same-bytes.ts'
import type { TimerHeap } from '../../model/timer-heap.ts'
import { Arena } from './arena.ts'

/** Fields of a user record. The first three count f64, the others words. */
export const USER = {
  /** Its next timer, Infinity for none. */
  DUE: 0,
  /** Largest last + gap of its sessions: what sweeping goes by. */
  ENDS: 1,
  /** Its entry in its actor's timers: never later than DUE. Infinity for none; an entry of another time is stale. */
  QUEUED: 2,
  HEAD: 6,
  ACTOR: 7,
  HASH: 8,
  KEY_POS: 9,
  KEY_LENGTH: 10,
  FLAGS: 11,
  USED: 12,
  /** In which generation it changed last (KeyedState.generation); 0: not since it was loaded. */
  CHANGED: 13,
  /** The next one of its chain (Chains). */
  NEXT: 14,
  WORDS: 16,
} as const
export const USER_FLAG = {
  /** Written by the checkpoint of the generation in which it changed last. */
  WRITTEN: 2,
  /** Its sessions are in the state store, not in memory (protocol 14). */
  EVICTED: 4,
  /** On the list of users touched in this turn. */
  TOUCHED: 8,
} as const

export class Users {
  readonly arena = new Arena(USER.WORDS)
  private readonly table = new Chains(USER.WORDS, USER.HASH, USER.NEXT)
  private keyMemory = new GrowingMemory()
  /** The key bytes of all users; replaced when they grow. */
  keys = new Uint8Array(this.keyMemory.atLeast(1 << 16))
  private view = viewOf(this.keys)
  private keysEnd = 0
  private keysDead = 0
  count = 0

  /** The record of user bytes (with the `u:` or `a:` prefix given as one byte) of an actor; 0 where unknown. */
  find(actor: number, prefix: number, bytes: DataView, pos: number, length: number, hash: number): number {
    const mixed = mix(actor, prefix, hash)
    const { words, u32 } = this.arena
    for (let user = this.table.first(mixed); user !== 0; user = u32[user * words + USER.NEXT]) {
      const at = user * words
      if (
        u32[at + USER.HASH] === mixed &&
        u32[at + USER.ACTOR] === actor &&
        u32[at + USER.KEY_LENGTH] === length + 2 &&
        this.keys[u32[at + USER.KEY_POS]] === prefix &&
        sameBytes(this.view, u32[at + USER.KEY_POS] + 2, bytes, pos, length)
      )
        return user
    }
    return 0
  }

  /** Makes a record for a user that find did not know. No turn's undo takes it back. */
  add(actor: number, prefix: number, bytes: Uint8Array, pos: number, length: number, hash: number): number {
    const user = this.arena.take()
    const need = length + 2
    if (this.keysEnd + need > this.keys.length) this.makeRoom(need)
    const keyPos = this.keysEnd
    this.keys[keyPos] = prefix
    this.keys[keyPos + 1] = 58
    for (let i = 0; i < length; i++) this.keys[keyPos + 2 + i] = bytes[pos + i]
    this.keysEnd += need
    const at = user * this.arena.words
    const { u32, f64 } = this.arena
    f64[(at >> 1) + USER.DUE] = f64[(at >> 1) + USER.QUEUED] = Number.POSITIVE_INFINITY
    u32[at + USER.ACTOR] = actor
    u32[at + USER.HASH] = mix(actor, prefix, hash)
    u32[at + USER.KEY_POS] = keyPos
    u32[at + USER.KEY_LENGTH] = need
    this.table.add(u32, user)
    this.count++
    return user
  }

  /** The same from a whole key (`u:name`). */
  addKey(actor: number, key: Uint8Array): number {
    return this.add(actor, key[0], key, 2, key.length - 2, hash32(key, 2, key.length - 2))
  }

  /** The user's key bytes (`u:name`); valid until the next add. */
  key(user: number): Uint8Array {
    const at = user * this.arena.words
    const pos = this.arena.u32[at + USER.KEY_POS]
    return this.keys.subarray(pos, pos + this.arena.u32[at + USER.KEY_LENGTH])
  }

  remove(user: number): void {
    this.keysDead += this.arena.u32[user * this.arena.words + USER.KEY_LENGTH]
    this.table.remove(this.arena.u32, user)
    // Whoever still knows its number (a stale timer) finds nothing there.
    this.arena.u32.fill(0, user * this.arena.words, (user + 1) * this.arena.words)
    const at = (user * this.arena.words) >> 1
    this.arena.f64[at + USER.DUE] = this.arena.f64[at + USER.QUEUED] = Number.POSITIVE_INFINITY
    this.arena.release(user)
    this.count--
  }

  /** Whether there is a user of this number, from 1 to arena.last: for a walk that is interrupted and goes on, in the order in which they lie. */
  has(user: number): boolean {
    return this.arena.u32[user * this.arena.words + USER.KEY_LENGTH] !== 0
  }

  /** All users. Do not add or remove meanwhile. */
  *[Symbol.iterator](): Generator<number> {
    for (let user = 1; user <= this.arena.last; user++) if (this.has(user)) yield user
  }

  /** Sees to it that the user's timers are looked at by DUE. A later entry is looked at then, and put where DUE is (Fire.due). */
  queue(timers: TimerHeap, user: number): void {
    const { f64, words } = this.arena
    const at = (user * words) >> 1
    if (f64[at + USER.DUE] >= f64[at + USER.QUEUED]) return
    f64[at + USER.QUEUED] = f64[at + USER.DUE]
    timers.push(f64[at + USER.DUE], user)
  }

  private makeRoom(need: number): void {
    this.keys = new Uint8Array(this.keyMemory.atLeast(Math.max(this.keys.length * 1.5, this.keysEnd + need)))
    this.view = viewOf(this.keys)
  }

  /** Reclaims the key bytes of removed users. Between turns only: undo copies know where keys were. */
  compact(): void {
    if (this.keysDead * 2 < this.keysEnd || this.keysDead < 1 << 16) return
    this.keyMemory = new GrowingMemory()
    const keys = new Uint8Array(this.keyMemory.atLeast(Math.max(1 << 16, this.keysEnd - this.keysDead)))
    let end = 0
    for (const user of this) {
      const key = this.key(user)
      keys.set(key, end)
      this.arena.u32[user * this.arena.words + USER.KEY_POS] = end
      end += key.length
    }
    this.keys = keys
    this.view = viewOf(keys)
    this.keysEnd = end
    this.keysDead = 0
  }
}

const mix = (actor: number, prefix: number, hash: number) => {
  let h = Math.imul(hash ^ Math.imul(actor, 0x9e3779b1) ^ prefix, 0x85ebca6b)
  h ^= h >>> 15
  return h >>> 0
}
