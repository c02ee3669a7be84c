// A lane's thread whose log is Kafka: starts its partitions, and answers the main thread (lane-protocol.ts). Numbers and shapes are those of lane-worker.ts,
// which calls it; the partitions are KafkaLane's.
import type { MessagePort } from 'node:worker_threads'
import { toData } from '../../engine/errors.ts'
import { LaneBeat } from '../../engine/lane/beat.ts'
import type { Topology } from '../../engine/topology/topology.ts'
import { checkedStage } from './checked-stage.ts'
import { KafkaLane } from './kafka-lane.ts'
import type { FromLane, LaneSetup, ThreadSetup, ToLane } from './lane-protocol.ts'
import { sessionForm, viewState } from './state-view.ts'

type KafkaSetup = ThreadSetup & { kafka: NonNullable<LaneSetup['kafka']> }

/** How often the progress of a restore is told. */
const TELL_MS = 1_000

/** Runs the partitions that are held until 'stop'. */
export async function workOnKafka(port: MessagePort, say: (message: FromLane) => void, setup: KafkaSetup): Promise<void> {
  const { module, export: name, settings } = setup.topology
  const exports = (await import(module)) as Record<string, (settings: unknown) => Topology>
  const topology = exports[name](settings)
  const stage = checkedStage(topology, setup.kafka.partitions)
  const form = sessionForm(topology)
  const beat = new LaneBeat(setup.beat)
  const { ended } = beat.takeOver()
  const toldMs = new Map<number, number>()
  const lane = new KafkaLane({
    setup,
    stage,
    beatOf: (partition, lives) => {
      const task = setup.partitions.indexOf(partition)
      return beat.of(task, lives ? 'an end' : setup.again ? (task === ended ? 'its own end' : 'an end') : 'nobody')
    },
    onRestoring: (partition, progress) => {
      const { rows, done, of } = progress
      if (rows === 0 || (done < of && performance.now() - (toldMs.get(partition) ?? -Infinity) < TELL_MS)) return
      toldMs.set(partition, performance.now())
      say({ type: 'restoring', partition, progress })
    },
    onRecovering: (partition, done, of) => say({ type: 'recovering', partition, done, of }),
    onStopped: (partition, error) => say({ type: 'partition-stopped', partition, error: toData(error) }),
    onWaiting: (partition, error) => say({ type: 'partition-waiting', partition, error: toData(error) }),
    onResumed: (partition) => say({ type: 'partition-resumed', partition }),
  })
  const stopping = Promise.withResolvers<void>()
  const mayRun = Promise.withResolvers<void>()
  const answer = (id: number, work: Promise<FromLane>) =>
    void work.catch((error): FromLane => ({ type: 'failed', id, error: toData(error) })).then(say)
  const each = (id: number, partitions: readonly number[], work: (partition: number) => Promise<void>) =>
    answer(
      id,
      Promise.all(partitions.map(work)).then(() => ({ type: 'moved', id })),
    )
  port.on('message', (message: ToLane) => {
    switch (message.type) {
      case 'take':
        return each(message.id, message.partitions, (partition) => lane.take(partition))
      case 'leave':
        return each(message.id, message.partitions, (partition) => lane.leave(partition))
      case 'drop':
        return each(message.id, message.partitions, (partition) => lane.drop(partition))
      case 'drain': {
        const { id, to, snapshots, close } = message
        return answer(
          id,
          lane.drain(to, { snapshots, close }).then(() => ({ type: 'drained', id })),
        )
      }
      case 'state': {
        const { id, partitions, request } = message
        const look = async (): Promise<FromLane> => {
          const of = [...lane.stores()].filter(([partition]) => partitions?.includes(partition) ?? true)
          return {
            type: 'state',
            id,
            answers: of.map(([partition, store]) => viewState(store, form, { task: stage.name, partition }, request)),
          }
        }
        return answer(id, look())
      }
      case 'stats':
        return say({ type: 'stats', id: message.id, tasks: lane.stats.map((task) => ({ ...task, topic: stage.topic })) })
      case 'run':
        return mayRun.resolve()
      case 'stop':
        return stopping.resolve()
    }
  })
  try {
    await Promise.race([stopping.promise, Promise.all(setup.held.map((partition) => lane.take(partition)))])
    say({ type: 'ready' })
    await Promise.race([stopping.promise, mayRun.promise.then(() => lane.run())])
    await stopping.promise
  } finally {
    await lane.stop()
  }
}
