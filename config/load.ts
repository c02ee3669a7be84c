// Resolves the configuration before anything starts. The only reader of process.env.
//
// Later wins: defaults, the YAML file, the environment, the command line (--set, --data). Whatever is wrong in any of them is an error, also
// where a later one would have hidden it: a wrong line in a file is a mistake even while it has no effect.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError } from './config-error.ts'
import { defaults } from './defaults.ts'
import { parseValue, type SettingValue } from './parse-value.ts'
import { readConfigFile } from './read-config-file.ts'
import type { Config } from './schema.ts'
import { type Setting, settings, valueAt } from './settings.ts'
import { suggest } from './suggest.ts'

export interface LoadOptions {
  /** `--config`; else PACKMILL_CONFIG, else `packmill.yaml` in the folder where there is one. */
  readonly file?: string
  /** `--set path=value`, in order. */
  readonly set?: readonly string[]
  /** `--data` */
  readonly data?: string
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** What relative paths start from; the working directory unless given. */
  readonly folder?: string
}

export interface LoadedConfig {
  readonly config: Config
  /** Setting → where its value comes from: `default`, `packmill.yaml:3`, a variable's name, `--set`, `--data`. */
  readonly origins: ReadonlyMap<string, string>
}

/** A value that somebody gave, before it is checked. */
export interface Given {
  readonly path: string
  readonly value: unknown
  readonly origin: string
}

/** Names that deployments of the first version of the product set. */
export const ALIASES: Readonly<Record<string, string>> = {
  KAFKA_BROKERS: 'kafka.brokers',
  CLICKHOUSE_URL: 'analytics.url',
  PORT: 'http.port',
  API_KEYS: 'http.apiKeys',
  SERVICE: 'service',
}
/** Variables of ours that are no settings. */
const OTHER_VARIABLES = new Set(['PACKMILL_CONFIG', 'PACKMILL_REQUIRE_ALL'])

const byPath = new Map(settings.map((setting) => [setting.path, setting]))
const byVariable = new Map(settings.map((setting) => [setting.variable, setting]))

/** Resolves and checks everything. Throws ConfigError (CONFIG_INVALID) for the first thing that is wrong. */
export function loadConfig(options: LoadOptions = {}): LoadedConfig {
  const environment = options.environment ?? process.env
  const folder = options.folder ?? process.cwd()
  const values = new Map<string, SettingValue>()
  const origins = new Map<string, string>()
  const take = ({ path, value, origin }: Given) => {
    const setting = byPath.get(path)
    // A group whose keys are all commented out is nothing, not a mistake.
    if (!setting && value === null && groupOf(path).length > 0) return
    if (!setting) throw unknownKey({ path, value, origin })
    const parsed = parseValue(setting, value)
    if ('allowed' in parsed) throw wrongValue(setting, value, origin, parsed.allowed)
    values.set(path, parsed.value)
    origins.set(path, origin)
  }

  for (const { path } of settings) take({ path, value: valueAt(defaults, path), origin: 'default' })
  for (const given of fromFile(options.file ?? environment.PACKMILL_CONFIG, folder)) take(given)
  for (const given of fromEnvironment(environment)) take(given)
  for (const given of fromCommandLine(options)) take(given)

  // An empty one says that there is no file.
  for (const { path, isPath } of settings)
    if (isPath && values.get(path) !== '') values.set(path, resolve(folder, values.get(path) as string))
  return { config: assemble(values), origins }
}

function fromFile(named: string | undefined, folder: string): Given[] {
  const name = named || 'packmill.yaml'
  let text: string
  try {
    text = readFileSync(resolve(folder, name), 'utf8')
  } catch (error) {
    if (!named && (error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new ConfigError(
      `the configuration file ${name} cannot be read: ${(error as Error).message}`,
      'Give --config a file that exists.',
      error,
    )
  }
  return readConfigFile(text, name)
}

function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): Given[] {
  const given: Given[] = []
  for (const [alias, path] of Object.entries(ALIASES)) {
    if (environment[alias]) given.push({ path, value: environment[alias], origin: alias })
  }
  // Our own names after the aliases: where both are set, the precise one wins.
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('PACKMILL_') || OTHER_VARIABLES.has(name) || !value) continue
    const setting = byVariable.get(name)
    if (!setting) {
      const near = suggest(name, byVariable.keys())
      throw new ConfigError(
        `the environment variable ${name} (${givenValue(name, value, byVariable.get(near ?? ''))}) names no setting${near ? `; did you mean ${near}?` : ''}`,
        'Unset it, or use a name that `packmill config` prints.',
      )
    }
    given.push({ path: setting.path, value, origin: name })
  }
  return given
}

function fromCommandLine({ set = [], data }: LoadOptions): Given[] {
  const given = set.map((text) => {
    const equals = text.indexOf('=')
    if (equals < 1) throw new ConfigError(`--set ${text} is not path=value`, 'Write it as in --set clickstream.gapMs=30000.')
    return { path: text.slice(0, equals).trim(), value: text.slice(equals + 1).trim(), origin: '--set' }
  })
  return data === undefined ? given : [...given, { path: 'data', value: data, origin: '--data' }]
}

/** The settings below a path. */
function groupOf(path: string): string[] {
  return settings.filter((setting) => setting.path.startsWith(`${path}.`)).map((setting) => setting.path)
}

/** A mistyped name of a secret is no setting that would know it for one. */
const SECRET = /passw|passphrase|secret|token|key|credential/i

const shownValue = (value: unknown) => (typeof value === 'string' ? `'${value}'` : JSON.stringify(value))

/** Of what is no setting; `near`: the one that was perhaps meant. */
const givenValue = (name: string, value: unknown, near: Setting | undefined) =>
  SECRET.test(name) || near?.secret ? 'a value' : `value ${shownValue(value)}`

function unknownKey({ path, value, origin }: Given): ConfigError {
  const within = groupOf(path)
  const near = within.length > 0 ? undefined : suggest(path, byPath.keys())
  const given = `${path} (${origin}, ${givenValue(path, value, byPath.get(near ?? ''))})`
  if (within.length > 0) return new ConfigError(`${given} is a group of settings, not one; it has ${within.join(', ')}`)
  const group = path.slice(0, path.lastIndexOf('.') + 1)
  const peers = [...byPath.keys()].filter((known) => group !== '' && known.startsWith(group))
  const help = near ? `did you mean ${near}?` : peers.length > 0 ? `there are ${peers.join(', ')}` : '`packmill config` lists all'
  return new ConfigError(`${given} is no setting; ${help}`)
}

function wrongValue(setting: Setting, value: unknown, origin: string, allowed: string): ConfigError {
  const shown = setting.secret ? 'a value' : shownValue(value)
  return new ConfigError(`${setting.path} (${origin}) is ${shown}; it must be ${allowed}`)
}

function assemble(values: ReadonlyMap<string, SettingValue>): Config {
  const config: Record<string, unknown> = {}
  for (const [path, value] of values) {
    const names = path.split('.')
    const last = names.pop()!
    let node = config
    for (const name of names) node = (node[name] ??= {}) as Record<string, unknown>
    node[last] = Array.isArray(value) ? Object.freeze(value) : value
  }
  return deepFreeze(config) as Config
}

function deepFreeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) if (typeof child === 'object') deepFreeze(child)
  return Object.freeze(value)
}
