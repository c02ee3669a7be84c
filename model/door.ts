// The door: lines from outside become records of `events.raw`. A line that is an event keeps its text; what it lacks of orgId, eventId and
// receivedAt is put in before its closing brace, and it is appended to the records of its partition. So every record behind the door is
// a whole event on one line. Owns these buffers and the choice of the partition; never decides what an event is (scan.ts does).

import type { EventBatch, EventError } from './batch.ts'
import { FIELD, FIELD_COUNT } from './batch.ts'
import { EVENT_BYTES_MAX, KEY_STRING_BYTES_MAX } from './event.ts'
import { h128, hash128View } from './hash.ts'
import { Partitioner } from './partitioner.ts'
import { replaceValue } from './replace-value.ts'
import { type LateRow, NO_OFFSET } from './rows.ts'
import { INVALID, newBatch, resetBatch, scanBlock, scanPlainBlock } from './scan.ts'
import { SLACK } from './scan-plain.ts'
import { skipSpace } from './skip-space.ts'

export interface DoorOptions {
  /** Partitions of the topic. */
  partitions: number
  /** The orgId of lines that have none; without it they are rejected. */
  org?: string
  /** The HTTP door's rules: events come from clients, whose clocks and words about the receiving are not to be trusted. Files keep theirs. */
  client?: ClientRules
}

export interface ClientRules {
  /** The id of an event that has none; else the 128-bit hash of the line. JSON text without quotes and escapes. */
  newId(): string
  /** `ts` is at most this far ahead of the time of receiving: one further ahead becomes that. */
  aheadMs: number
  /** An event further behind the time of receiving is late: it is kept, and goes no further (takeLate). */
  behindMs: number
}

/** A line that is no event: which, counted from 0 in the lines of the call, where it lies in their bytes, and why. */
export interface RejectedLine extends EventError {
  line: number
  pos: number
  length: number
}

export interface Accepted {
  /** Lines seen, empty ones included (they are neither accepted nor rejected). */
  lines: number
  accepted: number
  rejected: RejectedLine[]
  /** Of the accepted: events that are late by `client`, and ones whose `ts` was too far ahead. */
  late: number
  clamped: number
}

/** Records of one partition: `count` lines, each ended by a newline, with at least SLACK bytes behind them in the buffer. */
export interface PartitionRecords {
  partition: number
  count: number
  bytes: Uint8Array
}

/** `org` cannot be an orgId: over KEY_STRING_BYTES_MAX, with NUL, or no well-formed text. */
export class DoorOrgError extends Error {
  readonly code = 'INVALID_ORG'
  constructor() {
    super(`the org for lines without orgId has at most ${KEY_STRING_BYTES_MAX} bytes of UTF-8 and no character NUL: name another`)
  }
}

/** Text that is copied word by word: readable behind its end. */
interface Text {
  view: DataView
  length: number
}

/** What was accepted for one partition. */
interface Outgoing {
  bytes: Uint8Array
  view: DataView
  used: number
  count: number
}

const OUTGOING_BYTES_MIN = 64 * 1024
const EVENT_ID_KEY = ',"eventId":"'
const HEX_DIGITS = '0123456789abcdef'
const BRACE = 125
const NEWLINE = 10
const MISSING_ORG: EventError = {
  code: 'MISSING_FIELD',
  field: 'orgId',
  message: 'orgId is required: a string that is not empty; or name an org for the lines that have none',
}

export class Door {
  readonly #batch: EventBatch = newBatch()
  readonly #partitions: number
  readonly #outgoing: Outgoing[]
  readonly #free: Outgoing[] = []
  readonly #partitioner: Partitioner
  readonly #org: Uint8Array
  readonly #orgText: Text
  readonly #idText: Text = textOf(`${EVENT_ID_KEY}${'0'.repeat(32)}"`)
  readonly #client: ClientRules | undefined
  /** One record at a time, before it becomes part of a LateRow. */
  readonly #aside: Outgoing = emptyOutgoing(OUTGOING_BYTES_MIN)
  #lateLines: string[] = []

  /** Throws DoorOrgError. */
  constructor({ partitions, org = '', client }: DoorOptions) {
    this.#partitions = partitions
    this.#partitioner = new Partitioner(partitions)
    this.#client = client
    this.#outgoing = Array.from({ length: partitions }, () => emptyOutgoing(OUTGOING_BYTES_MIN))
    this.#org = new TextEncoder().encode(org)
    if (this.#org.length > KEY_STRING_BYTES_MAX || !org.isWellFormed() || org.includes('\0')) throw new DoorOrgError()
    this.#orgText = textOf(`,"orgId":${JSON.stringify(org)}`)
  }

  /** Takes the lines bytes[pos … pos + length), received at nowMs. `bytes` is left as it is. */
  accept(bytes: Uint8Array, pos: number, length: number, nowMs: number): Accepted {
    resetBatch(this.#batch, bytes)
    scanBlock(this.#batch, pos, length, 0, 0, true)
    return this.#acceptRows(nowMs)
  }

  /** As accept, where each line is proven to be one whole valid event and nothing else; undefined, and nothing taken, where one is not. */
  acceptPlain(bytes: Uint8Array, pos: number, length: number, nowMs: number): Accepted | undefined {
    resetBatch(this.#batch, bytes)
    return scanPlainBlock(this.#batch, pos, length) ? this.#acceptRows(nowMs) : undefined
  }

  #acceptRows(nowMs: number): Accepted {
    const batch = this.#batch
    const source = sourceOf(batch.bytes)
    const receivedAtText = textOf(`,"receivedAt":${nowMs}`)
    const result: Accepted = { lines: batch.count, accepted: 0, rejected: [], late: 0, clamped: 0 }
    for (let row = 0; row < batch.count; row++) {
      const start = skipSpace(batch.bytes, batch.start[row])
      if (start >= batch.end[row]) continue // an empty line
      const error = batch.type[row] === INVALID ? batch.errors.get(row) : this.#append(row, source, start, nowMs, receivedAtText, result)
      if (error === undefined) result.accepted++
      else result.rejected.push({ ...error, line: row, pos: batch.start[row], length: batch.end[row] - batch.start[row] })
    }
    return result
  }

  /** Hands over what was accepted since the last call, by partition, each in the order of its lines. The bytes are the caller's, who may `give` them back. */
  take(): PartitionRecords[] {
    const taken: PartitionRecords[] = []
    for (const [partition, { bytes, used, count }] of this.#outgoing.entries()) {
      if (count === 0) continue
      taken.push({ partition, count, bytes: bytes.subarray(0, used) })
      this.#outgoing[partition] = this.#free.pop() ?? emptyOutgoing(bytes.length)
    }
    return taken
  }

  /** Takes back what nobody reads any more, to be filled again: a new buffer for each costs the collector more than filling it. */
  give(taken: readonly PartitionRecords[]): void {
    for (const { bytes } of taken)
      if (this.#free.length < this.#partitions * 2) this.#free.push(outgoingOver(Buffer.from(bytes.buffer as ArrayBuffer)))
  }

  /** Hands over the late events since the last call: LateRows as lines. */
  takeLate(): { count: number; bytes: Uint8Array } | undefined {
    if (this.#lateLines.length === 0) return undefined
    const count = this.#lateLines.length
    const bytes = new TextEncoder().encode(this.#lateLines.join(''))
    this.#lateLines = []
    return { count, bytes }
  }

  #append(row: number, from: Source, start: number, nowMs: number, receivedAtText: Text, result: Accepted): EventError | undefined {
    const batch = this.#batch
    let brace = batch.end[row] - 1
    while (batch.bytes[brace] !== BRACE) brace--
    const hasOrg = batch.spans[(row * FIELD_COUNT + FIELD.org) * 2 + 1] > 0
    if (!hasOrg && this.#org.length === 0) return MISSING_ORG
    const hasEventId = batch.spans[(row * FIELD_COUNT + FIELD.eventId) * 2 + 1] > 0
    const hasReceivedAt = batch.receivedAt[row] > 0
    const client = this.#client
    const isAhead = client !== undefined && batch.ts[row] > nowMs + client.aheadMs
    const isLate = client !== undefined && batch.ts[row] < nowMs - client.behindMs
    let source = from
    if (isAhead || (client !== undefined && hasReceivedAt)) {
      let text: Uint8Array = batch.bytes.slice(start, brace + 1)
      if (isAhead) text = replaceValue(text, 'ts', `${nowMs + client.aheadMs}`)
      if (hasReceivedAt) text = replaceValue(text, 'receivedAt', `${nowMs}`)
      start = 0
      brace = text.length - 1
      source = sourceOf(withSlack(text))
    }
    const idText = hasEventId ? undefined : client ? textOf(`${EVENT_ID_KEY}${client.newId()}"`) : this.#idText
    const length =
      brace +
      1 -
      start +
      (hasOrg ? 0 : this.#orgText.length) +
      (idText === undefined ? 0 : idText.length) +
      (hasReceivedAt ? 0 : receivedAtText.length)
    if (length > EVENT_BYTES_MAX) {
      return {
        code: 'EVENT_TOO_LARGE',
        message: `an event has at most ${EVENT_BYTES_MAX} bytes of JSON, this one has ${length} with what the door adds`,
      }
    }
    const partition = this.#partitionOf(row, hasOrg)
    const outgoing = isLate ? this.#aside : this.#outgoing[partition]
    reserve(outgoing, length + 1)
    source.bytes.copy(outgoing.bytes, outgoing.used, start, brace)
    outgoing.used += brace - start
    if (!hasOrg) put(outgoing, this.#orgText)
    if (idText !== undefined) {
      if (idText === this.#idText) {
        hash128View(source.view, start, brace + 1 - start)
        writeHex(idText.view, EVENT_ID_KEY.length)
      }
      put(outgoing, idText)
    }
    if (!hasReceivedAt) put(outgoing, receivedAtText)
    outgoing.bytes[outgoing.used++] = BRACE
    outgoing.bytes[outgoing.used++] = NEWLINE
    outgoing.count++
    if (isAhead) result.clamped++
    if (isLate) {
      result.late++
      this.#putLate(partition, nowMs - client.behindMs)
    }
    return undefined
  }

  /** The record that lies aside, as a LateRow. */
  #putLate(partition: number, watermark: number): void {
    const aside = this.#aside
    const record = sourceOf(aside.bytes).bytes.toString('utf8', 0, aside.used - 1)
    aside.used = aside.count = 0
    const row: LateRow = { reason: 'old', partition, offset: NO_OFFSET, watermark, record }
    this.#lateLines.push(`${JSON.stringify(row)}\n`)
  }

  #partitionOf(row: number, hasOrg: boolean): number {
    const { bytes, spans, hash } = this.#batch
    const org = row * FIELD_COUNT + FIELD.org
    const product = row * FIELD_COUNT + FIELD.product
    const orgAt = hasOrg ? spans[org * 2] : 0
    const orgLength = hasOrg ? spans[org * 2 + 1] : this.#org.length
    const place = hash[org] ^ (hash[product] >>> 7)
    return this.#partitioner.of(hasOrg ? bytes : this.#org, orgAt, orgLength, bytes, spans[product * 2], spans[product * 2 + 1], place)
  }
}

interface Source {
  bytes: Buffer
  view: DataView
}

const sourceOf = ({ buffer, byteOffset, length }: Uint8Array): Source => ({
  bytes: Buffer.from(buffer, byteOffset, length),
  view: new DataView(buffer, byteOffset, length),
})

function withSlack(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(bytes.length + SLACK)
  padded.set(bytes)
  return padded
}

const emptyOutgoing = (size: number): Outgoing => outgoingOver(Buffer.allocUnsafeSlow(size))

const outgoingOver = (bytes: Buffer<ArrayBuffer>): Outgoing => ({ bytes, view: new DataView(bytes.buffer), used: 0, count: 0 })

/** Makes room for `length` bytes and SLACK behind them. */
function reserve(outgoing: Outgoing, length: number): void {
  const needed = outgoing.used + length + SLACK
  if (needed <= outgoing.bytes.length) return
  const { bytes, used } = outgoing
  Object.assign(outgoing, emptyOutgoing(Math.max(needed, bytes.length * 2)), { used, count: outgoing.count })
  outgoing.bytes.set(bytes.subarray(0, used))
}

/** Words of four bytes: for a short text cheaper than a call. Writes up to three bytes more than its length, into what is reserved behind. */
function put(outgoing: Outgoing, { view, length }: Text): void {
  for (let i = 0; i < length; i += 4) outgoing.view.setInt32(outgoing.used + i, view.getInt32(i, true), true)
  outgoing.used += length
}

function textOf(text: string): Text {
  const bytes = new TextEncoder().encode(text)
  return { view: new DataView(withSlack(bytes).buffer), length: bytes.length }
}

/** The words of h128 in order, as 32 lower-case hex digits. */
function writeHex(view: DataView, pos: number): void {
  for (const word of h128) {
    for (let shift = 28; shift >= 0; shift -= 4) view.setUint8(pos++, HEX_DIGITS.charCodeAt((word >>> shift) & 15))
  }
}
