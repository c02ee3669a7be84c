// A process's membership in a consumer group, which says which partitions are its own. Owns the heartbeats and the protocol of joining; never reads or
// writes a record. Who owns a partition's data is decided by transactional ids alone (protocol 15, 17): the group only says who is to claim which.
//
//   join → sync → assigned ──heartbeats──► the group changes → join (keeping what it has) → sync → what was taken is drained, then joined without it
//
// 1. Sticky and cooperative (assign-partitions.ts): who keeps a partition is not asked to stop working on it while others join or leave.
// 2. A partition that moves is given to the next member when this one has drained it, or when its budget for that is over: then it is lost.
// 3. With an instance id a process that comes back within the session timeout has its partitions again, and nobody else notices. One that does not
//    is left out after the session timeout; should it still live (it was stopped, the network was cut), it is told that it has lost them all.
// 4. Brokers that cannot be reached take nothing from anybody: nobody can commit meanwhile, and the group lives on in them.
import { setTimeout as sleep } from 'node:timers/promises'
import { assignPartitions, type GroupMember } from './assign-partitions.ts'
import { GroupCoordinator, type Joined } from './group-coordinator.ts'
import type { KafkaConnection } from './kafka-client.ts'
import { errorType, isConnectionError, isStale, KafkaError, kafkaError } from './kafka-error.ts'
import { decodeKnown, type KnownOfMember } from './member-words.ts'

export interface GroupMembershipOptions {
  connection: KafkaConnection
  groupId: string
  /** Says who this process is, over its restarts; one process at a time may have it. Absent: it is a new member each time. */
  instanceId?: string
  /** Whose partitions are shared out, as the broker names it. */
  topic: string
  partitions: number
  /** A member that says nothing for so long is taken for dead. */
  sessionTimeoutMs: number
  /** How long onRevoked may take before the group goes on without it. */
  drainMs: number
  /** These are this process's from now on: claim them. */
  onAssigned(partitions: readonly number[]): void
  /** These go to another member when this resolves: commit or abandon what is open, and let go of them. */
  onRevoked(partitions: readonly number[]): Promise<void>
  /** These may be another's already: what is still done to them will be refused. Drop them. */
  onLost(partitions: readonly number[]): void
  /** It is no member any more and will not become one. Everything was lost before. */
  onFailed(error: Error): void
}

const HEARTBEATS_PER_SESSION = 10
/** Others stand still until they hear of what was left to them. */
const HEARTBEAT_MAX_MS = 250
const REQUESTS_PER_SESSION = 3
/** Beyond a drain: for the heartbeat that says so, and the join. */
const JOIN_MS = 5_000
const PAUSE_FIRST_MS = 50
const PAUSE_MAX_MS = 1_000
/** How long a first join is tried. */
const OPEN_MS = 30_000

/** Resolves when it is a member, after the first onAssigned (where there was a partition for it). Errors: KAFKA_UNAVAILABLE, KAFKA_GROUP_REFUSED, … */
export async function joinGroup(options: GroupMembershipOptions): Promise<GroupMembership> {
  const membership = new GroupMembership(options)
  try {
    await membership.open()
    return membership
  } catch (error) {
    await membership.close({ leave: false })
    throw error
  }
}

export class GroupMembership {
  private readonly options: GroupMembershipOptions
  private readonly coordinator: GroupCoordinator
  private readonly heartbeatMs: number
  private readonly closing = new AbortController()
  private memberId = ''
  private joined: Joined | undefined
  private generation = -1
  private target: Record<string, number[]> = {}
  private owned = new Set<number>()
  private running: Promise<void> | undefined
  /** Who waits for the group's word. */
  private asking: (() => void)[] = []

  constructor(options: GroupMembershipOptions) {
    this.options = options
    const { connection, groupId, instanceId, topic, sessionTimeoutMs, drainMs } = options
    this.heartbeatMs = Math.min(HEARTBEAT_MAX_MS, sessionTimeoutMs / HEARTBEATS_PER_SESSION)
    this.coordinator = new GroupCoordinator({
      connection,
      requestMs: sessionTimeoutMs / REQUESTS_PER_SESSION,
      groupId,
      instanceId,
      topic,
      sessionTimeoutMs,
      rebalanceTimeoutMs: Math.max(sessionTimeoutMs, drainMs + JOIN_MS),
    })
  }

  /** What is this process's now, in order. */
  get partitions(): readonly number[] {
    return [...this.owned].sort((a, b) => a - b)
  }

  /** Joins for the first time; then runs in the background until it is closed. */
  async open(): Promise<void> {
    const endMs = performance.now() + OPEN_MS
    try {
      await this.persistently(
        () => this.join(),
        () => performance.now() > endMs,
      )
    } catch (error) {
      throw this.failure(error)
    }
    this.running = this.run()
      .catch((error: unknown) => this.fail(error))
      .finally(() => this.answer(this.asking.splice(0)))
  }

  /** Resolves when the group has said that this is so, asked after this call; or when it is no member any more. */
  confirmed(): Promise<void> {
    if (this.isClosing) return Promise.resolve()
    return new Promise((resolve) => this.asking.push(resolve))
  }

  /** Ends the membership; whoever calls it has drained its partitions. `leave: false` keeps them for this instance id until the session timeout: it
   *  comes back. Never rejects. */
  async close({ leave = true }: { leave?: boolean } = {}): Promise<void> {
    this.closing.abort()
    // A join that waits for the others ends with its connection.
    await this.coordinator.disconnect()
    await this.running
    if (leave && this.memberId !== '') await this.coordinator.leave(this.memberId).catch(() => undefined)
    this.memberId = ''
    await this.coordinator.disconnect()
  }

  private get isClosing(): boolean {
    return this.closing.signal.aborted
  }

  private async run(): Promise<void> {
    while (!this.isClosing) {
      await this.pause(this.heartbeatMs)
      const asked = this.asking.splice(0)
      await this.persistently(
        async () => {
          if (this.joined && (await this.isCurrent())) return
          this.joined = undefined
          await this.join()
        },
        () => false,
      )
      this.answer(asked)
    }
  }

  private answer(asked: readonly (() => void)[]): void {
    for (const answered of asked) answered()
  }

  /** Tries again what may pass, until it is over or closed. Throws what does not pass. */
  private async persistently(work: () => Promise<void>, isOver: () => boolean): Promise<void> {
    for (let pauseMs = PAUSE_FIRST_MS; !this.isClosing; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
      try {
        return await work()
      } catch (error) {
        if (this.isClosing) return
        const type = errorType(error)
        if (isLoss(error)) this.forget(type === 'UNKNOWN_MEMBER_ID')
        else if (type !== 'REBALANCE_IN_PROGRESS') {
          const mayPass = isConnectionError(error) || isStale(error) || (error as { retriable?: boolean }).retriable === true
          if (!mayPass || isOver()) throw error
          await this.coordinator.disconnect()
          await this.pause(pauseMs)
        }
      }
    }
  }

  /** The group goes on without this process, or has done so. */
  private forget(isStranger: boolean): void {
    if (isStranger) this.memberId = ''
    this.joined = undefined
    this.lose(this.partitions)
  }

  private lose(partitions: readonly number[]): void {
    const lost = partitions.filter((partition) => this.owned.delete(partition))
    if (lost.length > 0) this.options.onLost(lost)
  }

  private fail(error: unknown): void {
    this.forget(true)
    this.options.onFailed(this.failure(error))
  }

  /** Whether the group is as it was. */
  private async isCurrent(): Promise<boolean> {
    try {
      await this.coordinator.heartbeat(this.joined!)
      return true
    } catch (error) {
      if (errorType(error) !== 'REBALANCE_IN_PROGRESS') throw error
      return false
    }
  }

  /** Joins with what this process has, until there is nothing more to give up. */
  private async join(): Promise<void> {
    for (let revoked = true; revoked && !this.isClosing; ) {
      const joined = await this.joinOnce()
      const all = joined.leaderId === joined.memberId ? this.assign(joined) : new Map<string, number[]>()
      const { partitions, target } = await this.coordinator.sync(joined, all, this.target)
      this.joined = joined
      this.generation = joined.generationId
      if (target) this.target = target
      if (this.isClosing) return
      revoked = await this.apply(new Set(partitions))
      // What it gave up is nobody's until it has joined without it, also where the next join does not get through.
      if (revoked) this.joined = undefined
    }
  }

  private async joinOnce(): Promise<Joined> {
    const known: KnownOfMember = { generation: this.generation, owned: [...this.partitions], target: this.target }
    const joined = await this.coordinator.join(this.memberId, known)
    this.memberId = joined.memberId
    return joined
  }

  /** As the leader: what each member is given; the target goes to all. */
  private assign({ members }: Joined): Map<string, number[]> {
    const known = members.map((member): [GroupMember, KnownOfMember] => {
      const told = decodeKnown(member.memberMetadata)
      return [{ id: member.memberId, name: member.groupInstanceId ?? member.memberId, ...told }, told]
    })
    const newest = known.reduce((a, b) => (b[1].generation > a[1].generation ? b : a))[1]
    const { given, target } = assignPartitions(
      known.map(([member]) => member),
      this.options.partitions,
      new Map(Object.entries(newest.target)),
    )
    this.target = Object.fromEntries([...this.absent(newest.target, target), ...target])
    return given
  }

  /** What others had who have left: theirs again when they come back. The newest last; as many as there are partitions. */
  private absent(last: Record<string, number[]>, target: ReadonlyMap<string, number[]>): [string, number[]][] {
    const gone = Object.entries(last).filter(([name, had]) => !target.has(name) && had.length > 0)
    return gone.slice(-this.options.partitions)
  }

  /** True where something was taken, and is given up by now. */
  private async apply(partitions: ReadonlySet<number>): Promise<boolean> {
    const revoked = this.partitions.filter((partition) => !partitions.has(partition))
    const assigned = [...partitions].filter((partition) => !this.owned.has(partition)).sort((a, b) => a - b)
    for (const partition of assigned) this.owned.add(partition)
    if (assigned.length > 0) this.options.onAssigned(assigned)
    if (revoked.length === 0) return false
    if (await this.drained(revoked)) for (const partition of revoked) this.owned.delete(partition)
    else this.lose(revoked)
    return true
  }

  /** False where the budget was over before. The group hears of this member meanwhile. */
  private async drained(partitions: readonly number[]): Promise<boolean> {
    const over = new AbortController()
    const drain = this.options.onRevoked(partitions).then(
      () => true,
      () => false,
    )
    const budget = sleep(this.options.drainMs, false, { signal: over.signal }).catch(() => false)
    const either = Promise.race([drain, budget])
    try {
      for (;;) {
        const tick = sleep(this.heartbeatMs, undefined, { signal: over.signal }).catch(() => undefined)
        const isDrained = await Promise.race([either, tick])
        if (isDrained !== undefined) return isDrained
        const isOut = await Promise.race([either.then(() => undefined), this.isOut()])
        if (isOut) throw isOut
      }
    } finally {
      over.abort()
    }
  }

  /** Why, where the group has gone on without this process. All else is heard of when the drain is over. */
  private async isOut(): Promise<unknown> {
    return this.isCurrent().then(
      () => undefined,
      (error: unknown) => (isLoss(error) ? error : undefined),
    )
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.closing.signal }).catch(() => undefined)
  }

  private failure(error: unknown): Error {
    const { groupId, instanceId, sessionTimeoutMs } = this.options
    const type = errorType(error)
    if (type === 'FENCED_INSTANCE_ID')
      return new KafkaError(
        'KAFKA_INSTANCE_TAKEN',
        `another process has joined ${groupId} as ${instanceId}`,
        'Give each process a kafka.groupInstanceId of its own. Where this one was replaced, there is nothing to do.',
        error,
      )
    if (type === 'INVALID_SESSION_TIMEOUT')
      return new KafkaError(
        'KAFKA_GROUP_REFUSED',
        `the broker allows no session of ${sessionTimeoutMs} ms in the group ${groupId}`,
        'Set kafka.sessionTimeoutMs between the brokers’ group.min.session.timeout.ms and group.max.session.timeout.ms.',
        error,
      )
    if (type === 'INCONSISTENT_GROUP_PROTOCOL')
      return new KafkaError(
        'KAFKA_GROUP_REFUSED',
        `the group ${groupId} has members that are not Packmill's`,
        'See who they are: kafka-consumer-groups --describe --members --group. Stop them.',
        error,
      )
    return kafkaError(error, `the group ${groupId}`)
  }
}

/** Whether it says that the group has gone on without this member. */
const isLoss = (error: unknown): boolean => ['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'].includes(errorType(error) ?? '')
