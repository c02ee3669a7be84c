// What a lane's thread and the main thread say to each other. Types only; errors cross as data (errors.ts).
import type { ErrorData } from '../../engine/errors.ts'
import type { PartitionTask } from '../../engine/lane/task.ts'
import type { KafkaLogOptions } from '../../stores/kafka/kafka-log.ts'
import type { RestoreProgress } from '../../stores/kafka/kafka-state.ts'
import type { Retention } from '../../stores/log/retention.ts'
import type { SharedLog } from '../../stores/log/shared-log.ts'
import type { StateAnswer, StateRequest } from './state-view.ts'

/** `topic`: that the task reads. */
export type TaskStats = PartitionTask['stats'] & { topic: string }

/** Where on Kafka everything is. */
export interface KafkaPlace {
  log: KafkaLogOptions
  /** Of the topics. */
  partitions: number
}

/** What a lane is started with. */
export interface LaneSetup {
  name: string
  /** The data folder. */
  folder: string
  shared: SharedLog
  /** The log and the state are on brokers: those in the folder are not used. */
  kafka?: KafkaPlace
  /** The topology: a module, its exported function, and what that is called with: gives a Topology, or a promise of Stages. */
  topology: { module: string; export: string; settings: unknown }
  lineage: string
  code: string
  /** That it may ever have. */
  partitions: number[]
  /** On Kafka: those that it begins with; all of them where it is not said. */
  held?: readonly number[]
  /** Tasks that each partition has: one per step of the topology that reads a topic. */
  stages: number
  epochMs: number
  epochBytes: number
  checkpointBytes: number
  /** This lane's share, bytes. */
  cacheBytes: number
  journalBytes: number
  retention: Retention
  live: boolean
  exactlyOnce: boolean
  /** Epochs from which on what was published stays, whatever this code computes: `all` partitions from their first, or each from the one named. */
  accept?: 'all' | readonly (readonly [partition: number, epoch: number])[]
  /** Recover, checkpoint and end: no record is read that was not read before. */
  recoverOnly?: boolean
  /** The topic of dead letters, of a topology of one's own; the product's are seen with `packmill dlq list`. */
  deadLetters?: string
  /** An epoch that is computed for longer is one whose operator loops. */
  stallMs: number
  /** Ends of the thread, within an hour, that a partition may cause before it is stopped. */
  restartsMax: number
}

/** What one thread of a lane is started with. */
export interface ThreadSetup extends LaneSetup {
  /** Outlives the thread (lane-beat.ts); a cell for each stage of each partition. */
  beat: SharedArrayBuffer
  /** Partitions of the lane that do not run any more. */
  stopped: readonly number[]
  /** Partitions that it begins with. */
  held: readonly number[]
  /** A thread of this lane ran before, and ended without being asked to. */
  again: boolean
  /** The task in whose epoch that one ended (LaneBeat). */
  ended: number | undefined
}

export type ToLane =
  | { type: 'drain'; id: number; to: [partition: number, offset: number][]; snapshots: boolean; close: boolean }
  | { type: 'stats'; id: number }
  /** On Kafka: partitions that begin, or end, to be this lane's; answered by 'moved'. */
  | { type: 'take'; id: number; partitions: readonly number[] }
  | { type: 'leave'; id: number; partitions: readonly number[] }
  /** The same, where another may have them already: nothing more is committed. */
  | { type: 'drop'; id: number; partitions: readonly number[] }
  /** Of the lane's partitions among these. */
  | { type: 'state'; id: number; partitions: readonly number[] | undefined; request: StateRequest }
  /** After 'ready', when every lane may go on. A stop before it leaves everything as it was. */
  | { type: 'run' }
  | { type: 'stop' }

export type FromLane =
  | { type: 'ready' }
  | { type: 'recovering'; partition: number; done: number; of: number }
  /** On Kafka: the state of a partition is read from its changelog. */
  | { type: 'restoring'; partition: number; progress: RestoreProgress }
  | { type: 'drained'; id: number }
  | { type: 'moved'; id: number }
  | { type: 'failed'; id: number; error: ErrorData }
  | { type: 'stats'; id: number; tasks: TaskStats[] }
  | { type: 'state'; id: number; answers: StateAnswer[] }
  | { type: 'partition-stopped'; partition: number; error: ErrorData }
  | { type: 'partition-waiting'; partition: number; error: ErrorData }
  | { type: 'partition-resumed'; partition: number }
  | { type: 'partition-overdue'; partition: number; error: ErrorData }
  /** The thread could not start, or cannot go on. The last word. */
  | { type: 'ended'; error: ErrorData | undefined }
