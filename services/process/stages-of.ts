// What a lane's thread runs: the stages that the topology's module gives, where each keeps its state, and how that is shown. Owns no task.
import type { Stage } from '../../engine/lane/computer.ts'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import type { Topology } from '../../engine/topology/topology.ts'
import { checkedStage } from './checked-stage.ts'
import type { LaneSetup } from './lane-protocol.ts'
import { recordForm, type StateForm, sessionForm } from './state-view.ts'

export interface LaneStage {
  /** Of its state, in the data folder, before the partition. */
  folder: string
  stage: Stage
  form: StateForm
}

/** One topology of product events, or the stages of one's own, in the order in which records pass them. */
export async function stagesOf({ topology, kafka }: Pick<LaneSetup, 'topology' | 'kafka'>): Promise<LaneStage[]> {
  const { module, export: name, settings } = topology
  const exports = (await import(module)) as Record<string, (settings: unknown) => Topology | Promise<Stage[]>>
  const made = await exports[name](settings)
  if (Array.isArray(made)) return made.map((stage) => ({ folder: `${stage.name}.${stage.topic}`, stage, form: recordForm }))
  const stage = kafka ? checkedStage(made, kafka.partitions) : sessionStage(made)
  return [{ folder: made.name, stage, form: sessionForm(made) }]
}
