/** What a partition counts for at least, of the mean: a share's partitions have its cache in equal parts, also those without a load. */
const LEAST = 1 / 3

/** Partitions in as many shares of about equal load: the largest partition first, each to the smallest share, of equal ones to that with fewer. */
export function shareOut(loads: readonly number[], shares: number): number[][] {
  const floor = (LEAST * loads.reduce((sum, load) => sum + load, 0)) / loads.length
  const all = Array.from({ length: shares }, () => ({ load: 0, partitions: [] as number[] }))
  for (const partition of [...loads.keys()].sort((a, b) => loads[b] - loads[a])) {
    const share = all.reduce((least, other) => {
      const more = other.load - least.load || other.partitions.length - least.partitions.length
      return more < 0 ? other : least
    })
    share.load += Math.max(floor, loads[partition])
    share.partitions.push(partition)
  }
  return all.map(({ partitions }) => partitions)
}
