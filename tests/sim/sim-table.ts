// A table of the analytics store that fails at every bad moment. SimTable is what survives a crash; target() is one process's access.
//
// An insert is two parts, each with its own share of the token, none of them atomic with it: a kill leaves rows without their token,
// a token without its rows, or half of the rows (protocol 27, 29). What has not been acknowledged may be lost by a power loss.
import type { OffsetRange, SealedRows, SinkTarget } from '../../engine/sink/contract.ts'

export interface TableRow {
  partition: number
  offset: number
  record: string
}

/** What goes wrong with one insert: it fails before anything happened, in the middle, or after it was applied (its answer is lost). */
export type InsertFault = 'early' | 'half' | 'late' | undefined

export class SimTable {
  rows: TableRow[] = []
  private tokens = new Set<string>()
  private unacknowledged: TableRow[] = []

  powerLoss(random: () => number): void {
    const lost = new Set(this.unacknowledged.filter(() => random() < 0.5))
    this.rows = this.rows.filter((row) => !lost.has(row))
    this.unacknowledged = []
    for (const token of this.tokens) if (random() < 0.3) this.tokens.delete(token)
  }

  target(name: string, step: (label: string) => Promise<void>, fault: () => InsertFault): SinkTarget {
    let added: TableRow[] = []
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
          })
        }
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
        const write = (token: string) => table.insert(name, rows, token, step, fault())
        return { rows: rows.length, bytes: rows.length, write, discard: () => undefined }
      },
      async present(partition, from, to): Promise<OffsetRange[]> {
        await step(`${name} read back`)
        const own = table.rows.filter((row) => row.partition === partition && row.offset >= from && row.offset < to)
        // What a killed process left in the page cache and is found here is taken to be on the disk before the power goes, too.
        table.unacknowledged = table.unacknowledged.filter((row) => !own.includes(row))
        return [...new Set(own.map(({ offset }) => offset))].sort((a, b) => a - b).map((offset) => ({ from: offset, to: offset + 1 }))
      },
    }
  }

  private async insert(
    name: string,
    rows: readonly TableRow[],
    token: string,
    step: (label: string) => Promise<void>,
    fault: InsertFault,
  ): Promise<void> {
    await step(`${name} insert`)
    if (fault === 'early') throw timeout()
    const middle = rows.length >> 1
    for (const [part, own] of [rows.slice(0, middle), rows.slice(middle)].entries()) {
      const share = `${token}/${part}`
      if (!this.tokens.has(share)) {
        // Which of the two a kill finds done differs from insert to insert.
        const rowsFirst = rows.length % 2 === 0
        if (rowsFirst) this.put(own)
        else this.tokens.add(share)
        await step(`${name} part ${part}`)
        if (rowsFirst) this.tokens.add(share)
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

const timeout = () => Object.assign(new Error('timed out'), { retryable: true })
