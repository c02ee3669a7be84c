// What every npm script goes through: installs what is missing, then runs the wanted program under the Node of node_modules.
// Owns: the table of scripts, and the decision whether node_modules is complete. Never does the work of a script itself.
// Plain JavaScript of 2020 without imports of ours, because it runs before anything is installed, under whatever Node ≥ 20.12 npm has.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const node24 = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

const biome = 'node_modules/@biomejs/biome/bin/biome'
/** Script → the programs it runs, one after the other until one fails. Further arguments go to the last. */
const scripts = {
  start: [['cli/packmill.mjs', 'demo']],
  test: [['node_modules/vitest/vitest.mjs', 'run']],
  lint: [
    [biome, 'check', '.'],
    ['node_modules/eslint/bin/eslint.js', '.'],
  ],
  format: [[biome, 'check', '--write', '.']],
  typecheck: [['node_modules/typescript/bin/tsc', '-p', '.', '--noEmit']],
  build: [['tools/build.ts']],
  assembly: [['tools/assembly.ts']],
  api: [['tools/api.ts']],
  bench: [['bench/main.ts']],
  simulate: [['tests/sim/main.ts']],
  torture: [['tests/torture/main.ts']],
  'dev:servers': [['dev/servers.ts']],
}

/** Why node_modules must be installed (again), or undefined: it holds every package that the lock file wants. */
export function missingInstall() {
  const installedPath = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedPath)) return 'nothing is installed yet'
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages
  for (const [path, entry] of Object.entries(wanted)) {
    // Optional packages are those of other platforms; the entry '' is the project itself.
    if (path === '' || entry.optional || entry.devOptional) continue
    if (!installed[path] || installed[path].version !== entry.version) return `${path} is not the version of package-lock.json`
  }
  return existsSync(node24) ? undefined : 'node_modules/node has no binary'
}

/** Installs with npm when something is missing. What npm prints goes to stderr, so that the program's own output stays clean. */
export async function install() {
  const reason = missingInstall()
  if (reason === undefined) return
  console.error(`packmill: installing (${reason})`)
  // `npm ci` empties node_modules first: right for a fresh clone, rude to a checkout in use.
  const verb = existsSync(join(root, 'node_modules')) ? 'install' : 'ci'
  const code = await run('npm', [verb, '--no-audit', '--no-fund'], {
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
    cwd: root,
  })
  if (code !== 0 || missingInstall() !== undefined) {
    console.error(`packmill: npm ${verb} did not install everything (${missingInstall()}). Run \`npm ci\` here and read what it says.`)
    process.exit(code || 1)
  }
}

/** Runs a program in this terminal; resolves with its exit code. Ctrl-C reaches it through the terminal, SIGTERM is passed on. */
export function run(command, args, options) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options })
    const ignore = () => {}
    const passOn = () => child.kill('SIGTERM')
    process.on('SIGINT', ignore)
    process.on('SIGTERM', passOn)
    child.on('error', (error) => {
      console.error(`packmill: cannot run ${command}: ${error.message}`)
      resolve(1)
    })
    child.on('exit', (code, signal) => {
      process.off('SIGINT', ignore)
      process.off('SIGTERM', passOn)
      resolve(signal === null ? code : 128 + (signal === 'SIGINT' ? 2 : 15))
    })
  })
}

/** Runs a program of the project under its own Node. */
export function runNode(args, options) {
  return run(node24, args, options)
}

async function main(name, extra) {
  const steps = scripts[name]
  if (steps === undefined) {
    console.error(`packmill: no script ${name}; there are ${Object.keys(scripts).join(', ')}`)
    process.exit(2)
  }
  await install()
  for (const [index, step] of steps.entries()) {
    const code = await runNode(index === steps.length - 1 ? [...step, ...extra] : step, { cwd: root })
    if (code !== 0) process.exit(code)
  }
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) await main(process.argv[2], process.argv.slice(3))
