// What a process was doing, told from outside: by the lines that it said, and by what stands half done in its data folder.
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { checkpointEpoch, isFinished } from '../../stores/state/checkpoint-file.ts'
import type { ChildLine } from './import-child.ts'
import { COMMITTING } from './mark-commits.ts'

export const MOMENTS = ['start', 'recovery', 'import', 'drain', 'commit', 'checkpoint', 'insert', 'stop'] as const
/**
 * start: not ready yet · recovery: computing epochs again · import: reading a file · drain: all is read, not yet all processed or written ·
 * commit: a frame with a lane's epochs is written or synced, and not answered yet · checkpoint: a file of it without its end ·
 * insert: a part that is not in its table yet · stop: asked to end.
 */
export type Moment = (typeof MOMENTS)[number]

/** What can be half done in the folder; taken before a process starts, so that what an earlier one left is not taken for its own. */
export class Moments {
  private readonly data: string
  private readonly marks: string
  private readonly before: ReadonlySet<string>

  /** `marks`: a folder of this process alone. */
  constructor(data: string, marks: string) {
    this.data = data
    this.marks = marks
    this.before = new Set([...openCheckpoints(data), ...openParts(data)])
  }

  holds(moment: Moment, lines: readonly ChildLine[]): boolean {
    if (moment === 'commit') return list(this.marks).some((name) => readText(join(this.marks, name)) === COMMITTING)
    if (moment === 'checkpoint') return openCheckpoints(this.data).some((path) => !this.before.has(path))
    if (moment === 'insert') return openParts(this.data).some((path) => !this.before.has(path))
    return phaseOf(lines) === moment
  }

  /** All that hold now: an insert mostly goes on beside an import. */
  now(lines: readonly ChildLine[]): Moment[] {
    return MOMENTS.filter((moment) => this.holds(moment, lines))
  }
}

function phaseOf(lines: readonly ChildLine[]): Moment {
  switch (lines.findLast(({ phase }) => phase !== 'trouble')?.phase) {
    case undefined:
    case 'opening':
    case 'migrating':
      return 'start'
    case 'recovering':
      return 'recovery'
    case 'imported':
      return 'drain'
    case 'stopping':
    case 'stopped':
      return 'stop'
    default:
      return 'import'
  }
}

/** Waits until the kernel says that every thread of the process has stopped, or that it is gone. */
export function untilFrozen(pid: number): void {
  const stateOf = (path: string) => {
    try {
      const stat = readFileSync(path, 'utf8')
      return stat[stat.lastIndexOf(')') + 2]
    } catch {
      return 'X'
    }
  }
  const tasks = `/proc/${pid}/task`
  while (!list(tasks).every((thread) => 'TtZX'.includes(stateOf(join(tasks, thread, 'stat')))));
}

function openCheckpoints(data: string): string[] {
  const state = join(data, 'state', 'main')
  return list(state).flatMap((task) =>
    list(join(state, task)).flatMap((name) => {
      const path = join(state, task, name)
      const epoch = checkpointEpoch(name)
      return epoch !== undefined && !isWhole(path, epoch) ? [path] : []
    }),
  )
}

function isWhole(path: string, epoch: number): boolean {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch {
    // Removed since it was listed: nothing of it was in force any more.
    return true
  }
  try {
    const readAt = (into: Uint8Array, position: number) => readSync(fd, into, 0, into.length, position)
    return isFinished({ size: fstatSync(fd).size, readSync: readAt, close() {} }, epoch)
  } finally {
    closeSync(fd)
  }
}

/** Parts are written under another name, and renamed when they are whole. */
function openParts(data: string): string[] {
  const store = join(data, 'analytics', 'engine', 'store')
  return list(store).flatMap((group) =>
    list(join(store, group)).flatMap((table) =>
      list(join(store, group, table)).flatMap((name) => (name.startsWith('tmp_insert') ? [join(store, group, table, name)] : [])),
    ),
  )
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    // Removed since it was listed: its journal has been closed.
    return ''
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
