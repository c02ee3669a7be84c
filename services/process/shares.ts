// Which partitions are at work in this process, where several share them on Kafka: as the group says it (stores/kafka/group-membership.ts). Owns the membership
// and what follows from it; who may commit is decided by claims alone (protocol 15, 17).
//   assigned → take    revoked → leave, within kafka.drainMs    lost → drop    fenced → drop; where the group says that it is still ours: take
// 1. A claim that was taken away says that somebody else works on the partition, and not who should. Only the group says that, asked after it: a process that
//    slept for long would otherwise take away what has long been another's.
import type { Config } from '../../config/index.ts'
import { type GroupMembership, joinGroup } from '../../stores/kafka/group-membership.ts'
import type { KafkaLogOptions } from '../../stores/kafka/kafka-log.ts'
import { Names } from '../../stores/kafka/names.ts'
import type { UnderWay } from './under-way.ts'

export interface SharesOptions {
  kafka: Pick<Config['kafka'], 'groupInstanceId' | 'sessionTimeoutMs' | 'drainMs'>
  log: KafkaLogOptions
  /** Whose tasks share them: how what each claims by begins. */
  stage: string
  /** That they read. */
  topic: string
  partitions: number
  /** Who this process is where it was given no name: the data folder's. */
  member: string
  work: PartitionWork
  onMoved(moved: Moved): void
}

/** What is done with partitions. Each is told to the lanes in the order of these calls. */
export interface PartitionWork {
  /** Taken, and neither left nor dropped since. */
  readonly held: ReadonlySet<number>
  readonly underWay: UnderWay
  take(partitions: readonly number[]): Promise<void>
  leave(partitions: readonly number[]): Promise<void>
  drop(partitions: readonly number[]): Promise<void>
}

export type Moved =
  /** `taken`: they are at work here; `left`: they have committed and may be another's; `lost`: they are another's, or nobody's; `fenced`: another has claimed them. */
  | { is: 'taken' | 'left' | 'lost' | 'fenced'; partitions: readonly number[] }
  /** It is no member any more, and nothing is at work here. */
  | { is: 'failed'; error: Error }

/** How long a stop waits for what its partitions commit and checkpoint at their end; then they go without that. Half of what a stop may take by default. */
const LEAVE_MS = 15_000

export class Shares {
  /** Why it is no member any more. */
  failure: Error | undefined
  private readonly options: SharesOptions
  private membership: GroupMembership | undefined
  private readonly joining = Promise.withResolvers<void>()
  private readonly first: Promise<void>[] = []
  /** Partitions that are being taken, or of which it is asked whose they are. */
  private readonly moving = new Map<number, Promise<void>>()
  private readonly judging = new Set<number>()
  private isClosing = false

  constructor(options: SharesOptions) {
    this.options = options
  }

  /** Resolves when the first ones that it was given have recovered. Errors: those of the membership; what a lane refuses to go on with. */
  async join(): Promise<void> {
    const { kafka, log, stage, topic, partitions, member, work, onMoved } = this.options
    const names = new Names(log)
    this.membership = await joinGroup({
      connection: log.connection,
      groupId: names.members(stage),
      instanceId: kafka.groupInstanceId || member,
      topic: names.data({ topic, partition: 0 }).topic,
      partitions,
      sessionTimeoutMs: kafka.sessionTimeoutMs,
      drainMs: kafka.drainMs,
      onAssigned: (assigned) => this.take(assigned),
      onRevoked: async (revoked) => {
        await work.leave(revoked)
        onMoved({ is: 'left', partitions: revoked })
      },
      onLost: (lost) => {
        void work.drop(lost).catch(() => undefined)
        onMoved({ is: 'lost', partitions: lost })
      },
      onFailed: (error) => {
        this.failure = error
        onMoved({ is: 'failed', error })
      },
    })
    this.joining.resolve()
    await Promise.all(this.first)
  }

  /** Of a partition here another has taken the claim. */
  fenced(partition: number): void {
    if (this.judging.has(partition)) return
    this.judging.add(partition)
    this.options.onMoved({ is: 'fenced', partitions: [partition] })
    this.moves(
      [partition],
      this.judge(partition).finally(() => this.judging.delete(partition)),
    )
  }

  /** Resolves when it is known whose it is, and it has recovered where it is this process's. True where that was not so. */
  async moved(partition: number): Promise<boolean> {
    const isMoving = this.moving.has(partition)
    for (let move = this.moving.get(partition); move; move = this.moving.get(partition)) await move
    return isMoving
  }

  /** Leaves the partitions, and then the group, before anything else of this process ends: others go on with them meanwhile. One that was given a name keeps its
   *  place and its partitions: it comes back. Rejects with what kept a partition from a clean end; the membership has ended all the same. */
  async close(): Promise<void> {
    const { work, kafka } = this.options
    this.isClosing = true
    this.joining.resolve()
    const held = [...work.held]
    // Brokers that do not answer are waited for; the rest of the stop has its share of the time.
    const late = setTimeout(() => void work.drop(held).catch(() => undefined), LEAVE_MS)
    try {
      await work.leave(held)
    } finally {
      clearTimeout(late)
      const ended = this.membership?.close({ leave: kafka.groupInstanceId === '' })
      await work.underWay.during('its place in the group', ended)
    }
  }

  private take(partitions: readonly number[]): void {
    // What comes now goes to others with the rest.
    if (this.isClosing) return
    const taken = this.options.work.take(partitions).then(() => this.taken(partitions))
    if (!this.membership) this.first.push(taken)
    this.moves(partitions, taken)
  }

  /** Some may have gone again while the others recovered. */
  private taken(partitions: readonly number[]): void {
    const { work, onMoved } = this.options
    const here = partitions.filter((partition) => work.held.has(partition))
    if (here.length > 0) onMoved({ is: 'taken', partitions: here })
  }

  /** What fails has been told; what refuses a start is thrown to whoever joins. */
  private moves(partitions: readonly number[], work: Promise<unknown>): void {
    const moving = work.then(
      () => undefined,
      () => undefined,
    )
    for (const partition of partitions) this.moving.set(partition, moving)
    void moving.then(() => {
      for (const partition of partitions) if (this.moving.get(partition) === moving) this.moving.delete(partition)
    })
  }

  private async judge(partition: number): Promise<void> {
    await this.options.work.drop([partition])
    await this.joining.promise
    await this.membership?.confirmed()
    if (!this.isClosing && this.membership?.partitions.includes(partition)) {
      await this.options.work.take([partition])
      this.taken([partition])
    }
  }
}
