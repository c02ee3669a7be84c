// How far lanes and sinks are behind what has come in, in bytes of the log, and sources that wait (or refuse) beyond a bound. What comes in is kept
// until it is processed and in the tables, so without this the disk would be the only bound.
//
// Owns the decision to let a commit of a source through. Positions come from who has them; nothing is deleted here.
import { EngineError } from '../../engine/errors.ts'
import type { Claim, Log, LogReceipt, TopicPartition } from '../../engine/log/contract.ts'
import type { Clock } from '../../engine/time/clock.ts'

export interface BacklogOptions {
  /** log.backlogBytes */
  boundBytes: number
  clock: Pick<Clock, 'sleep'>
  /** Bytes of the log that somebody has not finished with, now. */
  look(): Promise<number>
}

const PAUSE_MS = 100

export class Backlog {
  readonly options: BacklogOptions
  private lookedBytes = 0
  /** Let through since it was looked. */
  private sinceBytes = 0

  constructor(options: BacklogOptions) {
    this.options = options
  }

  /** As it was seen last, with what came in since. */
  get bytes(): number {
    return this.lookedBytes + this.sinceBytes
  }

  /** Whether so many more bytes may come in; then they are counted. One commit is always let through where nothing is behind. */
  async takes(bytes: number): Promise<boolean> {
    const { boundBytes, look } = this.options
    if (this.bytes + bytes > boundBytes) {
      this.sinceBytes = 0
      this.lookedBytes = await look()
      if (this.bytes > 0 && this.bytes + bytes > boundBytes) return false
    }
    this.sinceBytes += bytes
    return true
  }
}

export interface SourceOptions {
  /** `wait`: until there is room, however long that takes; `refuse`: an error that says to come again. */
  full: 'wait' | 'refuse'
  signal?: AbortSignal
  onWaiting?(error: Error): void
  onResumed?(): void
}

/** The log for a source: its commits come in as the backlog's bound allows. Errors beside the log's: BACKLOG_FULL; STOPPED where the signal ends a wait. */
export function boundedLog(log: Log, backlog: Backlog, { full, signal, onWaiting, onResumed }: SourceOptions): Log {
  const { boundBytes, clock } = backlog.options
  const room = async (bytes: number) => {
    for (let isWaiting = false; ; isWaiting = true) {
      if (await backlog.takes(bytes)) {
        if (isWaiting) onResumed?.()
        return
      }
      if (full === 'refuse') throw backlogFull(backlog.bytes, boundBytes)
      if (!isWaiting) onWaiting?.(backlogFull(backlog.bytes, boundBytes))
      if (!signal?.aborted) await clock.sleep(PAUSE_MS, signal)
      if (signal?.aborted)
        throw new EngineError('STOPPED', 'it was stopped while it waited for room in the log', 'Start again: nothing is lost.')
    }
  }
  return {
    reader: (at) => log.reader(at),
    bounds: (at) => log.bounds(at),
    need: (consumer, at, from) => log.need(consumer, at, from),
    changed: () => log.changed(),
    close: () => log.close(),
    async claim<R extends LogReceipt>(...asked: Parameters<Log['claim']>): Promise<Claim<R>> {
      const claim = await log.claim<R>(...asked)
      return {
        claimsSinceCommit: claim.claimsSinceCommit,
        last: claim.last,
        receipts: (after) => claim.receipts(after),
        release: () => claim.release(),
        holds: () => claim.holds(),
        async commit(commit) {
          await room(commit.outputs.reduce((sum, { bytes }) => sum + bytes.length, 0))
          await claim.commit(commit)
        },
      }
    },
  }
}

/** Where tasks and sinks are, as their statistics say it. */
export interface Consumed {
  tasks: readonly { topic: string; partition: number; position: number }[]
  sinks: readonly { topic: string; done: readonly number[] }[]
}

/** The bytes from the slowest consumer of each partition on. */
export function backlogBytes({ tasks, sinks }: Consumed, bytesFrom: (at: TopicPartition, offset: number) => number): number {
  const least = new Map<string, { at: TopicPartition; position: number }>()
  const consumes = (at: TopicPartition, position: number) => {
    const key = `${at.topic}/${at.partition}`
    least.set(key, { at, position: Math.min(position, least.get(key)?.position ?? position) })
  }
  for (const { topic, partition, position } of tasks) consumes({ topic, partition }, position)
  for (const { topic: of, done } of sinks) for (const [partition, position] of done.entries()) consumes({ topic: of, partition }, position)
  let bytes = 0
  for (const { at, position } of least.values()) bytes += bytesFrom(at, position)
  return bytes
}

const backlogFull = (bytes: number, boundBytes: number) =>
  new EngineError(
    'BACKLOG_FULL',
    `what lanes and tables have still to do takes ${bytes} bytes of the log, and log.backlogBytes is ${boundBytes}`,
    'Nothing is lost, and it goes on by itself when they have caught up. If they do not, look for a sink or a partition that has stopped.',
    { retryable: true },
  )
