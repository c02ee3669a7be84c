// Members of a group as real processes over a real broker: killed, stopped for longer than their session, many at once. Each waits for what the
// members say; the one duration that is looked at is the promise itself: what a dead owner had is taken up within the session timeout and five seconds.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, it, type TestContext } from 'vitest'
import { kafkaWorld } from '../../stores/kafka/kafka-world.fake.ts'
import { kafkaServer } from '../kafka-server.ts'
import type { MemberArguments, MemberSaid } from './member-child.ts'

const server = await kafkaServer()
/** The shortest that brokers allow unless they are told otherwise. */
const SESSION_MS = 6_000
const TAKEN_UP_MS = SESSION_MS + 5_000
const PARTITIONS = 8
const ALL = Array.from({ length: PARTITIONS }, (_, i) => i)

class Member {
  readonly said: (MemberSaid & { by: Member })[] = []
  readonly owned = new Set<number>()
  private readonly child: ChildProcess
  private readonly group: Group

  constructor(group: Group, args: MemberArguments) {
    this.group = group
    this.child = spawn(process.execPath, [join(import.meta.dirname, 'member-child.ts'), JSON.stringify(args)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.heard(JSON.parse(line) as MemberSaid))
  }

  get share(): number[] {
    return [...this.owned].sort((a, b) => a - b)
  }

  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.child.kill(name)
    if (name === 'SIGKILL') this.owned.clear()
  }

  leave(): void {
    this.child.stdin!.end()
  }

  has(is: MemberSaid['is']): boolean {
    return this.said.some((one) => one.is === is)
  }

  private heard(said: MemberSaid): void {
    this.said.push({ ...said, by: this })
    for (const partition of said.partitions ?? [])
      if (said.is === 'assigned') this.owned.add(partition)
      else this.owned.delete(partition)
    this.group.look()
  }
}

class Group {
  readonly members: Member[] = []
  private readonly args: MemberArguments
  private waiting: (() => void)[] = []

  constructor(args: MemberArguments) {
    this.args = args
  }

  start(args: Partial<MemberArguments> = {}): Member {
    const member = new Member(this, { ...this.args, ...args })
    this.members.push(member)
    return member
  }

  look(): void {
    const { waiting } = this
    this.waiting = []
    for (const wake of waiting) wake()
  }

  /** Resolves when it is so, after what any member says. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.waiting.push(resolve))
  }

  /** Everything is somebody's, of these members, in shares that differ by one at most. */
  async shared(...members: Member[]): Promise<void> {
    const least = Math.floor(PARTITIONS / members.length)
    await this.until(() => {
      const sizes = members.map(({ owned }) => owned.size)
      return sizes.reduce((a, b) => a + b, 0) === PARTITIONS && sizes.every((size) => size === least || size === least + 1)
    })
    expect(members.flatMap(({ share }) => share).sort((a, b) => a - b)).toEqual(ALL)
  }

  end(): void {
    for (const member of this.members) member.signal('SIGKILL')
  }
}

async function newGroup(onTestFinished: TestContext['onTestFinished']): Promise<Group> {
  const { options, named } = await kafkaWorld(server!.broker)
  const { connection } = options
  const groupId = `test-${randomBytes(6).toString('hex')}`
  const args = { connection, groupId, topic: named('events.raw'), partitions: PARTITIONS, sessionTimeoutMs: SESSION_MS, drainMs: 3_000 }
  const group = new Group({ ...args, drainsMs: 20 })
  onTestFinished(() => group.end())
  return group
}

// Side by side: mostly they wait for the broker's session timeout.
describe.runIf(server).concurrent('Members of a group, as processes', () => {
  it('a killed one’s partitions are taken up within the session timeout and 5 s; the others keep theirs', async ({ onTestFinished }) => {
    const group = await newGroup(onTestFinished)
    const [a, b, c] = ['a', 'b', 'c'].map((instanceId) => group.start({ instanceId }))
    await group.shared(a, b, c)
    const [hadA, hadB] = [a.share, b.share]
    const killedMs = Date.now()
    c.signal('SIGKILL')
    await group.shared(a, b)
    const takenMs = Math.max(...[a, b].map(({ said }) => said.at(-1)!.atMs))
    expect(takenMs - killedMs).toBeLessThan(TAKEN_UP_MS)
    for (const [member, had] of [
      [a, hadA],
      [b, hadB],
    ] as const)
      for (const partition of had) expect(member.owned).toContain(partition)

    // A process of that name comes again: it gets its share, and the same one when it is killed and started again within its session.
    const again = group.start({ instanceId: 'c' })
    await group.shared(a, b, again)
    const hadC = again.share
    const before = [a.said.length, b.said.length]
    again.signal('SIGKILL')
    const third = group.start({ instanceId: 'c' })
    await group.until(() => third.has('joined'))
    expect(third.share).toEqual(hadC)
    // Another that leaves is heard of by all: by then they would have heard of this one.
    b.leave()
    await group.shared(a, third)
    expect(b.said.slice(before[1]).map(({ is }) => is)).toEqual(['closed'])
    expect(a.said.slice(before[0]).map(({ is }) => is)).toEqual(['assigned'])
    expect(third.said.map(({ is }) => is)).toEqual(['assigned', 'joined', 'assigned'])
  })

  it('one that was stopped for longer than its session notices that it has lost everything, and comes back', async ({ onTestFinished }) => {
    const group = await newGroup(onTestFinished)
    const [a, b, c] = ['a', 'b', undefined].map((instanceId) => group.start({ instanceId }))
    await group.shared(a, b, c)
    const stopped = [b, c]
    for (const member of stopped) member.signal('SIGSTOP')
    await group.until(() => a.owned.size === PARTITIONS)
    for (const member of stopped) {
      const had = member.share
      member.signal('SIGCONT')
      await group.until(() => member.has('lost'))
      expect(member.said.find(({ is }) => is === 'lost')!.partitions).toEqual(had)
    }
    await group.shared(a, b, c)
  })

  it('a burst of joins and deaths ends in equal shares, and no partition was ever two members’ at once', async ({ onTestFinished }) => {
    const group = await newGroup(onTestFinished)
    const first = [group.start({ instanceId: '0' }), group.start({ instanceId: '1' })]
    await group.shared(...first)
    const burst = ['2', '3', undefined, undefined].map((instanceId) => group.start({ instanceId, drainsMs: 200 }))
    await group.until(() => burst.some((member) => member.has('joined')))
    // Leaves in the middle of it.
    first[1].leave()
    await group.until(() => first[1].has('closed'))
    first[1].owned.clear()
    await group.shared(first[0], ...burst)

    const owner = new Map<number, Member | undefined>()
    const order = { released: 0, lost: 0, closed: 0, failed: 1, joined: 1, assigned: 2 }
    const all = group.members.flatMap(({ said }) => said).sort((x, y) => x.atMs - y.atMs || order[x.is] - order[y.is])
    for (const { is, partitions, by } of all) {
      if (is === 'closed') for (const [partition, one] of owner) if (one === by) owner.delete(partition)
      for (const partition of partitions ?? []) {
        if (is === 'assigned') expect(owner.get(partition), `the owner of ${partition} before`).toBeUndefined()
        owner.set(partition, is === 'assigned' ? by : undefined)
      }
    }
    expect(all.some(({ is }) => is === 'released')).toBe(true)
  })
})
