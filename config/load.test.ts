import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigError } from './config-error.ts'
import { defaults } from './defaults.ts'
import { requireEmbedded } from './embedded-only.ts'
import { ALIASES, type LoadOptions, loadConfig } from './load.ts'
import { settings } from './settings.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-config-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const load = (options: LoadOptions & { yaml?: string } = {}) => {
  const { yaml, ...rest } = options
  if (yaml !== undefined) writeFileSync(join(folder, 'packmill.yaml'), yaml)
  return loadConfig({ environment: {}, folder, ...rest })
}
const failure = (options: LoadOptions & { yaml?: string }): ConfigError => {
  try {
    load(options)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return error as ConfigError
  }
  throw new Error('nothing was thrown')
}

describe('what wins', () => {
  test('nothing given: the defaults, with the data folder made absolute', () => {
    const { config, origins } = load()
    expect(config).toEqual({ ...defaults, data: join(folder, '.packmill') })
    expect(new Set(origins.values())).toEqual(new Set(['default']))
    expect([...origins.keys()]).toEqual(settings.map((setting) => setting.path))
  })

  test('file over default, environment over file, --set over environment, the last --set over the first', () => {
    const yaml = 'clickstream:\n  gapMs: 1000\n  backtrackMs: 1000\n  snapshotMs: 1000\n  rage:\n    withinMs: 700\n'
    const environment = { PACKMILL_CLICKSTREAM_BACKTRACK_MS: '2000', PACKMILL_CLICKSTREAM_SNAPSHOT_MS: '2000' }
    const { config, origins } = load({ yaml, environment, set: ['clickstream.snapshotMs=3000', 'clickstream.snapshotMs=4s'] })
    expect(config.clickstream).toMatchObject({ gapMs: 1000, backtrackMs: 2000, snapshotMs: 4000, rage: { clicks: 3, withinMs: 700 } })
    expect(Object.fromEntries(origins)).toMatchObject({
      'clickstream.gapMs': 'packmill.yaml:2',
      'clickstream.rage.withinMs': 'packmill.yaml:6',
      'clickstream.rage.clicks': 'default',
      'clickstream.backtrackMs': 'PACKMILL_CLICKSTREAM_BACKTRACK_MS',
      'clickstream.snapshotMs': '--set',
    })
  })

  test('--data wins over --set data', () => {
    const { config, origins } = load({ set: ['data=/a'], data: '/b' })
    expect([config.data, origins.get('data')]).toEqual(['/b', '--data'])
  })

  test('--config names the file, PACKMILL_CONFIG does where it is absent', () => {
    writeFileSync(join(folder, 'a.yaml'), 'logLevel: error')
    writeFileSync(join(folder, 'b.yaml'), 'logLevel: debug')
    expect(load({ file: 'a.yaml', environment: { PACKMILL_CONFIG: 'b.yaml' } }).origins.get('logLevel')).toBe('a.yaml:1')
    expect(load({ environment: { PACKMILL_CONFIG: 'b.yaml' } }).config.logLevel).toBe('debug')
  })

  test('a variable of ours wins over the alias for the same setting', () => {
    const environment = { PORT: '1', PACKMILL_HTTP_PORT: '2' }
    expect(load({ environment }).config.http.port).toBe(2)
  })

  test('empty variables are not set', () => {
    expect(load({ environment: { PORT: '', PACKMILL_LOG_LEVEL: '' } }).config).toMatchObject({ logLevel: 'info', http: { port: 3000 } })
  })

  test('an alias twice, side by side: it stands for the same in both places', () => {
    const { config } = load({ yaml: 'clickstream: &a\n  gapMs: &gap 20m\n  backtrackMs: *gap\n  snapshotMs: *gap\n' })
    expect(config.clickstream).toMatchObject({ gapMs: 1_200_000, backtrackMs: 1_200_000, snapshotMs: 1_200_000 })
  })

  test('the result cannot be changed', () => {
    const { config } = load()
    expect(() => Object.assign(config.clickstream.rage, { clicks: 9 })).toThrow(TypeError)
    expect(() => (config.kafka.brokers as string[]).push('x')).toThrow(TypeError)
  })

  test.each(['', '# nothing but a remark\n', '---\n', 'clickstream:\n  # gapMs: 5\n'])('the file %j changes nothing', (yaml) => {
    expect(load({ yaml }).config.clickstream).toEqual(defaults.clickstream)
  })
})

describe('every setting', () => {
  test.each(settings.map((setting) => [setting.path, setting] as const))(
    '%s has a description, a variable of its own and a default within its limits',
    (path, setting) => {
      expect(setting.description).not.toBe('')
      const value = load().config
      const given = path.split('.').reduce<unknown>((node, name) => (node as Record<string, unknown>)[name], value)
      const text = Array.isArray(given) ? given.join(',') : String(given)
      if (text === '') return
      expect(load({ environment: { [setting.variable]: text } }).origins.get(path)).toBe(setting.variable)
      expect(load({ set: [`${path}=${text}`] }).config).toEqual(value)
    },
  )

  test('no two share a variable', () => {
    expect(new Set(settings.map((setting) => setting.variable)).size).toBe(settings.length)
  })

  test.each(Object.entries(ALIASES))('%s is %s', (alias, path) => {
    const value = path === 'http.port' ? '4000' : path === 'service' ? 'all' : 'a'
    expect(load({ environment: { [alias]: value } }).origins.get(path)).toBe(alias)
  })
})

describe('what is wrong is named: key, value, place, what is allowed', () => {
  const near = 'did you mean'
  test.each<[string, LoadOptions & { yaml?: string }, string]>([
    [
      'a number beyond its limit',
      { set: ['clickstream.correctionMs=8d'] },
      "clickstream.correctionMs (--set) is '8d'; it must be a whole number of ms from 0 to 604800000 (7d), also written as 250ms, 20s, 30m, 12h or 7d",
    ],
    [
      'a number that is none',
      { yaml: 'engine:\n  lanes: two\n' },
      "engine.lanes (packmill.yaml:2) is 'two'; it must be a whole number from 0 to 256",
    ],
    [
      'a size in units of time',
      { set: ['engine.cacheBytes=30m'] },
      "engine.cacheBytes (--set) is '30m'; it must be a whole number of bytes from 16777216 (16MB) to 274877906944 (256GB), also written as 64KB, 128MB or 2GB",
    ],
    [
      'a list for a number',
      { yaml: 'clickstream:\n  gapMs: [1]\n' },
      'clickstream.gapMs (packmill.yaml:2) is [1]; it must be a whole number of ms',
    ],
    [
      'nothing for a number',
      { yaml: 'clickstream:\n  gapMs:\n' },
      'clickstream.gapMs (packmill.yaml:2) is null; it must be a whole number of ms',
    ],
    [
      'a word for a switch',
      { environment: { PACKMILL_SINK_FSYNC: 'yes' } },
      "sink.fsync (PACKMILL_SINK_FSYNC) is 'yes'; it must be true or false",
    ],
    ['no choice', { set: ['logLevel=loud'] }, "logLevel (--set) is 'loud'; it must be one of silent, error, warn, info, debug"],
    ['an empty text', { set: ['data='] }, "data (--set) is ''; it must be a text that is not empty"],
    [
      'an alias with a wrong value',
      { environment: { PORT: 'http' } },
      "http.port (PORT) is 'http'; it must be a whole number from 0 to 65535",
    ],
    ['an unknown key', { set: ['clickstream.gapms=1'] }, `clickstream.gapms (--set, value '1') is no setting; ${near} clickstream.gapMs?`],
    ['the last part alone', { set: ['gapMs=1'] }, `gapMs (--set, value '1') is no setting; ${near} clickstream.gapMs?`],
    [
      'an unknown key near nothing',
      { yaml: 'log:\n  zzz: 1\n' },
      'log.zzz (packmill.yaml:2, value 1) is no setting; there are log.partitions, log.journalBytes',
    ],
    ['an unknown group', { yaml: 'zzz: [1, a]\n' }, 'zzz (packmill.yaml:1, value [1,"a"]) is no setting; `packmill config` lists all'],
    ['a key that objects have', { yaml: '__proto__:\n  polluted: 1\n' }, '__proto__.polluted (packmill.yaml:2, value 1) is no setting'],
    [
      'a group for a setting',
      { set: ['clickstream.rage=3'] },
      "clickstream.rage (--set, value '3') is a group of settings, not one; it has clickstream.rage.profile",
    ],
    ['a setting for a group', { yaml: 'logLevel:\n  level: 1\n' }, 'logLevel.level (packmill.yaml:2, value 1) is no setting'],
    [
      'an unknown variable',
      { environment: { PACKMILL_ENGINE_LANE: '2' } },
      `PACKMILL_ENGINE_LANE (value '2') names no setting; ${near} PACKMILL_ENGINE_LANES?`,
    ],
    ['no equals sign', { set: ['logLevel'] }, '--set logLevel is not path=value'],
    ['a file that is not there', { file: 'none.yaml' }, 'the configuration file none.yaml cannot be read: ENOENT'],
    ['a file that is no YAML', { yaml: 'log:\n  partitions: [1\n' }, 'packmill.yaml:3 is not valid YAML'],
    ['a key twice', { yaml: 'logLevel: info\nlogLevel: warn\n' }, 'packmill.yaml:2 is not valid YAML'],
    [
      'an alias in what it stands for',
      { yaml: 'clickstream: &a\n  gapMs: 30m\n  x: *a\n' },
      'packmill.yaml:3 has the alias *a, which contains itself',
    ],
    [
      'an alias further down in what it stands for',
      { yaml: 'log: &a\n  b: &b\n    c: *a\n' },
      'packmill.yaml:3 has the alias *a, which contains itself',
    ],
    ['a file that is a list', { yaml: '- 1\n' }, 'packmill.yaml must hold settings as key: value'],
    [
      'a wrong value that something later would hide',
      { yaml: 'logLevel: loud\n', set: ['logLevel=info'] },
      "logLevel (packmill.yaml:1) is 'loud'",
    ],
  ])('%s', (_, options, message) => {
    const error = failure(options)
    expect(error.message).toContain(message)
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', retryable: false })
    expect(error.advice).not.toBe('')
  })

  test('a secret is never part of a message', () => {
    const { message } = failure({ yaml: 'http:\n  apiKeys: [hunter2, 5]\n' })
    expect(message).toContain('http.apiKeys (packmill.yaml:2) is a value; it must be')
    expect(message).not.toContain('hunter2')
  })

  test.each<[LoadOptions, string]>([
    [{ set: ['kafka.password=hunter2'] }, 'kafka.password (--set, a value) is no setting'],
    [{ set: ['kafka.sasl.pasword=hunter2'] }, 'kafka.sasl.pasword (--set, a value) is no setting; did you mean kafka.sasl.password?'],
    [{ set: ['http.apiKeys.first=hunter2'] }, 'http.apiKeys.first (--set, a value) is no setting'],
    [{ set: ['upstream.authToken=hunter2'] }, 'upstream.authToken (--set, a value) is no setting'],
    [{ set: ['kafka.clientSecret=hunter2'] }, 'kafka.clientSecret (--set, a value) is no setting'],
    [{ environment: { PACKMILL_KAFKA_SASL_PASWORD: 'hunter2' } }, 'PACKMILL_KAFKA_SASL_PASWORD (a value) names no setting'],
    [{ environment: { PACKMILL_SECRET: 'hunter2' } }, 'PACKMILL_SECRET (a value) names no setting'],
  ])('nor is what is perhaps one, under a name that is no setting: %j', (options, expected) => {
    const { message } = failure(options)
    expect(message).toContain(expected)
    expect(message).not.toContain('hunter2')
  })
})

describe('what this version cannot do is refused by commands that touch data, not ignored', () => {
  test.each([
    [
      'CLICKHOUSE_URL',
      'http://localhost:8123',
      "analytics.url (CLICKHOUSE_URL) is 'http://localhost:8123', but ClickHouse over HTTP is not in this version",
    ],
    ['SERVICE', 'ingest', "service (SERVICE) is 'ingest', but running a part of the program alone is not in this version"],
  ])('%s=%s', (name, value, message) => {
    const loaded = load({ environment: { [name]: value } })
    expect(() => requireEmbedded(loaded)).toThrow(message)
  })

  test('the defaults are accepted, and so are brokers, a port and keys that nobody checks yet', () => {
    expect(() => requireEmbedded(load({ environment: { KAFKA_BROKERS: 'localhost:9092', PORT: '4000', API_KEYS: 'a,b' } }))).not.toThrow()
  })
})
