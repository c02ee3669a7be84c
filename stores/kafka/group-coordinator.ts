// The requests of one member of a consumer group: join, sync, heartbeat, leave, with an instance id (KIP-345), which kafkajs' consumers do not send.
// Owns a connection of its own: a join waits for the whole group, and nothing else may wait behind it. Keeps no state of the membership.
//
// kafkajs' broker, which its cluster hands out (kafka-client.ts), has these requests and their newest encodings, but passes no instance id to them.
// It looks each up by its version and then fills it in: between the two the id is put in.
import type { Broker, Cluster } from 'kafkajs'
import { clusterOf, type KafkaConnection, kafkaClient } from './kafka-client.ts'
import { decodeShare, encodeKnown, encodeShare, type KnownOfMember, type Share } from './member-words.ts'

export interface JoinedMember {
  memberId: string
  groupInstanceId: string | null
  memberMetadata: Buffer
}

export interface Joined {
  generationId: number
  leaderId: string
  memberId: string
  /** All of the group, for its leader only. */
  members: JoinedMember[]
}

type MakeRequest = (payload: Record<string, unknown>) => unknown

/** What kafkajs' broker has beyond its types. */
interface GroupBroker extends Broker {
  lookupRequest(apiKey: number, definition: unknown): MakeRequest
  joinGroup(request: {
    groupId: string
    sessionTimeout: number
    rebalanceTimeout: number
    memberId: string
    groupProtocols: { name: string; metadata: Buffer }[]
  }): Promise<Joined>
  syncGroup(request: {
    groupId: string
    generationId: number
    memberId: string
    groupAssignment: { memberId: string; memberAssignment: Buffer }[]
  }): Promise<{ memberAssignment: Buffer }>
  heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<void>
  leaveGroup(request: { groupId: string; memberId: string }): Promise<void>
}

/** From the first request until an end. */
interface Connected {
  cluster: Cluster
  broker?: GroupBroker
  /** Aborted: it has ended. */
  ending: AbortController
}

export interface CoordinatorOptions {
  connection: KafkaConnection
  /** An answer that comes later is none. */
  requestMs: number
  groupId: string
  /** Absent: a member that is new each time. */
  instanceId?: string
  /** Whose partitions are shared out, as the broker names it: for displays of the group. */
  topic: string
  sessionTimeoutMs: number
  /** How long the group waits for a member that gives partitions up. */
  rebalanceTimeoutMs: number
}

const PROTOCOL = 'packmill-sticky'

/** Errors of all requests are kafkajs'. */
export class GroupCoordinator {
  private readonly options: CoordinatorOptions
  private connected: Connected | undefined

  constructor(options: CoordinatorOptions) {
    this.options = options
  }

  /** `known`: what the leader is to know of this member. */
  async join(memberId: string, known: KnownOfMember): Promise<Joined> {
    const { groupId, topic, sessionTimeoutMs, rebalanceTimeoutMs } = this.options
    const broker = await this.found()
    return broker.joinGroup({
      groupId,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      memberId,
      groupProtocols: [{ name: PROTOCOL, metadata: encodeKnown(topic, known) }],
    })
  }

  /** `all`: what the leader gives each member, by id; of others nothing. Resolves with this member's share. Errors: KAFKA_GROUP_REFUSED, too. */
  async sync({ generationId, memberId }: Joined, all: ReadonlyMap<string, number[]>, target: Record<string, number[]>): Promise<Share> {
    const { groupId, topic } = this.options
    const broker = await this.found()
    const groupAssignment = [...all].map(([id, partitions]) => ({
      memberId: id,
      memberAssignment: encodeShare(topic, partitions, target),
    }))
    const { memberAssignment } = await broker.syncGroup({ groupId, generationId, memberId, groupAssignment })
    return decodeShare(memberAssignment, { groupId, topic })
  }

  async heartbeat({ generationId, memberId }: Joined): Promise<void> {
    const broker = await this.found()
    await broker.heartbeat({ groupId: this.options.groupId, groupGenerationId: generationId, memberId })
  }

  async leave(memberId: string): Promise<void> {
    const broker = await this.found()
    await broker.leaveGroup({ groupId: this.options.groupId, memberId })
  }

  /** Ends what is on its way, which fails; the next request looks for whoever coordinates the group by then. Never rejects. */
  async disconnect(): Promise<void> {
    const { connected } = this
    this.connected = undefined
    // kafkajs would wait for the answers: to a join they come when the whole group has joined.
    connected?.ending.abort()
    await connected?.cluster.disconnect().catch(() => undefined)
  }

  private async found(): Promise<GroupBroker> {
    const { connection, requestMs, groupId, instanceId } = this.options
    if (!this.connected) {
      const ending = new AbortController()
      this.connected = { ending, cluster: clusterOf(kafkaClient(connection, { requestMs, signal: ending.signal })) }
    }
    const { connected } = this
    if (connected.broker) return connected.broker
    await connected.cluster.connect()
    const broker = (await connected.cluster.findGroupCoordinator({ groupId })) as GroupBroker
    connected.broker = instanceId === undefined ? broker : withInstanceId(broker, instanceId)
    return connected.broker
  }
}

function withInstanceId(broker: GroupBroker, groupInstanceId: string): GroupBroker {
  const lookupRequest: GroupBroker['lookupRequest'] = (apiKey, definition) => {
    const make = broker.lookupRequest(apiKey, definition)
    return (payload) => make({ ...payload, groupInstanceId })
  }
  return Object.assign(Object.create(broker) as GroupBroker, { lookupRequest })
}
