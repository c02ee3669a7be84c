// What the engine does when it has time, merging parts, does not keep others from a core: whoever waits for a lane's commit, or for a query.
import { readdirSync, readFileSync } from 'node:fs'
import { setPriority } from 'node:os'

/** The threads of this process. Linux only. */
const TASKS = '/proc/self/task'
/** What the engine calls them. */
const MERGING = 'MergeMutate'
/** Of a core that others want too they still get about a tenth: parts become no more than the engine bears, which slows inserts down then. */
export const MERGE_NICE = 10

/** Lowers the priority of the threads that merge, once the tables are open. Nothing elsewhere than on Linux. */
export function yieldMerges(): void {
  for (const thread of tasks())
    try {
      if (readFileSync(`${TASKS}/${thread}/comm`, 'utf8').trim() === MERGING) setPriority(Number(thread), MERGE_NICE)
    } catch {
      // It has ended meanwhile, or the system lets nobody change it.
    }
}

function tasks(): string[] {
  try {
    return readdirSync(TASKS)
  } catch {
    return []
  }
}
