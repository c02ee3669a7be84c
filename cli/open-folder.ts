// How commands come to a data folder: opened here or through its owner, notices said, and brought to an end whatever happens.
import type { Config } from '../config/index.ts'
import type { Notice } from '../services/process/embedded.ts'
import { type Local, openLocal, openOwner } from '../services/process/local.ts'
import { reportError } from './errors.ts'
import { version } from './version.ts'

export interface OpenOptions {
  /** Processing time moves idle actors: for a long-running process. */
  live?: boolean
  /** Refuse a folder that another process owns, rather than work through it. */
  alone?: boolean
  say?: (line: string) => void
}

/** The folder, opened. Something that stops in it later is printed, and makes the exit code 1. */
export function openFolder(config: Config, { live = false, alone = false, say = console.error }: OpenOptions = {}): Promise<Local> {
  return (alone ? openOwner : openLocal)({ config, version: version(), live, onNotice: (notice) => printNotice(notice, say) })
}

function printNotice(notice: Notice, say: (line: string) => void): void {
  switch (notice.type) {
    case 'recovering':
      if (notice.done === 0 && notice.of > 0) say(`partition ${notice.partition}: computing ${notice.of} epochs again after a stop`)
      return
    case 'partition-stopped':
    case 'sink-stopped':
      say(notice.type === 'sink-stopped' ? `The sink into ${notice.table} has stopped:` : `Partition ${notice.partition} has stopped:`)
      reportError(notice.error, { verbose: process.argv.includes('--verbose'), print: say })
      process.exitCode = 1
      return
    case 'migrating':
      return
  }
}

/** Runs `work` on the folder and stops it afterwards; the first failure of the two is thrown. */
export async function withFolder<T>(config: Config, options: OpenOptions, work: (folder: Local) => Promise<T>): Promise<T> {
  const folder = await openFolder(config, options)
  let result: T
  try {
    result = await work(folder)
  } catch (error) {
    await folder.stop('at once').catch(() => undefined)
    throw error
  }
  await folder.stop()
  return result
}
