// The data folder: who owns it, and what was fixed when it was made.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EngineError } from '../../engine/errors.ts'

interface FolderMeta {
  format: 1
  partitions: number
  lineage: string
}

/** Reads what was fixed when the folder was made, or fixes it now. Errors: DATA_FORMAT, PARTITIONS_FIXED. */
export function dataFolder(folder: string, partitions: number): FolderMeta {
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
    const meta: FolderMeta = { format: 1, partitions, lineage: 'main' }
    writeFileSync(`${path}.new`, `${JSON.stringify(meta)}\n`, { flush: true })
    renameSync(`${path}.new`, path)
    return meta
  }
  let meta: FolderMeta
  try {
    meta = JSON.parse(readFileSync(path, 'utf8')) as FolderMeta
    if (meta.format !== 1 || !Number.isInteger(meta.partitions)) throw new RangeError(`format ${meta.format}`)
  } catch (cause) {
    throw new EngineError(
      'DATA_FORMAT',
      `${path} is not what this version writes: ${(cause as Error).message}`,
      'Choose another folder with --data, or use the version that made this one.',
      { cause },
    )
  }
  if (meta.partitions !== partitions)
    throw new EngineError(
      'PARTITIONS_FIXED',
      `${folder} was made with ${meta.partitions} partitions, log.partitions is ${partitions}`,
      `Set log.partitions to ${meta.partitions}, or choose a new folder with --data and import again: a user's events must stay in one partition.`,
    )
  return meta
}
