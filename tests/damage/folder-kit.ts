// Data folders to be spoilt: made once by a real process, copied for each case, and what a process makes of the spoilt one.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { type AnswerLine, Child, type Trouble } from '../torture/child.ts'
import { SMALL, writeFiles } from '../torture/round.ts'

/** What became of a process. */
export interface Outcome {
  /** Named errors in the order in which they were said. */
  troubles: Trouble[]
  /** Absent where it did not come that far. */
  answer: AnswerLine | undefined
  code: number | null
  signal: NodeJS.Signals | null
  stderr: string
}

export interface Kit {
  /** Event files: `before` are in the base folder, all are imported by start(). */
  files: string[]
  set: string[]
  /** A copy of the base folder. */
  copy(): string
  start(data: string, more?: { set?: string[]; files?: string[] }): Promise<Outcome>
  remove(): void
}

export interface KitOptions {
  files: number
  eventsPerFile: number
  /** The last one is left for start(). */
  before: number
  set?: string[]
  /** The base folder's process is killed when it has settled: its journals have no ends, its last epochs no checkpoint. */
  killed: boolean
}

/** Makes the base folder. */
export async function makeKit({ files, eventsPerFile, before, set = [], killed }: KitOptions): Promise<Kit> {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-damage-'))
  const all = [...SMALL, ...set]
  const paths = writeFiles(folder, 23, files, eventsPerFile)
  const base = join(folder, 'base')
  const child = new Child({ data: base, set: all, files: paths.slice(0, before), stay: true })
  await child.until((line) => line.phase === 'settled' && line.file === before - 1)
  child.signal(killed ? 'SIGKILL' : 'SIGTERM')
  await child.ended
  if (child.troubles.length > 0) throw new Error(JSON.stringify(child.troubles))
  let copies = 0
  return {
    files: paths,
    set: all,
    copy() {
      const data = join(folder, `copy-${++copies}`)
      cpSync(base, data, { recursive: true, verbatimSymlinks: true })
      return data
    },
    start: (data, more = {}) =>
      outcomeOf(new Child({ data, set: [...all, ...(more.set ?? [])], files: more.files ?? paths, inspect: true })),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export async function outcomeOf(child: Child): Promise<Outcome> {
  const { code, signal } = await child.ended
  return { troubles: child.troubles, answer: child.answer, code, signal, stderr: child.stderr }
}

/** Files below a folder whose path fits, as paths from it; the largest first. */
export function filesOf(data: string, pattern: RegExp): string[] {
  return readdirSync(data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(data, join(entry.parentPath, entry.name)))
    .filter((path) => pattern.test(path))
    .sort((a, b) => statSync(join(data, b)).size - statSync(join(data, a)).size || (a < b ? -1 : 1))
}

/** Inverts bytes of a file, from a share (0 … 1) of its length on. */
export function flip(path: string, share: number, count = 1): void {
  const bytes = readFileSync(path)
  const at = Math.min(bytes.length - count, Math.floor(bytes.length * share))
  for (let i = at; i < at + count; i++) bytes[i] ^= 0xff
  writeFileSync(path, bytes)
}

export function cutOff(path: string, share: number): void {
  truncateSync(path, Math.floor(statSync(path).size * share))
}
