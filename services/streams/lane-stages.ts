// What a lane's thread runs of a topology's file (stages-of imports this by name).
import type { Stage } from '../../engine/lane/computer.ts'
import { foreignInput } from '../../streams/foreign-source.ts'
import { recordStages } from '../../streams/record-computer.ts'
import { ownStageName } from '../process/computed-lineage.ts'
import { loadTopology } from './load-topology.ts'

export interface LaneStagesSettings {
  file: string
  /** Of the topics on Kafka, where they are there. */
  kafkaPartitions?: number
}

export async function laneStages({ file, kafkaPartitions }: LaneStagesSettings): Promise<Stage[]> {
  const topology = await loadTopology(file)
  if (kafkaPartitions === undefined) return recordStages(topology)
  const stages = recordStages(topology, (input, partition) => foreignInput(input, partition, kafkaPartitions))
  return stages.map((stage) => ({ ...stage, name: ownStageName(topology.name) }))
}
