// The data folder has one owner (protocol 18): a lock file with the owner's pid, start time and host, whose heartbeat is its modification time.
//
// Owns `<folder>/owner.lock`. A lock is stale when its process is gone: the pid does not live, or lives with another start time (a pid is
// used again after a restart of the machine). A lock of another host cannot be checked, nor one that is damaged, so its heartbeat decides.
//
// 1. A lock is a link: made whole or not at all, and only where the name is free.
// 2. A stale lock is never removed, for it may be another's by then. It has one heir: whoever links its own to the name that the stale lock's
//    text gives. An heir that is gone has one heir in the same way.
// 3. Only the heir replaces the lock, by one rename, and only while the lock is what it was when it was found stale: a text is a lock's only
//    once, so that an heir who comes late sees it, takes its link back and begins again.
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { existsSync, mkdirSync, readFileSync, statfsSync, statSync, utimesSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
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

/** What taking a lock asks of the machine, one step a call; errors are Node's. Those of the starters that a test has race are its own. */
export interface LockWorld {
  read(path: string): string
  write(path: string, text: string): void
  link(from: string, to: string): void
  rename(from: string, to: string): void
  remove(path: string): void
  list(folder: string): string[]
  modifiedMs(path: string): number
  /** The process that wrote it, on this host, has not ended. */
  hasProcess(owner: LockOwner): boolean
}

const machine: LockWorld = {
  read: (path) => readFileSync(path, 'utf8'),
  write: fs.writeFileSync,
  link: fs.linkSync,
  rename: fs.renameSync,
  remove: fs.unlinkSync,
  list: (folder) => fs.readdirSync(folder),
  modifiedMs: (path) => statSync(path).mtimeMs,
  hasProcess,
}

/** Of a lock that is damaged: of no host, so that nobody takes it for the lock of a process that is gone. */
const DAMAGED: LockOwner = { pid: 0, startTime: '', host: 'an unknown host', since: 'some time', command: '' }

/** Takes the folder (made if it is not there). Errors: DATA_LOCKED, DATA_NOT_A_FOLDER, DATA_ON_NETWORK, DATA_READ_ONLY, DISK_FULL. */
export function lockFolder(folder: string, options: { type?: number; pid?: number; nowMs?: () => number } = {}): FolderLock {
  const { pid = process.pid, nowMs = Date.now } = options
  const path = join(folder, LOCK_NAME)
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
  } catch (error) {
    throw storageError(error, folder)
  }
  takeLock(folder, owner, nowMs())
  const heartbeat = setInterval(() => beat(path), HEARTBEAT_MS)
  heartbeat.unref()
  return {
    owner,
    release() {
      clearInterval(heartbeat)
      releaseLock(folder, owner)
    },
  }
}

/** Errors: as lockFolder. */
export function takeLock(folder: string, owner: LockOwner, nowMs: number, world = machine): void {
  const path = join(folder, LOCK_NAME)
  const mine = join(folder, `owner-${owner.pid}-${process.hrtime.bigint()}.tmp`)
  try {
    world.write(mine, JSON.stringify({ ...owner, crc: crc32(JSON.stringify(owner)) }))
  } catch (error) {
    throw storageError(error, folder)
  }
  try {
    while (!linked(world, mine, path) && !inherited(world, mine, path, nowMs));
  } catch (error) {
    throw storageError(error, path)
  } finally {
    world.remove(mine)
  }
}

export function releaseLock(folder: string, owner: LockOwner, world = machine): void {
  const path = join(folder, LOCK_NAME)
  let text: string | undefined
  try {
    text = read(world, path)
  } catch {
    // It stays, and is stale once this process has ended.
  }
  if (text !== undefined && sameOwner(ownerOf(text), owner)) world.remove(path)
}

/** Who holds the folder now, if anyone that lives does. Errors: DATA_LOCKED where its lock cannot be read. */
export function folderOwner(folder: string, nowMs = Date.now()): LockOwner | undefined {
  const path = join(folder, LOCK_NAME)
  // Also where the folder cannot be looked into: who wants more of it than to look is told.
  if (!existsSync(path)) return undefined
  const text = read(machine, path)
  const owner = text === undefined ? undefined : ownerOf(text)
  return owner && lives(machine, owner, path, nowMs) ? owner : undefined
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

function linked(world: LockWorld, from: string, to: string): boolean {
  try {
    world.link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Puts `mine` in the place of a lock whose process is gone (2, 3); false where the lock is another by now. Errors: DATA_LOCKED. */
function inherited(world: LockWorld, mine: string, path: string, nowMs: number): boolean {
  const folder = dirname(path)
  const stale = read(world, path)
  if (stale === undefined) return false
  for (let text = stale, at = path; ; ) {
    const owner = ownerOf(text)
    if (owner && lives(world, owner, at, nowMs)) throw locked(folder, path, owner)
    at = heirOf(at, text)
    if (linked(world, mine, at)) {
      if (read(world, path) === stale) {
        world.rename(at, path)
        // Of heirs that are gone. Nobody's lock gives these names any more.
        for (const name of world.list(folder)) if (HEIR.test(name)) removed(world, join(folder, name))
        return true
      }
      removed(world, at)
      return false
    }
    const next = read(world, at)
    if (next === undefined) return false
    text = next
  }
}

const HEIR = /^owner-[0-9a-f]{32}\.heir$/
/** By its path too: a power loss may have emptied a lock and its heir's. */
const heirOf = (path: string, text: string): string =>
  join(
    dirname(path),
    `owner-${createHash('sha256')
      .update(`${basename(path)}\0${text}`)
      .digest('hex')
      .slice(0, 32)}.heir`,
  )

function removed(world: LockWorld, path: string): void {
  try {
    world.remove(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function locked(folder: string, path: string, owner: LockOwner): StorageError {
  if (owner === DAMAGED)
    return new StorageError(
      'DATA_LOCKED',
      `${path} is damaged, and a process may have renewed it less than half a minute ago.`,
      'Stop the process that works in this folder, if there is one; then wait half a minute and start again, or choose another folder with --data.',
    )
  return new StorageError(
    'DATA_LOCKED',
    `${folder} belongs to process ${owner.pid} on ${owner.host} since ${owner.since} (${owner.command || 'packmill'}).`,
    'Stop that process, or choose another folder with --data.',
  )
}

function lives(world: LockWorld, owner: LockOwner, path: string, nowMs: number): boolean {
  if (owner.host === hostname()) return world.hasProcess(owner)
  try {
    return nowMs - world.modifiedMs(path) < STALE_MS
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

function hasProcess({ pid, startTime: ownStartTime }: LockOwner): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it lives, and belongs to another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const startTime = startTimeOf(pid)
  return startTime === undefined || startTime === ownStartTime
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

/** The lock's text; undefined where there is none. Errors: DATA_LOCKED where it cannot be told whose it is. */
function read(world: LockWorld, path: string): string | undefined {
  try {
    return world.read(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    if (code !== 'EACCES' && code !== 'EPERM') throw storageError(error, path)
    throw new StorageError(
      'DATA_LOCKED',
      `${path} cannot be read (${code}): another user's process may be at work in this folder.`,
      'Start as the user who made that file, or choose another folder with --data.',
      error,
    )
  }
}

/** Whose lock it is; undefined: nobody's. */
function ownerOf(text: string): LockOwner | undefined {
  // Emptied by a power loss.
  if (text === '') return undefined
  try {
    const { crc, ...owner } = JSON.parse(text) as LockOwner & { crc: number }
    if (crc === crc32(JSON.stringify(owner))) return owner
  } catch {}
  return DAMAGED
}

const sameOwner = (a: LockOwner | undefined, b: LockOwner): boolean =>
  a?.pid === b.pid && a.startTime === b.startTime && a.since === b.since

function beat(path: string): void {
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch {
    // Somebody removed the file by hand. The next start will lock again; this process goes on.
  }
}
