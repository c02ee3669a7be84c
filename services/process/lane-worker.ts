// A lane's thread: opens its view of the log and its tasks' state stores, runs the lane, and answers the main thread.
// Started by lane-thread through a Piscina pool of one; the call lasts as long as the lane, or until an operator ends the thread.
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { toData } from '../../engine/errors.ts'
import type { TaskBeat } from '../../engine/lane/beat.ts'
import type { Stage } from '../../engine/lane/computer.ts'
import { Lane } from '../../engine/lane/lane.ts'
import { PartitionTask } from '../../engine/lane/task.ts'
import type { Log } from '../../engine/log/contract.ts'
import type { StateStore } from '../../engine/state/store.ts'
import { systemClock } from '../../engine/time/clock.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import { LaneBeat } from './lane-beat.ts'
import { taskCacheBytes } from './lane-limits.ts'
import type { FromLane, ThreadSetup, ToLane } from './lane-protocol.ts'
import { Overdue } from './overdue.ts'
import { stagesOf } from './stages-of.ts'
import { type StateForm, viewState } from './state-view.ts'

/** How often files of this lane's journal that nobody needs any more are looked for. */
const RETAIN_MS = 60_000

export default async function runLane({ port, setup }: { port: MessagePort; setup: ThreadSetup }): Promise<void> {
  const say = (message: FromLane) => port.postMessage(message)
  let failure: unknown
  try {
    if (setup.kafka) {
      const { workOnKafka } = await import('./lane-on-kafka.ts')
      await workOnKafka(port, say, { ...setup, kafka: setup.kafka })
    } else await workOnJournal(port, say, setup)
  } catch (error) {
    failure = error
  }
  // As data: an error that leaves a thread by itself loses its code.
  say({ type: 'ended', error: failure === undefined ? undefined : toData(failure) })
  port.close()
}

async function workOnJournal(port: MessagePort, say: (message: FromLane) => void, setup: ThreadSetup): Promise<void> {
  const { shared, journalBytes, retention } = setup
  const folder = join(setup.folder, 'log')
  const log = await openJournalLog({ files: realFiles, folder, writer: setup.name, shared, journalBytes, retention })
  try {
    await work(port, say, setup, log)
  } finally {
    await log.close()
  }
}

/** Runs the partitions of every stage until 'stop'. */
async function work(port: MessagePort, say: (message: FromLane) => void, setup: ThreadSetup, log: JournalLog): Promise<void> {
  const stages = await stagesOf(setup)
  const lanes: Lane[] = []
  const tasks: PartitionTask[] = []
  const kept: Kept[] = []
  const partitions = setup.partitions.filter((partition) => !setup.stopped.includes(partition))
  const overdue = new Overdue(log, setup.retention)
  const beat = new LaneBeat(setup.beat)
  const beatOf = (stage: number, partition: number) => {
    const task = stage * setup.partitions.length + setup.partitions.indexOf(partition)
    return beat.of(task, setup.again ? (task === setup.ended ? 'its own end' : 'an end') : 'nobody')
  }
  for (const [i, { folder, stage, form }] of stages.entries()) {
    const own = stages.length > 1 ? withOwnChanges(log) : log
    const ownTasks = await tasksOf(
      setup,
      stage,
      folder,
      own,
      overdue,
      stages.length,
      partitions,
      (partition) => beatOf(i, partition),
      (partition, store) => kept.push({ task: folder, partition, store, form }),
    )
    tasks.push(...ownTasks)
    lanes.push(
      new Lane({
        tasks: ownTasks,
        log: own,
        clock: systemClock,
        epochMs: setup.epochMs,
        live: setup.live,
        onStopped: (partition, error) => say({ type: 'partition-stopped', partition, error: toData(error) }),
        onWaiting: (partition, error) => say({ type: 'partition-waiting', partition, error: toData(error) }),
        onResumed: (partition) => say({ type: 'partition-resumed', partition }),
        onRecovering: (partition, done, of) => say({ type: 'recovering', partition, done, of }),
      }),
    )
  }
  /** A stage's input is what the one before it has written: each is drained when that is there. */
  const drain = async (to: [partition: number, offset: number][], asked: { snapshots: boolean; close: boolean }) => {
    for (const [i, lane] of lanes.entries()) {
      const { topic } = stages[i].stage
      const end = async (partition: number) => (await log.bounds({ topic, partition })).end
      const ends = i === 0 ? to : await Promise.all(partitions.map(async (p) => [p, await end(p)] as const))
      await lane.drain(new Map(ends), asked)
    }
  }
  const mayRun = Promise.withResolvers<boolean>()
  port.on('message', (message: ToLane) => {
    switch (message.type) {
      case 'drain': {
        const { id, to, snapshots, close } = message
        drain(to, { snapshots, close }).then(
          () => say({ type: 'drained', id }),
          (error) => say({ type: 'failed', id, error: toData(error) }),
        )
        break
      }
      case 'state': {
        const { id, partitions: asked, request } = message
        try {
          const of = kept.filter(({ partition }) => asked?.includes(partition) ?? true)
          const answers = of.map(({ task, partition, store, form }) => viewState(store, form, { task, partition }, request))
          say({ type: 'state', id, answers })
        } catch (error) {
          say({ type: 'failed', id, error: toData(error) })
        }
        break
      }
      case 'stats':
        say({
          type: 'stats',
          id: message.id,
          tasks: lanes.flatMap((lane, i) => lane.stats.map((task) => ({ ...task, topic: stages[i].stage.topic }))),
        })
        break
      case 'run':
        return mayRun.resolve(true)
      case 'stop':
        mayRun.resolve(false)
        for (const lane of lanes) lane.stop()
    }
  })
  // A file that could not be removed now is found again next time.
  const retain = async () => {
    overdue.look(systemClock.now())
    await log.retain()
  }
  const retaining = setInterval(() => void retain().catch(() => undefined), RETAIN_MS)
  try {
    for (const lane of lanes) await lane.open()
    say({ type: 'ready' })
    if (!(await mayRun.promise)) {
      // They live: no row is suspected for a start that was broken off.
      await Promise.all(tasks.map((task) => task.leave()))
      return
    }
    if (setup.recoverOnly) for (const lane of lanes) lane.stop()
    const ends = await Promise.allSettled(lanes.map((lane) => lane.run()))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  } finally {
    clearInterval(retaining)
  }
}

/** A task's state, for whoever looks. */
interface Kept {
  task: string
  partition: number
  store: StateStore
  form: StateForm
}

async function tasksOf(
  setup: ThreadSetup,
  stage: Stage,
  name: string,
  log: Log,
  overdue: Overdue,
  stages: number,
  partitions: readonly number[],
  beatOf: (partition: number) => TaskBeat,
  onStore: (partition: number, store: StateStore) => void,
): Promise<PartitionTask[]> {
  const { lineage, code, epochBytes, checkpointBytes, exactlyOnce } = setup
  const cacheBytes = taskCacheBytes(setup.cacheBytes, setup.partitions.length, stages)
  const tasks: PartitionTask[] = []
  for (const partition of partitions) {
    const folder = join(setup.folder, 'state', lineage, `${name}-${partition}`)
    await realFiles.makeFolder(folder)
    const store = await openCheckpointStore({ files: realFiles, folder })
    onStore(partition, store)
    const beat = beatOf(partition)
    const acceptFrom = setup.accept === 'all' ? 0 : setup.accept?.find(([one]) => one === partition)?.[1]
    const at = { topic: stage.topic, partition }
    const bounds = {
      ...{ epochBytes, checkpointBytes, cacheBytes },
      get checkpointDue() {
        return overdue.has(task.name) ? ('soon' as const) : undefined
      },
    }
    const who = { stage, lineage, code, partition, exactlyOnce, acceptFrom, sameCode: setup.recoverOnly, beat }
    const task: PartitionTask = new PartitionTask(Object.assign(bounds, who), log, store)
    overdue.watch(task.name, at)
    tasks.push(task)
  }
  return tasks
}

/** The same log for one of several readers in a thread: each has seen other commits, and none may miss what another was woken by. */
function withOwnChanges(log: JournalLog): Log {
  let seen = log.view.commits
  return {
    claim: (name, input, again) => log.claim(name, input, again),
    reader: (at) => log.reader(at),
    bounds: (at) => log.bounds(at),
    need: (consumer, at, from) => log.need(consumer, at, from),
    close: () => log.close(),
    async changed() {
      await log.view.committed(seen)
      seen = log.view.commits
    },
  }
}
