// How long until a command says something? `packmill --help` of the installed package, above what Node itself takes to start.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { median } from './harness/median.ts'
import type { Question } from './harness/report.ts'

const ROUNDS = 20
const root = join(import.meta.dirname, '..')

/** What is started, each with Node: the first is what the others are measured against. */
const programs = (installed: string) => {
  const packmill = join(installed, 'node_modules', 'packmill', 'cli', 'packmill.mjs')
  return {
    node: ['-e', '0'],
    help: [packmill, '--help'],
    'import-help': [packmill, 'import', '--help'],
    config: [packmill, 'config', '--json'],
  }
}

export const startup: Question = {
  name: 'startup',
  asks: "the installed package's packmill --help, above `node -e 0`",
  async run({ folder, note }) {
    note('packing and installing the package')
    install(folder)
    const commands = Object.entries(programs(folder))
    // The first starts fill the compile cache and the file cache.
    for (const [, args] of commands) for (let i = 0; i < 2; i++) start(folder, args)
    note(`${ROUNDS} rounds of ${commands.length} programs, alternating`)
    const taken = new Map(commands.map(([name]) => [name, [] as number[]]))
    for (let round = 0; round < ROUNDS; round++) for (const [name, args] of commands) taken.get(name)!.push(start(folder, args))
    const over = (name: string) => median(taken.get(name)!) - median(taken.get('node')!)
    return [
      { name: 'help-over-node', value: over('help'), unit: 'ms', atMost: 30 },
      { name: 'import-help-over-node', value: over('import-help'), unit: 'ms' },
      { name: 'config-over-node', value: over('config'), unit: 'ms' },
      { name: 'node', value: median(taken.get('node')!), unit: 'ms' },
    ]
  },
}

/** Packed from this checkout, and installed as a stranger would; from npm's cache where it can. */
function install(folder: string): void {
  npm(['pack', '--pack-destination', folder], root)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'stranger', private: true, type: 'module' }))
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  npm(['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', `./packmill-${version}.tgz`], folder)
}

function npm(args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })
  if (status !== 0) throw new Error(`npm ${args[0]} ended with ${status}:\n${stderr}${stdout}`)
  return stdout
}

/** ms, from the start of the process to its end. */
function start(cwd: string, args: readonly string[]): number {
  const startMs = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })
  const ms = performance.now() - startMs
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}: ${stderr}`)
  return ms
}
