// How commands come to a data folder: opened here or through its owner, notices said, and brought to an end whatever happens.
import type { Config } from '../config/index.ts'
import type { Notice } from '../services/process/embedded.ts'
import { exitNow } from '../services/process/exit-now.ts'
import type { Local } from '../services/process/local.ts'
import { describeError, EXIT_FAILURE, reportError } from './errors.ts'
import type { Interrupt, Interrupted } from './interrupt.ts'
import { formatBytes, formatCount } from './print.ts'
import { type RecoveryProgress, recoveryProgress } from './recovery-progress.ts'
import { emptyStdin } from './stdin.ts'
import { version } from './version.ts'

export interface OpenOptions {
  /** Processing time moves idle actors: for a long-running process. */
  live?: boolean
  /** Refuse a folder that another process owns, rather than work through it. */
  alone?: boolean
  /** What is told of the open folder; in place of lines on stderr. */
  onNotice?: (notice: Notice) => void
  say?: (line: string) => void
  /** Takes events over HTTP; with `alone`. */
  http?: { port: number; org?: string }
  /** Ends the process where it comes while the folder is being opened. */
  stopping?: Interrupt
}

/** The folder, opened. Something that stops in it later is printed, and makes the exit code 1. */
export async function openFolder(config: Config, options: OpenOptions = {}): Promise<Local> {
  const { live = false, alone = false, say = console.error, http, stopping } = options
  const told = new Set<string>()
  const recovery = recoveryProgress()
  const tell = options.onNotice ?? ((notice: Notice) => printNotice(notice, say, told, recovery))
  const onNotice = (notice: Notice) => {
    if (notice.type === 'partition-stopped' || notice.type === 'sink-stopped') process.exitCode = EXIT_FAILURE
    tell(notice)
  }
  emptyStdin()
  // Engine and stores are loaded by who opens a folder, not by who asks for help.
  const { openLocal, openOwner } = await import('../services/process/local.ts')
  const how = { config, version: version(), live, onNotice }
  const opening = (alone ? openOwner({ ...how, http }) : openLocal(how)).finally(() => recovery.opened())
  if (!stopping) return opening
  try {
    return await stopping.race(opening)
  } catch (error) {
    if (!stopping.signal.aborted) throw error
    // A start that is broken off owes nothing: the next one does it again.
    const { by } = error as Interrupted
    reportError(error, { verbose: false, print: say })
    exitNow(by as 'SIGINT' | 'SIGTERM')
    throw error
  }
}

/** `told`: codes whose advice was given; all partitions may stop for the same reason. */
function printNotice(notice: Notice, say: (line: string) => void, told: Set<string>, recovery: RecoveryProgress): void {
  if (notice.type === 'partition-stopped') recovery.stopped(notice.partition)
  switch (notice.type) {
    case 'recovering':
      recovery.heard(notice)
      return
    case 'restoring':
      say(restoring(notice))
      return
    case 'partition-waiting':
    case 'sink-waiting':
    case 'import-waiting':
      // All wait for the same.
      if (told.has((notice.error as Error & { code?: string }).code ?? '')) return
      say('nothing is lost, and it goes on by itself when this has passed:')
      reportStopped(notice.error, say, told)
      return
    case 'partition-resumed':
    case 'sink-resumed':
    case 'import-resumed':
      if (told.size > 0) say('it goes on')
      // The next time is told again.
      told.clear()
      return
    case 'lane-restarted':
    case 'partition-overdue':
      reportStopped(notice.error, say, told)
      return
    case 'partition-stopped':
    case 'sink-stopped':
      say(
        `${notice.type === 'sink-stopped' ? `the sink into ${notice.table}` : `partition ${notice.partition}`} has stopped, the others go on:`,
      )
      reportStopped(notice.error, say, told)
      return
    case 'sink-failed':
      if (!told.has(notice.table)) say(`writing into ${notice.table} failed, it is tried again: ${notice.error.message}`)
      told.add(notice.table)
      return
    case 'reset':
      say(`what was computed as ${notice.before} has been reset: the tables are filled anew from the topics, as ${notice.lineage}`)
      return
    case 'migrating':
    case 'request':
      return
  }
}

/** A restore's progress, in words. */
export function restoring({ partition, rows, bytes, rowsPerSecond, done, of }: Extract<Notice, { type: 'restoring' }>): string {
  const share = of > 0 ? Math.floor((100 * done) / of) : 100
  return `partition ${partition}: state from its changelog, ${share} %: ${formatCount(rows)} rows, ${formatBytes(bytes)}, ${formatCount(rowsPerSecond)} rows/s`
}

function reportStopped(error: Error & { code?: string }, say: (line: string) => void, told: Set<string>): void {
  const text = describeError(error, process.argv.includes('--verbose'))
  const isKnown = told.has(error.code ?? '')
  say(isKnown ? text.split('\n')[0]! : text)
  told.add(error.code ?? '')
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
