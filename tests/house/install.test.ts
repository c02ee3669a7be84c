// What a fresh clone needs to install without a warning and without a refusal.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import semver from 'semver'
import { expect, test } from 'vitest'
import { root, runTool } from './project.ts'

interface LockedPackage {
  version?: string
  hasInstallScript?: boolean
  optional?: boolean
  engines?: { node?: string }
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

test('no package is too new for the Nodes that may install it: the newest 20, and 24', () => {
  // npm warns of each; what runs is the Node of node_modules. `engines` is about the published package: npm asks `devEngines` of a checkout.
  for (const node of ['20.20.2', '24.21.0']) {
    expect(semver.satisfies(node, manifest.devEngines.runtime.version)).toBe(true)
    const refusing = Object.entries(locked).filter(
      ([path, { optional, engines }]) => path !== '' && !optional && engines?.node && !semver.satisfies(node, engines.node),
    )
    expect(refusing.map(([path]) => path)).toEqual([])
  }
})
