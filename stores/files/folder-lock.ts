// The data folder has one owner (protocol 18): a lock file with the owner's pid, start time and host, whose heartbeat is its modification time.
//
// Owns `<folder>/owner.lock`. A lock is stale when its process is gone: the pid does not live, or lives with another start time (a pid is
// used again after a restart of the machine). A lock of another host cannot be checked, nor one that is damaged, so its heartbeat decides.
import { existsSync, linkSync, mkdirSync, readFileSync, statfsSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { crc32 } from 'node:zlib'
import { StorageError, storageError } from './storage-error.ts'

const LOCK_NAME = 'owner.lock'
const HEARTBEAT_MS = 5000
/** Three heartbeats and a slow disk. */
const STALE_MS = 30_000
/** Types of statfs whose locks and flushes other machines do not see: NFS, SMB, SMB2, CIFS, AFS, Coda, Ceph, 9P. */
const NETWORK_TYPES = new Set([0x6969, 0x517b, 0xfe534d42, 0xff534d42, 0x5346414f, 0x73757245, 0x00c36400, 0x01021997])

export interface LockOwner {
  pid: number
  /** From the kernel, where it tells: ticks since the machine started. */
  startTime: string
  host: string
  /** When the lock was taken, ISO 8601. */
  since: string
  command: string
}

export interface FolderLock {
  readonly owner: LockOwner
  release(): void
}

/** Of a lock that cannot be read: of no host, so that nobody takes it for the lock of a process that is gone. */
const DAMAGED: LockOwner = { pid: 0, startTime: '', host: 'an unknown host', since: 'some time', command: '' }

/** Takes the folder (made if it is not there). Errors: DATA_LOCKED, DATA_NOT_A_FOLDER, DATA_ON_NETWORK, DATA_READ_ONLY, DISK_FULL. */
export function lockFolder(folder: string, options: { type?: number; pid?: number; nowMs?: () => number } = {}): FolderLock {
  const { pid = process.pid, nowMs = Date.now } = options
  const path = join(folder, LOCK_NAME)
  const mine = join(folder, `owner-${pid}-${process.hrtime.bigint()}.tmp`)
  const owner: LockOwner = {
    pid,
    startTime: startTimeOf(pid) ?? '',
    host: hostname(),
    since: new Date(nowMs()).toISOString(),
    command: process.argv.slice(1, 4).join(' '),
  }
  try {
    makeFolder(folder)
    refuseNetwork(folder, options.type ?? statfsSync(folder).type)
    writeFileSync(mine, JSON.stringify({ ...owner, crc: crc32(JSON.stringify(owner)) }))
  } catch (error) {
    throw storageError(error, folder)
  }
  try {
    // A link is made whole or not at all, and only if the name is free: no one reads half a lock.
    while (!linked(mine, path)) removeStale(folder, path, nowMs())
  } catch (error) {
    throw storageError(error, path)
  } finally {
    unlinkSync(mine)
  }
  const heartbeat = setInterval(() => beat(path), HEARTBEAT_MS)
  heartbeat.unref()
  return {
    owner,
    release() {
      clearInterval(heartbeat)
      if (sameOwner(readOwner(path), owner)) unlinkSync(path)
    },
  }
}

/** Who holds the folder now, if anyone that lives does. */
export function folderOwner(folder: string, nowMs = Date.now()): LockOwner | undefined {
  const path = join(folder, LOCK_NAME)
  const owner = readOwner(path)
  return owner && lives(owner, path, nowMs) ? owner : undefined
}

/** Folder by folder: Node's recursive mkdir does not return where a file system (/proc) says of a folder that is there that it is not. */
function makeFolder(folder: string): void {
  const missing: string[] = []
  let at = resolve(folder)
  for (; !existsSync(at); at = dirname(at)) missing.push(at)
  if (!statSync(at).isDirectory())
    throw new StorageError('DATA_NOT_A_FOLDER', `${at} is a file.`, 'Name a folder with --data; one that is not there yet is made.')
  for (const path of missing.reverse()) {
    try {
      mkdirSync(path)
    } catch (cause) {
      if (existsSync(path)) continue // another process was faster
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
      throw new StorageError('DATA_READ_ONLY', `${path} cannot be made there.`, 'Choose another folder with --data.', cause)
    }
  }
}

function refuseNetwork(folder: string, type: number): void {
  if (!NETWORK_TYPES.has(type >>> 0)) return
  throw new StorageError(
    'DATA_ON_NETWORK',
    `${folder} is on a network file system, which keeps no other machine from writing and may answer a flush too early.`,
    'Choose a folder on a local disk with --data.',
  )
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Removes a lock whose process is gone. Errors: DATA_LOCKED. */
function removeStale(folder: string, path: string, nowMs: number): void {
  const owner = readOwner(path)
  if (owner && lives(owner, path, nowMs)) {
    if (owner === DAMAGED)
      throw new StorageError(
        'DATA_LOCKED',
        `${path} is damaged, and a process may have renewed it less than half a minute ago.`,
        'Stop the process that works in this folder, if there is one; then wait half a minute and start again, or choose another folder with --data.',
      )
    throw new StorageError(
      'DATA_LOCKED',
      `${folder} belongs to process ${owner.pid} on ${owner.host} since ${owner.since} (${owner.command || 'packmill'}).`,
      'Stop that process, or choose another folder with --data.',
    )
  }
  try {
    if (!owner || sameOwner(readOwner(path), owner)) unlinkSync(path)
  } catch (error) {
    // Somebody else has found it stale too.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function lives(owner: LockOwner, path: string, nowMs: number): boolean {
  if (owner.host !== hostname()) return nowMs - modifiedMs(path) < STALE_MS
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    // EPERM: it lives, and belongs to another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const startTime = startTimeOf(owner.pid)
  return startTime === undefined || startTime === owner.startTime
}

/** Field 22 of /proc/<pid>/stat; undefined where there is none. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in brackets, which may hold spaces and brackets itself.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

function readOwner(path: string): LockOwner | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
  // Emptied by a power loss: nobody's.
  if (text === '') return undefined
  try {
    const { crc, ...owner } = JSON.parse(text) as LockOwner & { crc: number }
    if (crc === crc32(JSON.stringify(owner))) return owner
  } catch {}
  return DAMAGED
}

const sameOwner = (a: LockOwner | undefined, b: LockOwner): boolean =>
  a?.pid === b.pid && a.startTime === b.startTime && a.since === b.since

function modifiedMs(path: string): number {
  try {
    return statSync(path).mtimeMs
  } catch {
    return 0
  }
}

function beat(path: string): void {
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch {
    // Somebody removed the file by hand. The next start will lock again; this process goes on.
  }
}
