// What a broker does by itself, now and then: its cleaner compacts changelogs, its retention deletes records of topics that nobody needs any more.
import { TOMBSTONE_MS } from '../../../stores/kafka/ensure-topics.ts'
import type { Counts } from '../counts.ts'
import type { SimBroker } from './sim-broker.ts'

export function disturbBroker(broker: SimBroker, counts: Counts, random: () => number, nowMs: number): void {
  broker.expire(nowMs)
  for (const [, partition] of broker.of('packmill.state.')) {
    const { removed, tombstones } = partition.compact(
      nowMs,
      TOMBSTONE_MS,
      random() < 0.5 ? partition.end : Math.ceil(random() * partition.end),
    )
    counts.recordsCompacted += removed
    counts.tombstonesCompacted += tombstones
  }
  for (const [key, needs] of broker.needs) {
    const at = key.lastIndexOf('/')
    const partition = broker.partition(key.slice(0, at), Number(key.slice(at + 1)))
    const to = Math.min(partition.stable, ...needs.values())
    if (to <= partition.start || random() < 0.5) continue
    const start = partition.start + Math.ceil(random() * (to - partition.start))
    counts.recordsRetired += start - partition.start
    partition.start = start
  }
}
