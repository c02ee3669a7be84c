// A task's changelog: one partition of a compacted topic with its checkpoints, written by one transactional id only. Owns the records' form.
//
// A record's key is a byte that says what it is, and the key; its value the length of the index value (4 bytes), that, and the value; nothing where the key is deleted. Each transaction is one
// checkpoint, with its header last, or says who owns the changelog from here on. Compaction keeps the newest of each.
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { CheckpointHeader } from '../../engine/state/store.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { foreignRecord } from './kafka-error.ts'
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

/** Throws for what is none. Compaction has taken what stood before it, so nothing is left out: an older value must not stay in force. */
function decode(key: Buffer | null, value: Buffer | null): ChangelogRecord {
  if (!key || key.length === 0) throw new RangeError('it has no key')
  if (key[0] === ENTRY) return { is: 'entry', key: key.subarray(1), kept: value ? decodeEntry(value) : undefined }
  const isOne = key.length === 1 && value !== null
  if (isOne && key[0] === HEADER) return { is: 'header', value: decodeHeader(JSON.parse(value.toString())) }
  if (isOne && key[0] === OWNER) return { is: 'owner', owner: decodeOwner(JSON.parse(value.toString())) }
  throw new RangeError(`its key, of ${key.length} bytes, begins with ${key[0]}`)
}

function decodeEntry(value: Buffer): { value: Uint8Array; index: Uint8Array } {
  const indexEnd = value.length < LENGTH_BYTES ? Infinity : LENGTH_BYTES + value.readUInt32LE(0)
  if (indexEnd > value.length) throw new RangeError(`its value has ${value.length} bytes, and says that more of it are its index`)
  return { value: value.subarray(indexEnd), index: value.subarray(LENGTH_BYTES, indexEnd) }
}

function decodeHeader(json: unknown): HeaderRecord {
  const { header, store } = (json ?? {}) as Partial<HeaderRecord>
  if (!Number.isSafeInteger(header?.epoch) || typeof store !== 'string') throw new RangeError('it is no header of a checkpoint')
  return { header: header!, store }
}

function decodeOwner(json: unknown): string {
  const { owner } = (json ?? {}) as { owner?: unknown }
  if (typeof owner !== 'string') throw new RangeError('it names no owner')
  return owner
}

/** Committed records from a position up to `end`, a fetch at a time. Errors: KAFKA_TRANSACTION_HANGS where they do not become readable (protocol 17), KAFKA_RECORD_FOREIGN. */
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
      try {
        records.push({ record: decode(found.key, found.value), offset: found.offset })
      } catch (error) {
        throw foreignRecord(at, found.offset, (error as Error).message, error)
      }
    }
    if (fetched.after === position) {
      await undecided.wait(position, end)
      continue
    }
    position = fetched.after
    yield { records, position }
  }
}
