// Imports run one way (docs/ARCHITECTURE.md, "Folders"): the table is what each folder's product code may reach.
// Tests beside the code, their fakes, conformance suites and tests/, bench/, tools/ may reach everything, and nothing of the product may reach them.
import { cruise, type ICruiseResult, type IModule } from 'dependency-cruiser'
import { beforeAll, expect, test } from 'vitest'
import { folders, isProof, productFolders, root, sourceFiles } from './project.ts'

/** Folder → what it may import of ours besides itself; a trailing `.ts` means that one file. */
const allowed: Record<string, readonly string[]> = {
  config: [],
  model: [],
  operators: ['model'],
  engine: ['operators/contract.ts', 'model', 'config'],
  stores: ['engine/log/contract.ts', 'engine/state/store.ts', 'model', 'config'],
  packs: ['operators', 'model', 'config'],
  streams: ['engine', 'operators/contract.ts', 'model', 'config'],
  topologies: ['engine/index.ts', 'operators', 'packs', 'model', 'config'],
  services: ['topologies', 'streams', 'stores', 'engine', 'model', 'config'],
  cli: ['config', 'model', 'operators', 'engine', 'stores', 'packs', 'streams', 'topologies', 'services'],
}
/** Folders whose product code is a pure function of its inputs: no module of Node's own. */
const pure = ['operators']

// The launcher of a checkout installs what is missing; the published one finds only dist/.
const launcher = 'cli/packmill.mjs'
const folderOf = (path: string) => path.split('/')[0]!

let modules: IModule[]

beforeAll(async () => {
  // Imports of types count too: they are what makes two folders one.
  const result = await cruise(folders, {
    baseDir: root,
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  })
  modules = (result.output as ICruiseResult).modules
}, 120_000)

test('dependency-cruiser sees every source file, and what they import', () => {
  // A TypeScript that it cannot read makes it see nothing, and then every rule holds.
  const seen = new Set(modules.map((module) => module.source))
  expect(sourceFiles().filter((path) => !seen.has(path))).toEqual([])
  const edges = modules.flatMap((module) => module.dependencies.filter((edge) => folders.includes(folderOf(edge.resolved))))
  expect(edges.length).toBeGreaterThan(sourceFiles().length)
  const unresolved = modules
    .filter((module) => module.source !== launcher)
    .flatMap((module) => module.dependencies.filter((edge) => edge.couldNotResolve))
  expect(unresolved.map((edge) => edge.module)).toEqual([])
})

test('every folder of product code has its row in the table', () => {
  expect(productFolders.filter((folder) => !(folder in allowed))).toEqual([])
})

test.each(Object.keys(allowed))('%s imports only what it may', (folder) => {
  const wrong: string[] = []
  for (const module of modules) {
    if (folderOf(module.source) !== folder || isProof(module.source) || module.source === launcher) continue
    for (const { resolved } of module.dependencies) {
      const target = folderOf(resolved)
      if (!folders.includes(target) || (target === folder && !isProof(resolved))) continue
      if (!isProof(resolved) && allowed[folder]!.some((may) => resolved === may || resolved.startsWith(`${may}/`))) continue
      wrong.push(`${module.source} → ${resolved}`)
    }
  }
  expect(wrong).toEqual([])
})

test.each(pure)('%s uses no module of Node: no clock, no files, no randomness', (folder) => {
  const wrong = modules
    .filter((module) => folderOf(module.source) === folder && !isProof(module.source))
    .flatMap((module) => module.dependencies.filter((edge) => edge.coreModule).map((edge) => `${module.source} → ${edge.module}`))
  expect(wrong).toEqual([])
})

test('no circle of imports, those of types apart', () => {
  const edges = new Map(
    modules.map((module) => [
      module.source,
      module.dependencies.filter((edge) => !edge.dependencyTypes.includes('type-only')).map((edge) => edge.resolved),
    ]),
  )
  const circles: string[] = []
  const done = new Set<string>()
  const walk = (source: string, path: string[]) => {
    if (path.includes(source)) circles.push([...path.slice(path.indexOf(source)), source].join(' → '))
    if (path.includes(source) || done.has(source)) return
    for (const next of edges.get(source) ?? []) walk(next, [...path, source])
    done.add(source)
  }
  for (const source of edges.keys()) walk(source, [])
  expect(circles).toEqual([])
})
