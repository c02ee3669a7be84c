// A log as one process sees it, with other cuts than were written, and with every committed receipt remembered and checked.
//
// Observed is what all processes of a simulation share: the receipts of each task, epoch by epoch, also those that retention lets go, the
// watermarks after each of them, and who claimed last.
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { Receipt } from '../../engine/lane/receipt.ts'
import type { BlockRange, Claim, Log, LogReceipt, ReadResult } from '../../engine/log/contract.ts'
import { type Counts, noCounts } from './counts.ts'
import { holds, type Violation } from './violation.ts'

/** What computing an epoch again must give. */
const answerOf = ({ outputs, rows, watermarks, counters }: Receipt) => ({ outputs, rows, watermarks, counters })

/** Of one task, after an epoch: by actor. */
export type Watermarks = ReadonlyMap<string, number>

export class Observed {
  readonly counts: Counts
  readonly receipts = new Map<string, Receipt[]>()
  /** The first thing that did not hold: whoever noticed it may be inside the engine, which takes it for a failure of its own. */
  violation: Violation | undefined
  /** Partitions of which a committed epoch was computed again, and came out otherwise. */
  readonly differing = new Set<number>()
  private readonly generations = new Map<string, number>()
  private readonly watermarks = new Map<string, (Watermarks | undefined)[]>()
  /** Of epochs that are not committed yet. */
  private readonly computed = new WeakMap<Receipt, Watermarks>()

  constructor(counts: Counts = noCounts()) {
    this.counts = counts
  }

  /** Of a task's partition. */
  of(name: string): Receipt[] {
    return listOf(this.receipts, name)
  }

  /** Runs checks; what does not hold ends the run. */
  check(...[invariant, checks]: Parameters<typeof holds>): void {
    try {
      holds(invariant, checks)
    } catch (error) {
      this.violation ??= error as Violation
      throw error
    }
  }

  /** An owner has claimed the name; false where another has done so since. */
  claimed(name: string, generation: number): boolean {
    const newest = Math.max(generation, this.generations.get(name) ?? 0)
    this.generations.set(name, newest)
    return newest === generation
  }

  isFenced(name: string, generation: number): boolean {
    return generation < (this.generations.get(name) ?? 0)
  }

  /** An epoch was computed: its watermarks, should it be committed. */
  hasComputed(name: string, receipt: Receipt, watermarks: Watermarks): void {
    this.computed.set(receipt, watermarks)
    const committed = this.of(name)[receipt.epoch - 1]
    if (committed && !isDeepStrictEqual(answerOf(committed), answerOf(receipt))) this.differing.add(receipt.partition)
  }

  /** As of a committed epoch, where they are known. */
  watermarksAt(name: string, epoch: number): Watermarks | undefined {
    return listOf(this.watermarks, name)[epoch]
  }

  /** Checks a receipt against the one before: epochs and positions follow each other, counters only grow, and they add up. */
  add(name: string, receipt: Receipt): void {
    const list = this.of(name)
    const before = receipt.epoch <= list.length ? list[receipt.epoch - 2] : list.at(-1)
    this.check('epochs-follow', () => {
      if (receipt.epoch <= list.length)
        return assert.deepEqual(receipt, list[receipt.epoch - 1], `the committed epoch ${receipt.epoch} of ${name} is another now`)
      assert.deepEqual([receipt.epoch, receipt.from], [list.length + 1, before?.to ?? 0], `epoch and start of an epoch of ${name}`)
      assert.ok(receipt.to >= receipt.from, `epoch ${receipt.epoch} of ${name} ends before it begins`)
    })
    if (receipt.epoch <= list.length) return
    this.check('accounting', () => {
      const { accepted, open, closed, duplicates, late, deadLettered, filtered } = receipt.counters
      assert.equal(open + closed + duplicates + late + deadLettered + filtered, accepted, `the sum of epoch ${receipt.epoch} of ${name}`)
      for (const counter of ['accepted', 'duplicates', 'late', 'deadLettered', 'invalid'] as const)
        assert.ok(
          receipt.counters[counter] >= (before?.counters[counter] ?? 0),
          `${counter} of ${name} went back in epoch ${receipt.epoch}`,
        )
    })
    listOf(this.watermarks, name)[receipt.epoch] = this.computed.get(receipt)
    list.push(structuredClone(receipt))
  }
}

function listOf<T>(lists: Map<string, T[]>, name: string): T[] {
  let list = lists.get(name)
  if (!list) lists.set(name, (list = []))
  return list
}

/** The log with commits observed; where `random` is given, reads are cut elsewhere every time. */
export function observedLog(log: Log, observed: Observed, random?: () => number): Log {
  return {
    async claim<R extends LogReceipt>(name: string, input?: Parameters<Log['claim']>[1], again?: boolean): Promise<Claim<R>> {
      const claim = await log.claim<R>(name, input, again)
      const generation = (claim as unknown as { own?: { generation: number } }).own?.generation ?? 0
      const isTask = name.startsWith('task.')
      if (observed.claimed(name, generation) && isTask) {
        const known = observed.of(name).length
        for await (const receipt of claim.receipts(known)) observed.add(name, receipt as unknown as Receipt)
        const { length } = observed.of(name)
        if (!observed.isFenced(name, generation))
          observed.check('epochs-follow', () => assert.equal(claim.last?.epoch ?? 0, length, `the last epoch of ${name}`))
      }
      return {
        claimsSinceCommit: claim.claimsSinceCommit,
        last: claim.last,
        receipts: (after) => claim.receipts(after),
        async commit(commit) {
          const fenced = observed.isFenced(name, generation)
          await claim.commit(commit).catch((error: unknown) => {
            if ((error as { code: string }).code === 'FENCED') observed.counts.fencedCommits++
            throw error
          })
          observed.check('fenced-never-publishes', () => assert.ok(!fenced, `an earlier owner of ${name} has committed`))
          if (isTask && commit.receipt) observed.add(name, commit.receipt as unknown as Receipt)
        },
        release: () => claim.release(),
        holds: () => claim.holds(),
      }
    },
    reader(at) {
      const reader = log.reader(at)
      if (!random) return reader
      return {
        read: async (from, maxBytes) => {
          const read = await reader.read(from, 1 + Math.floor(random() * maxBytes))
          if (read.blocks.length === 0 || random() < 0.4) return read
          observed.counts.cutsElsewhere++
          return cutElsewhere(read, from, random)
        },
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
  const blocks: BlockRange[] = []
  // Behind its first record at least: an empty read is the end of the log.
  const first = Math.max(from, read.blocks[0].baseOffset)
  const end = random() < 0.5 ? read.next : first + 1 + Math.floor(random() * (read.next - first))
  for (const { baseOffset, count, pos, length } of read.blocks) {
    let [start, base] = [pos, baseOffset]
    for (let at = pos, offset = baseOffset; at < pos + length && offset < end; at++) {
      if (read.bytes[at] !== 10) continue
      offset++
      const last = offset === baseOffset + count || offset === end
      if (!last && random() < 0.7) continue
      if (offset > from) blocks.push({ baseOffset: base, count: offset - base, pos: start, length: at + 1 - start })
      ;[start, base] = [at + 1, offset]
    }
  }
  return { bytes: read.bytes, blocks, next: end }
}
