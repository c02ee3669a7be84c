// The command line as its users meet it: a process, what it prints, its exit code.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { commands } from './commands.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-cli-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function packmill(args: string[], environment: Record<string, string> = {}) {
  const done = spawnSync(process.execPath, [join(import.meta.dirname, 'packmill.mjs'), ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
  })
  return { code: done.status, out: done.stdout, err: done.stderr }
}

describe('help', () => {
  test('no command: the help, exit code 0, and every command in it', () => {
    const { code, out } = packmill([])
    expect(code).toBe(0)
    for (const { name, summary } of commands) expect(out).toMatch(new RegExp(`^  ${name}\\s.*${summary.split(' ')[0]}`, 'm'))
    expect(out).toContain('Examples:')
  })

  test.each(commands.map(({ name }) => name))('%s --help has examples', (name) => {
    const { code, out } = packmill([name, '--help'])
    expect(code).toBe(0)
    expect(out).toContain(`Usage: packmill ${name}`)
    expect(out).toContain(`Examples:\n  packmill ${name}`)
    expect(packmill(['help', name]).out).toBe(out)
  })

  test('every command, and every command of a command, has help with a summary and examples of itself', async () => {
    const walked: string[] = []
    const walk = (command: Command, path: string) => {
      let help = ''
      command.configureOutput({ writeOut: (text) => (help += text) })
      command.outputHelp()
      expect(help, path).toContain(`Usage: packmill ${path}`)
      expect(help, path).toMatch(new RegExp(`Examples:\\n  (source <\\()?packmill ${path}`))
      walked.push(path)
      for (const below of command.commands) walk(below, `${path} ${below.name()}`)
    }
    for (const { name, summary, load } of commands) {
      const command = new Command('packmill').command(name).description(summary)
      ;(await load())(command)
      expect(command.description().length, name).toBeGreaterThan(10)
      walk(command, name)
    }
    expect(walked).toEqual(expect.arrayContaining(['import', 'dlq list', 'dlq show', 'dlq replay', 'topology describe', 'completion']))
  })

  test('every file in commands/ is a command', () => {
    const files = readdirSync(join(import.meta.dirname, 'commands')).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    expect(files.sort()).toEqual(commands.map(({ name }) => `${name}.ts`).sort())
  })

  test('the README tours only commands that exist', () => {
    const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8')
    const toured = [...readme.matchAll(/\bpackmill ([a-z]+)\b/g)].map(([, name]) => name!)
    expect(toured.length).toBeGreaterThan(4)
    expect([...new Set(toured)].filter((name) => !commands.some((command) => command.name === name))).toEqual([])
  })

  test('--version is that of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'))
    expect(packmill(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' })
  })
})

describe('completion', () => {
  const following = (...words: string[]) => {
    const { code, out } = packmill(['complete', '--', ...words])
    expect(code).toBe(0)
    const [directive, ...found] = out.trimEnd().split('\n').reverse()
    return { files: directive === ':0', noSpace: directive === ':6', found: found.map((line) => line.split('\t')[0]).reverse() }
  }

  test.each(['bash', 'zsh', 'fish'])('a script for %s, which asks packmill', (shell) => {
    const { code, out } = packmill(['completion', shell])
    expect(code).toBe(0)
    expect(out).toContain('packmill complete --')
    if (shell === 'bash') expect(spawnSync('bash', ['-n'], { input: out }).status).toBe(0)
  })

  test('bash completes with it, also without the package bash-completion', () => {
    const program = [process.execPath, join(import.meta.dirname, 'packmill.mjs')].map((path) => `'${path}'`).join(' ')
    const input = `packmill() { ${program} "$@"; }
      source <(packmill completion bash)
      completed() {
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        __packmill_complete
        echo "$*: \${COMPREPLY[*]}"
      }
      completed packmill im
      completed packmill dlq re
      compopt() { [ "$2" = nospace ] && echo "no space"; }
      completed packmill import --set clickstream.gap
      completed packmill topology describe cl
      unset -f compopt
      complete -p packmill`
    const { stdout } = spawnSync('bash', ['--norc'], { cwd: folder, input, encoding: 'utf8' })
    expect(stdout).toMatch(/^packmill im: import *$/m)
    expect(stdout).toMatch(/^packmill dlq re: replay *$/m)
    expect(stdout).toMatch(/^packmill import --set clickstream\.gap: clickstream\.gapMs= *$/m)
    expect(stdout.match(/^no space$/gm)).toHaveLength(1)
    expect(stdout).toMatch(/^packmill topology describe cl: clickstream *$/m)
    // Where nothing of ours fits, bash offers files.
    expect(stdout).toContain('complete -o default -F __packmill_complete packmill')
  })

  test('commands, and commands of commands', () => {
    expect(following('im').found).toEqual(['import'])
    expect(following('').found).toEqual(expect.arrayContaining(commands.map(({ name }) => name)))
    expect(following('dlq', '').found).toEqual(expect.arrayContaining(['list', 'show', 'replay']))
    expect(following('completion', '').found).toEqual(['bash', 'zsh', 'fish'])
  })

  test('options of the command, their choices, names of settings, and files where files belong', () => {
    expect(following('import', '--cl').found).toEqual(['--close'])
    expect(following('import', '--format', '').found).toEqual(['auto', 'jsonl', 'combined'])
    expect(following('import', '--set', 'clickstream.gap').found).toEqual(['clickstream.gapMs='])
    expect(following('config', 'clickstream.gap').found).toEqual(['clickstream.gapMs'])
    expect(following('dlq', 'replay', '--co').found).toEqual(['--code', '--config'])
    expect(following('import', '')).toMatchObject({ files: true, found: [] })
    expect(following('run', '')).toMatchObject({ files: true, found: [] })
    expect(following('topology', 'describe', 'cl')).toMatchObject({ files: true, found: ['clickstream'] })
    expect(following('topology', 'replay', '')).toMatchObject({ files: false, found: ['clickstream'] })
    expect(following('sql', '--data', '').files).toBe(true)
    expect(following('sql', '--json', '').files).toBe(false)
  })

  test.each([
    ['run', '--input'],
    ['run', '--out'],
    ['traffic', '--truth'],
    ['upgrade', 'drain', '--topology'],
    ['upgrade', 'rebuild', '--into'],
  ])('a file, or a folder: %s %s %s', (...words) => {
    expect(following(...words, '')).toMatchObject({ files: true, found: [] })
  })

  test('no space behind a setting that its value follows', () => {
    expect(following('run', '--set', 'clickstream.gap').noSpace).toBe(true)
    expect(following('config', 'clickstream.gap').noSpace).toBe(false)
  })

  test('a shell that it does not know', () => {
    const { code, err } = packmill(['completion', 'tcsh'])
    expect([code, err]).toEqual([2, expect.stringContaining('bash, zsh, fish')])
  })
})

describe('exit codes', () => {
  test.each([
    [['trafic'], 'Did you mean traffic?'],
    [['config', '--jsn'], 'Did you mean --json?'],
    [['config', 'zzz'], 'no setting is called zzz'],
    [['config', 'clickstream.gap'], 'Did you mean clickstream.gapMs?'],
    [['nope'], 'packmill --help'],
    [['help', 'nope'], "unknown command 'nope'"],
    [['help', 'trafic'], 'Did you mean traffic?'],
    [['dlq', 'nope'], 'packmill dlq --help'],
    [['traffic', '--out', '-', '--data', 'd'], '--data, --set and --config have no meaning then'],
    [['sql', ' ; -- nothing'], 'the statement is empty'],
    [['sql', 'SELECT 1', '--json', '--format', 'CSV'], '--json and --format exclude each other'],
    [['import'], "missing required argument 'file'"],
    [['topology', 'describe', 'clickstrem'], 'there is clickstream'],
    [['demo', '--rate', '0'], 'It must be a whole number'],
    [['up', '--every', 'x'], 'It must be a whole number'],
    [['traffic', '--out', '-', '--events', 'many'], 'It must be a whole number'],
    [['traffic', '--out', '-', '--start', '2026'], 'as in 2026-03-02 or 2026-03-02T07:00:00Z, or now'],
    [['traffic', '--out', '-', '--start', '1969-12-31T23:59:59Z'], 'from 1970 on and before 2200'],
    [['traffic', '--out', '-', '--start', '2200-01-01T00:00:00Z'], 'from 1970 on and before 2200'],
  ])('%j is a usage error: 2, and says what is wrong', (args, message) => {
    const { code, out, err } = packmill(args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(message)
    expect(err).toMatch(/^USAGE: .*\n {2}.*`packmill .*--help` .*\n$/)
  })

  test('a failure is 1, with code and advice and without a stack', () => {
    const { code, out, err } = packmill(['config', '--set', 'clickstream.gapms=1'])
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(/^CONFIG_INVALID: .*did you mean clickstream\.gapMs\?\n {2}.*\n$/)
    expect(packmill(['--verbose', 'config', '--set', 'clickstream.gapms=1']).err).toContain('\n    at ')
  })
})

describe('config', () => {
  test('what is set of brokers where none is named is refused before anything is made, and shown all the same', () => {
    const lost = ['--set', 'kafka.tls.ca=/none', '--set', 'kafka.sasl.username=u']
    const { code, out, err } = packmill(['up', '--data', 'lost', ...lost])
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(
      /^CONFIG_INVALID: kafka\.tls\.ca \(--set\) is set, but kafka\.brokers is not: .*\n {2}Set kafka\.brokers \(KAFKA_BROKERS\), or unset this\. .*\n$/,
    )
    expect(existsSync(join(folder, 'lost'))).toBe(false)
    expect(packmill(['config', ...lost]).code).toBe(0)
  })

  test('prints value and source of every setting, as a table and as JSON', () => {
    writeFileSync(join(folder, 'packmill.yaml'), '# ours\nclickstream:\n  gapMs: 5m\n')
    const environment = { PACKMILL_ENGINE_LANES: '2', API_KEYS: 'hunter2' }
    const table = packmill(['config', '--data', 'd', '--set', 'logLevel=warn'], environment)
    expect(table.code).toBe(0)
    expect(table.out).toMatch(/^clickstream\.gapMs +300000 \(5m\) +packmill\.yaml:3$/m)
    expect(table.out).toMatch(/^engine\.lanes +2 +PACKMILL_ENGINE_LANES$/m)
    expect(table.out).toMatch(/^logLevel +warn +--set$/m)
    expect(table.out).toMatch(/^data +\/.*\/d +--data$/m)
    expect(table.out).toMatch(/^sink\.fsync +true +default$/m)
    expect(table.out).toMatch(/^http\.apiKeys +\(secret\) +API_KEYS +not in this version: comes with keys for HTTP$/m)
    const json = packmill(['config', '--json', 'clickstream'], environment)
    const { settings } = JSON.parse(json.out)
    expect(settings[0]).toMatchObject({
      path: 'clickstream.gapMs',
      value: 300_000,
      source: 'packmill.yaml:3',
      variable: 'PACKMILL_CLICKSTREAM_GAP_MS',
    })
    expect(table.out + json.out).not.toContain('hunter2')
    rmSync(join(folder, 'packmill.yaml'))
  })

  test('--describe says what a setting accepts', () => {
    const { out } = packmill(['config', 'clickstream.rage', '--describe'])
    expect(out).toContain(
      'clickstream.rage.clicks = 3  (default)\n  default profile: clicks on one element that make a burst. Of a folder with state: packmill upgrade rebuild\n  a whole number from 2 to 16; PACKMILL_CLICKSTREAM_RAGE_CLICKS',
    )
  })
})

describe('traffic', () => {
  test('the same seed gives the same bytes, to stdout, a file and a compressed file', () => {
    const options = ['--events', '2500', '--seed', '7', '--users', '50', '--orgs', '2']
    const { code, out } = packmill(['traffic', '--out', '-', ...options])
    expect(code).toBe(0)
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toHaveLength(2500)
    expect(packmill(['traffic', '--out', 't.jsonl', ...options, '--json']).out).toContain('"lines":2500')
    packmill(['traffic', '--out', 't.jsonl.gz', ...options])
    expect(readFileSync(join(folder, 't.jsonl'), 'utf8')).toBe(out)
    expect(gunzipSync(readFileSync(join(folder, 't.jsonl.gz'))).toString()).toBe(out)
  })

  test('--truth writes what was put into the events, a line for each thing, and changes no event', () => {
    const options = ['--events', '2500', '--seed', '4', '--users', '60']
    const plain = packmill(['traffic', '--out', '-', ...options]).out
    const { code, out } = packmill(['traffic', '--out', '-', '--truth', 'truth.jsonl', ...options])
    expect([code, out === plain]).toEqual([0, true])
    const things = readFileSync(join(folder, 'truth.jsonl'), 'utf8').trimEnd().split('\n')
    const whats = new Set(things.map((line) => (JSON.parse(line) as { what: string }).what))
    expect([...whats].sort()).toEqual(['backtrack', 'dead_click', 'rage_click', 'task', 'visit'])
    const refused = packmill(['traffic', '--out', '-', '--truth', 'no/such/truth.jsonl', ...options])
    expect([refused.code, refused.out]).toEqual([1, ''])
    expect(refused.err).toContain('no/such/truth.jsonl')
  })

  test('events beyond the times that are taken: how many were rejected is said, and why', () => {
    const { code, out, err } = packmill(['traffic', '--start', '2199-12-31T23:59:59Z', '--events', '500', '--users', '50', '--data', 'end'])
    expect([code, out]).toEqual([0, expect.stringMatching(/^\d+ events into \S+, 4\d\d rejected\n$/)])
    expect(err).toMatch(/^4\d\d lines were rejected at the door, the first with INVALID_TIME: ts is an integer/m)
  })

  test('a path that cannot be written is an error with a code', () => {
    const { code, err } = packmill(['traffic', '--out', 'no/such/folder.jsonl'])
    expect(code).toBe(1)
    expect(err).toMatch(/^ENOENT: .*\n {2}Look at the path/m)
  })
})
