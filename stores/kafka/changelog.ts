// A task's changelog: one partition of a compacted topic with its checkpoints, written by one transactional id only. Owns the records' form.
//
// A record's key is the namespace (1 byte) and the key; its value the value, or nothing where the key is deleted. Each transaction is one
// checkpoint, with its header last, or says who owns the changelog from here on. Compaction keeps the newest of each.
import { setTimeout as sleep } from 'node:timers/promises'
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { CheckpointHeader, Namespace } from '../../engine/state/store.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { KafkaError } from './kafka-error.ts'
import type { OutputRecord } from './transactional-producer.ts'

const SPACES: readonly Namespace[] = ['state', 'index']
const HEADER = 255
const OWNER = 254
const FETCH_BYTES = 4 << 20
/** A marker is written milliseconds after its transaction was decided. */
const HANG_MS = 10_000

/** `store` names the changelog since its beginning: one that was deleted and made anew has another. */
export interface HeaderRecord {
  header: CheckpointHeader
  store: string
}

export type ChangelogRecord =
  | { is: 'entry'; space: Namespace; key: Uint8Array; value: Uint8Array | null }
  | { is: 'header'; value: HeaderRecord }
  | { is: 'owner'; owner: string }

export function entryRecord(space: Namespace, key: Uint8Array, value: Uint8Array | null): OutputRecord {
  const prefixed = Buffer.allocUnsafe(key.length + 1)
  prefixed[0] = SPACES.indexOf(space)
  prefixed.set(key, 1)
  return { key: prefixed, value: value && Buffer.from(value) }
}

export const headerRecord = (value: HeaderRecord): OutputRecord => ({
  key: Buffer.from([HEADER]),
  value: Buffer.from(JSON.stringify(value)),
})

export const ownerRecord = (owner: string): OutputRecord => ({ key: Buffer.from([OWNER]), value: Buffer.from(JSON.stringify({ owner })) })

/** Undefined for what no version of this has written. */
function decode(key: Buffer | null, value: Buffer | null): ChangelogRecord | undefined {
  if (!key || key.length === 0) return undefined
  if (key[0] === HEADER && value) return { is: 'header', value: JSON.parse(value.toString()) as HeaderRecord }
  if (key[0] === OWNER && value) return { is: 'owner', ...(JSON.parse(value.toString()) as { owner: string }) }
  const space = SPACES[key[0]]
  return space && { is: 'entry', space, key: key.subarray(1), value }
}

/** Committed records from a position up to `end`, a fetch at a time. Errors: KAFKA_TRANSACTION_HANGS where they do not become readable (protocol 17). */
export async function* readChangelog(
  cluster: KafkaCluster,
  at: TopicPartition,
  from: number,
  end: number,
): AsyncIterable<{ records: { record: ChangelogRecord; offset: number }[]; position: number }> {
  let waitedMs = 0
  for (let position = from; position < end; ) {
    const fetched = await cluster.fetch({ ...at, from: position, maxBytes: FETCH_BYTES })
    const records: { record: ChangelogRecord; offset: number }[] = []
    for (let found = fetched.record(); found; found = fetched.record()) {
      const record = decode(found.key, found.value)
      if (record) records.push({ record, offset: found.offset })
    }
    if (fetched.after === position && waitedMs > HANG_MS)
      throw new KafkaError(
        'KAFKA_TRANSACTION_HANGS',
        `${at.topic}/${at.partition}: records from offset ${position} to ${end} are neither committed nor aborted, though their owner was fenced`,
        `Look with kafka-transactions find-hanging --topic ${at.topic} --partition ${at.partition}, and end it with kafka-transactions abort.`,
      )
    if (fetched.after === position) {
      await sleep(5)
      waitedMs += 5
      continue
    }
    position = fetched.after
    yield { records, position }
  }
}
