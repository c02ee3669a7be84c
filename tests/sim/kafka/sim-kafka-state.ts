// The state store on the simulated broker: KafkaState as it is, with a simulated client in place of kafkajs', and a simulated disk for its cache.

import type { CheckpointHeader } from '../../../engine/state/store.ts'
import type { Files } from '../../../stores/files/files.ts'
import { readChangelog } from '../../../stores/kafka/changelog.ts'
import { kafkaError } from '../../../stores/kafka/kafka-error.ts'
import { KafkaState } from '../../../stores/kafka/kafka-state.ts'
import type { Plant } from '../plant.ts'
import type { SimBroker } from './sim-broker.ts'
import { SimClient } from './sim-client.ts'
import { names } from './sim-kafka-log.ts'

const TRANSACTION_TIMEOUT_MS = 900_000

export interface SimStateOptions {
  client: SimClient
  name: string
  files: Files
  folder: string
  plant: Plant
  /** The cache was made anew, or caught up. */
  restored(rows: number): void
}

export async function openSimState({ client, name, files, folder, plant, restored }: SimStateOptions): Promise<KafkaState> {
  const state = new KafkaState({
    // Nobody connects: all that would is replaced below.
    connection: { brokers: ['simulated:9092'] },
    name,
    folder,
    files,
    nowMs: () => client.options.nowMs(),
    onRestoring: ({ rows }) => restored(rows),
  })
  Object.assign(state, {
    cluster: client.cluster,
    newProducer: () => client.producer(names.transactionalId(name, 'state'), TRANSACTION_TIMEOUT_MS),
    withAdmin: () => Promise.resolve(),
  })
  plant.kafkaState?.(state)
  try {
    await state.open()
    return state
  } catch (error) {
    throw kafkaError(error, `the state of ${name}`)
  }
}

/** What the changelog alone says: by key, the value and the index; and the header of the newest checkpoint. */
export async function changelogOf(broker: SimBroker, name: string) {
  const process = { alive: true, step: () => Promise.resolve(), kill: () => [], clock: { now: () => 0, sleep: () => Promise.resolve() } }
  const client = new SimClient({ broker, process, nowMs: () => 0, random: () => 0, fault: () => undefined, met: () => undefined })
  const at = names.state(name)
  const { start, end } = await client.cluster.bounds(at)
  const entries = new Map<string, { value: Buffer; index: Buffer }>()
  let header: CheckpointHeader | undefined
  for await (const { records } of readChangelog(client.cluster, at, start, end))
    for (const { record } of records) {
      if (record.is === 'header') header = record.value.header
      if (record.is !== 'entry') continue
      const key = `${Buffer.from(record.key)}`
      if (record.kept) entries.set(key, { value: Buffer.from(record.kept.value), index: Buffer.from(record.kept.index) })
      else entries.delete(key)
    }
  return { entries, header }
}
