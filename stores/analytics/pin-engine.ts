// Keeps the engine's library in memory once it is loaded. Node unloads a worker thread's addons when the thread ends; the engine's own threads
// would then run in code that is gone, and the process would die of it.
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { libchdbPath } from 'chdb/libchdb'

/** RTLD_NODELETE, which Node's constants leave out. */
const NO_DELETE: Partial<Record<NodeJS.Platform, number>> = { linux: 0x1000, darwin: 0x80 }

export function pinEngine(): void {
  const flag = NO_DELETE[process.platform]
  if (flag === undefined) return
  process.dlopen({ exports: {} }, join(dirname(libchdbPath()), 'chdb_node.node'), constants.dlopen.RTLD_LAZY | flag)
}
