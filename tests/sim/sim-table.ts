// A table of the analytics store that fails at every bad moment. SimTable is what survives a crash; target() is one process's access.
//
// An insert is two parts, each with its own share of the token, none of them atomic with it: a kill leaves rows without their token,
// a token without its rows, or half of the rows (protocol 27, 29). What has not been acknowledged may be lost by a power loss.
// A token is remembered for a while, and a request that is not through by its deadline does nothing more.
import type { OffsetRange, SealedRows, SinkTarget } from '../../engine/sink/contract.ts'
import { Violation } from './violation.ts'

export interface TableRow {
  partition: number
  offset: number
  record: string
}

/** What goes wrong with one insert: it fails before anything happened, in the middle, or after it was applied (its answer is lost); or the
 *  table stalls for so many ms before the first part, or between the two. */
export type InsertFault = 'early' | 'half' | 'late' | { stallMs: number; part: 0 | 1 } | undefined

/** How long a token is remembered, and how long a request may take. */
export const TOKEN_MS = 60_000
export const DEADLINE_MS = 10_000

/** A process's way to the table. */
export interface Access {
  step(label: string): Promise<void>
  /** What has really passed. */
  nowMs(): number
  sleep(ms: number): Promise<void>
  fault(): InsertFault
  /** One that holds more has no bound. */
  heldBytesMax: number
}

export class SimTable {
  rows: TableRow[] = []
  /** Rows that power losses took so far. */
  lost = 0
  /** Requests that came under the token of an earlier one, and batches that were read back. */
  repeated = 0
  readBacks = 0
  private tokens = new Map<string, number>()
  private readonly requests = new Set<string>()
  private unacknowledged: TableRow[] = []

  powerLoss(random: () => number): void {
    const lost = new Set(this.unacknowledged.filter(() => random() < 0.5))
    this.lost += lost.size
    this.rows = this.rows.filter((row) => !lost.has(row))
    this.unacknowledged = []
    for (const token of this.tokens.keys()) if (random() < 0.3) this.tokens.delete(token)
  }

  target(name: string, access: Access): SinkTarget {
    const { step } = access
    let added: TableRow[] = []
    let held = 0
    const table = this
    return {
      identity: 'store',
      check: () => step(`${name} checked`),
      add(partition, { bytes, blocks }, from, to, present) {
        for (const { baseOffset, pos, length } of blocks) {
          const lines = Buffer.from(bytes.subarray(pos, pos + length))
            .toString()
            .split('\n')
            .slice(0, -1)
          lines.forEach((record, i) => {
            const offset = baseOffset + i
            if (offset < from || offset >= to || present.some((range) => range.from <= offset && offset < range.to)) return
            added.push({ partition, offset, record })
            held += record.length
          })
        }
        if (held > access.heldBytesMax)
          throw new Violation('bounded-memory', `the sink of ${name} holds ${held} bytes, at most ${access.heldBytesMax} are its bound`)
      },
      get rows() {
        return added.length
      },
      get bytes() {
        return added.reduce((sum, { record }) => sum + record.length, 0)
      },
      seal(): SealedRows {
        const rows = added
        added = []
        const bytes = rows.reduce((sum, { record }) => sum + record.length, 0)
        let isHeld = true
        const discard = () => {
          if (isHeld) held -= bytes
          isHeld = false
        }
        return { rows: rows.length, bytes, write: (token: string) => table.insert(name, rows, token, access), discard }
      },
      async present(partition, from, to): Promise<OffsetRange[]> {
        table.readBacks++
        await step(`${name} read back`)
        const own = table.rows.filter((row) => row.partition === partition && row.offset >= from && row.offset < to)
        // What a killed process left in the page cache and is found here is taken to be on the disk before the power goes, too.
        table.unacknowledged = table.unacknowledged.filter((row) => !own.includes(row))
        return [...new Set(own.map(({ offset }) => offset))].sort((a, b) => a - b).map((offset) => ({ from: offset, to: offset + 1 }))
      },
    }
  }

  private async insert(name: string, rows: readonly TableRow[], token: string, { step, nowMs, sleep, fault: next }: Access): Promise<void> {
    if (this.requests.has(token)) this.repeated++
    this.requests.add(token)
    const fault = next()
    const untilMs = nowMs() + DEADLINE_MS
    await step(`${name} insert`)
    if (fault === 'early') throw timeout()
    const middle = rows.length >> 1
    for (const [part, own] of [rows.slice(0, middle), rows.slice(middle)].entries()) {
      if (typeof fault === 'object' && fault.part === part) await sleep(fault.stallMs)
      if (nowMs() > untilMs) throw timeout()
      const share = `${token}/${part}`
      if (nowMs() - (this.tokens.get(share) ?? Number.NEGATIVE_INFINITY) > TOKEN_MS) {
        // Which of the two a kill finds done differs from insert to insert.
        const rowsFirst = rows.length % 2 === 0
        const atMs = nowMs()
        if (rowsFirst) this.put(own)
        else this.tokens.set(share, atMs)
        await step(`${name} part ${part}`)
        if (rowsFirst) this.tokens.set(share, atMs)
        else this.put(own)
      }
      if (part === 0 && fault === 'half') throw timeout()
    }
    await step(`${name} inserted`)
    if (fault === 'late') throw timeout()
    const acknowledged = new Set(rows)
    this.unacknowledged = this.unacknowledged.filter((row) => !acknowledged.has(row))
  }

  private put(rows: readonly TableRow[]): void {
    this.rows.push(...rows)
    this.unacknowledged.push(...rows)
  }
}

const timeout = () => Object.assign(new Error('timed out'), { code: 'INSERT_FAILED', retryable: true })
