// A topology out of somebody's file. Owns the import, what `packmill` means in that file, and which files it is made of; runs nothing.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import module from 'node:module'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { EngineError } from '../../engine/errors.ts'
import { siblingModule } from '../../model/module-url.ts'
import type { Topology } from '../../streams/stream.ts'

/** What a topology's file imports is this very package, wherever the file is. */
const DOORS: Readonly<Record<string, string>> = {
  packmill: siblingModule(import.meta.url, '../../streams/index').href,
  'packmill/testing': siblingModule(import.meta.url, '../../streams/testing').href,
}
let isHooked = false

function openDoors(): void {
  if (isHooked || typeof module.registerHooks !== 'function') return
  isHooked = true
  module.registerHooks({
    resolve: (specifier, context, next) =>
      Object.hasOwn(DOORS, specifier) ? { url: DOORS[specifier], shortCircuit: true } : next(specifier, context),
  })
}

/** The file's default export, or the one export that is a topology. Errors: TOPOLOGY_MISSING, TOPOLOGY_BROKEN, TOPOLOGY_NONE. */
export async function loadTopology(path: string): Promise<Topology> {
  const file = resolve(path)
  if (!existsSync(file) || !statSync(file).isFile())
    throw new EngineError('TOPOLOGY_MISSING', `${path} is no file`, 'Give the path of the file that exports the topology.')
  openDoors()
  let exports: Record<string, unknown>
  try {
    exports = (await import(pathToFileURL(file).href)) as Record<string, unknown>
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const old =
      code === 'ERR_UNKNOWN_FILE_EXTENSION' ? 'TypeScript runs in Node 22.18 or later; or compile it to JavaScript first.' : undefined
    const advice = old ?? 'Mend the file: the error above is from its own code, --verbose shows where.'
    throw new EngineError('TOPOLOGY_BROKEN', `${path}: ${message}`, advice, { cause: error })
  }
  const found = [exports.default, ...Object.values(exports)].find(isTopology)
  if (found) return found
  throw new EngineError('TOPOLOGY_NONE', `${path} exports no topology`, 'End it with: export default topology(name, stream.to(topic))')
}

const isTopology = (value: unknown): value is Topology => (value as Topology | undefined)?.kind === 'packmill/streams@1'

const IMPORTS = /(?:\bfrom|\bimport)\s*\(?\s*(['"])(\.{1,2}\/[^'"]+)\1/g

/** The file, and the files that it imports by relative paths, theirs too. Found in the text: it need not even compile. */
export function topologyFiles(path: string): string[] {
  const files = new Set<string>()
  const visit = (file: string) => {
    if (files.has(file) || !existsSync(file) || !statSync(file).isFile()) return
    files.add(file)
    for (const [, , relative] of readFileSync(file, 'utf8').matchAll(IMPORTS)) visit(resolve(dirname(file), relative))
  }
  visit(resolve(path))
  return [...files]
}

/** What must be the same for an epoch to be computed again: the version of Packmill, Node, and the topology's files. */
export function topologyCode(path: string, version: string): string {
  const hash = createHash('sha256')
  for (const file of topologyFiles(path)) hash.update(readFileSync(file)).update('\0')
  return `packmill ${version}, ${hash.digest('hex').slice(0, 12)}, node ${process.versions.node}`
}
