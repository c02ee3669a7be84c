// A log as one process sees it, with other cuts than were written, and with every committed receipt remembered and checked.
//
// Observed is what all processes of a simulation share: the receipts of each task, epoch by epoch, also those that retention lets go.
import assert from 'node:assert/strict'
import type { Receipt } from '../../engine/lane/receipt.ts'
import type { BlockRange, Claim, Log, LogReceipt, ReadResult } from '../../engine/log/contract.ts'

export class Observed {
  readonly receipts = new Map<string, Receipt[]>()

  /** Of a task's partition. */
  of(name: string): Receipt[] {
    let list = this.receipts.get(name)
    if (!list) this.receipts.set(name, (list = []))
    return list
  }

  /** Checks a receipt against the one before: epochs and positions follow each other, counters only grow, and they add up. */
  add(name: string, receipt: Receipt): void {
    const list = this.of(name)
    if (receipt.epoch <= list.length) {
      assert.deepEqual(receipt, list[receipt.epoch - 1], `the committed epoch ${receipt.epoch} of ${name} is another now`)
      return
    }
    const before = list.at(-1)
    assert.deepEqual([receipt.epoch, receipt.from], [list.length + 1, before?.to ?? 0], `epoch and start of an epoch of ${name}`)
    assert.ok(receipt.to >= receipt.from, `epoch ${receipt.epoch} of ${name} ends before it begins`)
    const { accepted, open, closed, duplicates, late, deadLettered, filtered } = receipt.counters
    assert.equal(open + closed + duplicates + late + deadLettered + filtered, accepted, `the sum of epoch ${receipt.epoch} of ${name}`)
    for (const counter of ['accepted', 'duplicates', 'late', 'deadLettered', 'invalid'] as const)
      assert.ok(receipt.counters[counter] >= (before?.counters[counter] ?? 0), `${counter} of ${name} went back in epoch ${receipt.epoch}`)
    list.push(structuredClone(receipt))
  }
}

/** The log with tasks' commits observed; where `random` is given, reads are cut elsewhere every time. */
export function observedLog(log: Log, observed: Observed, random?: () => number): Log {
  return {
    async claim<R extends LogReceipt>(name: string, input?: Parameters<Log['claim']>[1], again?: boolean): Promise<Claim<R>> {
      const claim = await log.claim<R>(name, input, again)
      if (!name.startsWith('task.')) return claim
      const known = observed.of(name).length
      for await (const receipt of claim.receipts(known)) observed.add(name, receipt as unknown as Receipt)
      assert.equal(claim.last?.epoch ?? 0, observed.of(name).length, `the last epoch of ${name}`)
      return {
        claimsSinceCommit: claim.claimsSinceCommit,
        last: claim.last,
        receipts: (after) => claim.receipts(after),
        async commit(commit) {
          await claim.commit(commit)
          observed.add(name, commit.receipt as unknown as Receipt)
        },
        release: () => claim.release(),
        holds: () => claim.holds(),
      }
    },
    reader(at) {
      const reader = log.reader(at)
      if (!random) return reader
      return {
        read: async (from, maxBytes) => cutElsewhere(await reader.read(from, 1 + Math.floor(random() * maxBytes)), from, random),
        close: () => reader.close(),
      }
    },
    bounds: (at) => log.bounds(at),
    need: (consumer, at, from) => log.need(consumer, at, from),
    changed: () => log.changed(),
    close: () => log.close(),
  }
}

/** The same records in other blocks: cut anywhere between two of them, and ended early. */
function cutElsewhere(read: ReadResult, from: number, random: () => number): ReadResult {
  if (read.blocks.length === 0 || random() < 0.4) return read
  const blocks: BlockRange[] = []
  const end = random() < 0.5 ? read.next : from + 1 + Math.floor(random() * (read.next - from))
  for (const { baseOffset, count, pos, length } of read.blocks) {
    let [start, first] = [pos, baseOffset]
    for (let at = pos, offset = baseOffset; at < pos + length && offset < end; at++) {
      if (read.bytes[at] !== 10) continue
      offset++
      const last = offset === baseOffset + count || offset === end
      if (!last && random() < 0.7) continue
      if (offset > from) blocks.push({ baseOffset: first, count: offset - first, pos: start, length: at + 1 - start })
      ;[start, first] = [at + 1, offset]
    }
  }
  return { bytes: read.bytes, blocks, next: end }
}
