// The data folder: who owns it, and what was fixed when it was made.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { EngineError } from '../../engine/errors.ts'

/** Of everything in the folder that is ours. Raised with a change after which this code does not read what the code before it wrote; what is read
 *  stays in tests/formats, as folders that earlier code has written. */
export const FOLDER_FORMAT = 3

export interface FolderMeta {
  format: number
  partitions: number
  /** Of what came in. */
  lineage: string
  /** Of what is computed from it; another one after a reset. Where the file has none: the same. */
  computed?: string
  /** A reset has begun, and nothing may run here before it has ended. */
  isResetting?: true
  /** A lineage that replays what another folder received since then, ms since epoch. */
  replayedFromMs?: number
  /** Of one's own, that runs in it; none: the product's. */
  topology?: string
  /** Of all the rest: another lineage would be another run, which publishes everything once more. */
  crc?: number
}

/** Reads what was fixed when the folder was made, or fixes it now. `topology`: one of one's own. Errors: DATA_FORMAT, DATA_TOPOLOGY, PARTITIONS_FIXED, RESET_UNFINISHED. */
export function dataFolder(folder: string, partitions: number, topology?: string): FolderMeta {
  const path = join(folder, 'packmill.json')
  mkdirSync(folder, { recursive: true })
  if (!existsSync(path)) {
    // Made again with another number of partitions, users would be in two of them.
    if (existsSync(join(folder, 'log')))
      throw new EngineError(
        'DATA_FORMAT',
        `${path} is missing, and ${folder} holds a log`,
        'Restore the file from a copy of the folder, or choose another folder with --data.',
      )
    const meta: FolderMeta = { format: FOLDER_FORMAT, partitions, lineage: 'main', ...(topology === undefined ? {} : { topology }) }
    writeMeta(folder, meta)
    return meta
  }
  const meta = readMeta(path)
  if (topology === undefined && meta.topology !== undefined)
    throw new EngineError(
      'DATA_TOPOLOGY',
      `${folder} is the folder of topology ${meta.topology}, which somebody wrote, and not of the product`,
      'Go on in it with `packmill run FILE --data`, ask its tables with `packmill sql --data`, or choose another folder with --data.',
    )
  if (meta.isResetting)
    throw new EngineError(
      'RESET_UNFINISHED',
      `a reset of ${folder} was broken off`,
      'Run `packmill topology reset clickstream --yes` again: it goes on. What came in is whole.',
    )
  if (meta.partitions !== partitions)
    throw new EngineError(
      'PARTITIONS_FIXED',
      `${folder} was made with ${meta.partitions} partitions, log.partitions is ${partitions}`,
      `Set log.partitions to ${meta.partitions}, or choose a new folder with --data and import again: a user's events must stay in one partition.`,
    )
  return meta
}

/** The topology of one's own that the folder was made for, by name; undefined for a folder of the product's. Errors: DATA_FORMAT. */
export const topologyOf = (folder: string): string | undefined => folderMeta(folder).topology

/** What was fixed when the folder was made. Errors: DATA_FORMAT. */
export const folderMeta = (folder: string): FolderMeta => readMeta(join(folder, 'packmill.json'))

/** Made whole or not at all. */
export function writeMeta(folder: string, meta: FolderMeta): void {
  const path = join(folder, 'packmill.json')
  writeFileSync(`${path}.new`, `${JSON.stringify({ ...meta, crc: crcOf(meta) })}\n`, { flush: true })
  renameSync(`${path}.new`, path)
}

/** The lineage of what is computed in the folder. */
export const computedIn = ({ lineage, computed = lineage }: FolderMeta): string => computed

const crcOf = (meta: FolderMeta) => crc32(JSON.stringify(meta))

function readMeta(path: string): FolderMeta {
  try {
    const { crc, ...meta } = JSON.parse(readFileSync(path, 'utf8')) as FolderMeta
    if (meta.format !== FOLDER_FORMAT) throw new RangeError(`format ${meta.format}, this version has format ${FOLDER_FORMAT}`)
    if (crc !== crcOf(meta)) throw new RangeError('its checksum is wrong')
    return meta
  } catch (cause) {
    throw new EngineError(
      'DATA_FORMAT',
      `${path} is not what this version writes: ${(cause as Error).message}`,
      'Restore the file from a copy of the folder, choose another folder with --data, or use the version that made this one.',
      { cause },
    )
  }
}
