// The end of an import, shown: until everything that came in can be queried. Owns only what is displayed.
import type { Local } from '../services/process/local.ts'
import type { Interrupt } from './interrupt.ts'
import { processing } from './processing.ts'
import { type Progress, progress } from './progress.ts'

/** Processes what is in the log and writes it; see Embedded.settle. Rejects with the interrupt's reason where that comes first. */
export async function settle(
  folder: Local,
  { stopping, ...asked }: { snapshots: boolean; close: boolean; stopping: Interrupt },
  shown: Progress = progress({ label: 'process', unit: 'events' }),
): Promise<void> {
  const count = await processing(
    async () => (await folder.stats()).tasks,
    () => stopping.race(folder.settle(asked)),
    (now) => shown.update(now),
  )
  // A little is over before anybody could look.
  if (count > 0) shown.finish(count)
}
