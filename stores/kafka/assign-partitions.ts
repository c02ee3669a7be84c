// Which member of a group gets which partitions: balanced, and each partition stays where it is or was, as far as that allows. Pure: the member that
// the broker made the leader computes it for all. Never takes a partition from a member that still works on it.
//
// 1. Shares differ by one at most; the larger ones go to those that have more already.
// 2. A member keeps what it has. One that has come back with nothing (its process was started again) gets what its name had last, before others do: its
//    machine still has the state. Whoever has too much gives that up first.
// 3. What moves is given to nobody yet while its present owner has it: that owner gives it up first, and joins again without it.

/** A member as the leader of a group sees it. */
export interface GroupMember {
  id: string
  /** Stays the same over restarts of its process, where it has an instance id. */
  name: string
  /** Of the assignment by which it has what it says that it has. */
  generation: number
  owned: readonly number[]
}

export interface Assignment {
  /** By id: what each member may work on now. */
  given: Map<string, number[]>
  /** By name: what each is to have in the end. */
  target: Map<string, number[]>
}

/** `last`: the targets of the assignment before, by name; of members that have left, what they had. */
export function assignPartitions(
  members: readonly GroupMember[],
  partitions: number,
  last: ReadonlyMap<string, readonly number[]> = new Map(),
): Assignment {
  const inOrder = [...members].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1))
  const owners = ownersOf(inOrder, partitions)
  const returning = new Map(
    inOrder
      .filter(({ owned }) => owned.length === 0)
      .flatMap((member) => (last.get(member.name) ?? []).map((partition) => [partition, member])),
  )
  const wanted = new Map(inOrder.map((member) => [member, wantedBy(member, owners, last, partitions, returning)]))
  const shares = sharesOf(inOrder, partitions, wanted)
  const target = new Map<GroupMember, number[]>()
  const taken = new Set<number>()
  for (const member of inOrder) {
    const kept = wanted
      .get(member)!
      .filter((partition) => !taken.has(partition))
      .slice(0, shares.get(member))
    for (const partition of kept) taken.add(partition)
    target.set(member, kept)
  }
  const free = Array.from({ length: partitions }, (_, partition) => partition).filter((partition) => !taken.has(partition))
  for (const member of inOrder) {
    const own = target.get(member)!
    const back = free.filter((partition) => returning.get(partition) === member).slice(0, shares.get(member)! - own.length)
    own.push(...back)
    for (const partition of back) free.splice(free.indexOf(partition), 1)
  }
  for (const member of inOrder) {
    const own = target.get(member)!
    own.push(...free.splice(0, shares.get(member)! - own.length))
    own.sort((a, b) => a - b)
  }
  const given = inOrder.map((member): [string, number[]] => [
    member.id,
    target.get(member)!.filter((partition) => (owners.get(partition) ?? member) === member),
  ])
  return { given: new Map(given), target: new Map(inOrder.map(({ name }, i) => [name, target.get(inOrder[i])!])) }
}

/** Of two that say they have a partition, the one of the later assignment has it: the other has not heard that it lost it. */
function ownersOf(members: readonly GroupMember[], partitions: number): Map<number, GroupMember> {
  const owners = new Map<number, GroupMember>()
  for (const member of members)
    for (const partition of member.owned) {
      const other = owners.get(partition)
      if (partition < partitions && (!other || other.generation < member.generation)) owners.set(partition, member)
    }
  return owners
}

/** What it has, last that of members that come back; then what its name had last and nobody has. */
function wantedBy(
  member: GroupMember,
  owners: ReadonlyMap<number, GroupMember>,
  last: ReadonlyMap<string, readonly number[]>,
  partitions: number,
  returning: ReadonlyMap<number, GroupMember>,
): number[] {
  const isOthers = (partition: number) => Number(returning.has(partition))
  const owned = [...new Set(member.owned)]
    .filter((partition) => owners.get(partition) === member)
    .sort((a, b) => isOthers(a) - isOthers(b) || a - b)
  const had = (last.get(member.name) ?? []).filter((partition) => partition < partitions && !owners.has(partition))
  return [...owned, ...new Set(had)]
}

function sharesOf(
  members: readonly GroupMember[],
  partitions: number,
  wanted: ReadonlyMap<GroupMember, readonly number[]>,
): Map<GroupMember, number> {
  const least = Math.floor(partitions / members.length)
  const byWanted = [...members].sort((a, b) => wanted.get(b)!.length - wanted.get(a)!.length)
  return new Map(byWanted.map((member, i) => [member, least + (i < partitions % members.length ? 1 : 0)]))
}
