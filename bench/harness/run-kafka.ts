// The whole job over Kafka in a process of its own: lanes as `packmill up` runs them, no tables. Measured from when all partitions may read to when all that they
// had to read is committed; the compiler's work is in it.
import { defaults, loadConfig } from '../../config/index.ts'
import { siblingModule } from '../../model/module-url.ts'
import { TOPICS } from '../../model/rows.ts'
import { openOnKafka, productUse } from '../../services/process/kafka-setup.ts'
import { LaneClient } from '../../services/process/lane-client.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { openKafkaLog } from '../../stores/kafka/kafka-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { retentionDefaults } from '../../stores/log/retention.ts'
import { cpuSecondsOf } from './cpu-of.ts'
import { answer, type Cost, measuring } from './in-child.ts'
import { allPartitions, clickstreamDefaults, PARTITIONS, TOPIC } from './workload.ts'

export interface KafkaOrder {
  broker: string
  topicPrefix: string
  folder: string
  lanes: number
  checkpointBytes: number
  brokerPid: number
}

export interface KafkaAnswer {
  cost: Cost
  brokerCpuSeconds: number
  epochs: number
  checkpoints: number
  outputs: number
}

await answer(async ({ broker, topicPrefix, folder, lanes: count, checkpointBytes, brokerPid }: KafkaOrder): Promise<KafkaAnswer> => {
  const set = [`kafka.brokers=${broker}`, `kafka.topicPrefix=${topicPrefix}`]
  const { config } = loadConfig({ data: folder, set, environment: {} })
  const { log: kafka } = await openOnKafka(config, productUse('clickstream', config.log.partitions))
  const shared = await prepareLog({ files: realFiles, folder: `${folder}/log`, writers: ['main'] })
  const log = await openKafkaLog(kafka)
  const { epochBytes, cacheBytes, stallMs, restartsMax } = defaults.engine
  const { epochMs } = defaults.kafka
  const lanes = Array.from({ length: count }, (_, lane) => {
    const partitions = allPartitions.filter((partition) => partition % count === lane)
    const client = new LaneClient(
      {
        ...{ name: `lane-${lane}`, folder, shared, journalBytes: 1 << 20, retention: retentionDefaults, lineage: 'main', code: 'bench' },
        ...{ kafka: { log: kafka, partitions: PARTITIONS }, partitions, stages: 1, stallMs, restartsMax },
        ...{ epochMs, epochBytes, checkpointBytes, cacheBytes: cacheBytes / count, live: false, exactlyOnce: true },
        topology: {
          module: siblingModule(import.meta.url, '../../topologies/clickstream').href,
          export: 'clickstream',
          settings: clickstreamDefaults(),
        },
      },
      { onPartitionStopped: (_, error) => fail(error) },
    )
    client.ended.catch(fail)
    return { client, partitions }
  })
  await Promise.all(lanes.map(({ client }) => client.ready))
  const ends = await Promise.all(allPartitions.map(async (partition) => (await log.bounds({ topic: TOPIC, partition })).end))
  const drained = (asked: { snapshots: boolean; close: boolean }) =>
    Promise.all(
      lanes.map(({ client, partitions }) =>
        client.drain(
          partitions.map((partition) => [partition, ends[partition]]),
          asked,
        ),
      ),
    )

  const brokerBefore = cpuSecondsOf(brokerPid)
  const end = measuring()
  for (const { client } of lanes) client.run()
  await drained({ snapshots: false, close: false })
  const cost = end()
  const brokerCpuSeconds = cpuSecondsOf(brokerPid) - brokerBefore

  const stats = (await Promise.all(lanes.map(({ client }) => client.stats()))).flat()
  let outputs = 0
  for (const topic of [TOPICS.sessions, TOPICS.incidents, TOPICS.tiles])
    for (const partition of allPartitions) outputs += (await log.bounds({ topic, partition })).end
  await drained({ snapshots: true, close: false })
  for (const { client } of lanes) await client.stop()
  await log.close()
  const sum = (of: (task: (typeof stats)[number]) => number) => stats.reduce((total, task) => total + of(task), 0)
  return { cost, brokerCpuSeconds, epochs: sum(({ epoch }) => epoch), checkpoints: sum(({ checkpoints }) => checkpoints), outputs }
})

function fail(error: unknown): void {
  console.error(error)
  process.exit(1)
}
