// What a fresh clone needs to install without a warning and without a refusal.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root, runTool } from './project.ts'

interface LockedPackage {
  version?: string
  hasInstallScript?: boolean
}
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const locked: Record<string, LockedPackage> = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages

test('allowScripts names exactly the packages with install scripts', () => {
  const withScripts = Object.entries(locked)
    .filter(([, entry]) => entry.hasInstallScript)
    .map(([path]) => path.split('node_modules/').at(-1))
  const optionalNative = new Set(['fsevents'])
  expect(Object.keys(manifest.allowScripts).sort()).toEqual(withScripts.filter((name) => !optionalNative.has(name!)).sort())
})

test('the lock file names every platform’s packages', () => {
  const { code, output } = runTool('tools/lock-platforms.mjs', '--check')
  expect(code, output).toBe(0)
})

test('the lock file names no registry of its own', () => {
  expect(Object.values(locked).filter((entry) => 'resolved' in entry)).toEqual([])
})
