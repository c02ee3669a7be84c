// One member of a group as a process of its own, for members.kafka.test.ts: says on its standard output what becomes its own and what does not, one
// JSON object per line, until it is killed or its standard input ends.
//   node member-child.ts '{"connection":…,"groupId":…,…}'
import { setTimeout as sleep } from 'node:timers/promises'
import { type GroupMembershipOptions, joinGroup } from '../../stores/kafka/group-membership.ts'

export interface MemberSaid {
  is: 'assigned' | 'released' | 'lost' | 'failed' | 'joined' | 'closed'
  partitions?: readonly number[]
  code?: string
  atMs: number
}

export interface MemberArguments extends Omit<GroupMembershipOptions, 'onAssigned' | 'onRevoked' | 'onLost' | 'onFailed'> {
  /** What a drain takes. */
  drainsMs: number
}

const say = (said: Omit<MemberSaid, 'atMs'>) => process.stdout.write(`${JSON.stringify({ ...said, atMs: Date.now() })}\n`)

if (import.meta.main) {
  const { drainsMs, ...options } = JSON.parse(process.argv[2]) as MemberArguments
  const membership = await joinGroup({
    ...options,
    onAssigned: (partitions) => say({ is: 'assigned', partitions }),
    onRevoked: async (partitions) => {
      await sleep(drainsMs)
      say({ is: 'released', partitions })
    },
    onLost: (partitions) => say({ is: 'lost', partitions }),
    onFailed: (error) => say({ is: 'failed', code: (error as { code?: string }).code }),
  })
  say({ is: 'joined' })
  process.stdin.resume().once('end', () => {
    void membership.close().then(() => {
      say({ is: 'closed' })
      process.exit(0)
    })
  })
}
