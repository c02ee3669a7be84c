// What members of a group say of themselves when they join, and what their leader says to them: the form of both. Whoever may join a group may say anything, so
// nothing of it is taken on trust: a member that says what none of ours would has nothing, and wishes nothing. kafkajs decodes it, too, but where a length is
// negative goes back in the bytes, for ever.
import kafkajs from 'kafkajs'
import { KafkaError } from './kafka-error.ts'
import { WireReader } from './wire.ts'

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

export interface KnownOfMember {
  /** Of the assignment by which it owns them. */
  generation: number
  owned: number[]
  /** By name: what each was to have in the end, as of that assignment. */
  target: Record<string, number[]>
}

/** What the leader gives one member, and says to all. */
export interface Share {
  partitions: number[]
  target: Record<string, number[]> | undefined
}

const VERSION = 0
const NOTHING: KnownOfMember = { generation: -1, owned: [], target: {} }

/** `topic`: for displays of the group. */
export const encodeKnown = (topic: string, known: KnownOfMember): Buffer =>
  MemberMetadata.encode({ version: VERSION, topics: [topic], userData: Buffer.from(JSON.stringify(known)) })

export const encodeShare = (topic: string, partitions: number[], target: Record<string, number[]>): Buffer =>
  MemberAssignment.encode({ version: VERSION, assignment: { [topic]: partitions }, userData: Buffer.from(JSON.stringify(target)) })

/** As the leader hears it. Never throws: one odd member must not keep all the others from their partitions. */
export function decodeKnown(metadata: Buffer): KnownOfMember {
  try {
    const reader = new WireReader(metadata)
    reader.int16()
    reader.array(() => reader.text())
    const known = JSON.parse(reader.blob().toString()) as Partial<KnownOfMember> | null
    const { generation, owned, target } = known ?? {}
    if (!Number.isSafeInteger(generation) || !arePartitions(owned) || !isTarget(target)) return NOTHING
    return { generation: generation!, owned, target }
  } catch {
    return NOTHING
  }
}

/** As a member hears it; nothing is said to whom the leader does not know. Errors: KAFKA_GROUP_REFUSED. */
export function decodeShare(assignment: Buffer, { groupId, topic }: { groupId: string; topic: string }): Share {
  if (assignment.length === 0) return { partitions: [], target: undefined }
  try {
    const reader = new WireReader(assignment)
    reader.int16()
    const given = new Map(reader.array(() => [reader.text(), reader.array(() => reader.int32())]))
    const partitions = given.get(topic) ?? []
    const target = JSON.parse(reader.blob().toString()) as unknown
    if (!arePartitions(partitions) || !isTarget(target)) throw new RangeError('these are no partitions')
    return { partitions, target }
  } catch (error) {
    throw new KafkaError(
      'KAFKA_GROUP_REFUSED',
      `the leader of the group ${groupId} said what no process of Packmill's says: ${(error as Error).message}`,
      `See who is in it: kafka-consumer-groups --describe --members --group ${groupId}. Stop whoever is not of this version and configuration, then start this process again.`,
      error,
    )
  }
}

const arePartitions = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((partition: unknown) => Number.isSafeInteger(partition) && (partition as number) >= 0)

const isTarget = (value: unknown): value is Record<string, number[]> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(arePartitions)
