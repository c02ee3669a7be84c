// The scanner's hot loop as TypeScript sees it: a WebAssembly instance whose memory holds the columns of a batch.
//
// Owns that memory: the columns, and a window into which records are copied to be scanned (about 1/20 of what scanning them costs).
// What "plain" means is model/assembly/scan.ts's: it takes a record only where it can prove it a valid event, and declines the others.

import type { EventBatch, EventColumns } from './batch.ts'
import { FIELD, FIELD_COUNT } from './batch.ts'
import { EVENT_BYTES_MAX } from './event.ts'
import { fallbackReason } from './fallback-reasons.ts'
import { HASH_SLACK } from './hash.ts'
import { scannerModule } from './scanner-module.ts'

/** Readable bytes behind the records of a batch. */
export const SLACK = HASH_SLACK

const LARGE = fallbackReason('large')
/** Bits of the string fields whose hash the `hash` column holds. */
export const HASHED = [FIELD.org, FIELD.product, FIELD.user, FIELD.screen, FIELD.element, FIELD.taskType, FIELD.context].reduce<number>(
  (mask, field) => mask | (1 << field),
  0,
)
// Bits as model/assembly/keys.ts numbers the fields.
const TYPE_BIT = 1 << 12
const TS_BIT = 1 << 13
const REQUIRED_AT_DOOR = (1 << FIELD.product) | (1 << FIELD.user) | TYPE_BIT | TS_BIT
const REQUIRED = REQUIRED_AT_DOOR | (1 << FIELD.org) | (1 << FIELD.eventId)

const PAGE_BYTES = 64 * 1024
/** Holds the largest event, and is a part of the cache that a core has for itself. */
const WINDOW_BYTES = EVENT_BYTES_MAX * 2
/** The loop reads whole words of 16 bytes. */
const WINDOW_SLACK = 32

/** What is used of Node's global. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer }
  Instance: new (module: object, imports: object) => { readonly exports: object }
}

interface Exports {
  answerAt(): number
  layOut(rows: number): number
  scan(from: number, limit: number, delta: number, base: number, firstRow: number, rows: number, required: number): void
}

let compiled: object | undefined

/** Where a scan stopped, and why: the index of a reason, or -1 where all was plain or the rows were full. */
export interface Stop {
  at: number
  why: number
}

export class PlainScanner {
  /** Of `rows` rows. */
  readonly columns: EventColumns
  readonly rows: number
  private readonly memory: Uint8Array
  private readonly window: number
  private readonly answer: Int32Array
  private readonly scanWindow: Exports['scan']
  private readonly stop: Stop = { at: 0, why: -1 }
  /** The window holds the bytes [heldFrom … heldTo) of the batch. */
  private heldFrom = 0
  private heldTo = 0

  /** `rows`: a multiple of 16. */
  constructor(rows: number) {
    compiled ??= new WebAssembly.Module(Buffer.from(scannerModule, 'base64'))
    // Of the columns' end nothing is known before the instance is there; pages that nobody touches cost nothing.
    const pages = Math.ceil((PAGE_BYTES * 2 + rows * ROW_BYTES + WINDOW_BYTES + WINDOW_SLACK) / PAGE_BYTES)
    const memory = new WebAssembly.Memory({ initial: pages })
    const exports = new WebAssembly.Instance(compiled, { env: { memory } }).exports as Exports
    this.rows = rows
    this.scanWindow = exports.scan
    this.memory = new Uint8Array(memory.buffer)
    this.answer = new Int32Array(memory.buffer, exports.answerAt(), 3)
    const start = exports.layOut(rows)
    this.columns = columnsAt(memory.buffer, start, rows)
    this.window = start + rows * ROW_BYTES
  }

  /** Before the first scan over bytes that may be others than before. */
  begin(): void {
    this.heldFrom = this.heldTo = 0
  }

  /**
   * Appends the records of batch.bytes[from … limit), which end with a newline and are valid UTF-8, as rows while they are plain; the first
   * that is not is left to the caller. Row r gets the offset base + r. `atDoor`: orgId and eventId are not required. The answer is valid until the next call.
   */
  scan(batch: EventBatch, from: number, limit: number, base: number, atDoor: boolean): Stop {
    const { stop, answer, window, rows } = this
    stop.at = from
    stop.why = -1
    while (stop.why < 0 && stop.at < limit && batch.count < rows) {
      const { at } = stop
      if (at < this.heldFrom || at >= this.heldTo) this.hold(batch.bytes, at, limit)
      if (this.heldTo === at) stop.why = LARGE
      else {
        const delta = this.heldFrom - window
        const end = Math.min(this.heldTo, limit)
        this.scanWindow(at - delta, end - delta, delta, base, batch.count, rows, atDoor ? REQUIRED_AT_DOOR : REQUIRED)
        batch.count = answer[0]
        stop.at = answer[1] + delta
        stop.why = answer[2]
      }
    }
    return stop
  }

  /** Whole records, as many as the window has room for; none where the first is larger. */
  private hold(bytes: Uint8Array, from: number, limit: number): void {
    const end = limit - from <= WINDOW_BYTES ? limit : bytes.lastIndexOf(10, from + WINDOW_BYTES - 1) + 1
    this.heldFrom = from
    this.heldTo = Math.max(end, from)
    this.memory.set(bytes.subarray(from, this.heldTo), this.window)
  }
}

// Side by side in the order of model/assembly/scan.ts, the widest first, so that each is aligned.
function columnsAt(buffer: ArrayBuffer, start: number, rows: number): EventColumns {
  let at = start
  const next = <T>(Column: new (buffer: ArrayBuffer, at: number, length: number) => T, bytesPerRow: number, perRow = 1): T => {
    const column = new Column(buffer, at, rows * perRow)
    at += rows * bytesPerRow
    return column
  }
  return {
    offset: next(Float64Array, 8),
    ts: next(Float64Array, 8),
    receivedAt: next(Float64Array, 8),
    id: next(Uint32Array, 16, 4),
    spans: next(Uint32Array, FIELD_COUNT * 8, FIELD_COUNT * 2),
    hash: next(Uint32Array, FIELD_COUNT * 4, FIELD_COUNT),
    start: next(Uint32Array, 4),
    end: next(Uint32Array, 4),
    x: next(Int32Array, 4),
    y: next(Int32Array, 4),
    type: next(Uint8Array, 1),
    userKind: next(Uint8Array, 1),
    success: next(Uint8Array, 1),
  }
}
const ROW_BYTES = 8 * 3 + 16 + FIELD_COUNT * 12 + 4 * 4 + 3
