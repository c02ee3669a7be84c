// The end of an import, shown: until everything that came in can be queried. Owns only what is displayed.
import type { Stats } from '../services/process/embedded.ts'
import type { Local } from '../services/process/local.ts'
import type { Interrupt } from './interrupt.ts'
import { type Progress, progress } from './progress.ts'

const POLL_MS = 500

/** Processes what is in the log and writes it; see Embedded.settle. Rejects with the interrupt's reason where that comes first. */
export async function settle(
  folder: Local,
  { stopping, ...asked }: { snapshots: boolean; close: boolean; stopping: Interrupt },
  shown: Progress = progress({ label: 'process', unit: 'events' }),
): Promise<void> {
  const first = processed(await folder.stats())
  const timer = setInterval(() => {
    folder.stats().then(
      (stats) => shown.update(processed(stats) - first),
      () => undefined,
    )
  }, POLL_MS)
  try {
    await stopping.race(folder.settle(asked))
  } finally {
    clearInterval(timer)
  }
  const count = processed(await folder.stats()) - first
  // A little is over before anybody could look.
  if (count > 0) shown.finish(count)
}

const processed = ({ tasks }: Stats) => tasks.reduce((sum, { accepted }) => sum + accepted, 0)
