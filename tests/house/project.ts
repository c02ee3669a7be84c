// What the house tests look at: the project's own files. Owns: which files count, and how a tool of node_modules is run.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '..', '..')

const here = (folder: string) => existsSync(join(root, folder))

/** What is shipped. */
export const productFolders = [
  'config',
  'model',
  'operators',
  'engine',
  'stores',
  'packs',
  'streams',
  'topologies',
  'services',
  'cli',
].filter(here)
/** All that holds code. */
export const folders = [...productFolders, ...['bench', 'tests', 'tools', 'dev'].filter(here)]

/** What proves the product and is not shipped: tests, the fakes beside them, conformance suites. */
export const isProof = (path: string) => /\.(test|fake|conformance)\.ts$/.test(path)

/** Source files of the project as paths from its root, with `/`. */
export function sourceFiles(within: readonly string[] = folders): string[] {
  const found: string[] = []
  const walk = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`
      if (entry.isDirectory()) walk(path)
      else if (/\.(ts|mjs)$/.test(entry.name)) found.push(path)
    }
  }
  for (const folder of within) walk(folder)
  return found
}

/** Runs a program of node_modules under this Node in the project's root; returns its exit code and all that it printed. */
export function runTool(...args: string[]): { code: number | null; output: string } {
  const done = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, NO_COLOR: '1' },
  })
  return { code: done.status, output: `${done.stdout}${done.stderr}` }
}
