// From a batch's body to events in the log: through the door, then durable. Owns the door, the claim and the commits; knows nothing of HTTP.
//
// 1. Batches that come while a commit is in flight go together into the next one (group commit): one flush for all of them.
// 2. A batch is answered when its events are flushed; a commit that fails leaves nothing, and fails every batch in it. Each commit has a receipt, so
//    that one whose answer was lost is known for what it was; where that cannot be asked in time, the error says so (isUndecided).
// 3. What waits is bounded in bytes by `reserve`, which is asked before a body is kept.
import { randomUUID } from 'node:crypto'
import type { Claim, Log, LogReceipt, OutputBlock } from '../../engine/log/contract.ts'
import { type Accepted, Door } from '../../model/door.ts'
import type { BodyError } from '../../model/event-array.ts'
import { TOPICS } from '../../model/rows.ts'
import { patientClaim } from '../process/patient-claim.ts'
import { acceptBody } from './accept-body.ts'
import type { Body } from './read-body.ts'

/** A client's clock may be this far ahead, and its events this old. */
export const AHEAD_MS = 5 * 60_000
export const BEHIND_MS = 7 * 86_400_000
/** Bodies under way, and events that wait for a commit. */
export const WAITING_BYTES_MAX = 64 << 20

export interface IngestOptions {
  log: Pick<Log, 'claim'>
  lineage: string
  /** Of events.raw. Late events go to the partition behind the last one of events.late: the others are their tasks'. */
  partitions: number
  /** For events without orgId. */
  org?: string
  nowMs(): number
  newId(): string
  waitingBytesMax?: number
  /** How long a commit is tried that failed by what may pass; none where absent: whoever sends tries again. */
  patienceMs?: number
  /** With each so manieth commit the log is told that receipts before it are not needed (1). */
  releaseEvery?: number
  onCommit?(commit: { events: number; batches: number; ms: number; error?: unknown }): void
}

/** `id`: tells it from that of a commit that failed before. */
interface IngestReceipt extends LogReceipt {
  id: string
}
interface Group {
  events: number
  batches: number
  done: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

/** Errors: those of the log. */
export async function openIngest(options: IngestOptions): Promise<Ingest> {
  const claim = await patientClaim<IngestReceipt>(options.log as Log, `ingest.${options.lineage}`, { patienceMs: options.patienceMs ?? 0 })
  return new Ingest(claim, options)
}

export class Ingest {
  private readonly options: IngestOptions
  private readonly claim: Pick<Claim<IngestReceipt>, 'commit' | 'release'>
  private readonly door: Door
  /** Of the last commit. */
  private epoch: number
  /** The batches that the next commit takes. */
  private group: Group | undefined
  private running: Promise<void> | undefined
  private reserved = 0

  constructor(claim: Pick<Claim<IngestReceipt>, 'last' | 'commit' | 'release'>, options: IngestOptions) {
    this.claim = claim
    this.epoch = claim.last?.epoch ?? 0
    this.options = options
    const { partitions, org, newId } = options
    this.door = new Door({ partitions, org, client: { newId, aheadMs: AHEAD_MS, behindMs: BEHIND_MS } })
  }

  /** Bytes that are under way. */
  get waitingBytes(): number {
    return this.reserved
  }

  /** Counts bytes that are to be kept: false, and nothing counted, where that is too much (3). */
  reserve(bytes: number): boolean {
    if (this.reserved + bytes > (this.options.waitingBytesMax ?? WAITING_BYTES_MAX)) return false
    this.reserved += bytes
    return true
  }

  give(bytes: number): void {
    this.reserved -= bytes
  }

  /** Resolves when the events of the batch are durable, or with why it is none. Rejects with the log's error: nothing of it was taken. */
  async take({ bytes, length }: Body): Promise<Accepted | BodyError> {
    const answer = acceptBody(this.door, bytes, length, this.options.nowMs())
    if ('code' in answer || answer.accepted === 0) return answer
    this.group ??= newGroup()
    const { group } = this
    group.events += answer.accepted
    group.batches++
    this.running ??= this.run()
    await group.done
    return answer
  }

  /** Commits what was taken. No batch may come after it. */
  async stop(): Promise<void> {
    await this.running
    await this.claim.release()
  }

  private async run(): Promise<void> {
    // After this turn of the event loop: bodies that are complete already go into the same commit.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.group) {
      const { group } = this
      this.group = undefined
      const startMs = performance.now()
      const { events, batches } = group
      try {
        await this.commit()
        this.options.onCommit?.({ events, batches, ms: performance.now() - startMs })
        group.resolve()
      } catch (error) {
        this.options.onCommit?.({ events, batches, ms: performance.now() - startMs, error })
        group.reject(error)
      }
    }
    this.running = undefined
  }

  private async commit(): Promise<void> {
    const taken = this.door.take()
    const late = this.door.takeLate()
    const outputs: OutputBlock[] = taken.map(({ partition, count, bytes }) => ({ topic: TOPICS.raw, partition, count, bytes }))
    if (late) outputs.push({ topic: TOPICS.late, partition: this.options.partitions, ...late })
    const epoch = ++this.epoch
    const release = epoch % (this.options.releaseEvery ?? 1) === 0 ? { receiptsThrough: epoch - 1, inputBefore: 0 } : undefined
    const receipt: IngestReceipt = { epoch, to: epoch, id: randomUUID() }
    await this.claim.commit({ outputs, receipt, release })
    this.door.give(taken)
  }
}

function newGroup(): Group {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // Each batch awaits it; where all their senders are gone nobody does.
  promise.catch(() => undefined)
  return { events: 0, batches: 0, done: promise, resolve, reject }
}
