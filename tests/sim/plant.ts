// Where a mistake can be planted in a simulated run: around what tasks, sinks and files are given, or in them. Production code has none of it.
import type { Computer } from '../../engine/lane/computer.ts'
import type { PartitionTask } from '../../engine/lane/task.ts'
import type { Log } from '../../engine/log/contract.ts'
import type { SinkSettings, SinkTarget } from '../../engine/sink/contract.ts'
import type { SinkTask } from '../../engine/sink/sink-task.ts'
import type { StateStore } from '../../engine/state/store.ts'
import type { SessionPipeline } from '../../engine/topology/topology.ts'
import type { WireEvent } from '../../model/event.ts'
import type { Files } from '../../stores/files/files.ts'
import type { KafkaState } from '../../stores/kafka/kafka-state.ts'
import type { JournalLog } from '../../stores/log/journal-log.ts'
import type { SimBroker } from './kafka/sim-broker.ts'

export interface Plant {
  files?(files: Files): Files
  /** Of a lane: opened, not used yet. */
  journal?(log: JournalLog): void
  /** What tasks see; `journal` is the one that it stands on. */
  taskLog?(log: Log, journal: JournalLog): Log
  sinkLog?(log: Log): Log
  /** Not opened yet. */
  kafkaState?(state: KafkaState): void
  broker?(broker: SimBroker): void
  store?(store: StateStore): StateStore
  task?(task: PartitionTask): void
  computer?(computer: Computer): void
  sink?(sink: SinkTask): void
  target?(target: SinkTarget): SinkTarget
  sinkSettings?: Partial<SinkSettings>
  pipeline?(pipeline: SessionPipeline): SessionPipeline
  /** The partition that a client sends an event to. */
  partition?(event: WireEvent, right: number): number
}
