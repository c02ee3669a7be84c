// What every run needs and none has to make again: inputs and the evaluator's answers, in .cache/bench, one folder each.
//
// A folder's name ends in the hash of the code that makes it, so that it is made anew when that code changes, and the old one goes.
// It is written under another name and renamed when it is complete: what is there is whole.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type CrowdShape, crowdName, eventsOf } from './crowd.ts'
import { inChild } from './in-child.ts'

const root = join(import.meta.dirname, '..', '..')

/** On the disk of the checkout: rounds link the files of an input, which other disks cannot. */
export const cacheFolder = join(root, '.cache', 'bench')

/** What there is → the code that it is made by, folders and files from the project's root. */
const SOURCES = {
  /** `log/` and `input.json`: events in the embedded log, behind the door (see workload.ts). */
  log: [
    'services/traffic',
    'services/process/importer.ts',
    'services/process/line-decoder.ts',
    'model',
    'engine/log',
    'stores/log',
    'config/defaults.ts',
    'bench/harness/prepare.ts',
  ],
  /** `log/` and `input.json`: a crowd in the embedded log (see crowd.ts). */
  crowd: [
    'services/traffic/line-writer.ts',
    'services/traffic/random.ts',
    'model/hash.ts',
    'engine/log',
    'stores/log',
    'bench/harness/prepare.ts',
    'bench/harness/crowd.ts',
    'bench/harness/returning.ts',
  ],
  /** `events.jsonl`: the same events as `packmill traffic` writes them. */
  file: ['services/traffic', 'bench/harness/prepare.ts'],
  /** The evaluator's sessions, incidents and counts for these events (see answer-file.ts). */
  answer: ['services/traffic', 'tests/oracle', 'model/hash.ts', 'bench/harness/prepare.ts', 'bench/harness/answer-file.ts'],
}
export type Cached = keyof typeof SOURCES

export interface PrepareOrder {
  what: Cached
  events: number
  folder: string
  /** Of a crowd. */
  shape?: CrowdShape
}

/** The folder of it for so many events; what is missing is made first. */
export const cached = (what: Exclude<Cached, 'crowd'>, events: number, note: (text: string) => void): Promise<string> =>
  made({ what, events }, `${what}-${events}-`, note)

/** The same for a crowd. */
export const cachedCrowd = (shape: CrowdShape, note: (text: string) => void): Promise<string> =>
  made({ what: 'crowd', events: eventsOf(shape), shape }, `crowd-${crowdName(shape)}-`, note)

async function made(order: Omit<PrepareOrder, 'folder'>, stem: string, note: (text: string) => void): Promise<string> {
  const { what, events } = order
  const name = stem + codeOf(SOURCES[what])
  const folder = join(cacheFolder, name)
  if (existsSync(folder)) return folder
  note(`making the ${what} of ${events.toLocaleString('en-GB')} events, kept in .cache/bench`)
  mkdirSync(cacheFolder, { recursive: true })
  for (const old of readdirSync(cacheFolder)) if (old.startsWith(stem)) rmSync(join(cacheFolder, old), { recursive: true })
  const unfinished = `${folder}.${process.pid}`
  mkdirSync(unfinished)
  await inChild<PrepareOrder, unknown>('prepare', { ...order, folder: unfinished })
  renameSync(unfinished, folder)
  return folder
}

/** A hash of the sources without their tests. */
function codeOf(paths: readonly string[]): string {
  const hash = createHash('sha256')
  for (const path of paths) {
    const isFile = path.endsWith('.ts')
    const files = isFile ? [path] : readdirSync(join(root, path), { recursive: true, encoding: 'utf8' }).map((file) => join(path, file))
    for (const file of files.sort()) {
      if (!file.endsWith('.ts') || /\.(test|fake|conformance)\.ts$/.test(file)) continue
      hash.update(`${file}\0`).update(readFileSync(join(root, file)))
    }
  }
  return hash.digest('hex').slice(0, 12)
}
