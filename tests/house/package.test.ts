// The published package: packed from this checkout, installed in a folder of its own, and used there as a stranger would.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import semver from 'semver'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { needs } from '../require.ts'
import { root } from './project.ts'
import { typeErrors, typeProgram } from './type-program.ts'

let folder: string
let installed = false

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-package-'))
}, 10_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function run(command: string, args: string[], cwd = folder) {
  // This Node first, as in a machine that has no other.
  const PATH = dirname(process.execPath) + delimiter + process.env.PATH
  const done = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, PATH, NODE_OPTIONS: '' } })
  return { code: done.status, out: done.stdout, all: `${done.stdout}${done.stderr}` }
}
const packmill = (...args: string[]) => run(join(folder, 'node_modules', '.bin', 'packmill'), args)

/** Each example in a folder of its own, as a stranger copies it. */
const examples: Record<string, { input: string[]; out: RegExp; records: number }> = {
  'word-count': { input: ['words.txt'], out: /^\{"word":"to","count":2\}$/m, records: 6 },
  'cart-abandonment': { input: ['data/carts.jsonl'], out: /^\{"user":"ann","items":\["tent","mat","lamp"\]/m, records: 2 },
  join: { input: ['orders=data/orders.jsonl', 'payments=data/payments.jsonl'], out: /"o2","user":"bob","status":"unpaid"/, records: 3 },
  clickstream: { input: ['events.jsonl'], out: /^sessions \{"user":/m, records: 2 },
}

test('npm pack builds it: JavaScript, types and SQL, no sources and no tests', () => {
  const { code, out, all } = run('npm', ['pack', '--json', '--pack-destination', folder], root)
  expect(code, all).toBe(0)
  const [{ files }] = JSON.parse(out.slice(out.indexOf('['))) as [{ files: { path: string }[] }]
  const paths = files.map((file) => file.path)
  expect(paths).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'cli/packmill.mjs', 'dist/cli/main.js', 'dist/config/index.d.ts']))
  expect(paths.filter((path) => path.endsWith('.sql')).length).toBeGreaterThan(0)
  const sources = paths.filter((path) => /(?<!\.d)\.ts$|\.(test|fake)\.|conformance/.test(path))
  expect(sources.sort()).toEqual(
    Object.keys(examples)
      .map((name) => `examples/${name}.ts`)
      .sort(),
  )
}, 180_000)

test('it installs without its install scripts', ({ skip }) => {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'stranger', private: true, type: 'module' }))
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=0']
  const { code, all } = run('npm', ['install', ...flags, `./${tarball}`])
  if (code !== 0 && /ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENETUNREACH/.test(all)) {
    needs('the npm registry', false, 'connect this machine to it, or fill npm’s cache')
    skip()
  }
  expect(code, all).toBe(0)
  installed = true
}, 300_000)

test('its command works', ({ skip }) => {
  if (!installed) skip()
  const help = packmill('--help')
  expect(help.code, help.all).toBe(0)
  expect(help.out).toContain('Usage: packmill')
  // It was made with the package; this one is made now.
  expect(packmill('--verbose', '--help').out).toBe(help.out)
  for (const same of [[], ['-h'], ['help']]) expect(packmill(...same).out).toBe(help.out)
  expect(packmill('config', 'logLevel', '--json').out).toContain('"value": "info"')
  const traffic = packmill('traffic', '--events', '100', '--out', 'events.jsonl')
  expect(traffic.code, traffic.all).toBe(0)
})

test('it starts under the oldest Node that `engines` allows, and says so under the one before', ({ skip }) => {
  if (!installed) skip()
  const installedAt = join(folder, 'node_modules', 'packmill')
  const { engines } = JSON.parse(readFileSync(join(installedAt, 'package.json'), 'utf8')) as { engines: { node: string } }
  const { major, minor } = semver.minVersion(engines.node)!
  const under = (version: string) => {
    const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`
    const args = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`, join(installedAt, 'cli', 'packmill.mjs')]
    return run(process.execPath, [...args, 'config', 'logLevel'])
  }
  expect(under(`${major}.${minor}.0`)).toMatchObject({ code: 0, out: expect.stringContaining('info') })
  for (const old of [`${major}.${minor - 1}.9`, `${major - 1}.99.0`])
    expect(under(old)).toMatchObject({
      code: 1,
      all: expect.stringContaining(`NODE_TOO_OLD: packmill needs Node ${major}.${minor} or later`),
    })
})

test.for(Object.entries(examples))('the example %s runs', ([name, { input, out, records }], { skip }) => {
  if (!installed) skip()
  const shipped = join(folder, 'node_modules', 'packmill', 'examples')
  cpSync(join(shipped, `${name}.ts`), join(folder, `${name}.ts`))
  cpSync(join(shipped, 'data'), join(folder, 'data'), { recursive: true })
  writeFileSync(join(folder, 'words.txt'), 'to be or not\nto be\n')
  const done = packmill('run', `${name}.ts`, ...input.flatMap((one) => ['--input', one]))
  expect(done.code, done.all).toBe(0)
  expect(done.out).toMatch(out)
  expect(done.out.trim().split('\n').length).toBeGreaterThanOrEqual(records)
})

test('a topology’s own test runs against packmill/testing', ({ skip }) => {
  if (!installed) skip()
  writeFileSync(
    join(folder, 'own-test.ts'),
    `import { resumeLaw, runTable } from 'packmill/testing'
    import words from './word-count.ts'
    const input = { text: ['a b', 'a'] }
    console.log(JSON.stringify(runTable(words, input)['word-counts'].at(-1)))
    await resumeLaw(() => words, input)`,
  )
  const done = run(process.execPath, ['own-test.ts'])
  expect(done.code, done.all).toBe(0)
  expect(done.out.trim()).toBe('{"word":"a","count":2}')
})

test('TypeScript finds the types of its doors', async ({ skip }) => {
  if (!installed) skip()
  const use = `import { type Config, loadConfig } from 'packmill/config'\nconst config: Config = loadConfig().config\nconst gap: number = config.clickstream.gapMs\nexport { gap }\n`
  writeFileSync(join(folder, 'use.ts'), use)
  const compilerOptions = { noEmit: true, strict: true, module: 'nodenext', target: 'es2024', types: [], allowImportingTsExtensions: true }
  const files = ['use.ts', 'own-test.ts', ...Object.keys(examples).map((name) => `${name}.ts`)]
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  // What the stranger wrote, and every declaration of ours that it leads to. Those of other packages are read, not judged: three quarters of the time.
  const program = typeProgram(folder)
  const ours = program.getSourceFiles().filter(({ fileName }) => !/\/node_modules\/(?!packmill\/)/.test(fileName))
  const doors = ['config', 'streams'].map((door) => `packmill/dist/${door}/index.d.ts`)
  for (const path of [...files, ...doors]) expect(ours.map(({ fileName }) => fileName)).toContainEqual(expect.stringMatching(`/${path}$`))
  expect(await typeErrors(program, ours)).toEqual([])
}, 180_000)
