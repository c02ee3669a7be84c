// An actor: one (org, product) in one partition. Routing and isolation, not identity: state is keyed by (org, product, user).
//
// Actor owns its watermark, its counters, its symbols and its timers. Its turn is turn.ts's; its sessions are in the task's keyed state.
import { type EventBatch, FIELD, FIELD_COUNT } from '../../model/batch.ts'
import { type Piece, piece } from '../../model/json-writer.ts'
import { sameBytes, viewOf } from '../../model/same-bytes.ts'
import { Symbols } from '../../model/symbols.ts'
import { TimerHeap } from '../../model/timer-heap.ts'
import { utf8Text } from '../../model/utf8.ts'
import { WordList } from '../../model/word-list.ts'

/** Events by what became of them: accepted = open + closed + duplicates + late + deadLettered + filtered, at every epoch. */
export interface Counters {
  accepted: number
  open: number
  closed: number
  duplicates: number
  late: number
  deadLettered: number
  filtered: number
}
export const noCounters = (): Counters => ({ accepted: 0, open: 0, closed: 0, duplicates: 0, late: 0, deadLettered: 0, filtered: 0 })

export class Actor {
  /** Its number in its task: in memory only. */
  readonly index: number
  readonly org: string
  readonly product: string
  /** UTF-8 of org 0x00 product 0x00: what state keys and content ids begin with. */
  readonly prefix: Uint8Array
  private readonly prefixView: DataView
  /** What its outputs begin with: `{"org_id":…,"product_id":…,"user_id":`. */
  readonly head: Piece
  /** Its org and product in records of cells: `,"org_id":…,"product_id":…`. */
  readonly scope: Piece
  readonly symbols = new Symbols()
  readonly timers = new TimerHeap()
  counters = noCounters()
  /** Largest event time, or -Infinity before the first. */
  maxMs = Number.NEGATIVE_INFINITY
  watermark = Number.NEGATIVE_INFINITY
  /** Processing time of the epoch of its last row, where epochs record one. */
  lastRowMs = 0
  /** Changed since the last checkpoint began. */
  dirty = false
  /** The mailbox: rows of the open epoch's batch that wait for its turn. */
  readonly mailbox = new WordList()

  constructor(index: number, org: string, product: string) {
    this.index = index
    this.org = org
    this.product = product
    this.prefix = new TextEncoder().encode(`${org}\0${product}\0`)
    this.prefixView = viewOf(this.prefix)
    const scope = `"org_id":${JSON.stringify(org)},"product_id":${JSON.stringify(product)}`
    this.head = piece(`{${scope},"user_id":`)
    this.scope = piece(`,${scope}`)
  }

  /** Whether org and product are these bytes. */
  is(bytes: DataView, orgPos: number, orgLength: number, productPos: number, productLength: number): boolean {
    const { prefix, prefixView } = this
    return (
      prefix.length === orgLength + productLength + 2 &&
      prefix[orgLength] === 0 &&
      sameBytes(prefixView, 0, bytes, orgPos, orgLength) &&
      sameBytes(prefixView, orgLength + 1, bytes, productPos, productLength)
    )
  }

  /** A row moved event time: the watermark follows, and never goes back. */
  advance(tsMs: number, allowedDisorderMs: number): void {
    if (tsMs <= this.maxMs) return
    this.maxMs = tsMs
    if (tsMs - allowedDisorderMs > this.watermark) this.watermark = tsMs - allowedDisorderMs
  }
}

/** Finds the actor of a row by the bytes of its org and product. */
export class ActorTable {
  readonly list: Actor[] = []
  private readonly byHash = new Map<number, Actor[]>()
  /** The last actor found for some bits of the hash: most rows need to look no further. */
  private readonly recent: (Actor | undefined)[] = new Array(RECENT).fill(undefined)

  /** The actor of a row; made where unknown. `view` is over the batch's bytes. */
  of(batch: EventBatch, view: DataView, row: number): Actor {
    const { spans, hash } = batch
    const cell = row * FIELD_COUNT
    const at = (Math.imul(hash[cell + FIELD.org], 0x9e3779b1) ^ Math.imul(hash[cell + FIELD.product], 0x85ebca6b)) >>> (32 - RECENT_BITS)
    const org = (cell + FIELD.org) * 2
    const product = (cell + FIELD.product) * 2
    const recent = this.recent[at]
    if (recent?.is(view, spans[org], spans[org + 1], spans[product], spans[product + 1])) return recent
    const actor = this.find(batch, view, row, org, product)
    this.recent[at] = actor
    return actor
  }

  private find(batch: EventBatch, view: DataView, row: number, org: number, product: number): Actor {
    const { bytes, spans, hash } = batch
    const orgHash = hash[row * FIELD_COUNT + FIELD.org]
    const productHash = hash[row * FIELD_COUNT + FIELD.product]
    const bucket = this.byHash.get(mix(orgHash, productHash))
    if (bucket) for (const actor of bucket) if (actor.is(view, spans[org], spans[org + 1], spans[product], spans[product + 1])) return actor
    const text = (at: number) => utf8Text(bytes.subarray(spans[at], spans[at] + spans[at + 1]))
    return this.named(text(org), text(product), orgHash, productHash)
  }

  /** The actor of an org and product, whose hash32 the caller has; made where unknown. */
  named(org: string, product: string, orgHash: number, productHash: number): Actor {
    const hash = mix(orgHash, productHash)
    const bucket = this.byHash.get(hash) ?? []
    const known = bucket.find((actor) => actor.org === org && actor.product === product)
    if (known) return known
    const actor = new Actor(this.list.length, org, product)
    this.list.push(actor)
    bucket.push(actor)
    this.byHash.set(hash, bucket)
    return actor
  }
}

const RECENT_BITS = 10
const RECENT = 1 << RECENT_BITS
const mix = (orgHash: number, productHash: number) => (Math.imul(orgHash, 0x9e3779b1) ^ productHash) >>> 2
