// The data folder from outside: who owns it, how large its parts are, what was fixed when it was made. Opens nothing; asks the owner if there is one.
import { constants, existsSync, statfsSync } from 'node:fs'
import { access, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Config, LoadedConfig } from '../../config/index.ts'
import type { EngineError } from '../../engine/errors.ts'
import { type FolderMeta, folderMeta } from '../../services/process/data-folder.ts'
import type { Stats } from '../../services/process/embedded.ts'
import { connect } from '../../services/process/local.ts'
import { folderOwner } from '../../stores/files/folder-lock.ts'
import { formatBytes, formatCount } from '../print.ts'
import type { Finding } from './finding.ts'

const PARTS = ['log', 'state', 'analytics'] as const
/** A folder in which less is free will soon not work. */
const FREE_BYTES_MIN = 1 << 30

/** With what a process at work there says of itself, where there is one. */
export async function lookAtFolder({ config, origins }: LoadedConfig): Promise<{ findings: Finding[]; stats: Stats | undefined }> {
  const owner = folderOwner(config.data)
  const through = owner && (await connect(config.data))
  const stats = await through?.stats()
  return { findings: await checkFolder(config, origins.get('log.partitions') !== 'default'), stats }
}

/** `asked`: somebody gave log.partitions. */
async function checkFolder(config: Config, asked: boolean): Promise<Finding[]> {
  const folder = config.data
  const free = freeSpace(folder)
  const kind = await whatIs(folder)
  if (kind === 'missing')
    return [{ about: 'data folder', state: 'well', found: `${folder} does not exist yet: the first import makes it` }, ...free]
  if (kind === 'file')
    return [
      {
        about: 'data folder',
        state: 'wrong',
        found: `DATA_NOT_A_FOLDER: ${folder} is a file`,
        advice: 'Name a folder with --data; one that is not there yet is made.',
      },
    ]
  if (kind === 'not writable')
    return [
      {
        about: 'data folder',
        state: 'wrong',
        found: `${folder} cannot be written by this user`,
        advice: 'Give this user the right to write it, or choose another with --data.',
      },
      ...free,
    ]
  return [...made(folder, config, asked), ...(await ownerOf(folder)), await sizes(folder), ...free]
}

async function whatIs(folder: string): Promise<'missing' | 'file' | 'not writable' | 'folder'> {
  try {
    if (!(await stat(folder)).isDirectory()) return 'file'
  } catch {
    return 'missing'
  }
  try {
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
    return 'folder'
  } catch {
    return 'not writable'
  }
}

function made(folder: string, config: Config, asked: boolean): Finding[] {
  if (!existsSync(join(folder, 'packmill.json')) && !existsSync(join(folder, 'log')))
    return [{ about: 'data folder', state: 'well', found: `${folder} is not in use yet` }]
  let meta: FolderMeta
  try {
    meta = folderMeta(folder)
  } catch (error) {
    const { code, message, advice } = error as EngineError
    return [{ about: 'data folder', state: 'wrong', found: `${code}: ${message}`, advice }]
  }
  const { partitions, topology } = meta
  // The default is the product's: `packmill run` makes a folder with one partition, or with as many as it is told.
  const isWell = partitions === config.log.partitions || (topology !== undefined && !asked)
  return [
    { about: 'data folder', state: 'well', found: topology === undefined ? folder : `${folder}, of topology ${topology}` },
    {
      about: 'partitions',
      state: isWell ? 'well' : 'wrong',
      found: `${partitions}${isWell ? '' : `, and log.partitions is ${config.log.partitions}`}`,
      ...(isWell ? {} : { advice: `Set log.partitions to ${partitions}: it is fixed when the folder is made.` }),
      figures: { partitions },
    },
  ]
}

async function ownerOf(folder: string): Promise<Finding[]> {
  const owner = folderOwner(folder)
  if (!owner) return [{ about: 'owner', state: 'well', found: 'nobody: the next command that needs it takes it' }]
  const name = `process ${owner.pid} on ${owner.host} since ${owner.since} (${owner.command || 'packmill'})`
  const through = await connect(folder)
  if (!through)
    return [
      {
        about: 'owner',
        state: 'notice',
        found: `${name}, which does not answer`,
        advice: 'It may be starting or stopping. If it stays so, stop it: nothing is lost.',
        figures: { pid: owner.pid },
      },
    ]
  const stats = await through.stats()
  return [{ about: 'owner', state: 'well', found: `${name}, answers`, figures: { pid: owner.pid } }, ...running(stats)]
}

/** What the process at work says of itself. */
function running({ tasks, sinks }: Stats): Finding[] {
  const total = (name: 'accepted' | 'users' | 'stateBytes' | 'late' | 'deadLettered') => tasks.reduce((sum, task) => sum + task[name], 0)
  const readBacks = sinks.reduce((sum, sink) => sum + sink.readBacks, 0)
  const retries = sinks.reduce((sum, sink) => sum + sink.retries, 0)
  const figures = {
    events: total('accepted'),
    users: total('users'),
    stateBytes: total('stateBytes'),
    late: total('late'),
    retries,
    readBacks,
  }
  return [
    {
      about: 'at work',
      state: 'well',
      found: `${formatCount(figures.events)} events, ${formatCount(figures.late)} late; state of ${formatCount(figures.users)} users in ${formatBytes(figures.stateBytes)}`,
      figures,
    },
    ...(retries + readBacks > 0
      ? [
          {
            about: 'sinks',
            state: 'notice' as const,
            found: `${formatCount(retries)} inserts tried again, ${formatCount(readBacks)} looked up after a fault`,
            advice: 'Nothing is lost or doubled by it; look at disk and memory if it goes on.',
          },
        ]
      : []),
  ]
}

async function sizes(folder: string): Promise<Finding> {
  const figures: Record<string, number> = {}
  for (const part of PARTS) figures[`${part}Bytes`] = await bytesBelow(join(folder, part))
  const found = PARTS.map((part) => `${part} ${formatBytes(figures[`${part}Bytes`]!)}`).join(', ')
  return { about: 'size', state: 'well', found, figures }
}

async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  let sum = 0
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) sum += await bytesBelow(path)
    // Files come and go while a process works here. Blocks, not lengths: some files are sparse.
    else
      sum += await stat(path)
        .then(({ blocks }) => blocks * 512)
        .catch(() => 0)
  }
  return sum
}

/** Of the disk that the folder is on, or will be. */
function freeSpace(folder: string): Finding[] {
  let at = folder
  for (;;) {
    try {
      const { bavail, bsize } = statfsSync(at)
      const freeBytes = bavail * bsize
      const isWell = freeBytes >= FREE_BYTES_MIN
      return [
        {
          about: 'free disk',
          state: isWell ? 'well' : 'notice',
          found: formatBytes(freeBytes),
          ...(isWell ? {} : { advice: 'Make room, or choose a folder on another disk with --data.' }),
          figures: { freeBytes },
        },
      ]
    } catch {
      if (dirname(at) === at) return []
      at = dirname(at)
    }
  }
}
