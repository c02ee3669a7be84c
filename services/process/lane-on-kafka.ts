// A lane's thread whose log is Kafka: starts its partitions, and answers the main thread (lane-protocol.ts). Numbers and shapes are those of lane-worker.ts,
// which calls it; the partitions are those of a KafkaLane for each stage.
import type { MessagePort } from 'node:worker_threads'
import { toData } from '../../engine/errors.ts'
import { KafkaLane } from './kafka-lane.ts'
import { LaneBeat } from './lane-beat.ts'
import type { FromLane, LaneSetup, ThreadSetup, ToLane } from './lane-protocol.ts'
import { stagesOf } from './stages-of.ts'
import { viewState } from './state-view.ts'

type KafkaSetup = ThreadSetup & { kafka: NonNullable<LaneSetup['kafka']> }

/** How often the progress of a restore is told. */
const TELL_MS = 1_000

/** Runs the partitions that are held, each through every stage, until 'stop'. */
export async function workOnKafka(port: MessagePort, say: (message: FromLane) => void, setup: KafkaSetup): Promise<void> {
  const stages = await stagesOf(setup)
  const beat = new LaneBeat(setup.beat)
  const lanes = stages.map(({ folder, stage }, i) => {
    const toldMs = new Map<number, number>()
    return new KafkaLane({
      ...{ setup, stage, folder },
      beatOf: (partition, lives) => {
        const task = i * setup.partitions.length + setup.partitions.indexOf(partition)
        return beat.of(task, lives ? 'an end' : setup.again ? (task === setup.ended ? 'its own end' : 'an end') : 'nobody')
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
      onOverdue: (partition, error) => say({ type: 'partition-overdue', partition, error: toData(error) }),
    })
  })
  /** Of a partition every stage comes and goes. */
  const ofAll = async (work: (lane: KafkaLane) => Promise<void>) => {
    const ends = await Promise.allSettled(lanes.map(work))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }
  const run = () => {
    for (const lane of lanes) lane.run()
  }
  /** A stage's input is what the one before it has written: each is drained when that can be read. */
  const drain = async (to: readonly (readonly [partition: number, offset: number])[], asked: { snapshots: boolean; close: boolean }) => {
    const toEnds = to.map(([partition]) => [partition, Number.POSITIVE_INFINITY] as const)
    for (const [i, lane] of lanes.entries()) await lane.drain(i === 0 ? to : toEnds, asked)
  }
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
        return each(message.id, message.partitions, (partition) => ofAll((lane) => lane.take(partition)))
      case 'leave':
        return each(message.id, message.partitions, (partition) => ofAll((lane) => lane.leave(partition)))
      case 'drop':
        return each(message.id, message.partitions, (partition) => ofAll((lane) => lane.drop(partition)))
      case 'drain': {
        const { id, to, snapshots, close } = message
        return answer(
          id,
          drain(to, { snapshots, close }).then(() => ({ type: 'drained', id })),
        )
      }
      case 'state': {
        const { id, partitions, request } = message
        const look = async (): Promise<FromLane> => {
          const answers = lanes.flatMap((lane, i) => {
            const { folder: task, form } = stages[i]
            const of = [...lane.stores()].filter(([partition]) => partitions?.includes(partition) ?? true)
            return of.map(([partition, store]) => viewState(store, form, { task, partition }, request))
          })
          return { type: 'state', id, answers }
        }
        return answer(id, look())
      }
      case 'stats':
        return say({
          type: 'stats',
          id: message.id,
          tasks: lanes.flatMap((lane, i) => lane.stats.map((task) => ({ ...task, topic: stages[i].stage.topic }))),
        })
      case 'run':
        return mayRun.resolve()
      case 'stop':
        return stopping.resolve()
    }
  })
  try {
    await Promise.race([stopping.promise, Promise.all(setup.held.map((partition) => ofAll((lane) => lane.take(partition))))])
    say({ type: 'ready' })
    await Promise.race([stopping.promise, mayRun.promise.then(() => run())])
    await stopping.promise
  } finally {
    await ofAll((lane) => lane.stop())
  }
}
