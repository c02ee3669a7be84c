import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { assignPartitions, type GroupMember } from './assign-partitions.ts'

const member = (name: string, owned: number[] = [], generation = 1): GroupMember => ({ id: `${name}-id`, name, generation, owned })
const given = (...args: Parameters<typeof assignPartitions>) => Object.fromEntries(assignPartitions(...args).given)

test('one member gets all, three get shares that differ by one at most', () => {
  expect(given([member('a')], 4)).toEqual({ 'a-id': [0, 1, 2, 3] })
  expect(given([member('c'), member('a'), member('b')], 8)).toEqual({ 'a-id': [0, 1, 2], 'b-id': [3, 4, 5], 'c-id': [6, 7] })
})

test('more members than partitions: some get none', () => {
  expect(given([member('a'), member('b'), member('c')], 2)).toEqual({ 'a-id': [0], 'b-id': [1], 'c-id': [] })
})

test('a member that comes gets its share once others have given it up, and nobody else is moved', () => {
  const before = [member('a', [0, 1, 2, 3]), member('b', [4, 5, 6, 7]), member('c')]
  const first = assignPartitions(before, 8)
  expect(Object.fromEntries(first.target)).toEqual({ a: [0, 1, 2], b: [4, 5, 6], c: [3, 7] })
  expect(Object.fromEntries(first.given)).toEqual({ 'a-id': [0, 1, 2], 'b-id': [4, 5, 6], 'c-id': [] })
  const after = [member('a', [0, 1, 2], 2), member('b', [4, 5, 6], 2), member('c', [], 2)]
  expect(given(after, 8, first.target)).toEqual({ 'a-id': [0, 1, 2], 'b-id': [4, 5, 6], 'c-id': [3, 7] })
})

test('what a dead member had is shared out at once', () => {
  expect(given([member('a', [0, 1, 2]), member('b', [4, 5, 6])], 8)).toEqual({ 'a-id': [0, 1, 2, 3], 'b-id': [4, 5, 6, 7] })
})

test('a member that was started again gets what its name had', () => {
  const last = new Map([
    ['a', [1, 3]],
    ['b', [0, 2]],
  ])
  expect(given([member('a'), member('b', [0, 2])], 4, last)).toEqual({ 'a-id': [1, 3], 'b-id': [0, 2] })
  // Also where others come at the same time.
  expect(given([member('a'), member('b'), member('0')], 6, last)).toEqual({ 'a-id': [1, 3], 'b-id': [0, 2], '0-id': [4, 5] })
})

test('a member that left and comes back gets what it had, which others give up first', () => {
  const last = new Map([
    ['a', [0, 3]],
    ['b', [1, 2, 3]],
    ['c', [0, 4, 5]],
  ])
  const before = [member('a'), member('b', [1, 2, 3]), member('c', [0, 4, 5])]
  const first = assignPartitions(before, 6, last)
  expect(Object.fromEntries(first.target)).toEqual({ a: [0, 3], b: [1, 2], c: [4, 5] })
  expect(Object.fromEntries(first.given)).toEqual({ 'a-id': [], 'b-id': [1, 2], 'c-id': [4, 5] })
})

test('of two that say they have a partition, the one that was given it later has it', () => {
  expect(given([member('a', [0, 1], 3), member('b', [1, 2], 4)], 3)).toEqual({ 'a-id': [0], 'b-id': [1, 2] })
})

test('what is not there is given to nobody, whoever says that he has it', () => {
  expect(given([member('a', [0, 7])], 2, new Map([['a', [1, 1, 9]]]))).toEqual({ 'a-id': [0, 1] })
})

describe('whatever members say that they have', () => {
  const groups = fc.record({
    partitions: fc.integer({ min: 1, max: 20 }),
    members: fc.uniqueArray(
      fc.record({
        name: fc.stringMatching(/^[a-h]$/),
        generation: fc.integer({ min: 0, max: 3 }),
        owned: fc.array(fc.integer({ min: 0, max: 22 }), { maxLength: 8 }),
      }),
      { minLength: 1, maxLength: 7, selector: ({ name }) => name },
    ),
    last: fc.dictionary(fc.stringMatching(/^[a-h]$/), fc.array(fc.integer({ min: 0, max: 22 }), { maxLength: 5 })),
  })
  const memberships = (members: { name: string; generation: number; owned: number[] }[]) =>
    members.map((one) => ({ ...one, id: `${one.name}-id` }))
  /** As the broker's group would: what is given is owned, until nothing changes. */
  const settled = (members: GroupMember[], partitions: number, last: ReadonlyMap<string, readonly number[]>) => {
    let [now, target, rounds] = [members, last, 0]
    for (; ; rounds++) {
      const next = assignPartitions(now, partitions, target)
      const then = now.map((one) => ({ ...one, generation: 10 + rounds, owned: next.given.get(one.id)! }))
      if (rounds > 0 && then.every(({ owned }, i) => `${owned}` === `${now[i].owned}`)) return { members: then, rounds }
      if (rounds > 3) throw new Error('it does not settle')
      ;[now, target] = [then, next.target]
    }
  }

  it('no two are given the same partition, and nobody is given what another has', () => {
    fc.assert(
      fc.property(groups, ({ partitions, members, last }) => {
        const all = memberships(members)
        const { given: now } = assignPartitions(all, partitions, new Map(Object.entries(last)))
        const flat = [...now.values()].flat()
        expect(new Set(flat).size).toBe(flat.length)
        for (const { id, owned, generation } of all)
          for (const partition of owned)
            for (const other of all)
              if (other.id !== id && now.get(other.id)!.includes(partition))
                // Only one that was given it in the same assignment, or later.
                expect(other.owned.includes(partition) && other.generation >= generation).toBe(true)
      }),
    )
  })

  it('two assignments later everything is somebody’s, in shares that differ by one at most', () => {
    fc.assert(
      fc.property(groups, ({ partitions, members, last }) => {
        const { members: then, rounds } = settled(memberships(members), partitions, new Map(Object.entries(last)))
        expect(rounds).toBeLessThanOrEqual(2)
        expect(then.flatMap(({ owned }) => owned).sort((a, b) => a - b)).toEqual(Array.from({ length: partitions }, (_, i) => i))
        const sizes = then.map(({ owned }) => owned.length)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('once it has settled, one more member takes no more than its share from the others, who get nothing new', () => {
    fc.assert(
      fc.property(groups, ({ partitions, members, last }) => {
        const { members: before } = settled(memberships(members), partitions, new Map(Object.entries(last)))
        const { members: after } = settled([...before, member('z')], partitions, new Map())
        for (const [i, { owned }] of before.entries()) for (const partition of after[i].owned) expect(owned).toContain(partition)
        expect(after.at(-1)!.owned.length).toBe(Math.floor(partitions / after.length))
      }),
    )
  })
})
