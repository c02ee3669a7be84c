// A source whose topic anybody may write to (Kafka): its records are what producers made, not what our own door did. A node in place of the source's own; owns no topic.
//
// 1. Text is a record's value as it is, not a string in JSON.
// 2. A record whose key belongs to another partition is none (WRONG_PARTITION): half of a key's records would be here and half there.
import { EngineError } from '../engine/errors.ts'
import { kafkaPartition } from '../model/hash.ts'
import type { InputNode, SourceNode } from './stream.ts'

/** As the records of a topic are on Kafka. */
export const foreignSource = (source: SourceNode): SourceNode => (source.format === 'lines' ? { ...source, value: (text) => text } : source)

/** The same for whoever reads one of its partitions. */
export function foreignInput(input: InputNode, partition: number, partitions: number): InputNode {
  if (input.kind !== 'source') return input
  const source = foreignSource(input)
  const { key } = source
  if (!key) return source
  const checkedKey = (record: unknown): string => {
    const own = key(record)
    const place = typeof own === 'string' && partitions > 1 ? kafkaPartition(Buffer.from(own), partitions) : partition
    if (place !== partition) throw wrongPartition(own, place, partition, partitions)
    return own
  }
  return { ...source, key: checkedKey }
}

const wrongPartition = (key: string, place: number, partition: number, partitions: number) =>
  new EngineError(
    'WRONG_PARTITION',
    `its key ${key} belongs to partition ${place} of ${partitions}, by Kafka's default partitioner; it was found in ${partition}`,
    'Produce it with that key.',
  )
