// A lane's thread: opens its view of the log and its tasks' state stores, runs the lane, and answers the main thread.
// Started by lane-client through a Piscina pool of one; the call lasts as long as the lane.
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { toData } from '../../engine/errors.ts'
import { Lane } from '../../engine/lane/lane.ts'
import { PartitionTask } from '../../engine/lane/task.ts'
import { systemClock } from '../../engine/time/clock.ts'
import type { Topology } from '../../engine/topology/topology.ts'
import { newBatch } from '../../model/scan.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import { lmdbKeyValue } from '../../stores/state/lmdb-key-value.ts'
import type { FromLane, LaneSetup, ToLane } from './lane-protocol.ts'

/** How often files of this lane's journal that nobody needs any more are looked for. */
const RETAIN_MS = 60_000

export default async function runLane({ port, setup }: { port: MessagePort; setup: LaneSetup }): Promise<void> {
  const say = (message: FromLane) => port.postMessage(message)
  let failure: unknown
  try {
    const { shared, journalBytes, retention } = setup
    const folder = join(setup.folder, 'log')
    const log = await openJournalLog({ files: realFiles, folder, writer: setup.name, shared, journalBytes, retention })
    try {
      await work(port, say, setup, log)
    } finally {
      await log.close()
    }
  } catch (error) {
    failure = error
  }
  // As data: an error that leaves a thread by itself loses its code.
  say({ type: 'ended', error: failure === undefined ? undefined : toData(failure) })
  port.close()
}

/** Runs the partitions until 'stop'. */
async function work(port: MessagePort, say: (message: FromLane) => void, setup: LaneSetup, log: JournalLog): Promise<void> {
  const module = (await import(setup.topology.module)) as Record<string, (settings: unknown) => Topology>
  const topology = module[setup.topology.export](setup.topology.settings)
  const batch = newBatch()
  const tasks: PartitionTask[] = []
  for (const partition of setup.partitions) {
    const folder = join(setup.folder, 'state', setup.lineage, `${topology.name}-${partition}`)
    await realFiles.makeFolder(folder)
    const store = await openCheckpointStore({ files: realFiles, folder, keyValue: lmdbKeyValue(join(folder, 'kv')) })
    const { lineage, code, epochBytes, checkpointBytes, exactlyOnce } = setup
    const cacheBytes = setup.cacheBytes / setup.partitions.length
    tasks.push(
      new PartitionTask({ topology, lineage, code, partition, epochBytes, checkpointBytes, cacheBytes, exactlyOnce }, log, store, batch),
    )
  }
  const lane = new Lane({
    tasks,
    log,
    clock: systemClock,
    epochMs: setup.epochMs,
    live: setup.live,
    onStopped: (partition, error) => say({ type: 'partition-stopped', partition, error: toData(error) }),
    onWaiting: (partition, error) => say({ type: 'partition-waiting', partition, error: toData(error) }),
    onResumed: (partition) => say({ type: 'partition-resumed', partition }),
    onRecovering: (partition, done, of) => say({ type: 'recovering', partition, done, of }),
  })
  port.on('message', (message: ToLane) => {
    switch (message.type) {
      case 'drain': {
        const { id, to, snapshots, close } = message
        lane.drain(new Map(to), { snapshots, close }).then(
          () => say({ type: 'drained', id }),
          (error) => say({ type: 'drain-failed', id, error: toData(error) }),
        )
        break
      }
      case 'stats':
        say({ type: 'stats', id: message.id, tasks: lane.stats })
        break
      case 'stop':
        lane.stop()
    }
  })
  // A file that could not be removed now is found again next time.
  const retaining = setInterval(() => void log.retain().catch(() => undefined), RETAIN_MS)
  try {
    await lane.open()
    say({ type: 'ready' })
    await lane.run()
  } finally {
    clearInterval(retaining)
  }
}
