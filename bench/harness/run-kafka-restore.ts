// A process with all partitions on Kafka, as `packmill up` has it but for the tables: works through its input and stops, or is timed from its beginning to
// when every partition has recovered.
import { existsSync } from 'node:fs'
import { loadConfig } from '../../config/index.ts'
import { openEmbedded } from '../../services/process/embedded.ts'
import { answer } from './in-child.ts'

export interface KafkaRestoreOrder {
  broker: string
  topicPrefix: string
  /** The data folder; without `state` in it all state comes from the changelog. */
  folder: string
  /** Works through its input before it stops. */
  fill: boolean
}

export interface KafkaRestoreAnswer {
  seconds: number
  rows: number
  bytes: number
  /** Of the state that was there at the start. */
  hadCache: boolean
}

await answer(async ({ broker, topicPrefix, folder, fill }: KafkaRestoreOrder): Promise<KafkaRestoreAnswer> => {
  const set = [`kafka.brokers=${broker}`, `kafka.topicPrefix=${topicPrefix}`, 'kafka.sinks=false']
  const { config } = loadConfig({ data: folder, set, environment: {} })
  const hadCache = existsSync(`${folder}/state`)
  const restored = new Map<number, { rows: number; bytes: number }>()
  const startMs = performance.now()
  const embedded = await openEmbedded({
    config,
    version: 'bench',
    live: false,
    onNotice: (notice) => {
      if (notice.type === 'restoring') restored.set(notice.partition, notice)
      if (notice.type === 'partition-stopped') throw notice.error
    },
  })
  const seconds = (performance.now() - startMs) / 1000
  if (fill) await embedded.settle({ snapshots: false, close: false })
  await embedded.stop()
  const sum = (of: 'rows' | 'bytes') => [...restored.values()].reduce((total, one) => total + one[of], 0)
  return { seconds, rows: sum('rows'), bytes: sum('bytes'), hadCache }
})
