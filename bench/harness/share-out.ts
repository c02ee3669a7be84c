import { allPartitions } from './workload.ts'

/** Partitions in as many shares of about equal bytes: the largest partition first, each to the smallest share. */
export function shareOut(partitionBytes: readonly number[], threads: number): number[][] {
  const shares = Array.from({ length: threads }, () => ({ bytes: 0, partitions: [] as number[] }))
  for (const partition of [...allPartitions].sort((a, b) => partitionBytes[b] - partitionBytes[a])) {
    const share = shares.reduce((least, other) => (other.bytes < least.bytes ? other : least))
    share.bytes += partitionBytes[partition]
    share.partitions.push(partition)
  }
  return shares.map(({ partitions }) => partitions)
}
