// A task's changelog: one partition of a compacted topic with its checkpoints, written by one transactional id only. Owns the records' form.
//
// A record's key is a byte that says what it is, and the key; its value the length of the index value (4 bytes), that, and the value; nothing where the key is deleted. Each transaction is one
// checkpoint, with its header last, or says who owns the changelog from here on. Compaction keeps the newest of each.
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { CheckpointHeader } from '../../engine/state/store.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import type { OutputRecord } from './transactional-producer.ts'
import { Undecided } from './undecided.ts'

const ENTRY = 0
const LENGTH_BYTES = 4
const HEADER = 255
const OWNER = 254
const FETCH_BYTES = 4 << 20

/** `store` names the changelog since its beginning: one that was deleted and made anew has another. */
export interface HeaderRecord {
  header: CheckpointHeader
  store: string
}

export type ChangelogRecord =
  | { is: 'entry'; key: Uint8Array; kept: { value: Uint8Array; index: Uint8Array } | undefined }
  | { is: 'header'; value: HeaderRecord }
  | { is: 'owner'; owner: string }

/** Without a value: deleted. Copies all of it. */
export function entryRecord(key: Uint8Array, value?: Uint8Array, index: Uint8Array = Buffer.alloc(0)): OutputRecord {
  const prefixed = Buffer.concat([Buffer.of(ENTRY), key])
  if (!value) return { key: prefixed, value: null }
  const length = Buffer.allocUnsafe(LENGTH_BYTES)
  length.writeUInt32LE(index.length)
  return { key: prefixed, value: Buffer.concat([length, index, value]) }
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
  if (key[0] !== ENTRY) return undefined
  if (!value) return { is: 'entry', key: key.subarray(1), kept: undefined }
  const indexEnd = value.length < LENGTH_BYTES ? value.length + 1 : LENGTH_BYTES + value.readUInt32LE(0)
  if (indexEnd > value.length) return undefined
  return { is: 'entry', key: key.subarray(1), kept: { value: value.subarray(indexEnd), index: value.subarray(LENGTH_BYTES, indexEnd) } }
}

/** Committed records from a position up to `end`, a fetch at a time. Errors: KAFKA_TRANSACTION_HANGS where they do not become readable (protocol 17). */
export async function* readChangelog(
  cluster: KafkaCluster,
  at: TopicPartition,
  from: number,
  end: number,
): AsyncIterable<{ records: { record: ChangelogRecord; offset: number }[]; position: number }> {
  const undecided = new Undecided(at)
  for (let position = from; position < end; ) {
    const fetched = await cluster.fetch({ ...at, from: position, maxBytes: FETCH_BYTES })
    const records: { record: ChangelogRecord; offset: number }[] = []
    for (let found = fetched.record(); found; found = fetched.record()) {
      const record = decode(found.key, found.value)
      if (record) records.push({ record, offset: found.offset })
    }
    if (fetched.after === position) {
      await undecided.wait(position, end)
      continue
    }
    position = fetched.after
    yield { records, position }
  }
}
