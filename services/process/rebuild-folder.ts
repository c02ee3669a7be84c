// The folder that a rebuild fills (packmill upgrade rebuild --into). Owns the mark that it carries until it is whole: only the rebuild that made it goes on in it, and what
// another folder holds is never mixed into it. Copying is rebuild.ts's.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { EngineError } from '../../engine/errors.ts'
import type { ClickstreamSettings } from '../../topologies/clickstream.ts'
import { dataFolder, folderMeta, writeMeta } from './data-folder.ts'
import { definitionsOf, otherDefinitions } from './definitions.ts'

/** Makes the folder, with as many partitions; one in which a rebuild of the same folder by the same settings was broken off goes on. Errors: INTO_NOT_EMPTY; those of dataFolder. */
export function beginRebuild(from: string, into: string, partitions: number, settings: ClickstreamSettings): void {
  const definitions = definitionsOf(settings)
  if (!existsSync(join(into, 'packmill.json'))) return void dataFolder(into, partitions, { rebuilding: { from, settings: definitions } })
  const { rebuilding, settings: begunWith } = folderMeta(into)
  const others = otherDefinitions(begunWith, definitions)
  if (rebuilding === from && others === undefined) return
  if (rebuilding === from)
    throw new EngineError(
      'INTO_NOT_EMPTY',
      `${into} holds a part of a rebuild that was begun with ${others}`,
      'Say the same settings to go on with it, or name a folder that is not there with --into: it is made.',
    )
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
  const { rebuilding, settings: _, ...meta } = folderMeta(into)
  if (rebuilding !== undefined) writeMeta(into, meta)
}
