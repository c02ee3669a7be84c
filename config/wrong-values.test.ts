// Every setting, given wrong values of every kind that it can be wrong in: each is refused before anything starts, by an error with the setting, the value
// and what is allowed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConfigError } from './config-error.ts'
import { requireEmbedded } from './embedded-only.ts'
import { kafkaSettings } from './kafka-settings.ts'
import { loadConfig } from './load.ts'
import { formatNumber } from './parse-value.ts'
import { type Setting, settings } from './settings.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-config-'))
  writeFileSync(join(folder, 'ca.pem'), '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n')
  writeFileSync(join(folder, 'key.pem'), '-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n')
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What a start says of one value, as a file gives it; `others`: settings that are right. */
function refusal(path: string, value: unknown, others: readonly string[] = []): ConfigError {
  const file = join(folder, 'packmill.yaml')
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(path.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value)))
  try {
    const loaded = loadConfig({ environment: {}, folder, file, set: others })
    requireEmbedded(loaded)
    kafkaSettings(loaded)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return error as ConfigError
  }
  throw new Error(`${path} took ${JSON.stringify(value)}`)
}

const range = (setting: Setting) => `from ${formatNumber(setting, setting.minimum)} to ${formatNumber(setting, setting.maximum)}`

/** Wrong by its kind: values, and what the error says is allowed. */
function wrongOf(setting: Setting): { values: unknown[]; allowed: string } {
  const { kind, minimum, maximum, choices, minLength, unit } = setting
  const others = [null, [[]]]
  switch (kind) {
    case 'integer': {
      const units = unit === 'ms' ? ['1 fortnight', '64KB'] : unit === 'bytes' ? ['1 heap', '30m'] : ['30m', '64KB']
      return { values: [minimum - 1, maximum + 1, minimum + 0.5, 'many', true, ...units, ...others], allowed: range(setting) }
    }
    case 'number':
      return { values: [minimum - 1, maximum + 1, 'many', '1e3', true, ...others], allowed: `from ${minimum} to ${maximum}` }
    case 'boolean':
      return { values: ['yes', 'TRUE', '', 1, 0, ...others], allowed: 'true or false' }
    case 'choice':
      return { values: ['', 'none of them', choices[0].toUpperCase(), 1, true, ...others], allowed: `one of ${choices.join(', ')}` }
    case 'string':
      return { values: [5, true, ...(minLength > 0 ? [''] : []), ...others], allowed: 'a text' }
    case 'list':
      return { values: [5, true, [''], ['a', 5], ...others], allowed: 'texts, as a list or separated by commas' }
  }
}

const shown = (value: unknown) => (typeof value === 'string' ? `'${value}'` : JSON.stringify(value))

test.each(settings.map((setting) => [setting.path, setting] as const))('%s: what is wrong by its kind is refused', (path, setting) => {
  const { values, allowed } = wrongOf(setting)
  for (const value of values) {
    const { message, advice } = refusal(path, value)
    expect(message).toContain(`${path} (${join(folder, 'packmill.yaml')}:1) is ${setting.secret ? 'a value' : shown(value)}; it must be `)
    expect(message).toContain(allowed)
    expect(advice).not.toBe('')
  }
})

const numbers = settings.filter(({ kind }) => kind === 'integer' || kind === 'number')
test.each(numbers.map(({ path, minimum, maximum }) => [path, minimum, maximum]))('%s has bounds: %d and %d', (_, minimum, maximum) => {
  expect(minimum).toBeGreaterThan(Number.MIN_SAFE_INTEGER)
  expect(maximum).toBeLessThan(Number.MAX_SAFE_INTEGER)
})

const brokers = 'kafka.brokers=kafka-1:9092'
const tls = 'kafka.tls.enabled=true'
const long = 'x'.repeat(300)

/** Texts that are texts, and wrong: the value, what is in the message, what is in the advice. */
const TEXTS: Record<string, [value: unknown, message: string, advice: string, ...others: string[]][]> = {
  'kafka.brokers': [[['kafka-1'], "has 'kafka-1'; each must be host:port", 'kafka-1:9092']],
  'kafka.topicPrefix': [
    ['our topics', "is 'our topics'", 'up to 100 letters, digits, dots, dashes and underscores', brokers],
    [long, `is '${long}'`, 'up to 100 letters', brokers],
  ],
  'kafka.groupInstanceId': [
    ['a b', "is 'a b'", 'up to 249 letters, digits, dots, dashes and underscores', brokers],
    [long, `is '${long}'`, 'up to 249 letters', brokers],
  ],
  'kafka.tls.ca': [
    ['none.pem', 'none.pem', 'a file that exists', brokers, tls],
    ['key.pem', 'key.pem, which is not PEM', 'BEGIN CERTIFICATE', brokers, tls],
  ],
  'kafka.tls.cert': [
    ['none.pem', 'none.pem', 'a file that exists', brokers, tls, 'kafka.tls.key=key.pem'],
    ['key.pem', 'key.pem, which is not PEM', 'BEGIN CERTIFICATE', brokers, tls, 'kafka.tls.key=key.pem'],
  ],
  'kafka.tls.key': [
    ['none.pem', 'none.pem', 'a file that exists', brokers, tls, 'kafka.tls.cert=ca.pem'],
    ['ca.pem', 'ca.pem, which is not PEM', 'BEGIN … KEY', brokers, tls, 'kafka.tls.cert=ca.pem'],
  ],
  'kafka.sasl.username': [['', 'is empty', 'as the broker knows it', brokers, 'kafka.sasl.mechanism=plain', 'kafka.sasl.password=p']],
  'kafka.sasl.password': [['', 'is empty', 'as the broker knows it', brokers, 'kafka.sasl.mechanism=plain', 'kafka.sasl.username=u']],
  'analytics.url': [['http://localhost:8123', "is 'http://localhost:8123'", 'Unset it']],
}
/** Any text will do, or the file system says what is wrong with it (stores/files). */
const FREE = ['data', 'clickstream.rage.ignore.kinds', 'clickstream.rage.ignore.texts', 'http.apiKeys']

test('of every setting that takes texts it is said which are wrong', () => {
  const texts = settings.filter(({ kind }) => kind === 'string' || kind === 'list').map(({ path }) => path)
  expect([...Object.keys(TEXTS), ...FREE].sort()).toEqual(texts.sort())
})

test.each(
  Object.entries(TEXTS).flatMap(([path, cases]) =>
    cases.map(([value, ...rest]) => [path, JSON.stringify(value).slice(0, 40), value, rest] as const),
  ),
)('%s: %s is refused', (path, _, value, [wrong, instead, ...others]) => {
  const { message, advice } = refusal(path, value, others)
  expect(message).toContain(`${path} (${join(folder, 'packmill.yaml')}:1) `)
  expect(message).toContain(wrong)
  expect(advice).toContain(instead)
})
