// The folder that a rebuild fills (packmill upgrade rebuild --into). Owns the mark that it carries until it is whole: only the rebuild that made it goes on in it, and what
// another folder holds is never mixed into it. Copying is rebuild.ts's.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { EngineError } from '../../engine/errors.ts'
import { dataFolder, folderMeta, writeMeta } from './data-folder.ts'

/** Makes the folder, with as many partitions; one in which a rebuild of the same folder was broken off goes on. Errors: INTO_NOT_EMPTY; those of dataFolder. */
export function beginRebuild(from: string, into: string, partitions: number): void {
  if (!existsSync(join(into, 'packmill.json'))) return void dataFolder(into, partitions, { rebuilding: from })
  const { rebuilding } = folderMeta(into)
  if (rebuilding === from) return
  throw rebuilding === undefined
    ? new EngineError(
        'INTO_NOT_EMPTY',
        `${into} is a data folder already: what it holds would be mixed with what ${from} took`,
        'Name a folder that is not there with --into: it is made. One that a rebuild has finished is used with --data.',
      )
    : new EngineError(
        'INTO_NOT_EMPTY',
        `${into} holds a part of ${rebuilding}: a rebuild of that was broken off`,
        'Name a folder that is not there with --into: it is made. To go on with that rebuild, name its folder with --data.',
      )
}

/** The rebuild is whole: from now on it is a folder as any other. */
export function endRebuild(into: string): void {
  const { rebuilding, ...meta } = folderMeta(into)
  if (rebuilding !== undefined) writeMeta(into, meta)
}
