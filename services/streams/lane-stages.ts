// What a lane's thread runs of a topology's file (lane-worker imports this by name).
import type { Stage } from '../../engine/lane/computer.ts'
import { recordStages } from '../../streams/record-computer.ts'
import { loadTopology } from './load-topology.ts'

export const laneStages = async ({ file }: { file: string }): Promise<Stage[]> => recordStages(await loadTopology(file))
